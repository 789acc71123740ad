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

from conftest import Hospital
from rapha.errors import SourceError
from rapha.sources.omop import ingest as ingest_omop
from rapha.timeline.manifest import NAME
from rapha.timeline.source_files import SourceFiles

SECRET = b"a secret of this site: 32 bytes."
HP = """\
format-version: 1.2

[Term]
id: HP:0000118
name: Phenotypic abnormality
"""


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
    "tables": lambda folder: Hospital(folder).ingest(),
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
    with pytest.raises(SourceError, match="was changed while it was read: nothing of this ingest was written"):
        READ[form](tmp_path)
    assert not list(tmp_path.rglob(NAME))
