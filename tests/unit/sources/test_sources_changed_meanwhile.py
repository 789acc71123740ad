"""A file that somebody writes to while it is read: nothing of the ingest is written, whatever the format."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fhir_clinic import Clinic, patient
from little_cdm import MAPPING, write_cdm
from test_hl7v2_rows import Ward, number, result
from test_meds_rows import DAY, Away
from test_note_files import Site
from test_ontology_files import load
from test_phenopackets import SEIZURE, packet
from test_phenopackets import Clinic as Packets
from test_vcf_rows import ON, Laboratory, line
from test_views_ingest import Ward as Views

from rapha.errors import SourceError
from rapha.sources.omop import ingest as ingest_omop
from rapha.sources.tables import ingest as ingest_tables
from rapha.timeline.manifest import NAME
from rapha.timeline.source_files import SourceFiles

SECRET = b"a secret of this site: 32 bytes."
HP = """\
format-version: 1.2

[Term]
id: HP:0000118
name: Phenotypic abnormality
"""


PEOPLE = """\
source: ward
subjects: {file: people.csv, id: id, birth: {column: born}}
observation: {start: {column: since}, end: {column: seen}}
events:
  - {file: people.csv, id: id, kind: condition, time: {column: since}, available: same, system: local, code: {column: id}}
"""


def people(folder: Path) -> None:
    (folder / "people.csv").write_text("id,born,since,seen\np1,1950-03-04,2010-01-01,2012-01-01\n")
    (folder / "ward.mapping.yaml").write_text(PEOPLE)
    ingest_tables(folder / "ward.mapping.yaml", folder, folder / "timeline", SECRET)


def cdm(folder: Path) -> None:
    write_cdm(folder / "cdm")
    (folder / "cdm.mapping.yaml").write_text(MAPPING)
    ingest_omop(folder / "cdm.mapping.yaml", folder / "cdm", folder / "timeline", SECRET)


def away(folder: Path) -> None:
    made = Away(folder)
    made.put((1, DAY, "LOINC//2160-0//x", 1.25))
    made.ingest()


def letters(folder: Path) -> None:
    site = Site(folder)
    site.text("a.txt", b"Well.")
    site.read("a.txt,p1,letter,2020-01-01,2020-01-02")


READ: dict[str, Callable[[Path], object]] = {
    "tables": people,
    "views": lambda folder: Views(folder).ingest(),
    "fhir": lambda folder: Clinic(folder).ingest(patient()),
    "hl7v2": lambda folder: Ward(folder).ingest(result(number())),
    "omop": cdm,
    "meds": away,
    "notes": letters,
    "phenopackets": lambda folder: Packets(folder).ingest(packet(SEIZURE)),
    "ontology": lambda folder: load(folder, HP),
    "vcf": lambda folder: Laboratory(folder).ingest(ON, line("0/1:99 0/0:99 1|1:99")),
}


@pytest.mark.parametrize("form", READ)
def test_nothing_is_written_of_a_file_that_changed_after_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    digest = SourceFiles.digest

    def digested_while_it_is_written(files: SourceFiles, path: Path) -> str:
        found = digest(files, path)
        os.utime(path, ns=(1, 1))
        return found

    monkeypatch.setattr(SourceFiles, "digest", digested_while_it_is_written)
    with pytest.raises(SourceError, match="was changed while it was read: the timeline is as it was"):
        READ[form](tmp_path)
    assert not list(tmp_path.rglob(NAME)) and not list(tmp_path.rglob("set-aside/*.csv"))


@pytest.mark.parametrize("form", ["notes", "views"])
def test_nor_of_one_that_changed_between_its_reading_and_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The list of notes and the views are read first, and digested after everything that they name."""
    digest = SourceFiles.digest

    def replaced_before_its_digest(files: SourceFiles, path: Path) -> str:
        if path.name in ("letters.csv", "people.view.json"):
            os.utime(path, ns=(1, 1))
        return digest(files, path)

    monkeypatch.setattr(SourceFiles, "digest", replaced_before_its_digest)
    with pytest.raises(SourceError, match="was changed while it was read: the timeline is as it was"):
        READ[form](tmp_path)


def test_a_text_that_comes_while_the_others_are_read_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    site.text("a.txt", b"Well.")
    digest = SourceFiles.digest

    def another_comes(files: SourceFiles, path: Path) -> str:
        if path.name == "letters.csv":  # the last
            site.text("b.txt", b"Half a no")
        return digest(files, path)

    monkeypatch.setattr(SourceFiles, "digest", another_comes)
    rows = ("a.txt,p1,letter,2020-01-01,2020-01-02", "b.txt,p2,letter,2020-01-01,2020-01-02")
    with pytest.raises(SourceError, match=r"b\.txt was changed while it was read"):
        site.read(*rows)


def test_a_file_that_comes_while_views_run_is_of_the_next_ingest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = Views(tmp_path)
    later = ward.data / "later.ndjson"
    digest = SourceFiles.digest

    def another_comes(files: SourceFiles, path: Path) -> str:
        if not later.exists():
            later.write_text('{"resourceType": "Pati')
        return digest(files, path)

    monkeypatch.setattr(SourceFiles, "digest", another_comes)
    assert ward.ingest().set_aside == 0
    assert ward.ingest().set_aside == 1


def test_a_file_that_is_numbered_anew_is_the_same(tmp_path: Path) -> None:
    files, path = SourceFiles(), tmp_path / "a.csv"
    path.write_text("id\n")
    files.digest(path)
    stat = path.stat()
    (tmp_path / "b").write_text("id\n")
    os.utime(tmp_path / "b", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (tmp_path / "b").rename(path)
    files.check_unchanged()
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.csv was changed while it was read"):
        files.check_unchanged()
