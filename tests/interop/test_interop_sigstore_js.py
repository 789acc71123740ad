"""npm's `@sigstore/verify`, which knows nothing of us, accepts our receipts, and no receipt of which one field was changed."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kept_environments import node_with
from mutations import Path_, mutations

from rapha.proof import checkpoint as notes
from rapha.proof.verify import judge
from rapha.records.wire import TrustedKeys
from rapha.sdk.folder import read_folder, read_keys

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent
GOOD = HERE.parent / "vectors" / "receipts" / "good"
PACKAGES = ("@sigstore/verify@4.1.3", "@sigstore/bundle@5.0.1", "@sigstore/protobuf-specs@0.5.2")

ENTRY: Path_ = ("verificationMaterial", "tlogEntries", 0)
NOT_LOOKED_AT: set[Path_] = {
    ("dsseEnvelope", "signatures", 0, "keyid"),  # DSSE calls it a hint; the key is the one of the bundle's own hint
    (*ENTRY, "logIndex"),  # these three are copies: it goes by the proof's index, and the signed checkpoint
    (*ENTRY, "inclusionProof", "rootHash"),
    (*ENTRY, "inclusionProof", "treeSize"),
}
"""What that verifier leaves alone, for it has it from elsewhere. Ours refuses these as well: see below."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, beside the packages."""
    packages = node_with(*PACKAGES)
    if packages is None:
        pytest.skip("npm could not install @sigstore/verify here")
    place = tmp_path_factory.mktemp("node")
    shutil.copy(HERE / "sigstore_verify.js", place)
    (place / "node_modules").symlink_to(packages / "node_modules")
    return place


def verdicts(folder: Path, bundles: list[Any]) -> list[str]:
    known = TrustedKeys.from_bytes((GOOD / "receipts" / "keys.json").read_bytes())
    asked = {"trustedRoot": trusted_root(known), "keys": {}, "bundles": bundles}
    for key in known.keys:
        if key.role in ("hub", "node"):
            asked["keys"][key.keyid] = der_of(key.public_key)
    done = subprocess.run(
        ["node", "sigstore_verify.js"], cwd=folder, input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


def trusted_root(known: TrustedKeys) -> dict[str, Any]:
    """What Sigstore's clients call the trust material: here, the log alone."""
    log = next(key for key in known.keys if key.role == "log")
    log_id = base64.b64encode(notes.note_key_hash(log.owner, notes.public_from_pem(log.public_key))).decode()
    tlog = {
        "baseUrl": f"https://{log.owner}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": der_of(log.public_key),
            "keyDetails": "PKIX_ED25519",
            "validFor": {"start": "2020-01-01T00:00:00Z"},
        },
        "logId": {"keyId": log_id},
    }
    empty = {"certificateAuthorities": [], "ctlogs": [], "timestampAuthorities": []}
    return {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "tlogs": [tlog], **empty}


def der_of(pem: str) -> str:
    return "".join(pem.splitlines()[1:-1])


@pytest.mark.parametrize("name", ["north", "south", "aggregation"])
def test_it_accepts_ours_and_no_other(folder: Path, name: str) -> None:
    bundle = json.loads((GOOD / "receipts" / f"{name}.json").read_bytes())
    assert verdicts(folder, [bundle]) == ["ok"]
    cases = mutations(bundle)
    accepted = {
        path for (path, _), said in zip(cases, verdicts(folder, [b for _, b in cases]), strict=True) if said == "ok"
    }
    assert accepted <= NOT_LOOKED_AT, "it accepts what was changed"
    assert len(cases) > 30


@pytest.mark.parametrize("name", ["north", "south", "aggregation"])
def test_ours_accepts_none_of_them_either(tmp_path: Path, name: str) -> None:
    pinned = read_keys(GOOD.parent / "pinned.json")
    copied = shutil.copytree(GOOD, tmp_path / "good")
    path = f"receipts/{name}.json"
    for where, bundle in mutations(json.loads((GOOD / path).read_bytes())):
        (copied / path).write_text(json.dumps(bundle))
        verdict = next(v for v in judge(read_folder(copied, pinned)) if v.subject == path)
        assert not verdict.ok, where
