"""The stock `sigstore` command and library accept our receipts offline, and no receipt of which one field was changed."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kept_environments import SIGNING, python_with
from mutations import mutations

from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder, read_keys

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent
GOOD = HERE.parent / "vectors" / "receipts" / "good"
ISSUER = "https://rapha.dev/hub/example-hub"
IDENTITY = {name: f"https://rapha.dev/node/{name}" for name in ("north", "south")} | {"aggregation": ISSUER}
NAMES = list(IDENTITY)
TRUST = GOOD / "sigstore" / "trust-config.json"

ENTRY = ("verificationMaterial", "tlogEntries", 0)
NOT_LOOKED_AT = {
    ("dsseEnvelope", "signatures", 0, "keyid"),  # a hint, says DSSE
    (*ENTRY, "logIndex"),  # it goes by the proof's index
    (*ENTRY, "logId", "keyId"),  # by the log's name in the checkpoint
    (*ENTRY, "inclusionProof", "treeSize"),  # and by the signed checkpoint's size
}
"""What that verifier leaves alone, for it has it from elsewhere. Ours refuses these as well: see below."""


@pytest.fixture(scope="module")
def tool() -> Path:
    """The folder of its environment's commands."""
    python = python_with(*SIGNING)
    if python is None:
        pytest.skip("pip could not install sigstore here")
    return python.parent


def verified(
    tool: Path, name: str, file: str, identity: str = "", folder: Path = GOOD, trust: Path = TRUST
) -> subprocess.CompletedProcess[str]:
    """What the command says of a receipt and one of its files, with no network where that can be had."""
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    able = shutil.which("unshare") and not subprocess.run([*alone, "true"], capture_output=True, check=False).returncode
    command = [tool / "sigstore", "--trust-config", trust, "verify", "identity", "--offline"]
    command += ["--bundle", folder / "sigstore" / f"{name}.sigstore.json", "--cert-oidc-issuer", ISSUER]
    command += ["--cert-identity", identity or IDENTITY[name], folder / file]
    environ = {**os.environ, "HOME": str(tool)}
    return subprocess.run(
        [*(alone if able else []), *command], env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "file"),
    [("north", "metrics/north.json"), ("south", "model.safetensors"), ("aggregation", "metrics.json")],
)
def test_the_command_accepts_a_receipt_and_its_file(tool: Path, name: str, file: str) -> None:
    said = verified(tool, name, file)
    assert said.returncode == 0, said.stderr
    assert "OK" in said.stdout + said.stderr


def test_the_command_accepts_a_receipt_of_before_the_hub_had_another_authority(tool: Path) -> None:
    after = GOOD.parent / "authority-rotated-after"
    said = verified(tool, "north", "metrics/north.json", folder=after, trust=after / "sigstore" / "trust-config.json")
    assert said.returncode == 0, said.stderr


def test_the_command_refuses_another_file_and_another_signer(tool: Path) -> None:
    assert verified(tool, "north", "study.json").returncode != 0
    assert verified(tool, "north", "metrics/north.json", identity=IDENTITY["south"]).returncode != 0


def test_the_command_accepts_a_refusal_of_that_study_and_no_other_file(tool: Path) -> None:
    refused, east = GOOD.parent / "refused", "https://rapha.dev/node/east"
    said = verified(tool, "east.refusal", "study.json", identity=east, folder=refused)
    assert said.returncode == 0, said.stderr
    assert verified(tool, "east.refusal", "metrics.json", identity=east, folder=refused).returncode != 0
    assert verified(tool, "east.refusal", "study.json", identity=IDENTITY["north"], folder=refused).returncode != 0


def verdicts(tool: Path, name: str, bundles: list[Any]) -> list[str]:
    asked = {"trust": json.loads(TRUST.read_bytes()), "identity": IDENTITY[name], "issuer": ISSUER, "bundles": bundles}
    command = [tool / "python", HERE / "sigstore_verify.py"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def certified(name: str) -> Any:
    return json.loads((GOOD / "sigstore" / f"{name}.sigstore.json").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_the_library_accepts_ours_and_no_other(tool: Path, name: str) -> None:
    assert verdicts(tool, name, [certified(name)]) == ["ok"]
    cases = mutations(certified(name))
    said = verdicts(tool, name, [bundle for _, bundle in cases])
    accepted = {path for (path, _), word in zip(cases, said, strict=True) if word == "ok"}
    assert accepted <= NOT_LOOKED_AT, "it accepts what was changed"
    assert len(cases) > 30


@pytest.mark.parametrize("name", NAMES)
def test_ours_accepts_none_of_them_either(tmp_path: Path, name: str) -> None:
    pinned = read_keys(GOOD.parent / "pinned.json")
    copied = shutil.copytree(GOOD, tmp_path / "good")
    for where, bundle in mutations(certified(name)):
        (copied / "sigstore" / f"{name}.sigstore.json").write_text(json.dumps(bundle))
        verdict = next(v for v in judge(read_folder(copied, pinned)) if v.subject == f"receipts/{name}.json")
        assert not verdict.ok, where
