"""One suite for small blobs in every database of a hub: a SQLite file, a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from small_postgres import SmallPostgres, small_postgres
from sqlalchemy import text, update
from sqlalchemy.pool import QueuePool

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.errors import Conflict, Unproven
from rapha.hub.blobs import BlobMemory, put, read
from rapha.hub.notify import Bell
from rapha.hub.small_blobs import ASKED_AT_ONCE, SMALL_BYTES, BothPlaces, InHand, drop_small, keep_small, small_of
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.postgres import ServerAddress
from rapha.hub.store.tables import SmallBlobRow

SMALL, LARGE = b"\0weights\xff" * 10, bytes(range(256)) * (SMALL_BYTES // 256) + b"!"


@pytest.fixture(scope="module")
def postgres() -> Iterator[SmallPostgres]:
    with small_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    place: Path | ServerAddress = tmp_path / "hub.db"
    if request.param == "postgres":
        place = ServerAddress(request.getfixturevalue("postgres").database(), tmp_path / "no-password")
    opened = open_store(place, Bell(), utc_now)
    yield opened
    opened.close()


@pytest.fixture
def large() -> BlobMemory:
    return BlobMemory()


@pytest.fixture
def both(store: Store, large: BlobMemory) -> BothPlaces:
    return BothPlaces(store, large)


def keep(store: Store, *contents: bytes) -> None:
    with store.changing() as change:
        keep_small(change, {digest(content): content for content in contents})


def test_whoever_reads_a_blob_does_not_ask_where_it_lies(store, large, both):
    keep(store, SMALL)
    put(both, LARGE)
    assert large.digests() == [digest(LARGE)]
    assert sorted(both.digests()) == sorted([digest(SMALL), digest(LARGE)])
    assert [read(both, digest(each)) for each in (SMALL, LARGE)] == [SMALL, LARGE]
    assert [both.size_bytes(digest(each)) for each in (SMALL, LARGE, b"")] == [len(SMALL), len(LARGE), None]
    with pytest.raises(Conflict, match="upload it first"):
        both.open(digest(b""))


def test_what_is_kept_twice_or_in_both_places_is_there_once(store, both):
    keep(store, SMALL)
    keep(store, SMALL, b"more")
    put(both, SMALL)
    assert sorted(both.digests()) == sorted([digest(SMALL), digest(b"more")])
    with store.changing() as change:
        drop_small(change, [digest(SMALL), digest(b"never here")])
    assert read(both, digest(SMALL)) == SMALL
    both.drop(digest(SMALL))
    assert both.digests() == [digest(b"more")]


def test_what_is_small_is_kept_with_its_transaction_or_not_at_all(store, both):
    keep(store, SMALL)
    with pytest.raises(ZeroDivisionError), store.changing() as change:
        keep_small(change, {digest(b"more"): b"more"})
        drop_small(change, [digest(SMALL)])
        raise ZeroDivisionError
    assert both.digests() == [digest(SMALL)]


def test_more_than_one_question_asks_for_are_found(store):
    many = [str(number).encode() for number in range(2 * ASKED_AT_ONCE + 1)]
    keep(store, *many)
    with store.reading() as session:
        assert small_of(session, [digest(each) for each in many]) == {digest(each): each for each in many}


def test_bytes_that_were_changed_in_the_database_are_not_read(store, both):
    keep(store, SMALL)
    with store.changing() as change:
        change.session.execute(update(SmallBlobRow).values(content=SMALL[:-1] + b"!"))
    for read_it in (both.open, both.size_bytes):
        with pytest.raises(Unproven, match="holds other bytes than sha256:"):
            read_it(digest(SMALL))


def test_who_reads_or_changes_may_read_a_blob_however_many_they_are(store, both):
    """All connections are in hands that wait for a blob: none of them waits for another."""
    keep(store, SMALL)
    pool = store.database.reads.pool
    assert isinstance(pool, QueuePool)
    with ExitStack() as held:
        held.enter_context(store.changing())
        while pool.checkedout() < pool.size() + pool._max_overflow:
            held.enter_context(store.reading()).execute(text("SELECT 1"))
        assert (read(both, digest(SMALL)), both.size_bytes(digest(b""))) == (SMALL, None)
        assert both.digests() == [digest(SMALL)]


@pytest.mark.parametrize("size_bytes", [0, 10, SMALL_BYTES, SMALL_BYTES + 1, 3 * SMALL_BYTES])
def test_what_a_round_makes_lies_where_its_size_says(large, size_bytes):
    content, in_hand = (LARGE * 3)[:size_bytes], InHand(large, {})
    with in_hand.draft() as draft:
        for begin in range(0, size_bytes, 1000):
            draft.write(content[begin : begin + 1000])
        assert draft.settle(digest(content)) == digest(content)
        assert (in_hand.made, large.digests()) == ({}, [])
        draft.keep()
    small = size_bytes <= SMALL_BYTES
    assert in_hand.made == ({digest(content): content} if small else {})
    assert large.digests() == ([] if small else [digest(content)])
    assert (read(in_hand, digest(content)), in_hand.size_bytes(digest(content))) == (content, size_bytes)


def test_what_is_left_of_a_round_is_no_blob(large):
    in_hand = InHand(large, {})
    for content in (SMALL, LARGE):
        with pytest.raises(ZeroDivisionError), in_hand.draft() as draft:
            draft.write(content)
            draft.settle()
            raise ZeroDivisionError
        with pytest.raises(Conflict, match="send it again"), in_hand.draft() as draft:
            draft.write(content)
            draft.settle(digest(b"other"))
    assert (in_hand.made, large.digests()) == ({}, [])
