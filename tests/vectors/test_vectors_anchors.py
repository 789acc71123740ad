"""Proofs of anchors, and a deposit with its voucher, as golden files: what holds, what does not, and why."""

import json
from pathlib import Path
from typing import Any

import anchor_samples
import pytest

from rapha.errors import Unproven
from rapha.proof.anchor.files import read_address, read_block_hash, read_proof
from rapha.proof.anchor.verify import Anchored, check_anchor
from rapha.proof.escrow.deposit import deposit_id, voucher_hash
from rapha.proof.escrow.voucher import check_voucher, entry_of, read_voucher
from rapha.records.study import Study

HERE = Path(__file__).resolve().parent
EXPECTED: dict[str, Any] = json.loads((HERE / "anchors" / "expected.json").read_bytes())


def judged(name: str) -> Anchored:
    case = json.loads((HERE / "anchors" / f"{name}.json").read_bytes())
    proof = read_proof(json.dumps(case["proof"]).encode())
    return check_anchor(proof, read_block_hash(case["block_hash"]), read_address(case["contract"]))


@pytest.mark.parametrize("name", anchor_samples.GOOD)
def test_a_good_proof_shows_what_was_anchored(name: str) -> None:
    shown = judged(name)
    found = {"origin": shown.origin, "size": shown.size, "root": "0x" + shown.root.hex(), "block": shown.block}
    assert found == EXPECTED[name]["shown"]


@pytest.mark.parametrize("name", anchor_samples.WRONG)
def test_a_wrong_proof_shows_nothing_and_why(name: str) -> None:
    with pytest.raises(Unproven) as refused:
        judged(name)
    assert EXPECTED[name]["refused"] in str(refused.value)


def test_a_voucher_leads_to_the_golden_hashes() -> None:
    said = read_voucher((HERE / "escrow" / "voucher.json").read_bytes())
    hashes = json.loads((HERE / "escrow" / "hashes.json").read_bytes())
    check_voucher(said)
    assert Study.from_bytes((HERE / "escrow" / "study.json").read_bytes()).digest == said.deposit.study
    assert "0x" + deposit_id(said.deposit).hex() == hashes["deposit_id"]
    assert "0x" + voucher_hash(said.deposit, bytes.fromhex(said.receipt[2:])).hex() == hashes["voucher_hash"]
    assert entry_of(said).decode() == hashes["entry"]
