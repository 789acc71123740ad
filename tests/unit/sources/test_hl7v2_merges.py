"""Patients who turn out to be one: whatever the order of messages, whichever source told of them, and for an opt-out too."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from test_hl7v2_rows import Ward, head, number, result

from rapha.sources.hl7v2.merges import Merge, resolved
from rapha.sources.tables import ingest as ingest_tables
from rapha.timeline.opt_out import patients_listed, write_opt_outs
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."


def merge(retired: str, remains: str, at: str = "20190601120000", trigger: str = "A40", **more: str) -> str:
    return head(f"ADT^{trigger}^ADT_A39", at=at, who=remains, **more) + f"MRG|9^^^OTHER~{retired}^^^HOSP\r"


def order(number_of_order: str, value: str, who: str, at: str = "20190501120000") -> str:
    obr = f"OBR|1|p|{number_of_order}|pan|||201905010830"
    return result(number(value), obr=obr, who=who, at=at, control=number_of_order)


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def key(patient: str, whose: str = "lab") -> int:
    return subject_key(SECRET, whose, patient)


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47"])
def test_events_of_a_retired_number_are_those_of_the_one_that_remains(ward: Ward, trigger: str) -> None:
    report = ward.ingest(order("1", "1", "p1"), order("2", "2", "p2"), merge("p1", "p2", trigger=trigger))
    assert (report.set_aside, report.patients) == (0, 1)
    assert ward.rows("num, subject_key") == [(1.0, key("p2")), (2.0, key("p2"))]
    assert ward.rows("subject_key", "subjects") == [(key("p2"),)]
    assert ward.rows("subject_key", "observation_periods") == [(key("p2"),)]


def test_the_order_of_files_makes_no_difference_and_the_same_again_changes_nothing(tmp_path: Path) -> None:
    texts = [
        order("1", "1", "p1"),
        merge("p1", "p2"),
        order("3", "3", "p1", at="20190701120000"),
        merge("p2", "p3", control="8"),
    ]
    found = set()
    for at, files in enumerate(permutations(texts)):
        folder = tmp_path / str(at)
        folder.mkdir()
        ward = Ward(folder)
        ward.ingest(*files, files[0])
        assert ward.ingest().unchanged
        found.add(tuple(ward.rows("num, subject_key, event_id")))
    [rows] = found
    assert [row[:2] for row in rows] == [(1.0, key("p3")), (3.0, key("p3"))]


def test_a_merge_that_is_taken_back_is_undone(ward: Ward) -> None:
    ward.ingest(order("1", "1", "p1"), order("2", "2", "p2"), merge("p1", "p2"), merge("p2", "p1", at="20190602120000"))
    assert ward.rows("DISTINCT subject_key") == [(key("p1"),)]


def test_the_newest_message_of_any_number_says_who_the_patient_is(ward: Ward) -> None:
    dead = order("1", "1", "p1", at="20190801120000").replace("19500304|F", f"19500304|F{'|' * 21}20190730")
    ward.ingest(dead, merge("p1", "p2"))
    assert ward.rows("subject_key, death::VARCHAR", "subjects") == [(key("p2"), "2019-07-29 22:00:00+00")]


def test_patients_of_other_sources_with_the_same_people_are_joined(ward: Ward) -> None:
    lab, data = ward.folder / "lab.mapping.yaml", ward.folder / "tables"
    lab.write_text("people: house\n" + lab.read_text())
    data.mkdir()
    (data / "people.csv").write_text("id,seen\np1,2012-01-01\np2,2012-01-01\np9,2012-01-01\n")
    (data / "labs.csv").write_text("id,at\np1,2010-01-01\np9,2010-01-01\n")
    mapping = ward.folder / "ward.mapping.yaml"
    mapping.write_text(
        "source: ward\npeople: house\nsubjects: {file: people.csv, id: id}\nobservation: {start: first event, end: {column: seen}}\n"
        "events: [{file: labs.csv, id: id, kind: measurement, time: {column: at}, available: same, system: l, code: x}]\n"
    )
    ingest_tables(mapping, data, ward.folder / "timeline", SECRET)
    before = [(key("p1", "house"),), (key("p9", "house"),)]
    assert ward.rows("subject_key") == sorted(before)
    ward.ingest(merge("p1", "p2"))
    assert ward.rows("subject_key") == sorted([(key("p2", "house"),), (key("p9", "house"),)])


@pytest.mark.parametrize("first", ["opt-out", "merge"])
def test_who_opted_out_under_a_retired_number_stays_out(ward: Ward, first: str) -> None:
    messages = (order("1", "1", "p1"), order("2", "2", "p2"), merge("p1", "p2"))
    timeline = ward.folder / "timeline"
    if first == "merge":
        ward.ingest(*messages)
    write_opt_outs(timeline, SECRET, ["p1"], ["lab"])
    if first == "opt-out":
        ward.ingest(*messages)
    with open_timeline(timeline).connect() as connection:
        statement = "SELECT subject_key, bool_or(opted_out) FROM subjects GROUP BY subject_key"
        assert connection.execute(statement).fetchall() == [(key("p2"), True)]
    assert patients_listed(timeline) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (merge("p1", "p1"), "into itself"),
        (merge("", "p1"), "either side"),
        (merge("p1", "p2").replace("MRG|9^^^OTHER~p1^^^HOSP", "MRG|p1^^^HOSP~p3^^^HOSP"), "either side"),
        (head("ADT^A40"), "without a patient who remains"),
        (merge("p1", "p2", trigger="A42"), "accounts or visits"),
    ],
)
def test_what_is_no_merge(ward: Ward, text: str, reason: str) -> None:
    report = ward.ingest(order("1", "1", "p1"), text)
    assert reason in report.in_words() and report.set_aside == 1
    assert ward.only("subject_key") == (key("p1"),)


def test_chains_and_rings() -> None:
    def merges(*pairs: str) -> Any:
        return resolved(Merge(pair[0], pair[1], (None, at, 0, "")) for at, pair in enumerate(pairs))  # type: ignore[arg-type]

    assert merges("ab", "bc", "cd") == {"a": "d", "b": "d", "c": "d"}
    assert merges("ab", "ba") == {"b": "a"}
    assert merges("ba", "ab") == {"a": "b"}
    assert merges("ab", "bc", "ca") == {"b": "a", "c": "a"}
    assert merges("ab", "ac") == {"a": "c"}
    assert merges("ab", "bc", "bd", "da") == {"b": "a", "d": "a"}
