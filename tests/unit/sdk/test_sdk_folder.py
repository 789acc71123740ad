"""A folder is read with limits, and nothing in it leads elsewhere."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_log import ORIGIN, WITNESS

from rapha.canonical import digest
from rapha.errors import Unproven
from rapha.proof.envelope import MAX_RECEIPT_BYTES
from rapha.sdk.folder import MAX_KEYS_BYTES, MAX_STUDY_BYTES, read_folder, read_keys

GOOD = Path(__file__).resolve().parents[2] / "vectors" / "receipts" / "good"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(GOOD, tmp_path / "model")


def sparse(path: Path, size_bytes: int) -> None:
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size_bytes)


def linked(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def test_every_file_has_its_digest_and_receipts_their_bytes(folder: Path) -> None:
    found = read_folder(folder)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert found.digests == {path.relative_to(folder).as_posix(): digest(path.read_bytes()) for path in paths}
    assert sorted(found.receipts) == ["receipts/aggregation.json", "receipts/north.json", "receipts/south.json"]
    assert found.study == (folder / "study.json").read_bytes()
    assert {key.owner for key in found.keys.keys} == {"example-hub", "north", "south", ORIGIN, WITNESS}


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "linked weights": (lambda f: linked(f / "model.safetensors", "/etc/hostname"), "is a link"),
    "dangling link": (lambda f: linked(f / "extra", "nowhere"), "is a link"),
    "linked folder": (lambda f: linked(f / "extra", "/tmp"), "is a link"),
    "pipe": (lambda f: os.mkfifo(f / "receipts" / "east.json"), "is a link or a device"),
    "huge receipt": (lambda f: sparse(f / "receipts" / "north.json", MAX_RECEIPT_BYTES + 1), "larger than"),
    "huge keys": (lambda f: sparse(f / "receipts" / "keys.json", MAX_KEYS_BYTES + 1), "larger than"),
    "huge study": (lambda f: sparse(f / "study.json", MAX_STUDY_BYTES + 1), "larger than"),
    "keys that are none": (lambda f: sparse(f / "receipts" / "keys.json", 3), "not a keys file"),
    "no folder": (shutil.rmtree, "is not a folder"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_a_model_folder_is_refused(name: str, folder: Path) -> None:
    tamper, reason = FAULTS[name]
    tamper(folder)
    with pytest.raises(Unproven, match=reason):
        read_folder(folder)


def test_a_folder_without_keys_is_read_and_has_none(folder: Path) -> None:
    (folder / "receipts" / "keys.json").unlink()
    assert read_folder(folder).keys.keys == ()


def test_a_missing_keys_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unproven, match="cannot be read: No such file"):
        read_keys(tmp_path / "keys.json")
