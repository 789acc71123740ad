"""Hubs on one real PostgreSQL: they hear each other, miss the dead, drive a study one at a time, and let no stranger in."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hub_at_hand import Clock, running
from patience import until
from small_postgres import SmallPostgres, small_postgres
from sqlalchemy import text

from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Conflict, Unreachable
from rapha.hub.configuration import HubSettings, initialise, initialise_beside, load
from rapha.hub.neighbours import Neighbours
from rapha.hub.notify import Bell
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.postgres import PostgresServer, ServerAddress

pytestmark = pytest.mark.slow


class Ear(Bell):
    """Remembers what rang."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def ring(self, topics: Iterable[str]) -> None:
        self.heard += sorted(topics)


@pytest.fixture(scope="module")
def postgres() -> Iterator[SmallPostgres]:
    with small_postgres() as server:
        yield server


@pytest.fixture
def url(postgres: SmallPostgres) -> str:
    return postgres.database()


@pytest.fixture
def another(url: str, tmp_path: Path) -> Iterator[Callable[[Bell], Store]]:
    opened: list[Store] = []

    def open_one(bell: Bell) -> Store:
        opened.append(open_store(ServerAddress(url, tmp_path / "none"), bell, utc_now))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@contextmanager
def present(
    store: Store, take_up: Callable[[], object] = list, sweep: Callable[[], object] = list, ear: Bell | None = None
) -> Iterator[Neighbours]:
    """A hub that has arrived, until the block ends."""
    assert isinstance(store.database, PostgresServer)
    here = Neighbours(store.database, ear or Bell(), take_up)
    try:
        here.arrive(sweep)
        yield here
    finally:
        here.close()


def test_what_one_commits_the_other_hears_and_itself_once(another):
    ears = [Ear(), Ear()]
    stores = [another(ear) for ear in ears]
    many = {f"site:{number:04d}-{'x' * 40}" for number in range(400)}
    with present(stores[0], ear=ears[0]), present(stores[1], ear=ears[1]):
        with stores[0].changing() as change:
            change.topics |= many
        with pytest.raises(ZeroDivisionError), stores[0].changing() as change:
            change.topics.add("site:never")
            raise ZeroDivisionError
        with stores[1].changing() as change:
            change.topics.add("study:s-1")
        until(lambda: all("study:s-1" in ear.heard for ear in ears) and len(ears[1].heard) > 400)
    assert sorted(ears[0].heard) == sorted(ears[1].heard) == sorted([*many, "study:s-1"])


def test_only_who_is_alone_sweeps_and_who_is_left_takes_up(another):
    done: list[str] = []

    def says(words: str) -> Callable[[], None]:
        return lambda: done.append(words)

    with present(another(Bell()), says("taken up by the second"), says("swept by the second")) as second:
        with present(another(Bell()), says("taken up by the first"), says("swept by the first")):
            until(lambda: second._seen == 2)
            assert done == ["swept by the second"]
        until(lambda: "taken up by the second" in done, lambda: done)
    with present(another(Bell()), sweep=says("swept by the third")):
        assert done == ["swept by the second", "taken up by the second", "swept by the third"]


def test_a_server_that_cuts_every_connection_is_come_back_to(another, url):
    import psycopg

    ear, taken = Ear(), []
    store = another(ear)
    with present(store, lambda: taken.append("up"), ear=ear):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        until(lambda: taken == ["up"], lambda: taken)
        with another(Bell()).changing() as change:
            change.topics.add("site:north")
        until(lambda: "site:north" in ear.heard)
        with store.changing() as change:
            change.tell("code.made", "steward")


def test_a_change_whose_connection_was_cut_is_unreachable_and_nothing_of_it_is_kept(another, url):
    import psycopg

    store = another(Bell())
    with pytest.raises(Unreachable, match="try again"), store.changing() as change:
        change.tell("code.made", "steward", study_id="s-1")
        change.session.flush()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in%'")
    with store.reading() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM audit").scalar() == 0


def test_a_study_is_driven_by_one_at_a_time_and_another_at_once(another):
    one, other = another(Bell()), another(Bell())
    with one.driving("s-1") as first:
        with other.driving("s-1") as second, other.driving("s-2") as of_another:
            assert (first, second, of_another) == (True, False, True)
        with other.driving("s-1") as third:
            assert not third  # who was not alone let go of nothing
    with other.driving("s-1") as alone:
        assert alone


@pytest.mark.parametrize("place", ["name", "facts"])
def test_a_character_that_the_database_cannot_keep_is_said(another, place):
    with pytest.raises(Conflict, match=r"U\+0000"), another(Bell()).changing() as change:
        if place == "name":
            change.session.execute(text("SELECT :name"), {"name": "a\0b"})
        else:
            change.tell("code.made", "a\0b")
            change.session.flush()


def test_who_is_killed_drives_no_longer(another, url, tmp_path):
    store = another(Bell())
    text = f"""
from pathlib import Path
from rapha.clock import utc_now
from rapha.hub.notify import Bell
from rapha.hub.store.database import open_store
from rapha.hub.store.postgres import ServerAddress
with open_store(ServerAddress({url!r}, Path("none")), Bell(), utc_now).driving("s-1"):
    print("driving", flush=True)
    input()
"""
    words = [sys.executable, "-c", text]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"driving\n"
        assert not _alone(store)
        process.kill()
        until(lambda: _alone(store))


def _alone(store: Store) -> bool:
    with store.driving("s-1") as alone:
        return alone


def test_a_hub_with_other_keys_is_not_let_in(url, tmp_path):
    blobs = f"file://{tmp_path / 'blobs'}"
    settings = HubSettings(name="test-hub", database=url, blobs=blobs)
    first = tmp_path / "first"
    initialise(first, settings)
    with pytest.raises(ConfigurationError, match="start it once"):
        initialise_beside(tmp_path / "early", first, "127.0.0.1", 0)
    with running(first, Clock()):
        pass
    initialise(tmp_path / "stranger", settings)
    with pytest.raises(ConfigurationError, match="--beside"), running(tmp_path / "stranger", Clock()):
        pass
    (first / "database-password").write_text("not asked for here")
    (first / "database-password").chmod(0o600)
    initialise_beside(tmp_path / "second", first, "127.0.0.1", 0)
    assert load(tmp_path / "second").settings.blobs == blobs
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "second").rglob("*.pem"))
    with running(first, Clock()), running(tmp_path / "second", Clock()):
        pass


def test_a_hub_that_keeps_its_state_at_home_stays_one(tmp_path):
    initialise(tmp_path / "first", HubSettings())
    with pytest.raises(ConfigurationError, match="--database"):
        initialise_beside(tmp_path / "second", tmp_path / "first", "127.0.0.1", 0)
