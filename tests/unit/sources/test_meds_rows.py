"""MEDS rows into the timeline: what each becomes, what is set aside, what the report owns up to."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.sources import source_of
from rapha.sources.meds import ingest
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
MAPPING = """\
source: away
format: meds
system: MEDS
split: "//"
sex: {"SEX//F": female, "SEX//M": male}
observation: {start: first event, end: last event}
"""
DAY = dt.datetime(2020, 1, 1, 8)
NARROW = {"numeric_value": pa.float32()}


class Away:
    """A MEDS folder, changed a little by each test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.timeline, self.mapping = folder / "meds", folder / "timeline", folder / "m.mapping.yaml"
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "metadata").mkdir()
        self.mapping.write_text(MAPPING)

    def put(self, *rows, name="0", types=None):
        """(subject, time, code, number, text), and what is in a sixth place as a dict of further columns."""
        names = ["subject_id", "time", "code", "numeric_value", "text_value"]
        listed = [dict(zip(names, row[:5], strict=False)) | (row[5] if len(row) > 5 else {}) for row in rows]
        kinds = {
            "subject_id": pa.int64(),
            "time": pa.timestamp("us"),
            "code": pa.string(),
            "text_value": pa.large_string(),
        }
        kinds |= {key: pa.string() for row in listed for key in row if key not in names}
        kinds |= {"numeric_value": pa.float64()} | (types or {})
        arrays = {key: pa.array([row.get(key) for row in listed], kind) for key, kind in kinds.items()}
        pq.write_table(pa.table(arrays), self.folder / "data" / f"{name}.parquet")

    def ingest(self):
        return ingest(self.mapping, self.folder, self.timeline, SECRET)

    def ask(self, columns, table="events", order="1, 2"):
        with open_timeline(self.timeline).connect() as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()


@pytest.fixture
def away(tmp_path):
    return Away(tmp_path)


def test_a_mapping_names_it(away):
    assert source_of(away.mapping) is ingest


def test_a_row_is_an_event_and_a_code_has_its_system(away):
    away.put((1, DAY, "LOINC//2160-0//x", 1.25), (1, DAY, "fever", None, "high"))
    assert away.ingest().set_aside == 0
    assert away.ask("system, code, concept, num, value_code, kind") == [
        ("LOINC", "2160-0//x", "LOINC//2160-0//x", 1.25, None, "measurement"),
        ("MEDS", "fever", "fever", None, "high", "observation"),
    ]


def test_birth_death_and_sex_are_of_the_patient(away):
    born, died = dt.datetime(1950, 1, 1), dt.datetime(2021, 5, 6, 7)
    away.put(
        (1, born, "MEDS_BIRTH"),
        (1, died, "MEDS_DEATH"),
        (1, None, "SEX//F"),
        (2, None, "SEX//F"),
        (2, None, "SEX//M"),
        (2, DAY, "a"),
    )
    away.ingest()
    found = away.ask(
        "sex, year(timezone('UTC', birth)), hour(timezone('UTC', death)), death_precision", "subjects", "1 NULLS LAST"
    )
    assert found == [("female", 1950, 7, "second"), (None, None, None, None)]
    assert away.ask("code, 1") == [("a", 1)]


