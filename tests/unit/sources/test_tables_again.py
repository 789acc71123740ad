"""Ingesting again: the same changes nothing, an edited file takes the place of the old one."""

import pytest

from rapha.errors import ConfigurationError
from rapha.sources.tables import Mapping, ingest
from rapha.sources.tables.ingest import Opened, _Files
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.reader import open_timeline
from rapha.timeline.staging import Staging


def test_the_same_again_changes_no_byte(hospital):
    first = hospital.ingest()
    before = hospital.content()
    assert not first.unchanged
    second = hospital.ingest()
    assert second.unchanged
    assert (second.batch, second.patients, second.events) == (first.batch, first.patients, first.events)
    assert second.in_words() == "ward: 2 patients, 2 events; nothing has changed since they were read"
    assert hospital.content() == before


def test_two_folders_of_the_same_are_equal_byte_for_byte(hospital, tmp_path):
    hospital.ingest()
    first = hospital.content()
    hospital.timeline = tmp_path / "elsewhere"
    hospital.ingest()
    assert hospital.content() == first


def test_an_edited_file_takes_the_place_of_the_old_one(hospital):
    hospital.ingest()
    before, digest = set(hospital.content()), open_timeline(hospital.timeline).digest
    hospital.labs = hospital.labs.replace(",50,", ",51,")
    assert not hospital.ingest().unchanged
    assert hospital.ask("num") == [(51.0,), (5.0,)]
    assert open_timeline(hospital.timeline).digest != digest
    assert len(hospital.content()) == len(before)
    assert not {name for name in before if name.startswith("events/")} & set(hospital.content())


def test_a_changed_mapping_is_read_again_and_a_changed_comment_is_not(hospital):
    hospital.ingest()
    hospital.mapping = "# a comment\n" + hospital.mapping
    assert hospital.ingest().unchanged
    hospital.mapping = hospital.mapping.replace("system: local", "system: loinc")
    assert not hospital.ingest().unchanged
    assert hospital.ask("DISTINCT system", order="1") == [("loinc",)]


def test_a_lost_file_is_written_again(hospital):
    hospital.ingest()
    before = hospital.content()
    next((hospital.timeline / "subjects").iterdir()).unlink()
    assert not hospital.ingest().unchanged
    assert hospital.content() == before


def test_another_source_stands_beside_the_first(hospital):
    hospital.ingest()
    hospital.mapping = hospital.mapping.replace("source: ward", "source: clinic")
    hospital.ingest()
    assert len(hospital.ask("event_id")) == 4
    assert len(hospital.ask("DISTINCT subject_key", order="1")) == 4


def test_another_secret_makes_another_timeline(hospital):
    hospital.ingest()
    keys = hospital.ask("subject_key", "subjects", "1")
    report = ingest(hospital.mapping_file, hospital.data, hospital.timeline, b"another secret, long enough")
    assert not report.unchanged
    assert not set(keys) & set(hospital.ask("subject_key", "subjects", "1"))


def test_a_short_secret_is_refused(hospital):
    hospital.ingest()
    with pytest.raises(ConfigurationError, match="fewer than 16 bytes"):
        ingest(hospital.mapping_file, hospital.data, hospital.timeline, b"short")


def test_progress_is_told_to_its_end(hospital):
    hospital.ingest()
    told = []
    hospital.labs += "\n"
    (hospital.data / "labs.csv").write_text(hospital.labs)
    ingest(hospital.mapping_file, hospital.data, hospital.timeline, b"x" * 32, lambda *step: told.append(step))
    assert told == [("people.csv", 0, 4), ("labs.csv", 1, 4), ("labs.csv", 2, 4), ("people.csv", 4, 4)]


def test_a_file_is_staged_when_it_is_asked_for_and_dropped_when_no_block_will_ask_again(hospital, tmp_path):
    again = hospital.mapping[hospital.mapping.index("  - file: labs.csv") :]
    hospital.mapping += again + again.replace("labs.csv", "more.csv")
    (hospital.data / "more.csv").write_text(hospital.labs)
    hospital.ingest()
    mapping = read_mapping(hospital.mapping_file, Mapping)
    staging = Staging(tmp_path)
    files = _Files(staging, mapping, Opened({name: hospital.data / name for name in mapping.files()}), lambda *_: None)
    held = []
    for at, name in enumerate(["people.csv", *(block.file for block in mapping.events)]):
        files.staged(name)
        held.append(staging.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'file%'")[0][0])
        files.keep_only(mapping.events[at:])
    assert [block.file for block in mapping.events] == ["labs.csv", "labs.csv", "more.csv"]
    assert held == [1, 1, 1, 1]
    assert files.rows == {"people.csv": 2, "labs.csv": 2, "more.csv": 2}
    assert staging.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'file%'") == [(0,)]
