"""READ HOSPITAL DATA into the timeline. Sources do not know one another.

A mapping file says which source reads the data, under `format:`. A new source is a room here, with an `ingest` as
`rapha.timeline.report.Ingest` says, and a line in `FORMATS`.
"""

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from rapha.errors import ConfigurationError
from rapha.timeline.mapping_file import read_format
from rapha.timeline.report import Ingest

FORMATS = {
    "apple-health": "rapha.sources.apple_health",
    "dicom": "rapha.sources.dicom",
    "fhir": "rapha.sources.fhir",
    "hl7v2": "rapha.sources.hl7v2",
    "meds": "rapha.sources.meds",
    "note-files": "rapha.sources.note_files",
    "omop": "rapha.sources.omop",
    "ontology": "rapha.sources.ontology",
    "phenopackets": "rapha.sources.phenopackets",
    "plink": "rapha.sources.vcf.plink",
    "tables": "rapha.sources.tables",
    "vocabulary": "rapha.sources.omop.athena",
    "views": "rapha.sources.tables.flattened",
    "vcf": "rapha.sources.vcf",
}
"""The word in the mapping file, and the room that reads such data."""


def source_of(mapping: Path) -> Ingest:
    """The source that reads the data a mapping file describes.

    Raises:
        ConfigurationError: the file cannot be read, or no source is called that.
    """
    word = read_format(mapping)
    if word not in FORMATS:
        near = get_close_matches(word, FORMATS, n=1)
        meant = f"; did you mean `{near[0]}`?" if near else f": one of {', '.join(FORMATS)}"
        raise ConfigurationError(f"{mapping}: no source reads the format {word!r}{meant}")
    ingest: Ingest = import_module(FORMATS[word]).ingest
    return ingest
