"""What a reader of an anchor hands in: a file, a block hash, an address. Pure; every fault is one sentence."""

import re

from rapha.errors import ConfigurationError, Unproven
from rapha.records.anchor import AnchorProof

MAX_PROOF_BYTES = 1 << 20


def read_proof(data: bytes) -> AnchorProof:
    """An anchor's proof. Nothing is verified yet.

    Raises:
        Unproven: it is no such record.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise Unproven(f"the anchor's proof has more than {MAX_PROOF_BYTES} bytes")
    try:
        return AnchorProof.from_bytes(data)
    except ValueError:
        raise Unproven("this is not the proof of an anchor in the form rapha-anchor-v1") from None


def read_block_hash(text: str) -> bytes:
    """32 bytes. Raises ConfigurationError where it is not 0x and 64 hex digits."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{64}", text):
        raise ConfigurationError("--block-hash is 0x and 64 hex digits")
    return bytes.fromhex(text[2:])


def read_address(text: str) -> str:
    """An address in lower case. Raises ConfigurationError where it is not 0x and 40 hex digits."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise ConfigurationError("an address is 0x and 40 hex digits")
    return text.lower()
