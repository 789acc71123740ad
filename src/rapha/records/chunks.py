"""A large blob in pieces, as it travels: each piece is verified by itself, so that a cut line or a spoilt piece costs
that piece alone. The blob's address stays its SHA-256; BLAKE3 is of the transport (docs/adr/0003-sha-256-addresses.md).
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from rapha.records.record import Digest, Record

if TYPE_CHECKING:
    from blake3 import blake3

CHUNK_BYTES = 4 << 20
"""Every chunk but the last has so many bytes."""

RUN_CHUNKS = 8
"""So many chunks side by side go up in one request at most."""

Blake3 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Chunks(Record):
    """The pieces of a blob in order, each by the BLAKE3 of its bytes."""

    blob: Digest
    size_bytes: Annotated[int, Field(ge=0, le=1 << 50)]
    digests: Annotated[tuple[Blake3, ...], Field(max_length=200_000)]

    def span(self, number: int) -> tuple[int, int]:
        """Where chunk `number` begins and ends in the blob, in bytes."""
        return number * CHUNK_BYTES, min((number + 1) * CHUNK_BYTES, self.size_bytes)


class Upload(Record):
    """How far an upload has come: the first chunk that is still wanted, or all of it is here."""

    next_chunk: Annotated[int, Field(ge=0)]
    complete: bool = False


def number_of_chunks(size_bytes: int) -> int:
    """Rounded up."""
    return -(-size_bytes // CHUNK_BYTES)


def chunk_digest(data: bytes | bytearray | memoryview) -> str:
    """BLAKE3 in hex."""
    return chunk_hash(data).hexdigest()


def chunk_hash(data: bytes | bytearray | memoryview = b"") -> "blake3":
    """BLAKE3 of these bytes, to go on with."""
    from blake3 import blake3

    return blake3(data)
