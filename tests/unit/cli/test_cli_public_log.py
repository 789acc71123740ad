"""`rapha log`: what a person sees of a log's folder."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from small_log import ORIGIN, WITNESS, private_key, trusted_log, trusted_witness
from typer.testing import CliRunner

from rapha.cli.public_log import app
from rapha.errors import Conflict, Unproven
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.log_keys import trusted
from rapha.proof import checkpoint as notes
from rapha.proof import keys
from rapha.proof.entry import certified_entry, log_entry
from rapha.proof.envelope import seal
from rapha.records.wire import TrustedKeys, Window


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


def test_its_second_line_is_checked_where_the_key_is_known_and_has_to_be_there_where_it_is_asked_for(
    folder: Path, tmp_path: Path
) -> None:
    second, pinned = MLDSA44PrivateKey.from_seed_bytes(b"s" * 32), tmp_path / "keys.json"
    known = TrustedKeys(keys=trusted(ORIGIN, private_key(ORIGIN).public_key(), second.public_key()))
    pinned.write_bytes(known.as_bytes())
    assert "ML-DSA" not in said("fsck", folder, "--keys", pinned)
    pinned.write_bytes(known.model_copy(update={"log_ml_dsa": True}).as_bytes())
    with pytest.raises(Unproven, match="which is asked for"):
        said("fsck", folder, "--keys", pinned)
    LogKeeper(folder, ORIGIN, private_key(ORIGIN), second=second).close()
    assert f"ML-DSA-44 by {known.keys[1].keyid[:16]}" in said("fsck", folder, "--keys", pinned)
    gone = known.keys[1].model_copy(update={"window": Window(end="2026-11-02T08:00:00Z")})
    pinned.write_bytes(TrustedKeys(keys=(known.keys[0], gone), log_ml_dsa=True).as_bytes())
    with pytest.raises(Unproven, match="which is asked for"):
        said("fsck", folder, "--keys", pinned)


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


def test_the_key_that_has_not_ended_is_the_one_that_counts(folder: Path, tmp_path: Path) -> None:
    """Wherever it stands in the file; a key that has ended is no key, whatever it signed."""
    own, pinned = trusted_log(), tmp_path / "keys.json"
    gone = own.model_copy(update={"window": Window(end="2026-11-02T08:00:00Z")})
    other = notes.public_to_pem(Ed25519PrivateKey.generate().public_key())
    before = gone.model_copy(update={"public_key": other})
    pinned.write_bytes(TrustedKeys(keys=(before, own)).as_bytes())
    assert "that you gave" in said("fsck", folder, "--keys", pinned)
    pinned.write_bytes(TrustedKeys(keys=(gone,)).as_bytes())
    with pytest.raises(Unproven, match="have ended"):
        said("fsck", folder, "--keys", pinned)


def test_entries_are_shown_by_key_and_digest(folder: Path) -> None:
    assert "signed with" in said("show", folder, "--last", "2").splitlines()[-1]
    assert "14 bytes of another kind" in said("show", folder, "--last", "301")
    with pytest.raises(Unproven, match="no file checkpoint"):
        said("show", folder / "tile")


def test_an_entry_under_a_certificate_is_shown_by_the_same_key_and_digest(tmp_path: Path) -> None:
    signer = keys.generate()
    receipt, at = seal(b"said", signer), datetime(2026, 11, 30, tzinfo=UTC)
    authority = Ed25519PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(()))
        .issuer_name(x509.Name(()))
        .public_key(signer.public_key())
        .serial_number(1)
        .not_valid_before(at)
        .not_valid_after(at)
        .sign(authority, None)
        .public_bytes(Encoding.DER)
    )
    keeper = LogKeeper(tmp_path / "log", ORIGIN, private_key(ORIGIN))
    keeper.append([log_entry(receipt, signer.public_key()), certified_entry(receipt, certificate)])
    keeper.close()
    *_, first, second = said("show", tmp_path / "log").splitlines()
    assert first.split()[1:] and second.split()[1:-3] == [*first.split()[1:-1], first.split()[-1] + ","]
    assert second.endswith("under a certificate")


def test_the_witnesses_that_a_keys_file_asks_for_have_to_have_seen_the_checkpoint(folder: Path, tmp_path: Path) -> None:
    """Too few yet contradicts nothing: a hub publishes a checkpoint before it asks them."""
    pinned, witness = tmp_path / "keys.json", trusted_witness()
    policy = TrustedKeys(keys=(trusted_log(), witness), witnesses_at_least=1)
    pinned.write_bytes(policy.as_bytes())
    with pytest.raises(Conflict, match=r"every hash is right, and fewer .* yet: 0 of 1 known witnesses"):
        said("fsck", folder, "--keys", pinned)
    pinned.write_bytes(policy.model_copy(update={"witnesses_at_least": 0}).as_bytes())
    assert "seen by no witness that you gave" in said("fsck", folder, "--keys", pinned)
    keeper = LogKeeper(folder, ORIGIN, private_key(ORIGIN))
    line = notes.cosigned(keeper.checkpoint, WITNESS, private_key(WITNESS), datetime(2026, 11, 30, tzinfo=UTC))
    keeper.cosign(keeper.checkpoint.with_signatures(line))
    keeper.close()
    pinned.write_bytes(policy.as_bytes())
    assert f"seen by {WITNESS} at 2026-11-30 00:00:00 UTC" in said("fsck", folder, "--keys", pinned)
    pinned.write_bytes(policy.model_copy(update={"ml_dsa_at_least": 1}).as_bytes())
    with pytest.raises(Conflict, match=r"every hash is right, .* with ML-DSA-44 too"):
        said("fsck", folder, "--keys", pinned)
    pinned.write_bytes(policy.as_bytes())
    note = folder / "checkpoint"
    signed = note.read_text().rstrip("\n")
    note.write_text(signed[:-8] + ("AAAA" if signed[-8:-4] != "AAAA" else "BBBB") + signed[-4:] + "\n")
    with pytest.raises(Unproven, match="does not fit the checkpoint"):
        said("fsck", folder, "--keys", pinned)


def test_a_log_without_entries_asks_for_no_witness(tmp_path: Path) -> None:
    LogKeeper(tmp_path / "log", ORIGIN, private_key(ORIGIN)).close()
    pinned = tmp_path / "keys.json"
    pinned.write_bytes(TrustedKeys(keys=(trusted_log(), trusted_witness()), witnesses_at_least=1).as_bytes())
    assert "no witness is asked for" in said("fsck", tmp_path / "log", "--keys", pinned)


def test_an_anchor_is_checked_and_compared_with_the_log(folder: Path, tmp_path: Path) -> None:
    from small_chain import BLOCK, CONTRACT, anchored

    from rapha.hub.log_keeper import read_log_file
    from rapha.proof.merkle import root
    from rapha.proof.tiles import TileReader

    at_200 = root(200, TileReader(lambda path: read_log_file(folder, path), 301).node)
    file = tmp_path / "anchor.json"

    def asked(origin: str, size: int, hashed: bytes, *more: str | Path) -> str:
        proof, block_hash = anchored(origin, size, hashed)
        file.write_bytes(proof.as_bytes())
        words = ("--block-hash", "0x" + block_hash.hex(), "--contract", CONTRACT.upper().replace("X", "x"))
        return said("verify-anchor", file, *words, *more)

    assert f"anchored in block {BLOCK}" in asked(ORIGIN, 200, at_200)
    assert "its first 200 of 301 entries" in asked(ORIGIN, 200, at_200, "--log", folder)
    with pytest.raises(Unproven, match="it was rewritten"):
        asked(ORIGIN, 200, bytes(range(32)), "--log", folder)
    with pytest.raises(Unproven, match="some were removed"):
        asked(ORIGIN, 302, at_200, "--log", folder)
    with pytest.raises(Unproven, match="and the anchor is of"):
        asked("another", 200, at_200, "--log", folder)


def test_what_is_no_anchor_is_said_in_a_sentence(tmp_path: Path) -> None:
    from rapha.errors import ConfigurationError

    good = ("--block-hash", "0x" + "00" * 32, "--contract", "0x" + "00" * 20)
    file = tmp_path / "anchor.json"
    with pytest.raises(Unproven, match="no such file"):
        said("verify-anchor", file, *good)
    file.write_text('{"format": "rapha-anchor-v2"}')
    with pytest.raises(Unproven, match="not the proof of an anchor"):
        said("verify-anchor", file, *good)
    file.write_bytes(b"{" + b" " * (2 << 20))
    with pytest.raises(Unproven, match="more than"):
        said("verify-anchor", file, *good)
    file.write_bytes(anchor_file())
    for wrong in (("--block-hash", "0x12"), ("--contract", "a7")):
        with pytest.raises(ConfigurationError, match="hex digits"):
            said("verify-anchor", file, *good, *wrong)


def anchor_file() -> bytes:
    from small_chain import anchored

    return anchored(ORIGIN, 7, bytes(range(32)))[0].as_bytes()
