"""The `opentimestamps` library reads our proofs as we do, writes them byte for byte alike, and of the wrong ones takes none that is malformed.

It is LGPL-3: asked in an environment of its own, and never part of ours."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kept_environments import python_with

from rapha.errors import Unproven
from rapha.proof.anchor.opentimestamps import Stamp, read_stamp

pytestmark = pytest.mark.slow
VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "stamps"
CASES = {
    path.stem: json.loads(path.read_bytes())["proof"]
    for path in sorted(VECTORS.glob("*.json"))
    if path.stem != "expected"
}
STRICTER = {
    "address-empty",
    "branches-too-many",
    "height-too-large",
    "hexlified",
    "number-written-too-long",
    "reversed",
    "through-sha1",
}
"""What we refuse by our own limits."""


@pytest.fixture(scope="module")
def tool() -> Path:
    """Python of an environment that has it."""
    python = python_with("opentimestamps==0.4.5")
    if python is None:
        pytest.skip("pip could not install opentimestamps here")
    return python


def theirs(tool: Path, proofs: list[str]) -> list[Any]:
    script = Path(__file__).with_name("opentimestamps_read.py")
    done = subprocess.run(
        [tool, script], input=json.dumps(proofs).encode(), capture_output=True, check=True, timeout=120
    )
    read: list[Any] = json.loads(done.stdout)
    return read


def ours(proof: str) -> Stamp | None:
    try:
        return read_stamp(bytes.fromhex(proof))
    except Unproven:
        return None


def test_both_read_and_write_the_same(tool: Path) -> None:
    read = {name: stamp for name, proof in CASES.items() if (stamp := ours(proof))}
    assert len(read) > 15
    for (name, stamp), said in zip(read.items(), theirs(tool, [CASES[name] for name in read]), strict=True):
        known = [(branch.message.hex(), branch.attestation) for branch in (*stamp.pending, *stamp.in_blocks)]
        named = [[message, one.calendar or one.height] for message, one in known]
        assert said and said["named"] == sorted(named, key=str), name
        assert said["written"] == stamp.as_bytes().hex(), name


def test_what_we_refuse_beyond_the_format_is_known(tool: Path) -> None:
    refused = [name for name, proof in CASES.items() if ours(proof) is None]
    read = dict(zip(refused, theirs(tool, [CASES[name] for name in refused]), strict=True))
    assert {name for name, said in read.items() if said} == STRICTER
