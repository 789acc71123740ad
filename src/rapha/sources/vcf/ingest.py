"""The way from a mapping and a folder of call files to one batch in the timeline."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar, assert_never

import duckdb
import pyarrow as pa

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.vcf.called import Called
from rapha.sources.vcf.calls import Calls, samples_of
from rapha.sources.vcf.event_rows import EventRows, Row
from rapha.sources.vcf.genes import Genes, read_genes
from rapha.sources.vcf.lift import read_lift
from rapha.sources.vcf.mapping import CallsMapping, Mapping, Matrix, PlinkMapping
from rapha.sources.vcf.matrices import keep_matrix
from rapha.sources.vcf.plink_calls import PlinkCalls, people_of
from rapha.sources.vcf.reference import NotPlaced, Reference
from rapha.sources.vcf.samples import NOT_COUNTING, Aside, Sample, counting, read_samples
from rapha.sources.vcf.scores import Scores, Scoring, read_scoring, score
from rapha.sources.vcf.variant_rows import gene_row, rows_of
from rapha.sources.vcf.variants import Variant, parse
from rapha.sources.vcf.wanted import Wanted
from rapha.timeline.assets import Contents
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.manifest import Table
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.pseudonym import batch_id, subject_key
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.schema import CALLED_STRETCHES, GENES, TABLES, VARIANTS
from rapha.timeline.source_files import SourceFiles
from rapha.timeline.writer import is_written, write_batch

READING = 10
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""
_ROWS_AT_ONCE = 1 << 16
Read = TypeVar("Read", Mapping, PlinkMapping)


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is the folder with the calls, the samples and the scoring files."""
    return ingest_as(Mapping, mapping_path, data, timeline_dir, site_secret, progress)


