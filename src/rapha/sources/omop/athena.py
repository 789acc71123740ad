"""`format: vocabulary`: the tables CONCEPT, CONCEPT_ANCESTOR and CONCEPT_RELATIONSHIP alone, as Athena gives them out, for a site whose
data come by other ways. The batch has codes and no patient; `mapped` and `descendants` then work over events of any source."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.omop.cdm import VOCABULARY
from rapha.sources.omop.ingest import is_there, set_aside_csv, stage
from rapha.sources.omop.mapping import Text
from rapha.sources.omop.places import Folder
from rapha.sources.omop.vocabulary import write_vocabulary
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.mapping_file import SourceMapping, read_mapping
from rapha.timeline.pseudonym import batch_id
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.staging import Staging
from rapha.timeline.writer import is_written, write_batch

READING = 1
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""


class Mapping(SourceMapping):
    """The whole file. `systems`: what studies and the events of the other sources call a vocabulary, where that is not its
    `vocabulary_id`."""

    format: Literal["vocabulary"]
    systems: Annotated[dict[Text, Text], Field(default_factory=dict)]


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is a folder with CONCEPT and, where there are any, the other two."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    place = Folder(data)
    here = [wanted for wanted in VOCABULARY if is_there(place, wanted, data)]
    if VOCABULARY[0] not in here:
        raise SourceError(f"{data} has no table concept: unpack there what Athena gave, CONCEPT.csv among it")
    versions = {wanted.name: place.version(wanted.name) for wanted in here}
    batch = batch_id(site_secret, READING, mapping.digest, versions)
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with space_watched(timeline_dir), tempfile.TemporaryDirectory(prefix=".spill-", dir=timeline_dir) as spill:
        staging = Staging(Path(spill))
        rows = stage(staging, place, here, progress or silent)
        write_vocabulary(staging, mapping.systems, batch)
        aside = set_aside_csv(staging)
        place.check_unchanged()
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(aside))
        tables = staging.tables() | staging.vocabulary()
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
        files = tuple(
            FileReport(file=name, rows=rows[name], events=0, set_aside=staging.reasons(name)) for name in versions
        )
        staging.connection.close()
    said = f"{written.rows['concepts']:,} codes, {written.rows['concept_ancestors']:,} lines of their hierarchy"
    return IngestReport.of(mapping.source, batch, written.rows, files, unchanged=False, notes=(said,))
