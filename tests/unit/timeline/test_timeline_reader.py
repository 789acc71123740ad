"""The locked connection: what it reads, and everything it does not do."""

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapha.errors import ConfigurationError, NotPermitted
from rapha.timeline.manifest import NAME, Batch, Manifest
from rapha.timeline.reader import LockedConnection, open_timeline
from rapha.timeline.schema import EVENTS, SUBJECTS

SUBJECT = {"subject_key": 5, "sex": "female", "opted_out": False, "ingest_batch": "b"}


def write(folder: Path, subjects: int = 1, source: str = "s", **files: tuple[str, ...]) -> Path:
    """A timeline of nobody's events and some subjects."""
    (folder / "subjects").mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_pylist([SUBJECT | {"subject_key": key} for key in range(subjects)], schema=SUBJECTS)
    pq.write_table(rows, folder / "subjects/s.parquet")
    files = files or {"subjects": ("subjects/s.parquet",)}
    batch = Batch(source=source, batch="0" * 32, mapping="sha256:" + "0" * 64, files=files, rows={})
    (folder / NAME).write_bytes(Manifest(batches=(batch,)).as_bytes())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "timeline")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    return path


def test_what_a_node_lays_beside_the_timeline_never_stands_for_one_of_its_tables(folder: Path) -> None:
    beside = pa.table({"x": [1]})
    with open_timeline(folder).connect() as connection:
        connection.lay("beside", beside)
        assert connection.execute("SELECT x FROM beside").fetchall() == [(1,)]
        with pytest.raises(ValueError, match="table of the timeline"):
            connection.lay("subjects", beside)


def test_reads_the_three_tables(folder):
    with open_timeline(folder).connect() as connection:
        assert connection.execute("SELECT subject_key, sex FROM subjects").fetchall() == [(0, "female")]
        assert connection.table("SELECT * FROM events").schema.names == EVENTS.names
        assert connection.execute("SELECT count(*) FROM observation_periods").fetchone() == (0,)


def test_values_are_bound(folder):
    with open_timeline(folder).connect() as connection:
        found = connection.table("SELECT subject_key FROM subjects WHERE sex = $sex", {"sex": "' OR true --"})
        assert found.num_rows == 0


def test_a_file_that_the_manifest_does_not_list_is_not_there(folder):
    rows = pa.Table.from_pylist([SUBJECT], schema=SUBJECTS)
    pq.write_table(rows, folder / "subjects/left-over.parquet")
    with open_timeline(folder).connect() as connection:
        assert connection.execute("SELECT count(*) FROM subjects").fetchone() == (1,)


def test_the_digest_is_of_the_manifest(tmp_path):
    one, same = open_timeline(write(tmp_path / "a")), open_timeline(write(tmp_path / "b"))
    changed = open_timeline(write(tmp_path / "c", source="other"))
    assert one.digest == same.digest != changed.digest
    assert one.batches == ("0" * 32,)


def test_nothing_ingested_yet(tmp_path):
    with pytest.raises(ConfigurationError, match="rapha node ingest"):
        open_timeline(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version": 2, "batches": []}', b'{"version": 1, "x": 1}'])
def test_a_damaged_manifest_is_refused(folder, content):
    (folder / NAME).write_bytes(content)
    with pytest.raises(ConfigurationError, match=NAME):
        open_timeline(folder)


@pytest.mark.parametrize("listed", ["../other.parquet", "/etc/passwd", "subjects/../../other.parquet"])
def test_a_path_that_leaves_the_folder_is_refused(folder, other, listed):
    manifest = json.loads((folder / NAME).read_bytes())
    manifest["batches"][0]["files"]["subjects"] = [listed]
    (folder / NAME).write_text(json.dumps(manifest))
    with pytest.raises(ConfigurationError):
        open_timeline(folder)


def test_a_link_that_leaves_the_folder_is_refused(folder, other):
    (folder / "subjects/s.parquet").unlink()
    (folder / "subjects/s.parquet").symlink_to(other)
    with pytest.raises(ConfigurationError, match="outside"):
        open_timeline(folder)


def test_a_missing_file_is_refused(folder):
    (folder / "subjects/s.parquet").unlink()
    with pytest.raises(ConfigurationError, match="missing or damaged"):
        open_timeline(folder)


def test_a_file_of_other_columns_is_refused(folder):
    pq.write_table(pa.table({"subject_key": [1]}), folder / "subjects/s.parquet")
    with pytest.raises(ConfigurationError, match="columns of subjects"):
        open_timeline(folder)


def test_a_folder_that_reads_as_a_pattern_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="may not contain"):
        open_timeline(write(tmp_path / "time[line]"))


