"""The way from an ontology's file to one batch of codes; `mapped` and `descendants` then work over events of any source.

A term is a concept of its own and its own ancestor, and so are all above it by `is_a`. An obsolete term, and a further identifier of a
term, stands for the term that there is now.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import pyarrow as pa
from pydantic import Field, StringConstraints

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.ontology.reading import Term, read_terms
from rapha.sources.ontology.standing import standing
from rapha.timeline.beside import space_watched
from rapha.timeline.mapping_file import SourceMapping, read_mapping
from rapha.timeline.pseudonym import batch_id
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, silent
from rapha.timeline.schema import TABLES, VOCABULARY
from rapha.timeline.source_files import SourceFiles
from rapha.timeline.writer import is_written, write_batch

READING = 2
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""


class Mapping(SourceMapping):
    """The whole file. `prefix`: of the terms that are read; others in the file are passed over. `system`: what studies and events
    call it."""

    format: Literal["ontology"]
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}\.(obo|json)$")]
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,30}$")]
    system: Annotated[str, Field(min_length=1, max_length=200)]


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is the folder with the file."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    path = data / mapping.file
    if not path.is_file():
        raise SourceError(f"{path} is missing")
    originals = SourceFiles()
    batch = batch_id(site_secret, READING, mapping.digest, {mapping.file: originals.digest(path)})
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    (progress or silent)(mapping.file, 0, 1)
    terms = [term for term in read_terms(path) if term.code.startswith(f"{mapping.prefix}:")]
    if not terms:
        raise SourceError(f"{path.name}: holds no term that begins with {mapping.prefix}:")
    followed = standing(terms, path.name)
    concepts = list(_concepts(terms, followed.stands_for, mapping.system, batch))
    ancestors = list(_ancestors(terms, path.name, batch))
    with space_watched(timeline_dir), duckdb.connect(":memory:") as duck:
        timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = {name: schema.empty_table() for name, schema in TABLES.items()}
        tables["concepts"] = pa.Table.from_pylist(concepts, schema=VOCABULARY["concepts"])
        tables["concept_ancestors"] = pa.Table.from_pylist(ancestors, schema=VOCABULARY["concept_ancestors"])
        relations = {name: duck.from_arrow(table) for name, table in tables.items()}
        originals.check_unchanged()
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, relations, mapping.people)  # type: ignore[arg-type]
    (progress or silent)(mapping.file, 1, 1)
    report = FileReport(file=mapping.file, rows=len(terms), events=0, set_aside=followed.aside)
    return IngestReport.of(mapping.source, batch, written.rows, (report,), unchanged=False)


def _concepts(
    terms: list[Term], stands_for: dict[str, tuple[str, ...]], system: str, batch: str
) -> Iterator[dict[str, Any]]:
    names = {other: term.name for term in terms for other in term.others} | {term.code: term.name for term in terms}
    current = dict.fromkeys(term.code for term in terms if not term.obsolete)
    for code in (*current, *stands_for):
        means = stands_for.get(code)
        yield {"concept": code, "system": system, "code": code, "name": names[code], "standard": means is None,
               "maps_to": None if means is None else list(means), "ingest_batch": batch}  # fmt: skip


def _ancestors(terms: list[Term], name: str, batch: str) -> Iterator[dict[str, Any]]:
    """Raises SourceError: what lies below what goes round in a circle."""
    parents = {term.code: term.parents for term in terms if not term.obsolete}
    above: dict[str, frozenset[str]] = {}
    for code in parents:
        waiting, begun = [code], set[str]()
        while waiting:
            at = waiting[-1]
            missing = [each for each in parents.get(at, ()) if each not in above]
            if at in above or not missing:
                waiting.pop()
                begun.discard(at)
                above.setdefault(at, frozenset({at}).union(*(above[each] for each in parents.get(at, ()))))
            elif begun & set(missing):
                raise SourceError(f"{name}: a term lies below itself: its hierarchy goes round")
            else:
                begun.add(at)
                waiting += missing
    for code in parents:
        for ancestor in sorted(above[code]):
            yield {"ancestor": ancestor, "descendant": code, "ingest_batch": batch}
