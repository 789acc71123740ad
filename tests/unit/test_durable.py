"""Files that outlive a power cut, in the ways that are not left to the system."""

import hashlib
import stat
from pathlib import Path

import pytest

from rapha import durable
from rapha.durable import EARLY_BYTES, PRIVATE, READABLE, sync_folder, take_to_disk_early, write_synced
from rapha.hub.blobs import BlobFolder
from rapha.node import transcripts
from rapha.node.outbox import Outbox
from rapha.node.transcripts import keep_whole
from rapha.node.transfer import stamp_of
from rapha.records.record import DispatchId


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


def test_what_is_taken_to_the_disk_early_is_what_was_written(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        file.write(b"x" * 100_000)
        take_to_disk_early(file.fileno(), 0, 50_000)
        file.write(b"y")
        take_to_disk_early(file.fileno())
    take_to_disk_early(10**6)  # whatever is wrong is for `fsync` to say
    assert (tmp_path / "file").read_bytes() == b"x" * 100_000 + b"y"


def test_where_the_system_has_no_such_call_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_sync_file_range", lambda: None)
    with (tmp_path / "file").open("wb") as file:
        take_to_disk_early(file.fileno())


def test_weights_that_a_receipt_counts_on_are_kept_under_a_name_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[bool] = []
    target = tmp_path / "kept" / "weights"
    monkeypatch.setattr(
        transcripts, "sync_folder", lambda folder: shown.append(target.exists() and folder == target.parent)
    )
    target.parent.mkdir()
    given = tmp_path / f"{hashlib.sha256(b'weights').hexdigest()}.safetensors"
    given.write_bytes(b"weights")
    keep_whole(given, target, stamp_of(given))
    assert shown == [True]


def test_large_files_go_to_the_disk_while_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(durable, "take_to_disk_early", lambda _, begin, size: told.append((begin, size)))
    piece = bytes(EARLY_BYTES // 2 - 1)
    with BlobFolder(tmp_path / "hub").draft() as draft:
        for _ in range(7):
            draft.write(piece)
    of_all = [(0, 3 * len(piece)), (3 * len(piece), 3 * len(piece))]
    assert told == of_all
    outbox = Outbox(tmp_path / "node", None, None, None)  # type: ignore[arg-type]
    outbox.hold(DispatchId("d-1"), 1, [piece] * 7)
    assert told == of_all * 2
