"""`rapha log`: what a person sees of a log's folder."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_log import ORIGIN, private_key, trusted_log
from typer.testing import CliRunner

from rapha.cli.public_log import app
from rapha.errors import Unproven
from rapha.hub.log_keeper import LogKeeper
from rapha.proof import keys
from rapha.proof.entry import log_entry
from rapha.proof.envelope import seal
from rapha.records.wire import TrustedKeys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keeper = LogKeeper(tmp_path / "log", ORIGIN, private_key(ORIGIN))
    signer = keys.generate()
    keeper.append([b"something else", *(log_entry(seal(b"%d" % n, signer), signer.public_key()) for n in range(300))])
    keeper.close()
    return tmp_path / "log"


def said(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception:
        raise result.exception
    return result.output


def test_a_whole_log_passes_and_its_key_is_checked(folder: Path, tmp_path: Path) -> None:
    assert "301 entries, and every hash follows" in said("fsck", folder)
    assert "signature not checked" in said("fsck", folder)
    pinned = tmp_path / "keys.json"
    pinned.write_bytes(TrustedKeys(keys=(trusted_log(),)).as_bytes())
    assert "that you gave" in said("fsck", folder, "--keys", pinned)


def test_another_key_and_an_edited_entry_fail(folder: Path, tmp_path: Path) -> None:
    from rapha.proof import checkpoint

    other = checkpoint.public_to_pem(Ed25519PrivateKey.generate().public_key())
    pinned = tmp_path / "keys.json"
    pinned.write_bytes(TrustedKeys(keys=(trusted_log().model_copy(update={"public_key": other}),)).as_bytes())
    with pytest.raises(Unproven, match="not signed"):
        said("fsck", folder, "--keys", pinned)
    tile = folder / "tile" / "entries" / "000"
    tile.write_bytes(tile.read_bytes().replace(b"something else", b"something ELSE"))
    with pytest.raises(Unproven, match="does not follow"):
        said("fsck", folder)


def test_entries_are_shown_by_key_and_digest(folder: Path) -> None:
    assert "signed with" in said("show", folder, "--last", "2").splitlines()[-1]
    assert "14 bytes of another kind" in said("show", folder, "--last", "301")
    with pytest.raises(Unproven, match="no file checkpoint"):
        said("show", folder / "tile")
