"""One CDM in a folder, in a DuckDB file and in a live PostgreSQL becomes one and the same timeline."""

import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sources"))
from little_cdm import MAPPING, TABLES, rows_of, write_cdm
from small_postgres import small_postgres

from rapha.errors import ConfigurationError
from rapha.sources.omop import ingest
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."


def events(data: Path, tmp_path: Path) -> list[tuple]:
    mapping, timeline = tmp_path / "cdm.mapping.yaml", tmp_path / "timeline"
    mapping.write_text(MAPPING)
    assert not ingest(mapping, data, timeline, SECRET).unchanged
    assert ingest(mapping, data, timeline, SECRET).unchanged
    with open_timeline(timeline).connect() as connection:
        columns = "* EXCLUDE (ingest_batch, source_version)"
        return connection.execute(f"SELECT {columns} FROM events ORDER BY event_id").fetchall()


@pytest.fixture
def expected(tmp_path: Path) -> list[tuple]:
    return events(write_cdm(tmp_path / "folder"), tmp_path / "folder")


def test_a_duckdb_file_is_read_as_the_folder_is(tmp_path, expected):
    path = tmp_path / "cdm.duckdb"
    with duckdb.connect(str(path)) as duck:
        for name, text in TABLES.items():
            header, rows = rows_of(text)
            duck.execute(f'CREATE TABLE "{name}" ({", ".join(f"{column} VARCHAR" for column in header)})')
            duck.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(header))})', rows)
    (tmp_path / "duck").mkdir()
    assert events(path, tmp_path / "duck") == expected


@pytest.fixture
def server() -> Iterator[Path]:
    """A PostgreSQL of this test alone; the folder of its socket."""
    with small_postgres() as server:
        yield server.folder


@pytest.mark.slow
def test_a_live_postgresql_is_read_as_the_folder_is(server, tmp_path, expected):
    import psycopg

    target = f"host={server} dbname=postgres user=rapha"
    with psycopg.connect(target, autocommit=True) as connection:
        for name, text in TABLES.items():
            header, rows = rows_of(text)
            connection.execute(f"CREATE TABLE {name} ({', '.join(f'{column} text' for column in header)})")
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(header))})", rows)
    place = tmp_path / "cdm.postgres"
    place.write_text(target)
    place.chmod(0o644)
    (tmp_path / "pg").mkdir()
    with pytest.raises(ConfigurationError, match="chmod 600"):
        events(place, tmp_path / "pg")
    place.chmod(0o600)
    assert events(place, tmp_path / "pg") == expected
