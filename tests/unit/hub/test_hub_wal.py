"""What was deleted from the hub's database is not in its write-ahead log for long, whoever reads or writes meanwhile."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until
from sqlalchemy import select

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.hub.notify import Bell
from rapha.hub.small_blobs import drop_small, keep_small
from rapha.hub.store import wal
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.tables import SmallBlobRow

SECRET = os.urandom(60_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "hub.db", Bell(), utc_now)
    yield opened
    opened.close()


def write(store: Store, content: bytes) -> None:
    with store.changing() as change:
        keep_small(change, {digest(content): content})


def drop(store: Store, content: bytes) -> None:
    with store.changing() as change:
        drop_small(change, [digest(content)])


def is_there(home: Path) -> bool:
    return any(SECRET[1000:1100] in path.read_bytes() for path in home.glob("hub.db*"))


def test_it_stays_while_there_are_changes_and_goes_when_it_is_quiet(store, tmp_path, monkeypatch):
    write(store, SECRET)
    drop(store, SECRET)
    assert is_there(tmp_path)
    monkeypatch.setattr(wal, "QUIET_SECONDS", 0.1)
    write(store, b"more")
    write(store, b"and more")
    until(lambda: not is_there(tmp_path))
    write(store, SECRET)
    assert is_there(tmp_path)
    drop(store, SECRET)
    until(lambda: not is_there(tmp_path))


def test_it_goes_after_a_while_where_it_is_never_quiet(store, tmp_path, monkeypatch):
    monkeypatch.setattr(wal, "LONGEST_SECONDS", 0.2)
    write(store, SECRET)
    drop(store, SECRET)

    def gone() -> bool:
        write(store, os.urandom(8))
        return not is_there(tmp_path)

    until(gone, every=0.02)


def test_who_reads_is_waited_for_and_holds_up_no_change(store, tmp_path, monkeypatch):
    tried = []

    def noted(path: Path, empty=wal._empty) -> bool:
        tried.append(empty(path))
        return tried[-1]

    monkeypatch.setattr(wal, "_empty", noted)
    monkeypatch.setattr(wal, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(wal, "AGAIN_SECONDS", 0.05)
    write(store, SECRET)
    with store.reading() as session:
        assert session.scalars(select(SmallBlobRow.digest)).all() == [digest(SECRET)]
        drop(store, SECRET)
        until(lambda: tried[-2:] == [False, False])
        write(store, b"taken all the same")
        assert is_there(tmp_path)
    until(lambda: tried[-1])
    assert not is_there(tmp_path)


def test_a_machine_without_room_for_a_thread_keeps_its_changes_and_it_is_tried_again(store, tmp_path, monkeypatch):
    def full(_: object) -> None:
        raise RuntimeError("can't start new thread")

    store.database._emptying = wal.WalEmptying(tmp_path / "hub.db")
    monkeypatch.setattr(wal, "QUIET_SECONDS", 0.1)
    with monkeypatch.context() as crowded:
        crowded.setattr(wal.threading.Thread, "start", full)
        write(store, SECRET)
        drop(store, SECRET)
        assert is_there(tmp_path)
    write(store, b"more")
    until(lambda: not is_there(tmp_path))
