"""HL7 version 2 messages as rows: times, values, corrections; whatever the order, and however hostile the text."""

from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.hl7v2 import ingest, messages
from rapha.sources.hl7v2.moments import moment
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."
MAPPING = """\
source: lab
format: hl7v2
authority: HOSP
zone: Europe/Vienna
observation: {start: first event, end: 2020-12-31}
"""


def head(kind: str, at: str = "20190501120000", control: str = "1", who: str = "p1") -> str:
    pid = f"PID|1||x^^^OTHER~{who}^^^HOSP&1.2.3&ISO^MR||Nobody^Made-Up||19500304|F"
    return f"MSH|^~\\&|LAB|H|||{at}||{kind}|{control}|P|2.5\r{pid}\r"


def result(
    obx: str, obr: str = "OBR|1|pl1|f1|pan^Panel^L|||201905010830|||||||||||||||20190501113000", **more: str
) -> str:
    return head("ORU^R01", **more) + f"{obr}\r{obx}\r"


def number(value: str = "5.1", status: str = "F") -> str:
    return f"OBX|1|NM|2160-0^Creatinine^LN||{value}|mg/dL|||||{status}"


class Ward:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir()
        (folder / "lab.mapping.yaml").write_text(MAPPING)

    def ingest(self, *texts: str | bytes) -> IngestReport:
        for number, text in enumerate(texts):
            (self.data / f"{number}.hl7").write_bytes(text if isinstance(text, bytes) else text.encode())
        return ingest(self.folder / "lab.mapping.yaml", self.data, self.folder / "timeline", SECRET)

    def rows(self, columns: str, table: str = "events") -> list[tuple[Any, ...]]:
        with open_timeline(self.folder / "timeline").connect() as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()

    def only(self, columns: str, table: str = "events") -> tuple[Any, ...]:
        [row] = self.rows(columns, table)
        return row


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def test_a_result(ward: Ward) -> None:
    report = ward.ingest(result(number()))
    assert (report.patients, report.events, report.set_aside) == (1, 1, 0)
    assert ward.only("kind, system, code, num, unit, status, precision") == (
        "measurement", "http://loinc.org", "2160-0", 5.1, "mg/dL", "final", "minute",
    )  # fmt: skip
    assert ward.only("t_start::VARCHAR, t_available::VARCHAR") == ("2019-05-01 06:30:00+00", "2019-05-01 09:30:00+00")
    assert ward.only("birth::VARCHAR, sex, birth_precision", "subjects")[1:] == ("female", "day")


def test_the_observation_s_own_time_comes_before_the_order_s(ward: Ward) -> None:
    ward.ingest(result(number() + "|||20190501070000+0000"))
    assert ward.only("t_start::VARCHAR, utc_offset_minutes") == ("2019-05-01 07:00:00+00", 0)


def test_a_day_is_known_when_it_is_over_and_nothing_before_it_was_taken(ward: Ward) -> None:
    ward.ingest(result(number(), obr="OBR|1||f1|pan|||20190501|||||||||||||||20190501"))
    assert ward.only("precision, t_start::VARCHAR, t_available::VARCHAR") == (
        "day", "2019-04-30 22:00:00+00", "2019-05-01 22:00:00+00",
    )  # fmt: skip


def test_without_a_time_of_report_a_result_is_known_when_its_message_was_sent(ward: Ward) -> None:
    ward.ingest(result(number(), obr="OBR|1||f1|pan|||201905010830"))
    assert ward.only("t_available::VARCHAR") == ("2019-05-01 10:00:00+00",)


@pytest.mark.parametrize(
    ("obx", "expected"),
    [
        ("NM|a^A^L||-1.5e1", (-15.0, None, None, False)),
        ("SN|a^A^L||<^5", (5.0, "<", None, False)),
        ("SN|a^A^L||^5", (5.0, None, None, False)),
        ("ST|a^A^L||>= 7", (7.0, ">=", None, False)),
        ("TX|a^A^L||no growth", (None, None, None, True)),
        ("CE|a^A^L||B-12^some^L", (None, None, "B-12", False)),
        ("CWE|a^A^L||x\\S\\y", (None, None, "x^y", False)),
        ("DT|a^A^L||20190102", (None, None, "20190102", False)),
    ],
)
def test_values(ward: Ward, obx: str, expected: tuple[Any, ...]) -> None:
    ward.ingest(result(f"OBX|1|{obx}||||||F"))
    assert ward.only("num, comparator, value_code, text_ref IS NOT NULL") == expected
    assert ward.only("system") == ("hl7v2:L",)


