"""`openssl ts -verify` accepts our time stamps, over the signature they are of and no other."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ECDSA_WITH_SHA256 = bytes.fromhex("2a8648ce3d040302")
"""How the stamp says it is signed: openssl goes by the certificate's key and leaves this alone. Ours refuses it changed."""
GOOD = Path(__file__).resolve().parents[1] / "vectors" / "receipts" / "good" / "sigstore"


def pem(raw: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{raw}\n-----END CERTIFICATE-----\n"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder with signature, stamp, stamper.pem and root.pem of one receipt."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    bundle = json.loads((GOOD / "north.sigstore.json").read_bytes())
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    stamper, root = json.loads((GOOD / "trust-config.json").read_bytes())["trustedRoot"]["timestampAuthorities"][0][
        "certChain"
    ]["certificates"]
    (tmp_path / "signature").write_bytes(base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
    (tmp_path / "stamp").write_bytes(base64.b64decode(stamps[0]["signedTimestamp"]))
    (tmp_path / "stamper.pem").write_text(pem(stamper["rawBytes"]))
    (tmp_path / "root.pem").write_text(pem(root["rawBytes"]))
    return tmp_path


def verified(folder: Path) -> bool:
    command = ["openssl", "ts", "-verify", "-data", "signature", "-in", "stamp"]
    command += ["-CAfile", "root.pem", "-untrusted", "stamper.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode == 0 and "Verification: OK" in done.stdout


def test_it_accepts_ours(parts: Path) -> None:
    assert verified(parts)


@pytest.mark.parametrize("file", ["signature", "stamp"])
def test_it_refuses_what_was_changed(parts: Path, file: str) -> None:
    whole = (parts / file).read_bytes()
    name = whole.find(ECDSA_WITH_SHA256)
    for at in range(0, len(whole), 16):
        if name - 4 <= at < name + len(ECDSA_WITH_SHA256):
            continue
        (parts / file).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert not verified(parts), at
