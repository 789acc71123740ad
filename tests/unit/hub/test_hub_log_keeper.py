"""The log's folder: killed at every rename it neither forks nor loses an entry that it said it had."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from rapha.errors import ConfigurationError, DiskFull, Unproven
from rapha.hub.log_keeper import LogKeeper, read_log_file
from rapha.proof import lasting
from rapha.proof.checkpoint import Checkpoint, check_log, read_checkpoint
from rapha.proof.merkle import check_consistency, consistency_proof, leaf_hash, root, root_of_inclusion
from rapha.proof.tiles import TileReader

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ORIGIN, SECOND = "log.example/test", MLDSA44PrivateKey.from_seed_bytes(b"s" * 32)


class Killed(BaseException):
    """The process is no more."""


class MortalKeeper(LogKeeper):
    """Dies just before, or just after, its n-th rename."""

    def __init__(self, folder: Path, dies_at: int, after: bool) -> None:
        self.renames, self.dies_at, self.after = 0, dies_at, after
        super().__init__(folder, ORIGIN, KEY, second=SECOND)

    def _rename(self, draft: Path, path: Path) -> None:
        self.renames += 1
        if self.renames == self.dies_at and not self.after:
            raise Killed
        super()._rename(draft, path)
        if self.renames == self.dies_at:
            raise Killed

    def _opened(self):  # type: ignore[no-untyped-def]
        if self.renames and self.renames == self.dies_at:
            raise Killed  # the dead read nothing again
        return super()._opened()


def entries(first: int, count: int) -> list[bytes]:
    return [b"entry %d" % n for n in range(first, first + count)]


def lived(folder: Path, dies_at: int, after: bool, batches: tuple[int, ...]) -> tuple[int, bool]:
    """Append batches until death: how many entries were acknowledged, and whether it died."""
    acknowledged, keeper = 0, None
    try:
        keeper = MortalKeeper(folder, dies_at, after)
        for size in batches:
            keeper.append(entries(acknowledged, size))
            acknowledged += size
    except Killed:
        return acknowledged, True
    finally:
        if keeper:
            keeper.close()
    return acknowledged, False


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_rename(tmp_path: Path, after: bool) -> None:
    batches = (3, 250, 10, 260, 1)
    dies_at, died = 1, True
    while died:
        folder = tmp_path / f"{dies_at}"
        acknowledged, died = lived(folder, dies_at, after, batches)
        (folder / "checkpoint.draft").write_bytes(b"half of a checkpo")
        reopened = LogKeeper(folder, ORIGIN, KEY, second=SECOND)
        assert lasting.is_signed_by_log(read_checkpoint(reopened.read("checkpoint")), SECOND.public_key())
        size = reopened.checkpoint.size
        assert size >= acknowledged
        reader = TileReader(reopened.read, size)
        assert [reader.entry(n) for n in range(acknowledged)] == entries(0, acknowledged)
        before = reopened.checkpoint
        reopened.append(entries(size, 300))
        same_log(reopened, before)
        reopened.close()
        dies_at += 1
    assert dies_at > 20


def same_log(keeper: LogKeeper, before: Checkpoint) -> None:
    """The newest checkpoint is signed, is of these tiles, and continues an older one."""
    now = read_checkpoint(keeper.read("checkpoint"))
    check_log(now, KEY.public_key())
    reader = TileReader(keeper.read, now.size)
    assert root(now.size, reader.node) == now.root
    proof = consistency_proof(before.size, now.size, reader.node) if before.size else ()
    check_consistency(before.size, before.root, now.size, now.root, proof)


def test_a_log_of_before_has_a_second_line_from_its_next_start_on(tmp_path: Path) -> None:
    """Also where it dies while that is written; the first line stays, and what was appended."""
    folder = tmp_path / "log"
    first = LogKeeper(folder, ORIGIN, KEY)
    first.append(entries(0, 3))
    first.close()
    assert not lasting.is_signed_by_log(first.checkpoint, SECOND.public_key())
    for after in (False, True):
        with pytest.raises(Killed):
            MortalKeeper(folder, 1, after)
        assert (
            lasting.is_signed_by_log(read_checkpoint((folder / "checkpoint").read_bytes()), SECOND.public_key())
            == after
        )
    keeper = LogKeeper(folder, ORIGIN, KEY, second=SECOND)
    assert keeper.checkpoint.text == first.checkpoint.text
    same_log(keeper, first.checkpoint)
    keeper.append(entries(3, 1))
    newest = read_checkpoint(keeper.read("checkpoint"))
    assert lasting.is_signed_by_log(newest, SECOND.public_key()) and len(newest.signatures) == 2
    keeper.close()


def test_entries_are_proved(tmp_path: Path) -> None:
    keeper = LogKeeper(tmp_path / "log", ORIGIN, KEY)
    keeper.append(entries(0, 700))
    for placed, entry in zip(keeper.add(entries(700, 5)), entries(700, 5), strict=True):
        found = root_of_inclusion(placed.index, placed.checkpoint.size, leaf_hash(entry), placed.proof)
        assert found == placed.checkpoint.root == keeper.checkpoint.root
    assert keeper.append([]) == 705
    keeper.close()


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    class Full(LogKeeper):
        full = False

        def _rename(self, draft: Path, path: Path) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            super()._rename(draft, path)

    keeper = Full(tmp_path / "log", ORIGIN, KEY)
    keeper.append(entries(0, 10))
    keeper.full = True
    with pytest.raises(DiskFull, match="nothing was appended"):
        keeper.append(entries(10, 10))
    keeper.full = False
    before = keeper.checkpoint
    assert keeper.append(entries(10, 1)) == 10
    same_log(keeper, before)
    keeper.close()


def test_a_failure_after_the_checkpoint_was_published_does_not_fork(tmp_path: Path) -> None:
    class Failing(LogKeeper):
        failing = False

        def _rename(self, draft: Path, path: Path) -> None:
            super()._rename(draft, path)
            if self.failing and path.name == "checkpoint":
                raise OSError(5, "Input/output error")

    keeper = Failing(tmp_path / "log", ORIGIN, KEY)
    keeper.append(entries(0, 10))
    keeper.failing = True
    with pytest.raises(OSError, match="Input/output"):
        keeper.append(entries(10, 5))
    keeper.failing = False
    published = read_checkpoint(keeper.read("checkpoint"))
    assert keeper.append(entries(15, 1)) == published.size == 15
    same_log(keeper, published)
    keeper.close()


def test_one_writer_only(tmp_path: Path) -> None:
    keeper = LogKeeper(tmp_path / "log", ORIGIN, KEY)
    with pytest.raises(ConfigurationError, match="another process"):
        LogKeeper(tmp_path / "log", ORIGIN, KEY)
    keeper.close()
    LogKeeper(tmp_path / "log", ORIGIN, KEY).close()


def test_a_log_of_another_key_name_or_content_is_not_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    keeper = LogKeeper(folder, ORIGIN, KEY)
    keeper.append(entries(0, 300))
    keeper.close()
    with pytest.raises(ConfigurationError, match="not signed by this log's key"):
        LogKeeper(folder, ORIGIN, Ed25519PrivateKey.generate())
    with pytest.raises(ConfigurationError, match=r"not log\.example/other"):
        LogKeeper(folder, "log.example/other", KEY)
    tile = folder / "tile" / "0" / "001.p" / "44"
    data = tile.read_bytes()
    tile.write_bytes(bytes(32) + data[32:])
    with pytest.raises(ConfigurationError, match="not those that were hashed"):
        LogKeeper(folder, ORIGIN, KEY)
    tile.write_bytes(data)
    upper = folder / "tile" / "1" / "000.p" / "1"
    data = upper.read_bytes()
    upper.write_bytes(bytes(32))
    with pytest.raises(ConfigurationError, match="do not lead to the checkpoint's root"):
        LogKeeper(folder, ORIGIN, KEY)
    upper.write_bytes(data)
    (folder / "checkpoint").unlink()
    with pytest.raises(ConfigurationError, match="checkpoint is gone"):
        LogKeeper(folder, ORIGIN, KEY)


def test_only_files_of_the_log_are_read(tmp_path: Path) -> None:
    keeper = LogKeeper(tmp_path / "log", ORIGIN, KEY)
    keeper.append(entries(0, 2))
    keeper.close()
    (tmp_path / "log-key.pem").write_bytes(b"secret")
    assert [file.name for file in (tmp_path / "log" / "tile" / "0" / "000.p").iterdir()] == ["2"]
    for path in ("../log-key.pem", "tile/../../log-key.pem", ".writer", "tile/0/000", "tile/0", ""):
        with pytest.raises(Unproven):
            read_log_file(tmp_path / "log", path)
