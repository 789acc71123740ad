"""A verifier in Go, written from docs/receipt.md and the schemas beside it alone, judges every receipt vector as we do."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from go_toolchain import go_cache, go_toolchain

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ROOT / "tests" / "vectors" / "receipts"
EXPECTED = json.loads((FOLDERS / "expected.json").read_bytes())
FAILED = 11


def test_a_stranger_in_go_comes_to_the_same_verdicts(tmp_path: Path) -> None:
    go = go_toolchain()
    if go is None:
        pytest.skip("there is no Go here, and none could be installed")
    environment = os.environ | {"GOCACHE": go_cache(), "GOFLAGS": "-mod=mod"}
    program = tmp_path / "stranger"
    subprocess.run(
        [go, "build", "-o", program, "."], cwd=Path(__file__).parent / "stranger", env=environment, check=True
    )
    names = sorted(each.name for each in FOLDERS.iterdir() if each.is_dir())
    ran = subprocess.run(
        [program, ROOT / "docs", "-", *names], cwd=FOLDERS, capture_output=True, text=True, check=False
    )
    assert ran.returncode == FAILED, ran.stderr
    said = ran.stdout.splitlines()
    for name in names:
        fault = EXPECTED.get(name)
        wanted = f"{name}: {fault['receipt']}: step {fault['step']}: " if fault else f"{name}: holds"
        assert any(line.startswith(wanted) for line in said), (wanted, [x for x in said if x.startswith(f"{name}: ")])
