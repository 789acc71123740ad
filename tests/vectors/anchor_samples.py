"""Proofs of anchors for other implementations: good ones, and one for each way in which one can be wrong.

Each file is what a verifier is given: the proof, and the block hash and contract that the reader trusts.
"""

import json
from collections.abc import Callable
from typing import Any

import small_chain
from small_log import ORIGIN

Case = dict[str, Any]
SIZE, ROOT = 4711, bytes(range(32))


def good(transactions: int = 20, place: int = 7, done: bool = True) -> Case:
    proof, block_hash = small_chain.anchored(ORIGIN, SIZE, ROOT, transactions, place, done)
    return {"block_hash": "0x" + block_hash.hex(), "contract": proof.contract, "proof": json.loads(proof.as_bytes())}


def edited(change: Callable[[Case], object]) -> Case:
    case = good()
    change(case)
    return case


def flipped(text: str, at: int) -> str:
    """Hex with one digit changed."""
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def proof(**fields: Any) -> Case:
    return edited(lambda case: case["proof"].update(fields))


OTHER_CONTRACT = "0x" + "b8" * 20
SHOWN = {"origin": ORIGIN, "size": SIZE, "root": "0x" + ROOT.hex(), "block": small_chain.BLOCK}
GOOD = {
    "good": good(),
    "good-receipt-without-a-type": good(place=6),
    "good-the-only-transaction": good(transactions=1, place=0),
    "good-among-many": good(transactions=300, place=299),
}
_PROOF = good()["proof"]
WRONG: dict[str, tuple[Case, str]] = {
    "another-block": (edited(lambda case: case.update(block_hash=flipped(case["block_hash"], 9))), "header is not that of the block"),
    "another-contract-is-trusted": (edited(lambda case: case.update(contract=OTHER_CONTRACT)), "not in 0x"),
    "another-contract-spoke": (
        edited(lambda case: (case.update(contract=OTHER_CONTRACT), case["proof"].update(contract=OTHER_CONTRACT))),
        "not the contract's word",
    ),
    "header-edited": (proof(header=flipped(_PROOF["header"], 20)), "header is not that of the block"),
    "header-with-more-behind-it": (proof(header=_PROOF["header"] + "00"), "header is not that of the block"),
    "transaction-failed": (good(done=False), "was not carried out"),
    "another-transaction": (proof(transaction=8), "branch"),
    "another-event": (proof(event=0), "not the contract's word"),
    "no-such-event": (proof(event=2), "not the contract's word"),
    "branch-cut-short": (proof(branch=_PROOF["branch"][:-1]), "not the one that the node above names"),
    "branch-node-edited": (proof(branch=[flipped(_PROOF["branch"][0], 40), *_PROOF["branch"][1:]]), "not the one that the node above names"),
    "branch-node-too-many": (proof(branch=[*_PROOF["branch"], _PROOF["branch"][-1]]), "nothing leads to"),
    "branch-upside-down": (proof(branch=_PROOF["branch"][::-1]), "not the one that the node above names"),
    "another-size": (proof(size=SIZE + 1), "not the contract's word"),
    "another-root": (proof(root=flipped(_PROOF["root"], 9)), "not the contract's word"),
    "another-log": (proof(origin=ORIGIN + "-2"), "not the contract's word"),
    "field-missing": (edited(lambda case: case["proof"].pop("event")), "not the proof of an anchor"),
    "field-unknown": (proof(chain=137), "not the proof of an anchor"),
    "upper-case": (proof(root=_PROOF["root"].upper().replace("0X", "0x")), "not the proof of an anchor"),
    "number-as-text": (proof(size=str(SIZE)), "not the proof of an anchor"),
    "another-format": (proof(format="rapha-anchor-v2"), "not the proof of an anchor"),
}  # fmt: skip


def files() -> dict[str, object]:
    """Name -> what is written as JSON."""
    cases: dict[str, object] = {**GOOD, **{name: case for name, (case, _) in WRONG.items()}}
    expected = {
        **{name: {"shown": SHOWN} for name in GOOD},
        **{name: {"refused": said} for name, (_, said) in WRONG.items()},
    }
    return {**cases, "expected": expected}
