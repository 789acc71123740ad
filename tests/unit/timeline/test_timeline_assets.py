"""Contents come and go with their batch, and what is read is what was kept."""

import hashlib
from pathlib import Path

import duckdb
import pytest

from rapha.errors import ConfigurationError
from rapha.timeline.assets import FOLDER, Assets, Contents
from rapha.timeline.reader import open_timeline
from rapha.timeline.schema import TABLES
from rapha.timeline.writer import is_written, write_batch

MAPPING = "sha256:" + "0" * 64


def written(folder: Path, source: str, batch: str, *texts: bytes) -> list[str]:
    """One batch of a source with these notes, all of one patient."""
    contents = Contents(folder, source, batch)
    names = [contents.add(1, "note", text) for text in texts]
    with duckdb.connect(":memory:") as duck:
        tables = {name: duck.from_arrow(schema.empty_table()) for name, schema in TABLES.items()}
        write_batch(folder, source, batch, MAPPING, tables | {"assets": duck.from_arrow(contents.table())})
    return names


def opened(folder: Path) -> Assets:
    timeline = open_timeline(folder)
    with timeline.connect() as connection:
        return Assets.of(timeline.folder, connection, "note")


def test_what_was_kept_is_read_back_under_its_digest(tmp_path: Path) -> None:
    (name,) = written(tmp_path, "letters", "a" * 32, b"All is well.")
    assert name == hashlib.sha256(b"All is well.").hexdigest()
    assert opened(tmp_path).read(name) == b"All is well."


def test_a_new_batch_takes_the_contents_of_the_old_one_away_and_no_others(tmp_path: Path) -> None:
    (other,) = written(tmp_path, "other", "a" * 32, b"theirs")
    written(tmp_path, "letters", "a" * 32, b"old")
    (new,) = written(tmp_path, "letters", "b" * 32, b"new")
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {f"letters.{'b' * 32}", f"other.{'a' * 32}"}
    assert opened(tmp_path).read(new) == b"new"
    assert opened(tmp_path).read(other) == b"theirs"


def test_a_batch_whose_contents_are_gone_is_not_written(tmp_path: Path) -> None:
    (name,) = written(tmp_path, "letters", "a" * 32, b"here")
    assert is_written(tmp_path, "letters", "a" * 32)
    (tmp_path / FOLDER / f"letters.{'a' * 32}" / name).unlink()
    (tmp_path / FOLDER / f"letters.{'a' * 32}").rmdir()
    assert is_written(tmp_path, "letters", "a" * 32) is None


@pytest.mark.parametrize("damage", ["changed", "longer", "gone", "link"])
def test_a_damaged_content_is_refused(tmp_path: Path, damage: str) -> None:
    (name,) = written(tmp_path, "letters", "a" * 32, b"All is well.")
    path = tmp_path / FOLDER / f"letters.{'a' * 32}" / name
    path.unlink()
    match damage:
        case "changed":
            path.write_bytes(b"All is ill.!")
        case "longer":
            path.write_bytes(b"All is well. Not.")
        case "link":
            (tmp_path / "elsewhere").write_bytes(b"All is well.")
            path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="missing or damaged"):
        opened(tmp_path).read(name)


def test_what_no_table_lists_is_not_read(tmp_path: Path) -> None:
    written(tmp_path, "letters", "a" * 32, b"listed")
    stray = hashlib.sha256(b"stray").hexdigest()
    (tmp_path / FOLDER / f"letters.{'a' * 32}" / stray).write_bytes(b"stray")
    assets = opened(tmp_path)
    assert stray not in assets
    with pytest.raises(ConfigurationError, match="missing or damaged"):
        assets.read(stray)


def test_a_timeline_without_assets_has_none(tmp_path: Path) -> None:
    with duckdb.connect(":memory:") as duck:
        tables = {name: duck.from_arrow(schema.empty_table()) for name, schema in TABLES.items()}
        write_batch(tmp_path, "plain", "a" * 32, MAPPING, tables)
    assert "x" not in opened(tmp_path)
