"""`rapha log stamp`, `upgrade-stamp`, `verify-stamp`, with a calendar on this machine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_calendar import HEIGHT, Calendar, serving
from small_log import ORIGIN, private_key
from typer.testing import CliRunner

from rapha.cli.public_log import app
from rapha.errors import Conflict, Unproven
from rapha.hub.log_keeper import LogKeeper


@pytest.fixture
def calendar() -> Iterator[Calendar]:
    with serving() as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    grow(tmp_path / "log", 0, 5)
    return tmp_path / "log"


def grow(folder: Path, begin: int, end: int) -> None:
    keeper = LogKeeper(folder, ORIGIN, private_key(ORIGIN))
    keeper.append([b"entry %d" % n for n in range(begin, end)])
    keeper.close()


def said(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception:
        raise result.exception
    return result.output


def test_a_checkpoint_is_stamped_upgraded_and_checked(folder: Path, calendar: Calendar, tmp_path: Path) -> None:
    kept, proof = tmp_path / "kept", tmp_path / "kept.ots"
    assert f"{ORIGIN} at 5 entries, stamped; promised by {calendar.address}" in said(
        "stamp", folder, "--calendar", calendar.address, "--out", kept
    )
    assert kept.read_bytes() == (folder / "checkpoint").read_bytes()
    assert proof.read_bytes()[33:65] == hashlib.sha256(kept.read_bytes()).digest()
    promised = proof.read_bytes()
    with pytest.raises(Unproven, match="is pending"):
        said("upgrade-stamp", kept, "--calendar", calendar.address)
    assert proof.read_bytes() == promised
    header = calendar.mined()
    with pytest.raises(Unproven, match="is pending"):
        said("verify-stamp", kept, "--header", header, "--regtest")
    assert f"leads to the block {HEIGHT} " in said("upgrade-stamp", kept, "--calendar", calendar.address)
    grow(folder, 5, 9)
    shown = said("verify-stamp", kept, "--header", header, "--regtest", "--log", folder)
    assert f"{ORIGIN}: 5 entries" in shown and "2025-11-29T08:00:00Z" in shown and "shows no time" in shown
    assert "its first 5 of 9 entries" in shown
    with pytest.raises(Unproven, match="easier than any block of Bitcoin"):
        said("verify-stamp", kept, "--header", header)


def test_a_log_that_was_rewritten_does_not_pass(folder: Path, calendar: Calendar, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    said("stamp", folder, "--calendar", calendar.address, "--out", kept)
    header = calendar.mined()
    said("upgrade-stamp", kept, "--calendar", calendar.address)
    grow(tmp_path / "other", 1, 9)
    with pytest.raises(Unproven, match="it was rewritten"):
        said("verify-stamp", kept, "--header", header, "--regtest", "--log", tmp_path / "other")


def test_nothing_is_written_over_and_a_missing_file_is_named(folder: Path, calendar: Calendar, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for there in (kept, tmp_path / "kept.ots"):
        there.write_bytes(b"")
        with pytest.raises(Conflict, match="is there already"):
            said("stamp", folder, "--calendar", calendar.address, "--out", kept)
        there.unlink()
    with pytest.raises(Unproven, match="no such file"):
        said("upgrade-stamp", kept, "--calendar", calendar.address)
    assert not calendar.asked


def test_the_proof_of_another_checkpoint_is_not_upgraded(folder: Path, calendar: Calendar, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    said("stamp", folder, "--calendar", calendar.address, "--out", kept)
    kept.write_bytes(kept.read_bytes() + b"\n")
    with pytest.raises(Unproven, match="of another file"):
        said("upgrade-stamp", kept, "--calendar", calendar.address)
