"""`format: views`: FHIR resources through ViewDefinitions into the timeline, by the column mapping of tables."""

import json
from pathlib import Path
from typing import Any

import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.sources import source_of
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."
PEOPLE = {
    "resourceType": "ViewDefinition", "resource": "Patient", "status": "active",
    "select": [{"column": [
        {"name": "id", "path": "getResourceKey()"}, {"name": "born", "path": "birthDate"}, {"name": "sex", "path": "gender"},
        {"name": "seen", "path": "'2020-12-31'"},
    ]}],
}  # fmt: skip
LABS = {
    "resourceType": "ViewDefinition", "resource": "Observation", "status": "active",
    "select": [
        {"column": [
            {"name": "patient", "path": "subject.getReferenceKey(Patient)"},
            {"name": "taken", "path": "effective.ofType(dateTime)"}, {"name": "known", "path": "issued"},
            {"name": "value", "path": "value.ofType(Quantity).value"}, {"name": "unit", "path": "value.ofType(Quantity).unit"},
            {"name": "status", "path": "status"},
        ]},
        {"forEach": "code.coding", "column": [{"name": "system", "path": "system"}, {"name": "code", "path": "code"}]},
    ],
    "where": [{"path": "value.ofType(Quantity).exists()"}],
}  # fmt: skip
MAPPING = """\
source: ward
format: views
views: {people: people.view.json, labs: labs.view.json}
units: [{spelled: {MG/DL: mg/dL}}]
subjects: {file: people, id: id, birth: {column: born}, sex: {column: sex, values: {female: female, male: male}}}
observation: {start: first event, end: {column: seen}}
events:
  - file: labs
    id: patient
    kind: measurement
    time: {column: taken}
    available: {column: known}
    system: {column: system}
    code: {column: code}
    value: value
    unit: {column: unit}
    status: {column: status, values: {final: final, entered-in-error: entered-in-error}}
"""
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1950-03", "gender": "female"}


def lab(name: str, value: float = 50, status: str = "final", who: str = "Patient/p1") -> dict[str, Any]:
    codings = [{"system": "http://loinc.org", "code": "2085-9"}, {"system": "local", "code": "hdl"}]
    return {
        "resourceType": "Observation", "id": name, "status": status, "subject": {"reference": who}, "code": {"coding": codings},
        "effectiveDateTime": "2018-02-01T08:15:00+01:00", "issued": "2018-02-01T13:40:00+01:00",
        "valueQuantity": {"value": value, "unit": "MG/DL"},
    }  # fmt: skip


class Ward:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "fhir"
        self.data.mkdir()
        self.mapping, self.views = MAPPING, {"people": PEOPLE, "labs": LABS}
        self.resources: list[Any] = [PATIENT, lab("o1")]

    def ingest(self) -> IngestReport:
        file = self.folder / "ward.mapping.yaml"
        file.write_text(self.mapping)
        for name, view in self.views.items():
            (self.folder / f"{name}.view.json").write_text(json.dumps(view))
        lines = [each if isinstance(each, str) else json.dumps(each) for each in self.resources]
        (self.data / "export.ndjson").write_text("\n".join(lines) + "\n")
        return source_of(file)(file, self.data, self.folder / "timeline", SECRET, None)

    def ask(self, columns: str, table: str = "events") -> list[tuple[Any, ...]]:
        with open_timeline(self.folder / "timeline").connect() as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def test_resources_become_events_by_their_columns(ward: Ward) -> None:
    report = ward.ingest()
    assert (report.patients, report.events, report.set_aside) == (1, 2, 0)
    assert ward.ask(
        "system, code, num, unit_ucum, utc_offset_minutes, t_start::VARCHAR, t_available::VARCHAR, source_ref"
    ) == [
        ("http://loinc.org", "2085-9", 50.0, "mg/dL", 60, "2018-02-01 07:15:00+00", "2018-02-01 12:40:00+00", "labs#1"),
        ("local", "hdl", 50.0, "mg/dL", 60, "2018-02-01 07:15:00+00", "2018-02-01 12:40:00+00", "labs#2"),
    ]
    assert ward.ask("birth_precision, sex", "subjects") == [("month", "female")]


def test_the_same_again_changes_nothing_and_a_changed_view_or_file_is_read_again(ward: Ward) -> None:
    ward.ingest()
    assert ward.ingest().unchanged
    ward.views["labs"] = LABS | {"where": [{"path": "false"}]}
    assert ward.ingest().events == 0
    ward.views["labs"] = LABS
    assert ward.ingest().events == 2
    ward.resources.append(lab("o2", 60))
    assert ward.ingest().events == 4
    assert sorted(path.name for path in (ward.folder / "timeline").iterdir()) == [
        "contents", "events", "observation_periods", "set-aside", "subjects", "timeline.json",
    ]  # fmt: skip


def test_what_is_no_resource_and_what_is_no_event_are_both_told(ward: Ward) -> None:
    ward.resources += ["{no json", lab("o3", status="registered"), lab("o4", who="Patient/p9")]
    report = ward.ingest()
    told = {file.file: file.set_aside for file in report.files}
    assert told["labs"] == {"`status` is not one of the mapping's values": 2, "`patient` names no patient of people": 2}
    assert told["export.ndjson"] == {"is no JSON object": 1}
    aside = (ward.folder / "timeline" / "set-aside" / "ward.csv").read_text().splitlines()
    assert "export.ndjson,3,is no JSON object" in aside
    assert "p9" not in report.in_words() and not any("p9" in line for line in aside)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("file: labs", "file: lab", "`file: lab` is none of `views`; did you mean `labs`?"),
        ("people.view.json,", "people.view.json, more: labs.view.json,", "the view `more` is read by nothing"),
        ("labs: labs.view.json", "labs: labz.view.json", "the view `labs` should be in"),
        ("labs: labs.view.json", "labs: ../labs.view.json", "views.labs"),
    ],
)
def test_views_that_are_not_there(ward: Ward, right: str, wrong: str, said: str) -> None:
    ward.mapping = ward.mapping.replace(right, wrong)
    with pytest.raises(ConfigurationError, match=said.replace("?", r"\?")):
        ward.ingest()


def test_a_column_that_no_view_has_and_a_view_of_several_values(ward: Ward) -> None:
    ward.mapping = MAPPING.replace("{column: known}", "{column: knowm}")
    with pytest.raises(SourceError, match=r"labs\.parquet has no column 'knowm'; did you mean 'known'"):
        ward.ingest()
    ward.mapping = MAPPING
    ward.views["people"] = json.loads(json.dumps(PEOPLE).replace("birthDate", "name.given"))
    ward.resources[0] = PATIENT | {"name": [{"given": ["Nobody", "Made-Up"]}]}
    with pytest.raises(SourceError) as refused:
        ward.ingest()
    assert "Nobody" not in str(refused.value)