@pytest.mark.parametrize(
    "obx",
    [
        "NM|a||<5", "NM|a||five", "NM|a||1~2", "NM|a||1e999", "NM|a||", "SN|a||^1^-^2", "SN|a||~^5", "ED|a||x", "CE|a||^x",
        "NM|a||\"\"", "NM|||5", "NM|a||५",
    ],
)  # fmt: skip
def test_what_is_not_read_is_set_aside_and_leaves_no_older_version(ward: Ward, obx: str) -> None:
    key = "a" if "|a|" in obx else ""
    older = result(f"OBX|1|NM|{key}||1|||||||F".replace("|||||||F", "||||||F"), at="20190501110000")
    report = ward.ingest(older, result(f"OBX|1|{obx}||||||F", control="2"))
    assert report.set_aside == 1
    assert ward.rows("1") == []
    assert "five" not in report.in_words()


@pytest.mark.parametrize(
    ("status", "expected"),
    [("C", "amended"), ("D", "entered-in-error"), ("W", "entered-in-error"), ("X", "cancelled"), ("P", "preliminary")],
)
def test_a_later_message_takes_the_place_of_an_earlier_one(ward: Ward, status: str, expected: str) -> None:
    value = "" if status in "DX" else "6.2"
    ward.ingest(result(number()), result(number(value, status), at="20190502120000", control="2"))
    assert ward.only("status, num") == (expected, float(value) if value else None)


def test_a_result_of_the_wrong_patient_goes_to_the_right_one(ward: Ward) -> None:
    ward.ingest(result(number()), result(number(), at="20190502120000", control="2", who="p2"))
    [(key,)] = ward.rows("subject_key")
    assert len(ward.rows("subject_key", "subjects")) == 2
    assert [period[0] for period in ward.rows("subject_key", "observation_periods")] == [key]


def test_order_and_repetition_make_no_difference(tmp_path: Path) -> None:
    texts = [result(number(str(n)), at=f"2019050112000{n // 2}", control=str(9 + n)) for n in range(3)]
    found = set()
    for at, order in enumerate(permutations(texts)):
        folder = tmp_path / str(at)
        folder.mkdir()
        ward = Ward(folder)
        ward.ingest(*order, order[0])
        found.add(ward.only("num, event_id, t_available"))
    assert [num for num, *_ in found] == [2.0]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"at": "20190501120000", "control": "2"}, {"at": "20190501120001", "control": "1"}),
        ({"at": "20190501120000", "control": "9"}, {"at": "20190501120000", "control": "10"}),
        ({"at": "20190501120000+0100", "control": "2"}, {"at": "20190501120000+0000", "control": "1"}),
    ],
)
def test_what_is_newer(ward: Ward, older: dict[str, str], newer: dict[str, str]) -> None:
    ward.ingest(result(number("2"), **newer), result(number("1"), **older))
    assert ward.only("num") == (2.0,)


def test_the_newest_message_says_who_a_patient_is_and_a_death_ends_the_period(ward: Ward) -> None:
    newer = result(number(), at="20190502120000", control="2").replace("19500304|F", f"19510304|M{'|' * 21}20190601")
    ward.ingest(newer, result(number()))
    assert ward.only("sex, birth::VARCHAR, death::VARCHAR", "subjects") == (
        "male", "1951-03-03 23:00:00+00", "2019-05-31 22:00:00+00",
    )  # fmt: skip
    assert ward.only("t_end::VARCHAR", "observation_periods") == ("2019-05-31 22:00:00+00",)


def test_results_that_only_their_place_tells_apart_are_all_kept(ward: Ward) -> None:
    ward.ingest(result(number("1") + "\r" + number("2")))
    assert [num for (num,) in ward.rows("num")] == [1, 2]


def stay(trigger: str, admit: str = "201905010800", discharge: str = "", **more: str) -> str:
    fields = [""] * 46
    fields[0], fields[2], fields[19], fields[44], fields[45] = "PV1", "I", "v1", admit, discharge
    return head(f"ADT^{trigger}^ADT_A01", **more) + "|".join(fields) + "\r"


