"""Many receipts are shared out over processes, and nothing about the verdicts tells."""

import os

import pytest
from many_receipts import write_folder

from rapha.errors import Unproven
from rapha.proof.verify import ModelFolder, judge
from rapha.sdk import judging
from rapha.sdk.folder import read_folder
from rapha.sdk.judging import MANY, judge_folder

HOSPITALS = MANY + 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Seventy hospitals: one receipt was changed, another's figures are missing."""
    path = tmp_path_factory.mktemp("many") / "model"
    pinned = write_folder(path, HOSPITALS)
    changed = path / "receipts" / "hospital-0003.json"
    changed.write_bytes(changed.read_bytes().replace(b'"logIndex":"4"', b'"logIndex":"5"', 1))
    (path / "metrics" / "hospital-0041.json").unlink()
    return read_folder(path, pinned)


def test_verdicts_and_their_order_are_those_of_one_process(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = judge(folder)
    named = [f"receipts/hospital-{number:04d}.json" for number in range(HOSPITALS)]
    assert [verdict.subject for verdict in alone] == [*named, "receipts/aggregation.json"]
    assert [verdict.subject for verdict in alone if not verdict.ok] == [
        "receipts/hospital-0003.json",
        "receipts/hospital-0041.json",
    ]
    monkeypatch.setattr(judging, "judge", unreachable)
    assert judge_folder(folder, processes=2) == alone


def test_few_are_judged_in_this_process(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ModelFolder(
        folder.digests, dict(list(folder.receipts.items())[:MANY]), folder.certified, folder.study, folder.keys, None
    )
    monkeypatch.setattr(judging, "ProcessPoolExecutor", unreachable)
    assert judge_folder(few, processes=2) == judge(few)
    assert judge_folder(folder, processes=1) == judge(folder)


def test_a_process_that_dies_leaves_no_verdict(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "judge_sites", lambda *_: os._exit(9))
    with pytest.raises(Unproven, match="ended before it was done"):
        judge_folder(folder, processes=2)


def unreachable(*_: object) -> None:
    raise AssertionError("not this way")
