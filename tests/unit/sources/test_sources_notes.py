"""Texts of notes, from every source that has them, become assets that the events point at."""

import base64
import hashlib
import sys
from pathlib import Path

import pytest
from fhir_clinic import Clinic, about, coded, patient
from little_cdm import MAPPING, TABLES

from rapha.sources.omop import ingest as ingest_omop
from rapha.timeline.assets import FOLDER, Assets
from rapha.timeline.notes import NOTE_TEXTS, keep_notes
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
TEXT = 'Feels dizzy.\nNo fever; sleeps well — "so-so".'
NOTES = """\
  - file: notes.csv
    id: patient
    kind: note
    time: {column: written}
    available: {column: signed}
    system: local
    code: {column: type}
    text: text
"""


def texts(timeline: Path) -> list[tuple[str, str | None]]:
    """Code and text of every note, by code; None where there is no text."""
    opened = open_timeline(timeline)
    with opened.connect() as connection:
        assets = Assets.of(opened.folder, connection, "note")
        rows = connection.execute("SELECT code, asset FROM events WHERE kind = 'note' ORDER BY code, asset").fetchall()
        return [(code, assets.read(asset).decode() if asset in assets else None) for code, asset in rows]


def kept(timeline: Path) -> set[str]:
    return {path.name for path in (timeline / FOLDER).glob("*/*")}


@pytest.fixture
def ward(hospital):
    hospital.mapping += NOTES
    quoted = TEXT.replace('"', '""')
    (hospital.data / "notes.csv").write_text(
        f'patient,written,signed,type,text\np1,2010-03-01,2010-03-02,letter,"{quoted}"\np2,2010-04-01,2010-04-02,letter,\n'
    )
    return hospital


def test_a_text_column_of_a_table(ward):
    report = ward.ingest()
    assert texts(ward.timeline) == [("letter", TEXT)]
    assert report.in_words().count("`text` is empty") == 1


def test_while_a_batch_is_written_the_text_of_a_note_is_held_once(ward, monkeypatch):
    held = []

    def watched(connection, *given):
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            rows = connection.execute(f"SELECT t::VARCHAR FROM {table} AS t").fetchall()
            held.extend(table for (row,) in rows if "dizzy" in row)
        return keep_notes(connection, *given)

    monkeypatch.setattr(sys.modules["rapha.sources.tables.ingest"], "keep_notes", watched)
    ward.ingest()
    assert held == [NOTE_TEXTS]
    assert texts(ward.timeline) == [("letter", TEXT)]


def test_the_text_of_a_note_that_is_its_value_as_well_is_read_as_both(ward):
    ward.mapping += "    value: {column: text, otherwise: code}\n"
    notes = ward.data / "notes.csv"
    notes.write_text(notes.read_text() + "p1,2010-05-01,2010-05-02,score,< 7\n")
    ward.ingest()
    assert texts(ward.timeline) == [("letter", TEXT), ("score", "< 7")]
    with open_timeline(ward.timeline).connect() as connection:
        rows = connection.execute("SELECT num, comparator, value_code FROM events WHERE kind = 'note' ORDER BY code")
        assert rows.fetchall() == [(None, None, TEXT), (7.0, "<", None)]


def test_a_text_that_changed_takes_the_place_of_the_old_one(ward):
    ward.ingest()
    old = kept(ward.timeline)
    notes = ward.data / "notes.csv"
    notes.write_text(notes.read_text().replace("dizzy", "well"))
    ward.ingest()
    assert texts(ward.timeline) == [("letter", TEXT.replace("dizzy", "well"))]
    assert kept(ward.timeline).isdisjoint(old)


def test_the_texts_of_whoever_opted_out_are_not_kept(ward):
    ward.mapping = ward.mapping.replace("observation:", "  opted_out: {column: sex, values: [F]}\nobservation:")
    ward.ingest()
    assert kept(ward.timeline) == set()


def test_a_text_is_of_a_note_alone(ward):
    from rapha.errors import ConfigurationError

    ward.mapping = ward.mapping.replace("kind: note", "kind: observation")
    with pytest.raises(ConfigurationError, match="`text` is of events of the kind `note`"):
        ward.ingest()


def document(content: list[dict[str, str]], **more: object) -> dict[str, object]:
    attachments = [{"attachment": attachment} for attachment in content]
    return about(
        "DocumentReference", status="current", type=coded("nt"), date="2019-05-02", content=attachments, **more
    )


def plain(text: bytes, kind: str = "text/plain; charset=utf-8") -> dict[str, str]:
    return {"contentType": kind, "data": base64.b64encode(text).decode()}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([plain(TEXT.encode())], TEXT),
        ([plain(b"<p>", "text/html"), plain(b"second")], "second"),
        ([plain(b"%PDF-1.4", "application/pdf")], None),
        ([{"contentType": "text/plain", "url": "Binary/1"}], None),
        ([{"contentType": "text/plain", "data": "not base64!"}], None),
        ([plain(b"\xff\xfe")], None),
        ([plain(b"")], None),
    ],
)
def test_a_document_with_its_text_in_it(clinic: Clinic, content, text):
    clinic.ingest(patient(), document(content))
    assert texts(clinic.timeline) == [("nt", text)]


