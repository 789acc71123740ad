"""From what a chain's node answers to the proof of an anchor. Pure; nothing of it is believed: the proof is checked before it is given.

The answers are JSON as the Ethereum JSON-RPC has it: numbers and bytes as hex texts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rapha.errors import Unproven
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import Item, encode, number
from rapha.proof.anchor.trie import Trie
from rapha.proof.anchor.verify import ANCHORED, check_anchor, origin_id
from rapha.records.anchor import AnchorProof

_BYTES = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")
_NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
_MORE_BYTES = ("extraData", "mixHash", "nonce")
_LATER = ("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash")
"""Fields that forks added, in that order; those that a chain has."""
_LATER_NUMBERS = {"baseFeePerGas", "blobGasUsed", "excessBlobGas"}

Answer = Mapping[str, Any]


def proof_of(
    origin: str, size: int, contract: str, block: Answer, receipts: Sequence[Answer], transaction: int
) -> AnchorProof:
    """The proof that this transaction of the block anchored origin and size in the contract.

    Raises:
        Unproven: it did not, or the answers do not fit the block's hash.
    """
    try:
        header, block_hash = header_of(block), _bytes(block["hash"])
        trie = Trie({encode(number(at)): receipt_of(receipt) for at, receipt in enumerate(receipts)})
        events = receipts[transaction]["logs"]
        topics = ["0x" + word.hex() for word in (ANCHORED, origin_id(origin), size.to_bytes(32, "big"))]
        event = next(at for at, log in enumerate(events) if log["address"] == contract and log["topics"] == topics)
        root = events[event]["data"]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        raise Unproven("the chain's node answered with something that is no block with its receipts") from None
    except StopIteration:
        raise Unproven("that transaction did not anchor this log at this size in this contract") from None
    if keccak256(header) != block_hash or trie.root != _bytes(block["receiptsRoot"]):
        raise Unproven("the chain's headers or receipts have a form that is not known here: no proof can be made")
    proof = AnchorProof(
        format="rapha-anchor-v1",
        origin=origin,
        size=size,
        root=root,
        contract=contract,
        header="0x" + header.hex(),
        transaction=transaction,
        branch=tuple("0x" + node.hex() for node in trie.branch(encode(number(transaction)))),
        event=event,
    )
    check_anchor(proof, block_hash, contract)
    return proof


def header_of(block: Answer) -> bytes:
    """The header in RLP (Yellow Paper, 4.3). Raises KeyError or ValueError where a field is missing or no hex."""
    fields: list[Item] = [_bytes(block[name]) for name in _BYTES]
    fields += [_number(block[name]) for name in _NUMBERS]
    fields += [_bytes(block[name]) for name in _MORE_BYTES]
    for name in _LATER:
        if block.get(name) is not None:
            fields.append(_number(block[name]) if name in _LATER_NUMBERS else _bytes(block[name]))
    return encode(fields)


def receipt_of(receipt: Answer) -> bytes:
    """A receipt as the trie holds it (EIP-658, EIP-2718). Raises as `header_of`."""
    events: list[Item] = [
        [_bytes(log["address"]), [_bytes(topic) for topic in log["topics"]], _bytes(log["data"])]
        for log in receipt["logs"]
    ]
    fields: list[Item] = [_number(receipt["status"]), _number(receipt["cumulativeGasUsed"])]
    return _number(receipt["type"]) + encode([*fields, _bytes(receipt["logsBloom"]), events])


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _number(text: str) -> bytes:
    return number(int(text, 16))