@pytest.mark.parametrize(
    ("trigger", "discharge", "expected"),
    [
        ("A03", "201905030800", ("final", "2019-05-03 06:00:00+00")),
        ("A08", "", ("final", None)),
        ("A11", "", ("cancelled", None)),
        ("A23", "", ("entered-in-error", None)),
    ],
)
def test_stays(ward: Ward, trigger: str, discharge: str, expected: tuple[Any, ...]) -> None:
    ward.ingest(stay("A01"), stay(trigger, discharge=discharge, at="20190503090000", control="2"))
    assert ward.only("kind, code, status, t_end::VARCHAR") == ("encounter", "I", *expected)


def test_a_discharge_taken_back(ward: Ward) -> None:
    ended = stay("A03", discharge="201905030800", at="20190503090000", control="2")
    ward.ingest(stay("A01"), ended, stay("A13", at="20190503100000", control="3"))
    assert ward.only("status, t_end") == ("final", None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (head("ADT^A40"), "without a patient who remains"),
        (head("ADT^A41"), "accounts or visits"),
        (head("ORM^O01"), "type"),
        (result(number(), at=""), "no time"),
        (result(number(), control=""), "control id"),
        (result(number(), who=""), "identifier"),
        (result(number(status="Q")), "status"),
        (result(number(), obr="OBR|1|||pan|||201905010830"), "order number"),
        (result(number(), obr="OBR|1||f1|pan|||soon"), "time of observation"),
        (result(number(), obr="OBR|1||f1|pan|||201905010830|||||||||||||||soon"), "time of report"),
        (head("ORU^R01") + "PID|2||p2^^^HOSP\r", "one patient"),
        ("MSH|\r", "separators"),
        ("MSH||||||\r", "separators"),
        ("OBX|1|NM\r", "before any MSH"),
        (stay("A01", admit=""), "admission"),
        (stay("A01", discharge="201904010800"), "ends before"),
    ],
)
def test_reasons(ward: Ward, text: str, reason: str) -> None:
    report = ward.ingest(text)
    told = report.in_words()
    assert reason in told and report.events == 0
    assert "Nobody" not in told


def test_batches_frames_and_other_separators(ward: Ward) -> None:
    framed = f"\x0b{result(number())}\x1c\r"
    other = result(number("7"), control="2", obr="OBR|1||f2|pan|||201905010830").replace("|", "#").replace("^", "!")
    other = other.replace("2160-0", "a\\F\\b")
    ward.ingest(f"FHS|^~\\&\rBHS|^~\\&\r{framed}{other}BTS|2\rFTS|1\r".replace("\r", "\r\n"))
    assert ward.rows("num, code") == [(5.1, "2160-0"), (7.0, "a#b")]


def test_hostile_text_is_set_aside_and_the_rest_is_read(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "LONGEST_SEGMENT", 1000)
    long, foreign = result(number() + "x" * 2000), result(number()).encode() + b"NTE|\xff\r"
    report = ward.ingest(long, foreign, b"\x00" * 50, result(number("8"), control="4"))
    assert report.set_aside == 3
    assert ward.only("num") == (8.0,)


def test_the_same_again_changes_nothing(ward: Ward) -> None:
    ward.ingest(result(number()))
    assert ward.ingest().unchanged


def test_no_messages_a_file_too_large_or_a_zone_that_is_none(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="holds no file"):
        ward.ingest()
    monkeypatch.setattr(messages, "LARGEST_FILE", 10)
    with pytest.raises(SourceError, match="split it"):
        ward.ingest(result(number()))
    (ward.folder / "lab.mapping.yaml").write_text(MAPPING.replace("Vienna", "Wien"))
    with pytest.raises(ConfigurationError, match="no such time zone"):
        ward.ingest()


@pytest.mark.parametrize(
    ("text", "precision", "start", "over"),
    [
        ("2019", "year", "2018-12-31T23:00", "2019-12-31T23:00"),
        ("201912", "month", "2019-11-30T23:00", "2019-12-31T23:00"),
        ("2019050108", "day", "2019-05-01T06:00", "2019-05-01T07:00"),
        ("20190501083015.25-0330", "second", "2019-05-01T12:00:15.250000", "2019-05-01T12:00:15.250000"),
    ],
)
def test_moments(text: str, precision: str, start: str, over: str) -> None:
    found = moment(text, ZoneInfo("Europe/Vienna"))
    assert found is not None
    expected = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, over)]
    assert [found.precision, found.start, found.over] == [precision, *expected]


@pytest.mark.parametrize(
    "text", ["", "20191301", "20190230", "201905012", "1066", "99990101", "2019-05-01", "201905012460"]
)
def test_what_is_no_moment(text: str) -> None:
    assert moment(text, ZoneInfo("UTC")) is None