def test_a_newer_version_of_a_document_replaces_the_text(clinic: Clinic):
    versions = [
        document([plain(word.encode())], meta={"versionId": str(at), "lastUpdated": f"2019-06-0{at}T00:00:00Z"})
        for at, word in enumerate(("old", "new"), 1)
    ]
    clinic.ingest(patient(), *versions)
    assert texts(clinic.timeline) == [("nt", "new")]
    assert kept(clinic.timeline) == {hashlib.sha256(b"new").hexdigest()}


PENNED = [
    ({"language": "en-GB"}, {}, (None, "en")),
    ({}, {"language": "de_AT"}, (None, "de")),
    ({"language": "fr"}, {"language": "de"}, (None, "fr")),
    ({"language": "x"}, {}, None),
    ({}, {"author": [{"reference": "Patient/p1"}]}, ("patient", None)),
    ({}, {"author": [{"reference": "RelatedPerson/r"}]}, ("relative", None)),
    ({}, {"author": [{"reference": "Practitioner/dr-smith", "display": "Dr Smith"}]}, None),
    ({}, {"author": [{"reference": "Patient/p1"}, {"reference": "Device/d"}]}, None),
]


@pytest.mark.parametrize(("attachment", "document_says", "wanted"), PENNED)
def test_who_wrote_a_document_and_in_which_language(clinic: Clinic, attachment, document_says, wanted):
    """Roles and languages alone; a practitioner is of any profession, and no name is kept."""
    clinic.ingest(patient(), document([plain(b"Well.") | attachment], **document_says))
    with open_timeline(clinic.timeline).connect() as connection:
        rows = connection.execute(
            "SELECT author, language FROM notes JOIN events USING (event_id) WHERE kind = 'note'"
        ).fetchall()
    assert rows == ([wanted] if wanted else [])


def languages(timeline: Path) -> list[tuple[object, ...]]:
    with open_timeline(timeline).connect() as connection:
        return connection.execute(
            "SELECT kind, language FROM notes JOIN events USING (event_id) ORDER BY ALL"
        ).fetchall()


def test_a_mapping_says_the_language_of_documents_that_say_none(clinic: Clinic):
    spoken = document([plain(b"Well.") | {"language": "en"}], id="another")
    clinic.mapping += "language: nl\n"
    clinic.ingest(patient(), document([plain(b"Goed.")]), spoken)
    assert languages(clinic.timeline) == [("note", "en"), ("note", "nl")]


def test_a_report_with_a_text_is_a_document_of_the_mapping_s_language_and_one_without_is_none(clinic: Clinic):
    bare = {
        "resourceType": "DiagnosticReport", "status": "final", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "36643-5"}]},
        "effectiveDateTime": "2010-03-01T10:00:00+01:00", "issued": "2010-03-01T12:00:00+01:00",
        "conclusionCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}],
    }  # fmt: skip
    clinic.mapping += "language: nl\n"
    clinic.ingest(
        patient(), bare | {"id": "d1", "presentedForm": [plain(b"Goed.")]}, bare | {"id": "d2"},
        bare | {"id": "d3", "presentedForm": [plain(b"Well.") | {"language": "en"}]},
    )  # fmt: skip
    assert languages(clinic.timeline) == [("observation", "en"), ("observation", "nl")]


def test_a_mapping_of_tables_says_the_language_of_its_notes_and_of_nothing_else(ward):
    ward.ingest()
    assert languages(ward.timeline) == []
    ward.mapping += "language: nl\n"
    ward.ingest()
    assert languages(ward.timeline) == [("note", "nl")] * len(texts(ward.timeline))


def test_a_note_of_a_cdm(tmp_path: Path):
    data = tmp_path / "cdm"
    data.mkdir()
    for name, rows in TABLES.items():
        (data / f"{name}.csv").write_text(rows)
    (data / "NOTE.csv").write_text(
        "note_id,person_id,note_date,note_type_concept_id,note_class_concept_id,note_source_value,note_text\n"
        "50,1,2012-07-02,32817,0,letter,All is well.\n51,1,2012-07-03,32817,0,letter,\n"
    )
    mapping = tmp_path / "cdm.mapping.yaml"
    mapping.write_text(MAPPING + "language: en\n")
    ingest_omop(mapping, data, tmp_path / "timeline", SECRET)
    assert sorted(texts(tmp_path / "timeline"), key=str) == [("letter", "All is well."), ("letter", None)]
    assert languages(tmp_path / "timeline") == [("note", "en"), ("note", "en")]
