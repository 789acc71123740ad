"""Files that outlive a power cut, in the ways that are not left to the system."""

import stat
from pathlib import Path

import pytest

from rapha.durable import PRIVATE, READABLE, sync_folder, write_synced


@pytest.mark.parametrize("mode", [PRIVATE, READABLE])
def test_a_file_is_whole_and_of_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"of before, and longer")
    path.unlink()
    write_synced(path, b"first, and longer", mode)
    write_synced(path, b"second", mode)
    assert path.read_bytes() == b"second" and stat.S_IMODE(path.stat().st_mode) == mode
    sync_folder(tmp_path)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        write_synced(tmp_path / "file", b"other")
    assert (tmp_path / "elsewhere").read_bytes() == b"kept"


def test_a_draft_that_others_could_read_is_private_afterwards(tmp_path: Path) -> None:
    (tmp_path / "draft").write_bytes(b"left behind")
    (tmp_path / "draft").chmod(0o644)
    write_synced(tmp_path / "draft", b"secret")
    assert stat.S_IMODE((tmp_path / "draft").stat().st_mode) == PRIVATE


def test_a_new_file_takes_the_place_of_none(tmp_path: Path) -> None:
    write_synced(tmp_path / "key", b"one", new=True)
    with pytest.raises(FileExistsError):
        write_synced(tmp_path / "key", b"two", new=True)
    assert (tmp_path / "key").read_bytes() == b"one"


def test_no_folder_can_be_synced_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file")
