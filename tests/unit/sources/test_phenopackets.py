"""Phenopackets: what is stated, what is excluded, when it was and since when it is known; and what is not read at all."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from test_ontology_files import OBO
from test_ontology_files import read as read_ontology

from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.errors import SourceError
from rapha.records.study import Study
from rapha.sources.phenopackets import ingest
from rapha.sources.phenopackets.moments import age_of
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."
MAPPING = """\
source: phenotypes
people: clinic
format: phenopackets
folder: packets
subjects: {file: subjects.csv, subject: subject, patient: patient}
systems: {OMIM: omim}
"""
SEIZURE = {"type": {"id": "HP:0001250", "label": "Seizure"}}


def packet(*features: dict[str, Any], subject: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "p", "subject": {"id": "one", "sex": "FEMALE", "dateOfBirth": "2000-02-29T00:00:00Z"} | (subject or {}),
        "phenotypicFeatures": list(features),
        "metaData": {"created": "2020-05-01T10:00:00Z", "phenopacketSchemaVersion": "2.0"},
    } | more  # fmt: skip


class Clinic:
    def __init__(self, folder: Path) -> None:
        self.data, self.timeline, self.mapping = folder / "data", folder / "timeline", MAPPING
        (self.data / "packets").mkdir(parents=True)
        self.subjects = "subject,patient\none,p1\ntwo,p2\n"

    def ingest(self, *packets: object) -> IngestReport:
        for number, each in enumerate(packets):
            text = each if isinstance(each, str) else json.dumps(each)
            (self.data / "packets" / f"{number}.json").write_text(text)
        (self.data / "subjects.csv").write_text(self.subjects)
        (self.data / "m.yaml").write_text(self.mapping)
        return ingest(self.data / "m.yaml", self.data, self.timeline, SECRET)

    def ask(self, columns: str, table: str = "events") -> list[tuple[Any, ...]]:
        with open_timeline(self.timeline).connect() as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


def test_a_feature_is_an_event_and_an_excluded_one_a_negative_statement(clinic: Clinic) -> None:
    clinic.ingest(packet(SEIZURE, {"type": {"id": "HP:0001252"}, "excluded": True}))
    assert clinic.ask("system, code, polarity") == [
        ("HP", "HP:0001250", "affirmed"), ("HP", "HP:0001252", "excluded"), ("excluded:HP", "HP:0001252", "affirmed"),
    ]  # fmt: skip
    assert clinic.ask("sex, birth::DATE::VARCHAR", "subjects") == [("female", "2000-02-29")]


def test_a_disease_too(clinic: Clinic) -> None:
    clinic.ingest(
        packet(diseases=[{"term": {"id": "OMIM:607208"}}, {"term": {"id": "MONDO:0100135"}, "excluded": True}])
    )
    assert clinic.ask("system, code, polarity") == [
        ("MONDO", "MONDO:0100135", "excluded"), ("excluded:MONDO", "MONDO:0100135", "affirmed"), ("omim", "OMIM:607208", "affirmed"),
    ]  # fmt: skip


MADE = "2020-05-01 10:00:00+00"


@pytest.mark.parametrize(
    ("onset", "start", "precision", "age"),
    [
        pytest.param({"age": {"iso8601duration": "P14Y"}}, "2014-02-28 00:00:00+00", "year", 14.0, id="an age in years"),
        pytest.param({"age": {"iso8601duration": "P6M"}}, "2000-08-29 00:00:00+00", "month", 0.5, id="an age in months"),
        pytest.param({"age": {"iso8601duration": "P1Y2M3D"}}, "2001-05-02 00:00:00+00", "day", 1.1749, id="an age in days"),
        pytest.param({"timestamp": "2010-02-28T00:00:00+02:00"}, "2010-02-27 22:00:00+00", "second", 9.9959, id="a date, with its offset"),
        pytest.param({"timestamp": "2010-02-28T00:00:00"}, MADE, "second", None, id="a date without an offset is none"),
        pytest.param({"ageRange": {"start": {"iso8601duration": "P1Y"}, "end": {"iso8601duration": "P9Y"}}}, MADE, "second", None,
                     id="a range is no moment"),
        pytest.param({"ontologyClass": {"id": "HP:0003577"}}, MADE, "second", None, id="a word is no moment"),
        pytest.param({"age": {"iso8601duration": "P30Y"}}, MADE, "second", 30.0, id="an onset to come happened when it was said"),
        pytest.param(None, MADE, "second", None, id="none"),
    ],
)  # fmt: skip
def test_when_a_feature_began(clinic: Clinic, onset: Any, start: str, precision: str, age: float | None) -> None:
    clinic.ingest(packet(SEIZURE | ({"onset": onset} if onset else {})))
    (row,) = clinic.ask("t_start::VARCHAR, t_available::VARCHAR, precision, num_canonical, unit_ucum")
    assert row[:3] == (start, MADE, precision)
    assert row[3] == (None if age is None else pytest.approx(age, abs=1e-4)) and row[4] == (
        None if age is None else "a"
    )


def test_an_onset_says_nothing_of_what_is_excluded(clinic: Clinic) -> None:
    clinic.ingest(packet(SEIZURE | {"excluded": True, "onset": {"age": {"iso8601duration": "P1Y"}}}))
    assert clinic.ask("DISTINCT t_start::VARCHAR, num") == [(MADE, None)]


def test_known_since_the_file_of_subjects_says_so(clinic: Clinic) -> None:
    clinic.mapping = MAPPING.replace("patient: patient", "patient: patient, known: known")
    clinic.subjects = "subject,patient,known\none,p1,2021-01-02\ntwo,p2,some day\n"
    report = clinic.ingest(packet(SEIZURE), packet(SEIZURE, subject={"id": "two"}))
    assert clinic.ask("t_available::VARCHAR") == [("2021-01-02 00:00:00+00",)]
    assert [file.set_aside for file in report.files] == [
        {"has a date or time that cannot be read": 1}, {"is of a subject that the file of subjects has not": 1},
    ]  # fmt: skip


OLD = {"created": "2020-05-01T10:00:00Z", "phenopacketSchemaVersion": "1.0.0"}


@pytest.mark.parametrize(
    ("whole", "reason"),
    [
        pytest.param(packet({"type": {"id": "HP:0001250"}, "negated": True}, metaData=OLD), "is not of schema version 2", id="version 1"),
        pytest.param(packet(SEIZURE, metaData={}), "is not of schema version 2", id="no version"),
        pytest.param(packet(phenotypic_features=[SEIZURE]), "has a key that version 2 has not", id="snake case"),
        pytest.param({"id": "f", "proband": packet(SEIZURE), "pedigree": {}}, "is a family or a cohort, and not one subject", id="a family"),
        pytest.param(packet(SEIZURE, subject={"id": "three"}), "is of a subject that the file of subjects has not", id="nobody's"),
        pytest.param(packet(SEIZURE, subject={"id": ""}), "names no subject", id="no subject"),
        pytest.param(packet(SEIZURE, metaData={"phenopacketSchemaVersion": "2.0"}), "does not say when it was made", id="no time"),
        pytest.param(packet(SEIZURE | {"onset": {"age": {"iso8601duration": "P90Y"}}}, subject={"dateOfBirth": "9990-01-01T00:00:00Z"}),
                     "was made before its subject was born", id="born in a year to come"),
        pytest.param(packet(SEIZURE, metaData={"phenopacketSchemaVersion": "2.0", "created": "0001-01-01T00:00:00+14:00"}),
                     "does not say when it was made", id="made before there were years"),
        pytest.param("{", "is no JSON", id="no JSON"),
        pytest.param('{"id": "a", "id": "b"}', "is no JSON", id="a key twice"),
        pytest.param("[" * 100_000, "is no JSON", id="nested beyond reason"),
        pytest.param("[]", "is no phenopacket", id="a list"),
        pytest.param(packet(phenotypicFeatures={}), "has `phenotypicFeatures` that are no list", id="no list"),
        pytest.param(packet(*[SEIZURE] * 10_001), "states more than any subject has", id="too much"),
    ],
)  # fmt: skip
def test_a_packet_that_cannot_be_meant_says_nothing(clinic: Clinic, whole: object, reason: str) -> None:
    report = clinic.ingest(whole)
    assert report.files[1].set_aside == {reason: 1} and clinic.ask("*") == []


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        ({"type": {"id": "HP:0001252"}, "negated": True}, "has a feature or disease with a key that version 2 has not"),
        (
            {"type": {"id": "HP:0001252"}, "excluded": "true"},
            "does not say plainly whether a feature or disease is excluded",
        ),
        ({"type": {"label": "Hypotonia"}}, "has a feature or disease without an identifier"),
        ("Hypotonia", "has a feature or disease with a key that version 2 has not"),
    ],
)
def test_a_feature_that_cannot_be_meant_is_set_aside(clinic: Clinic, feature: Any, reason: str) -> None:
    report = clinic.ingest(packet(feature, SEIZURE))
    assert report.files[1].set_aside == {reason: 1} and clinic.ask("code") == [("HP:0001250",)]


def test_two_packets_of_one_subject_are_not_added_up(clinic: Clinic) -> None:
    report = clinic.ingest(packet(SEIZURE), packet({"type": {"id": "HP:0001252"}}))
    assert report.files[1].set_aside == {"is of a subject that an earlier packet is of": 1}
    assert clinic.ask("code") == [("HP:0001250",)]


def test_the_same_packets_are_one_batch_and_changed_ones_another(clinic: Clinic) -> None:
    assert not clinic.ingest(packet(SEIZURE)).unchanged
    assert clinic.ingest(packet(SEIZURE)).unchanged
    assert not clinic.ingest(packet(SEIZURE, SEIZURE)).unchanged


def test_no_packets_is_a_mistake(clinic: Clinic) -> None:
    with pytest.raises(SourceError, match=r"holds no \.json"):
        clinic.ingest()


@pytest.mark.parametrize(
    "text", ["14Y", "P", "P14", "P1Y6", "P131Y", "PT5H", "P1.5Y", "-P1Y", None, 5, "P" + "9" * 50 + "Y"]
)
def test_what_is_no_age(text: object) -> None:
    assert age_of(text) is None


def asked(clinic: Clinic, system: str, code: str, **more: object) -> int:
    """How many patients a study finds who have it, at 2020."""
    study = Study.model_validate({
        "study": "hpo", "purpose": {"sentence": "Ask for a phenotype.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr"]}, "concepts": {"it": {"system": system, "codes": [code], **more}, "sick": {"system": "x", "codes": ["x"]}},
        "cohort": {"index": {"first": ["it"]}},
        "outcome": {"event": "sick", "during": {"from": "index", "for": "1 day"}, "unobserved": "exclude"},
        "features": [{"count": "it", "during": {"until": "index"}}], "model": {"architecture": "logistic"},
    })  # fmt: skip
    statement = cohort_statement(plan_of(study), SECRET)
    with open_timeline(clinic.timeline).connect() as connection:
        return len(connection.execute(statement.text, statement.parameters).fetchall())


def observed(clinic: Clinic) -> None:
    """Watch everybody, as another source of the same people would."""
    import duckdb
    import pyarrow as pa

    from rapha.timeline.pseudonym import subject_key
    from rapha.timeline.schema import TABLES
    from rapha.timeline.writer import write_batch

    rows = [{"subject_key": subject_key(SECRET, "clinic", p), "t_start": datetime(1990, 1, 1, tzinfo=UTC),
             "t_end": datetime(2030, 1, 1, tzinfo=UTC), "ingest_batch": "b"} for p in ("p1", "p2")]  # fmt: skip
    tables = {name: schema.empty_table() for name, schema in TABLES.items()}
    tables["observation_periods"] = pa.Table.from_pylist(rows, schema=TABLES["observation_periods"])
    with duckdb.connect() as duck:
        relations = {name: duck.from_arrow(table) for name, table in tables.items()}
        write_batch(clinic.timeline, "clinic", "0" * 32, "sha256:" + "0" * 64, relations)  # type: ignore[arg-type]


def test_a_study_finds_a_term_with_all_below_it_and_never_one_that_was_excluded(clinic: Clinic, tmp_path: Path) -> None:
    clinic.ingest(packet(SEIZURE), packet(SEIZURE | {"excluded": True}, subject={"id": "two"}))
    observed(clinic)
    read_ontology(tmp_path, OBO)  # into the same timeline
    assert asked(clinic, "HP", "HP:0001250") == 1
    assert asked(clinic, "HP", "HP:0000118") == 0
    assert asked(clinic, "HP", "HP:0000118", descendants=True) == 1
    assert asked(clinic, "HP", "HP:0012638", descendants=True) == 1
    assert asked(clinic, "HP", "HP:0001303", descendants=True) == 1  # an older identifier of the same
    assert asked(clinic, "excluded:HP", "HP:0001250") == 1
