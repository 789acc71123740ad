"""A made-up block with an anchor in it, as bytes: a header, a trie of receipts, one event."""

from functools import cache

from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import Item, encode, number
from rapha.proof.anchor.trie import Trie
from rapha.proof.anchor.verify import ANCHORED, origin_id
from rapha.records.anchor import AnchorProof

CONTRACT = "0x" + "a7" * 20
BLOCK = 71_000_000


@cache
def anchored(
    origin: str, size: int, root: bytes, transactions: int = 20, place: int = 7, done: bool = True
) -> tuple[AnchorProof, bytes]:
    """The proof, and the hash of its block."""
    event: list[Item] = [bytes.fromhex(CONTRACT[2:]), [ANCHORED, origin_id(origin), size.to_bytes(32, "big")], root]
    other: list[Item] = [b"\x0b" * 20, [keccak256(b"Other()")], b""]
    receipts = {at: receipt(at, [other]) for at in range(transactions)}
    receipts[place] = receipt(place, [other, event], done)
    trie = Trie({encode(number(at)): data for at, data in receipts.items()})
    header = encode([b"\x11" * 32] * 5 + [trie.root, bytes(256), b"", number(BLOCK)] + [b"\x05"] * 11)
    proof = AnchorProof(
        format="rapha-anchor-v1",
        origin=origin,
        size=size,
        root="0x" + root.hex(),
        contract=CONTRACT,
        header="0x" + header.hex(),
        transaction=place,
        branch=tuple("0x" + node.hex() for node in trie.branch(encode(number(place)))),
        event=1,
    )
    return proof, keccak256(header)


def receipt(place: int, events: list[Item], done: bool = True) -> bytes:
    """Of type 2, the one that wallets send today; every third of the old kind without a type."""
    status = b"\x01" if done else b""
    return (b"" if place % 3 == 0 else b"\x02") + encode([status, number(21_000 * (place + 1)), bytes(256), events])
