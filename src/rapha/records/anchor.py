"""The proof that a log's root stands on a chain: what it says, and the bytes that show it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.record import Record

Hash32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{40}$")]
HexBytes = Annotated[str, StringConstraints(pattern=r"^0x([0-9a-f]{2})+$", max_length=64 << 10)]


class AnchorProof(Record):
    """Holds under one block hash, which it does not carry: the reader has that from a chain that they trust."""

    format: Literal["rapha-anchor-v1"]
    origin: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    size: Annotated[int, Field(strict=True, ge=1, lt=1 << 53)]
    root: Hash32
    contract: Address
    header: HexBytes
    """The block's header, RLP: its Keccak-256 is the block hash."""
    transaction: Annotated[int, Field(strict=True, ge=0, lt=1 << 20)]
    """Which of the block's transactions."""
    branch: Annotated[tuple[HexBytes, ...], Field(min_length=1, max_length=16)]
    """The nodes of the receipts' trie, from its root to that transaction's receipt."""
    event: Annotated[int, Field(strict=True, ge=0, lt=1 << 16)]
    """Which of that receipt's events."""
