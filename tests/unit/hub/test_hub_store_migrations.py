"""Databases of earlier versions that cannot be brought to this one: nothing is changed, and what to do is said."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from hub_at_hand import Clock, running

from rapha.errors import ConfigurationError
from rapha.hub.store import migrating
from rapha.hub.store.sqlite import SqliteFile


def test_two_sites_with_one_key_are_named(tmp_path: Path) -> None:
    with running(tmp_path / "hub", Clock()):
        pass
    file = tmp_path / "hub" / "hub.db"
    moved(file, "0005")
    with sqlite3.connect(file) as written:
        columns = [row[1] for row in written.execute("PRAGMA table_info(sites)")]
        for site in ("north", "south"):
            values = [
                site if column == "id" else "one" if column in ("keyid", "public_key") else "2026-01-01"
                for column in columns
            ]
            written.execute(
                f"INSERT INTO sites ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", values
            )
    with (
        pytest.raises(ConfigurationError, match="the sites north and south were enrolled with one key"),
        running(tmp_path / "hub", Clock()),
    ):
        pass
    with sqlite3.connect(file) as left:
        assert left.execute("SELECT version_num FROM alembic_version").fetchall() == [("0005",)]


def test_the_newest_is_the_one_that_alembic_ends_with() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrating._MIGRATIONS))
    assert migrating.newest() == ScriptDirectory.from_config(config).get_current_head()


def test_tables_of_a_later_version_are_left_as_they_are(tmp_path: Path) -> None:
    with running(tmp_path / "hub", Clock()):
        pass
    with sqlite3.connect(tmp_path / "hub" / "hub.db") as later:
        later.execute("UPDATE alembic_version SET version_num = '9999'")
    with (
        pytest.raises(ConfigurationError, match="of this version or an earlier one"),
        running(tmp_path / "hub", Clock()),
    ):
        pass
    with sqlite3.connect(tmp_path / "hub" / "hub.db") as left:
        assert left.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_no_of_before_lies_beside_the_yes_and_back_again(tmp_path: Path) -> None:
    with running(tmp_path / "hub", Clock()):
        pass
    file = tmp_path / "hub" / "hub.db"
    moved(file, "0009")
    with sqlite3.connect(file) as written:
        for dispatch, state in (("d-1", "denied"), ("d-2", "approved")):
            written.execute(
                "INSERT INTO dispatches (id, study_id, site, state, decision, stopped) VALUES (?, ?, 'north', ?, ?, 0)",
                (dispatch, f"s-{dispatch}", state, dispatch.encode()),
            )
    moved(file, "head")
    with sqlite3.connect(file) as there:
        asked = "SELECT answer, denial FROM dispatches ORDER BY id"
        assert there.execute(asked).fetchall() == [(None, b"d-1"), (b"d-2", None)]
    moved(file, "0009")
    with sqlite3.connect(file) as back:
        assert back.execute("SELECT decision FROM dispatches ORDER BY id").fetchall() == [(b"d-1",), (b"d-2",)]


def moved(file: Path, revision: str) -> None:
    """Bring the tables of a closed hub to a version, later or earlier."""
    opened = SqliteFile(file)
    config = Config()
    config.set_main_option("script_location", str(migrating._MIGRATIONS))
    with opened.writes.begin() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if revision == "head" else command.downgrade)(config, revision)
    opened.close()
