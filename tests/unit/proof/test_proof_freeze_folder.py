"""What a verdict makes of a freeze's witnesses, and of files below freezes/ that no receipt names."""

import json
from pathlib import Path

import pytest
from receipt_samples import OTHERS, folder

from rapha.proof.certified import certified_path
from rapha.proof.logged import NO_WITNESS
from rapha.proof.verify import judge
from rapha.records.receipt import Verdict
from rapha.sdk.folder import read_folder

FREEZE = "freezes/north.json"


def judged(files: dict[str, bytes], into: Path) -> dict[str, Verdict]:
    for path, data in files.items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        (into / path).write_bytes(data)
    return {verdict.subject: verdict for verdict in judge(read_folder(into))}


@pytest.mark.parametrize("path", [FREEZE, certified_path(FREEZE)])
def test_witnesses_have_to_have_seen_the_freeze_too(tmp_path: Path, path: str) -> None:
    files = folder(OTHERS["frozen"])
    value = json.loads(files[path])
    note = value["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    note["envelope"] = "".join(line for line in note["envelope"].splitlines(True) if "witness" not in line)
    files[path] = json.dumps(value).encode()
    verdicts = judged(files, tmp_path)
    assert verdicts["receipts/north.json"].ok and NO_WITNESS in verdicts["receipts/north.json"].not_shown
    assert NO_WITNESS not in verdicts["receipts/south.json"].not_shown


def test_a_file_that_no_receipt_names_is_not_covered(tmp_path: Path) -> None:
    files = folder(OTHERS["frozen"]) | {"freezes/zeta.json": b"not even json"}
    (said,) = [one for one in judged(files, tmp_path)["receipts/aggregation.json"].not_shown if "README.md" in one]
    assert "freezes/zeta.json" in said and FREEZE not in said