def forbidden(folder: Path, other: Path) -> dict[str, str]:
    """What nobody may do here, by name."""
    own = folder / "subjects/s.parquet"
    return {
        "read a file as text": "SELECT * FROM read_text('/etc/passwd')",
        "read another parquet": f"SELECT * FROM read_parquet('{other}')",
        "read another parquet by its name": f"SELECT * FROM '{other}'",
        "read another parquet by a detour": f"SELECT * FROM '{folder}/subjects/../../{other.name}'",
        "list a folder": "SELECT * FROM glob('/etc/*')",
        "copy out": f"COPY subjects TO '{folder.parent}/out.csv'",
        "copy over the timeline": f"COPY (SELECT 1) TO '{own}' (FORMAT parquet, USE_TMP_FILE false)",
        "copy in": f"COPY subjects FROM '{other}'",
        "export": f"EXPORT DATABASE '{folder.parent}/out'",
        "attach a database": f"ATTACH '{folder.parent}/out.db'",
        "install an extension": "INSTALL httpfs",
        "load an extension": "LOAD httpfs",
        "set an option": "SET threads = 1",
        "open the outside again": "SET enable_external_access = true",
        "unlock": "RESET lock_configuration",
        "set by pragma": "PRAGMA threads = 1",
        "keep a secret": "CREATE SECRET (TYPE s3)",
        "make a table": "CREATE TABLE x AS SELECT 1",
        "change a view": "CREATE OR REPLACE VIEW subjects AS SELECT 1",
        "ask two things": "SELECT 1; SELECT 2",
        "ask nothing": "",
    }


FORBIDDEN = list(forbidden(Path("/t"), Path("/o")))
NOT_THE_LOCK = {"copy over the timeline", "make a table", "change a view", "ask two things", "ask nothing"}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_refused(folder, other, what):
    """Through the connection as it is handed out: by the gate, or by DuckDB's lock where it is a SELECT."""
    before = (folder / "subjects/s.parquet").read_bytes()
    with open_timeline(folder).connect() as connection:
        for ask in (connection.execute, connection.table):
            with pytest.raises((NotPermitted, duckdb.PermissionException)):
                ask(forbidden(folder, other)[what])
    assert (folder / "subjects/s.parquet").read_bytes() == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["other.parquet", "timeline"]


@pytest.mark.parametrize("what", [what for what in FORBIDDEN if what not in NOT_THE_LOCK])
def test_refused_by_the_lock_alone(folder, other, what):
    """The second wall, with the gate taken away."""
    with open_timeline(folder).connect() as connection:
        refusals = (duckdb.PermissionException, duckdb.InvalidInputException, duckdb.CatalogException)
        with pytest.raises(refusals):
            connection._duck.execute(forbidden(folder, other)[what])


def test_a_python_variable_is_not_a_table(folder):
    planted = pa.table({"x": [1]})
    with open_timeline(folder).connect() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM planted")
    assert planted.num_rows == 1


def spilled(connection: LockedConnection) -> None:
    """More than the memory it has."""
    rows = "SELECT range AS a, hash(range) AS b FROM range(3000000)"
    asked = f"SELECT count(*) FROM (SELECT a, b FROM ({rows}) ORDER BY b LIMIT 2900000)"
    assert connection.execute(asked).fetchone() == (2_900_000,)


def test_spilling_leaves_nothing_behind(folder):
    connection = open_timeline(folder).connect(memory_limit="60MB", threads=1)
    spills = [path for path in folder.iterdir() if path.name.startswith(".asked-")]
    assert [path.stat().st_mode & 0o777 for path in spills] == [0o700]
    spilled(connection)
    connection.close()
    connection.close()
    assert sorted(path.name for path in folder.iterdir()) == ["subjects", NAME]
