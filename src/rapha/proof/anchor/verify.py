"""Does a log's root stand on a chain? One block hash that the reader trusts decides it, offline. Pure.

block hash  =  keccak(header)      the header names the root of the receipts' trie
trie root  ->  branch  ->  receipt of one transaction
receipt     =  status, ..., events; the one named was emitted by the contract and says origin, size and root
"""

import hashlib
from dataclasses import dataclass

from rapha.errors import Unproven
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import Item, decode, encode, number
from rapha.proof.anchor.trie import value_at
from rapha.records.anchor import AnchorProof

ANCHORED = keccak256(b"Anchored(bytes32,uint64,bytes32)")
"""What the first topic of the event is."""
RECEIPTS_ROOT, BLOCK_NUMBER, MIN_HEADER_FIELDS, MAX_HEADER_FIELDS = 5, 8, 15, 32
"""Places in a header (Yellow Paper, 4.3). Later forks and other chains add fields at its end."""
MAX_RECEIPT_TYPE = 0x7F


@dataclass(frozen=True)
class Anchored:
    """What was shown. `root`: 32 bytes."""

    origin: str
    size: int
    root: bytes
    block: int


def check_anchor(proof: AnchorProof, block_hash: bytes, contract: str) -> Anchored:
    """What this proof shows under a block hash and a contract's address (0x and 40 lower-case hex digits), both trusted.

    Raises:
        Unproven: it shows nothing.
    """
    # 1. The contract is the one that the reader knows: anybody can deploy another that says the same.
    if proof.contract != contract:
        raise Unproven(f"the anchor is in the contract {proof.contract}, not in {contract}")
    # 2. The header is the block's.
    header = _bytes(proof.header)
    if keccak256(header) != block_hash:
        raise Unproven("the header is not that of the block whose hash you gave")
    receipts_root, block = _header(decode(header))
    # 3. The receipt is in that block, and its transaction was carried out.
    key = encode(number(proof.transaction))
    events = _events(value_at(receipts_root, key, [_bytes(node) for node in proof.branch]))
    # 4. The event is the contract's, and says just this.
    if proof.event >= len(events) or events[proof.event] != _said(proof):
        raise Unproven("that transaction's event is not the contract's word for this origin, size and root")
    return Anchored(proof.origin, proof.size, _bytes(proof.root), block)


def origin_id(origin: str) -> bytes:
    """What stands for a log's name on the chain: its SHA-256."""
    return hashlib.sha256(origin.encode()).digest()


def _said(proof: AnchorProof) -> Item:
    """The event, as a receipt holds it: address, topics, data."""
    topics: list[Item] = [ANCHORED, origin_id(proof.origin), proof.size.to_bytes(32, "big")]
    return [_bytes(proof.contract), topics, _bytes(proof.root)]


def _header(header: Item) -> tuple[bytes, int]:
    if not isinstance(header, list) or not MIN_HEADER_FIELDS <= len(header) <= MAX_HEADER_FIELDS:
        raise Unproven("this is not a block's header")
    root, block = header[RECEIPTS_ROOT], header[BLOCK_NUMBER]
    if not isinstance(root, bytes) or not isinstance(block, bytes) or len(root) != 32 or len(block) > 8:
        raise Unproven("this is not a block's header")
    return root, int.from_bytes(block, "big")


def _events(receipt: bytes) -> list[Item]:
    """The events of a receipt (EIP-658, with EIP-2718's type before it)."""
    typed = 0 < receipt[0] <= MAX_RECEIPT_TYPE
    fields = decode(receipt[1:] if typed else receipt)
    if not isinstance(fields, list) or len(fields) != 4 or not isinstance(fields[3], list):
        raise Unproven("this is not a transaction's receipt")
    if fields[0] != b"\x01":
        raise Unproven("that transaction was not carried out")
    return fields[3]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
