"""One suite for every database that keeps a hub's state: a SQLite file, a real PostgreSQL."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_postgres import SmallPostgres, small_postgres
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Conflict, Unreachable
from rapha.hub.configuration import HubConfiguration, settings_of
from rapha.hub.notify import Bell
from rapha.hub.store.audit import events_of
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.postgres import ServerAddress
from rapha.hub.store.tables import AuditRow, CodeRow, DispatchRow, SiteRow, StudyRow, TaskRow

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
Place = Path | ServerAddress


@pytest.fixture(scope="module")
def postgres() -> Iterator[SmallPostgres]:
    with small_postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return tmp_path / "hub.db"
    return ServerAddress(request.getfixturevalue("postgres").database(), tmp_path / "no-password")


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = open_store(place, Bell(), utc_now)
    yield opened
    opened.close()


def with_a_task(store: Store) -> None:
    with store.changing() as change:
        site = SiteRow(id="north", name="North", public_key="pem", keyid="k", profile=None, enrolled_at=change.at)
        study = StudyRow(
            id="s-1", digest="d", name="n", study=b"{}", researcher="ada", state="recruiting", asks="training",
            created_at=change.at,
        )  # fmt: skip
        change.session.add_all([site, study])
        change.session.flush()
        change.session.add(DispatchRow(id="d-1", study_id="s-1", site="north", state="approved", stopped=False))
        change.session.flush()
        change.session.add(task("t-1"))


def task(id_: str) -> TaskRow:
    return TaskRow(
        id=id_, study_id="s-1", dispatch_id="d-1", site="north", number=1, do="train", task=b"{}", state="queued"
    )


def test_a_moment_comes_back_in_utc_to_the_microsecond(store):
    with_a_task(store)
    with store.reading() as session:
        created = session.get_one(StudyRow, "s-1").created_at
    assert created.utcoffset() is not None and abs((utc_now() - created).total_seconds()) < 3600


def test_a_change_is_kept_whole_or_not_at_all(store):
    with pytest.raises(ZeroDivisionError), store.changing() as change:
        change.session.add(CodeRow(code_hash="h", site="north", expires_at=change.at))
        change.tell("code.made", "steward", study_id="s-1")
        change.session.flush()
        raise ZeroDivisionError
    with store.reading() as session:
        assert session.get(CodeRow, "h") is None and events_of(session, "s-1", 0) == []


def test_a_state_moves_with_its_event_and_only_as_the_table_says(store):
    with_a_task(store)
    with store.changing() as change:
        change.move(change.session.get_one(TaskRow, "t-1"), "leased", "node:north")
    with pytest.raises(Conflict), store.changing() as change:
        change.move(change.session.get_one(TaskRow, "t-1"), "missed", "hub")
        change.move(change.session.get_one(TaskRow, "t-1"), "done", "node:north")
    with store.reading() as session:
        assert session.get_one(TaskRow, "t-1").state == "leased"
        assert session.scalars(select(AuditRow.event)).all() == ["task.leased"]


def test_one_task_for_a_study_a_round_and_a_site(store):
    with_a_task(store)
    with pytest.raises(IntegrityError), store.changing() as change:
        change.session.add(task("t-2"))
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(TaskRow)) == 1


def test_a_task_needs_its_study(store):
    with pytest.raises(IntegrityError), store.changing() as change:
        change.session.add(task("t-1"))


@pytest.mark.parametrize("statement", [update(AuditRow).values(actor="somebody else"), delete(AuditRow)])
def test_the_audit_log_is_never_changed(store, statement):
    with store.changing() as change:
        change.tell("code.made", "steward", study_id="s-1")
    with pytest.raises(DBAPIError, match="never changed"), store.changing() as change:
        change.session.execute(statement)
    with store.reading() as session:
        assert [event.event for event in events_of(session, "s-1", 0)] == ["code.made"]


def test_what_one_change_read_no_other_changes_before_it_is_kept(place):
    """Two stores on one database, as two processes have it: of many who count on, none counts twice."""
    stores = [open_store(place, Bell(), utc_now) for _ in range(2)]

    def count_on(store: Store) -> None:
        for _ in range(20):
            with store.changing() as change:
                seen = change.session.scalar(select(func.count()).select_from(CodeRow))
                change.session.add(CodeRow(code_hash=str(seen), site="north", expires_at=change.at))

    threads = [threading.Thread(target=count_on, args=(store,)) for store in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stores[0].reading() as session:
        assert session.scalar(select(func.count()).select_from(CodeRow)) == 80
    for store in stores:
        store.close()


def test_a_reading_sees_one_snapshot(place):
    one, other = (open_store(place, Bell(), utc_now) for _ in range(2))
    count = select(func.count()).select_from(CodeRow)
    with one.reading() as session:
        assert session.scalar(count) == 0
        with other.changing() as change:
            change.session.add(CodeRow(code_hash="h", site="north", expires_at=change.at))
        assert session.scalar(count) == 0
    with one.reading() as session:
        assert session.scalar(count) == 1
    one.close()
    other.close()


def test_what_is_kept_is_there_when_it_is_opened_again(place):
    first = open_store(place, Bell(), utc_now)
    with_a_task(first)
    first.close()
    second = open_store(place, Bell(), utc_now)
    with second.reading() as session:
        assert session.get_one(TaskRow, "t-1").state == "queued"
    second.close()


@pytest.mark.slow
def test_a_server_that_is_not_there_is_said_as_such(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(ConfigurationError, match="cannot be opened as a hub's database"):
        open_store(ServerAddress(f"postgresql://rapha@/none?host={tmp_path}", tmp_path / "none"), Bell(), utc_now)


def test_a_password_stands_in_no_url_and_in_no_file_that_others_read(tmp_path):
    for url in ("postgresql://rapha:secret@db/hub", "postgresql://db/hub?password=secret"):
        with pytest.raises(ConfigurationError, match="database-password") as refused:
            settings_of("hub", "127.0.0.1", 0, url)
        assert "secret" not in str(refused.value)
    settings = settings_of("hub", "127.0.0.1", 0, "postgresql://rapha@db.example/hub")
    address = HubConfiguration(home=tmp_path, settings=settings).database
    assert isinstance(address, ServerAddress)
    pytest.importorskip("psycopg")
    (tmp_path / "database-password").write_text("secret")
    (tmp_path / "database-password").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        address.connect()


def test_a_key_that_the_file_does_not_give_is_said_as_unreachable(tmp_path: Path) -> None:
    store = open_store(tmp_path / "hub.db", Bell(), utc_now)
    assert store.enrolled_key("north") is None
    glance = store.database._glance  # type: ignore[attr-defined]
    assert glance.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
    with store.changing() as change:
        change.session.execute(text("ALTER TABLE sites RENAME TO gone"))
    with pytest.raises(Unreachable, match="cannot be read at the moment"):
        store.enrolled_key("north")
    store.close()