def ingest_as(
    language: type[Read],
    mapping_path: Path,
    data: Path,
    timeline_dir: Path,
    site_secret: bytes,
    progress: Progress | None,
) -> IngestReport:
    """The same for a mapping of this language."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping: Mapping | PlinkMapping = read_mapping(mapping_path, language)
    originals = SourceFiles()
    versions = {name: _version(originals, data, name) for name in _files(mapping)}
    batch = batch_id(site_secret, READING, mapping.digest, versions)
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    samples, aside = read_samples(data, mapping.samples)
    patients = {subject_key(site_secret, mapping.whose, sample.patient) for sample in samples}
    samples, others = counting(samples, _called_in(mapping, data), mapping.samples)
    aside += [Aside(sample.line, NOT_COUNTING) for sample in others]
    passed_over = frozenset(sample.name for sample in others)
    scorings = [read_scoring(data / each.file, mapping.told_in) for each in mapping.scores]
    genes = read_genes(data / mapping.genes, mapping.told_in) if mapping.genes else None
    calls = _calls(mapping, data, samples, scorings, passed_over, progress or silent)
    for genome in calls.genomes:
        genome.check_same(originals.state(data / genome.name), versions[_index(genome.name)])
    originals.check_unchanged()
    scores = [score(s, calls.dosage, len(samples), rule) for s, rule in zip(scorings, mapping.scores, strict=True)]
    keys = [subject_key(site_secret, mapping.whose, sample.patient) for sample in samples]
    rows = EventRows(mapping.source, batch, versions[mapping.parts[0]], mapping.told_in, samples, keys)
    with space_watched(timeline_dir), duckdb.connect(":memory:") as duck:
        duck.execute("SET TimeZone = 'UTC'")
        timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        contents = Contents(timeline_dir, mapping.source, batch) if mapping.matrices else None
        events = [_events(mapping, rows, calls, scorings, scores), _matrices(mapping, rows, calls, keys, contents)]
        tables = _tables(duck, chain.from_iterable(events), sorted(patients), batch)
        tables |= _variants(duck, mapping, calls, batch, genes, versions.get(mapping.genes or ""))
        tables |= _called(duck, mapping, rows, calls, batch, genes, versions.get(mapping.genes or ""))
        if contents:
            tables |= _assets(duck, contents)
        listing = _set_aside_csv(mapping, calls, aside)
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(listing))
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
    report = IngestReport.of(mapping.source, batch, written.rows, _reports(mapping, samples, calls, aside), False)
    return report.model_copy(update={"notes": _notes(mapping, calls, scorings, scores)})


def _files(mapping: Mapping | PlinkMapping) -> list[str]:
    genes = [mapping.genes] if mapping.genes else []
    genomes = [file for name in _genomes(mapping) for file in (name, _index(name))]
    chain = [mapping.lift.chain] if isinstance(mapping, Mapping) and mapping.lift else []
    return [*mapping.parts, mapping.samples.file, *(each.file for each in mapping.scores), *genes, *genomes, *chain]


def _genomes(mapping: Mapping | PlinkMapping) -> tuple[str, ...]:
    return mapping.genomes if isinstance(mapping, Mapping) else ()


def _index(reference: str) -> str:
    return f"{reference}.fai"


def _version(originals: SourceFiles, data: Path, name: str) -> str:
    if not (data / name).is_file():
        how = f": samtools faidx {name.removesuffix('.fai')}" if name.endswith(".fai") else ""
        raise SourceError(f"{data / name} is missing{how}")
    return originals.digest(data / name)


def _calls(
    mapping: Mapping | PlinkMapping, data: Path, samples: list[Sample], scorings: list[Scoring],
    passed_over: frozenset[str], progress: Progress,
) -> Calls:  # fmt: skip
    scored = {variant for scoring in scorings for variant in scoring.variants()}
    variants = [name for part in _asking(mapping) for name in part.variants]
    regions = [region for part in _asking(mapping) for region in part.regions]
    wanted = Wanted(map(parse, variants), regions, scored)
    reference = _reference(mapping, data)
    calls = _reader(mapping, data, [sample.name for sample in samples], wanted, passed_over, reference)
    if reference:
        _check_leftmost(map(parse, variants), reference)
    for done, name in enumerate(mapping.files):
        progress(name, done, len(mapping.files))
        calls.read(data / name)
    progress(mapping.files[-1], len(mapping.files), len(mapping.files))
    return calls


def _called_in(mapping: Mapping | PlinkMapping, data: Path) -> set[str]:
    """The samples that the files have."""
    match mapping:
        case Mapping():
            return {name for file in mapping.files for name in samples_of(data / file)}
        case PlinkMapping():
            return {name for file in mapping.files for name in people_of(data / file)}
        case _ as unreachable:
            assert_never(unreachable)


def _check_leftmost(variants: Iterable[Variant], reference: Reference) -> None:
    """Raises SourceError: the reference genome does not say where a variant belongs that the mapping names, or that is elsewhere."""
    for variant in variants:
        try:
            leftmost = reference.leftmost(variant)
        except NotPlaced as why:
            raise SourceError(f"variants: {variant} {why.reason}") from None
        if leftmost != variant:
            raise SourceError(f"variants: {variant} is not as far left as it can stand: write {leftmost}")


def _reference(mapping: Mapping | PlinkMapping, data: Path) -> Reference | None:
    named = mapping.reference if isinstance(mapping, Mapping) else None
    return Reference(data / named, mapping.told_in) if named else None


def _reader(
    mapping: Mapping | PlinkMapping, data: Path, samples: list[str], wanted: Wanted, passed_over: frozenset[str],
    reference: Reference | None,
) -> Calls:  # fmt: skip
    match mapping:
        case Mapping():
            called = Called(mapping.regions) if mapping.called else None
            lift = read_lift(mapping.lift, data, mapping.build, reference) if mapping.lift and reference else None
            return Calls(
                samples, wanted, mapping.quality, mapping.build, mapping.annotation, called, passed_over,
                reference=reference, lift=lift,
            )  # fmt: skip
        case PlinkMapping():
            return PlinkCalls(samples, wanted, mapping.build, mapping.a2 == "reference", passed_over)
        case _ as unreachable:
            assert_never(unreachable)


def _asking(mapping: CallsMapping) -> tuple[CallsMapping | Matrix, ...]:
    """What names variants and regions."""
    return (mapping, *mapping.matrices)


def _events(
    mapping: CallsMapping, rows: EventRows, calls: Calls, scorings: list[Scoring], scores: list[Scores]
) -> Iterable[Row]:
    """Of the variants that the mapping names; what only a score or a matrix asked for becomes no event of its own."""
    if mapping.assay:
        yield from rows.of_assay(mapping.assay, calls.seen)
    if calls.called is not None:
        yield from rows.of_called(calls.seen)
    yield from rows.of_variants({variant: calls.dosage[variant] for variant in _own(mapping, calls)}, calls.single)
    for scoring, of in zip(scorings, scores, strict=True):
        yield from rows.of_score(scoring.name, of)


def _own(mapping: CallsMapping, calls: Calls) -> list[Variant]:
    """The variants of which there are events."""
    own = Wanted(map(parse, mapping.variants), mapping.regions)
    return [variant for variant in calls.dosage if own.takes(variant)]


def _variants(
    duck: duckdb.DuckDBPyConnection,
    mapping: CallsMapping,
    calls: Calls,
    batch: str,
    genes: Genes | None,
    digest: str | None,
) -> dict[Table, duckdb.DuckDBPyRelation]:
    rows = rows_of(_own(mapping, calls), calls.effects, mapping.told_in, batch, genes, digest)
    return {"variants": duck.from_arrow(pa.Table.from_pylist(list(rows), schema=VARIANTS))}


def _called(
    duck: duckdb.DuckDBPyConnection, mapping: CallsMapping, rows: EventRows, calls: Calls, batch: str, genes: Genes | None,
    digest: str | None,
) -> dict[Table, duckdb.DuckDBPyRelation]:  # fmt: skip
    """Where each sample was called well; and where genes lie, so that it can be said of a gene."""
    if calls.called is None:
        return {}
    stretches, parts = rows.stretches(calls.called.stretches()), [CALLED_STRETCHES.empty_table()]
    while part := list(islice(stretches, _ROWS_AT_ONCE)):
        parts.append(pa.Table.from_pylist(part, schema=CALLED_STRETCHES))
    lie = [gene_row(gene, mapping.told_in, digest, batch) for gene in genes] if genes else []
    tables: dict[Table, pa.Table] = {
        "called": pa.concat_tables(parts),
        "genes": pa.Table.from_pylist(lie, schema=GENES),
    }
    return {name: duck.from_arrow(table) for name, table in tables.items()}


def _matrices(
    mapping: CallsMapping, rows: EventRows, calls: Calls, keys: list[int], contents: Contents | None
) -> Iterable[Row]:
    if contents:
        for matrix in mapping.matrices:
            yield from rows.of_matrix(keep_matrix(matrix, mapping.told_in, calls.dosage, keys, contents))


def _assets(duck: duckdb.DuckDBPyConnection, contents: Contents) -> dict[Table, duckdb.DuckDBPyRelation]:
    table = contents.table()
    if len(table):
        return {"assets": duck.from_arrow(table)}
    contents.drop()
    return {}


def _tables(
    duck: duckdb.DuckDBPyConnection, events: Iterable[Row], keys: list[int], batch: str
) -> dict[Table, duckdb.DuckDBPyRelation]:
    """Who has a sample is a patient; their birth, sex and observation are told by another source of the same people."""
    source = iter(events)
    parts = []
    while part := list(islice(source, _ROWS_AT_ONCE)):
        parts.append(pa.Table.from_pylist(part, schema=TABLES["events"]))
    subjects = [{"subject_key": key, "opted_out": False, "ingest_batch": batch} for key in keys]
    return {
        "events": duck.from_arrow(pa.concat_tables(parts) if parts else TABLES["events"].empty_table()),
        "subjects": duck.from_arrow(pa.Table.from_pylist(subjects, schema=TABLES["subjects"])),
        "observation_periods": duck.from_arrow(TABLES["observation_periods"].empty_table()),
    }


def _reports(mapping: CallsMapping, samples: list[Sample], calls: Calls, aside: list[Aside]) -> tuple[FileReport, ...]:
    listed = FileReport(
        file=mapping.samples.file, rows=len(samples) + len(aside), events=0,
        set_aside=dict(sorted(Counter(each.reason for each in aside).items())),
    )  # fmt: skip
    files = (
        FileReport(file=name, rows=calls.records[name], events=0, set_aside=dict(sorted(calls.aside[name].items())))
        for name in mapping.files
    )
    return (listed, *files)


def _notes(mapping: CallsMapping, calls: Calls, scorings: list[Scoring], scores: list[Scores]) -> tuple[str, ...]:
    notes = [f"{name}: its header does not show the build, which is taken from the mapping" for name in calls.on_trust]
    notes += calls.told
    notes += [_lifted(name, mapping, lifts) for name, lifts in calls.lifts.items() if lifts]
    notes += [_shifted(name, shifts) for name, shifts in calls.shifts.items() if shifts]
    for scoring, of in zip(scorings, scores, strict=True):
        have = int((of.score == of.score).sum())
        notes.append(
            f"{scoring.name}: {of.found:,} of {of.lines:,} variants are called here, {scoring.ambiguous:,} cannot be told "
            f"apart by strand; {have:,} samples have the score"
        )
    return tuple(notes)


def _lifted(name: str, mapping: CallsMapping, lifts: Counter[str]) -> str:
    told = (
        f"{name}: records lifted over from {mapping.build} to {mapping.told_in} that told something: {lifts.total():,}"
    )
    parts = {
        "on the other strand": lifts["turned"],
        "reference blocks, of named variants where both builds have the same bases": lifts["block"],
        "reference blocks that tell of their first base alone, as no `genome` is named": lifts["shown"],
    }
    return told + "".join(f"; {what}: {count:,}" for what, count in parts.items() if count)


def _shifted(name: str, shifts: Counter[str]) -> str:
    if moved := shifts["moved"]:
        return f"{name}: insertions and deletions moved to their leftmost place: {moved:,}"
    return (
        f"{name}: insertions and deletions taken where the file has them, which may not be leftmost: {shifts['as written']:,}; name the "
        "genome that they are called against as `reference`"
    )


def _set_aside_csv(mapping: CallsMapping, calls: Calls, aside: list[Aside]) -> bytes:
    """File, record or line, reason; no genotype, sample or patient."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "line", "reason"))
    writer.writerows((mapping.samples.file, each.line, each.reason) for each in aside)
    writer.writerows(calls.lines)
    return text.getvalue().encode()