def test_what_cannot_be_an_event_is_set_aside_by_row(away):
    away.put(
        (1, DAY, "a"), (None, DAY, "a"), (1, DAY, None), (1, DAY, " "), (1, dt.datetime(1, 1, 1), "a"), (1, None, "blood group"),
        (1, DAY, "a", float("nan")), (1, DAY, "MEDS_DEATH"), (1, dt.datetime(2020, 2, 1), "MEDS_DEATH"),
    )  # fmt: skip
    report = away.ingest()
    assert (report.events, report.set_aside) == (1, 7)
    lines = (away.timeline / "set-aside" / "away.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["2", "3", "4", "5", "6", "7", "9"]
    assert "blood group" not in report.in_words() + "".join(lines)


def test_a_number_in_single_precision_is_the_shortest_decimal_that_names_it(away):
    away.put((1, DAY, "a", 1.3), (1, DAY, "a", 159.4), types=NARROW)
    report = away.ingest()
    assert [number for number, _ in away.ask("num, 1")] == [1.3, 159.4]
    assert "2 numbers were kept in single precision" in report.in_words()
    assert "2 numbers have no unit" in report.in_words()


def test_two_edges_are_one_event_that_lasts(away):
    end = dt.datetime(2020, 1, 5)
    away.put(
        (1, DAY, "h//stay//start", None, None, {"event_id": "e", "edge": "start"}),
        (1, end, "h//stay//end", None, None, {"event_id": "e", "edge": "end"}),
        (1, end, "h//stay//end", None, None, {"event_id": "f", "edge": "end"}),
    )
    report = away.ingest()
    assert away.ask("code, day(timezone('UTC', t_end))") == [("stay", 5)]
    assert report.set_aside == 1


def test_a_comparator_that_our_own_export_wrote_is_read_back(away):
    away.put((1, DAY, "crp", None, "<5.0", {"comparator": "<", "unit": "mg/L"}))
    away.ingest()
    assert away.ask("num, comparator, unit, value_code") == [(5.0, "<", "mg/L", None)]


def test_observation_is_as_the_mapping_says(away):
    later = dt.datetime(2020, 3, 1)
    away.put((1, dt.datetime(1950, 1, 1), "MEDS_BIRTH"), (1, DAY, "a"), (1, later, "b"))
    away.ingest()
    assert away.ask(
        "CAST(timezone('UTC', t_start) AS VARCHAR), CAST(timezone('UTC', t_end) AS VARCHAR)", "observation_periods"
    ) == [("2020-01-01 08:00:00", "2020-03-01 00:00:00")]
    away.mapping.write_text(MAPPING.replace("last event", "2030-01-01"))
    away.ingest()
    assert away.ask("year(timezone('UTC', t_end)), 1", "observation_periods") == [(2030, 1)]


def test_parents_and_their_parents_are_ancestors_round_a_circle_too(away):
    away.put((1, DAY, "I//a"))
    codes = {
        "code": ["I//a", "I//b", "I//c"],
        "description": ["A", None, None],
        "parent_codes": [["I//b"], ["I//c", "X//y"], ["I//b"]],
    }
    pq.write_table(pa.table(codes), away.folder / "metadata" / "codes.parquet")
    away.ingest()
    assert away.ask("system, code, name", "concepts") == [
        ("I", "a", "A"),
        ("I", "b", None),
        ("I", "c", None),
        ("X", "y", None),
    ]
    above = {(a, d) for a, d in away.ask("ancestor, descendant", "concept_ancestors") if a != d}
    assert {a for a, d in above if d == "I//a"} == {"I//b", "I//c", "X//y"}
    assert ("I//c", "I//b") in above and ("I//b", "I//c") in above


def test_again_changes_nothing_and_another_file_does(away):
    away.put((1, DAY, "a"))
    away.ingest()
    before = {path: path.read_bytes() for path in away.timeline.rglob("*.parquet")}
    assert away.ingest().unchanged
    assert {path: path.read_bytes() for path in away.timeline.rglob("*.parquet")} == before
    away.put((2, DAY, "b"), name="1")
    assert away.ingest().patients == 2


def test_splits_are_passed_over(away):
    away.put((1, DAY, "a"))
    pq.write_table(
        pa.table({"subject_id": [9], "split": ["train"]}), away.folder / "metadata" / "subject_splits.parquet"
    )
    assert away.ingest().patients == 1


def test_what_is_no_meds_is_told_in_a_sentence(away, tmp_path):
    with pytest.raises(SourceError, match="holds no Parquet file"):
        away.ingest()
    (away.folder / "data" / "0.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match=r"data/0\.parquet cannot be read"):
        away.ingest()
    pq.write_table(pa.table({"subject_id": ["x"], "time": [DAY], "code": ["a"]}), away.folder / "data" / "0.parquet")
    with pytest.raises(SourceError, match="`subject_id` holds no integers"):
        away.ingest()
    pq.write_table(pa.table({"subject_id": [1], "time": [DAY]}), away.folder / "data" / "0.parquet")
    with pytest.raises(SourceError, match="has no column `code`"):
        away.ingest()
    away.put((1, DAY, "a"))
    away.mapping.write_text(MAPPING.replace("observation: {start: first event, end: last event}\n", ""))
    with pytest.raises(ConfigurationError, match="`observation` is missing"):
        away.ingest()
