"""A timeline small enough to read: people and events as plain values, written as a real timeline folder.

Times are written as a hospital would: "2010", "2010-05-03" or "2010-05-03 08:00", all UTC.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from rapha.timeline.assets import Contents
from rapha.timeline.manifest import NAME, Batch, Manifest
from rapha.timeline.reader import Timeline, open_timeline
from rapha.timeline.schema import CALLED_STRETCHES, GENES, NOTES, TABLES, VARIANTS, VOCABULARY


def when(text: str | None) -> datetime | None:
    """The moment that a text names."""
    if text is None:
        return None
    return datetime.fromisoformat(f"{text}-01-01" if len(text) == 4 else text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    """A patient; `observed` holds periods of observation as (from, to)."""

    key: int = 1
    birth: str | None = "1960-01-01"
    sex: str | None = "female"
    death: str | None = None
    death_precision: str | None = "second"
    opted_out: bool = False
    observed: tuple[tuple[str, str], ...] = (("2000-01-01", "2030-01-01"),)


@dataclass(frozen=True)
class Said:
    """A sentence of a note that says a phrase; as `denied`, of a relative, ..., or plainly; under a heading, or none."""

    phrase: str
    how: str = "plain"
    heading: str = ""

    SENTENCES: ClassVar[dict[str, str]] = {
        "plain": "There is {} today.",
        "negated": "No evidence of {}.",
        "possible": "Possible {} on the left.",
        "family": "Her mother had {}.",
        "historical": "History of {}.",
        "hypothetical": "Return if {} develops.",
    }

    @property
    def text(self) -> str:
        return f"{self.heading}\n{self.SENTENCES[self.how].format(self.phrase)}\n"


@dataclass(frozen=True)
class Fact:
    """What is known of a variant at one transcript, or by a file of genes. Every event of the variant has the same facts."""

    gene: str | None = None
    consequences: tuple[str, ...] = ()
    population: str | None = None
    frequency: float | None = None
    gene_id: str | None = None
    coordinates: str | None = None


@dataclass(frozen=True)
class Lies:
    """Where a gene, or a part of one, lies by the site's file."""

    gene: str
    chromosome: str
    first: int
    last: int
    gene_id: str | None = None
    build: str = "GRCh38"
    coordinates: str = "sha256:" + "ab" * 32


LIE = (Lies("BRCA1", "17", 100, 149, "ENSG1"), Lies("BRCA1", "17", 140, 199, "ENSG1"), Lies("NBR2", "X", 51, 150))
"""Of every timeline in which a sample says where it was called."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a patient; `known` None: the source does not say when it was known."""

    code: str
    at: str | None
    value: float | None = None
    known: str | None = None
    patient: int = 1
    id: str = ""
    canonical: float | None = None
    comparator: str | None = None
    status: str = "final"
    polarity: str = "affirmed"
    deleted: bool = False
    system: str = "local"
    until: str | None = None  # when it ended: of a stay
    unit: str | None = None
    ucum: str | None = None
    concept: str | None = None  # the site's own concept for it
    precision: str | None = "second"
    note: str | None = None  # the text of the asset that it points at
    picture: float | None = None  # the value of all pixels of the asset that it points at
    asset: str | None = None  # the name of one that is not here
    says: tuple[Said, ...] = ()  # a note, sentence by sentence
    author: str | None = None  # of a note
    language: str | None = None
    genotype: str | None = None  # of a variant, which is its code
    facts: tuple[Fact, ...] = (Fact(),)
    called: tuple[tuple[str, int, int], ...] | None = (
        None  # of a sample, whose code is the build: where it was called well
    )

    @property
    def content(self) -> bytes | None:
        """Of the asset that it points at."""
        if self.picture is not None:
            voxels = np.full((1, 16, 16), self.picture, dtype=np.float32)
            return save({"voxels": voxels, "spacing": np.ones(3)})
        if self.says:
            return "".join(said.text for said in self.says).encode()
        return None if self.note is None else self.note.encode()


@dataclass(frozen=True)
class Term:
    """A concept of the site's vocabulary: its code, what it maps to where it is no standard one, and what is above it."""

    concept: str
    code: str
    system: str = "local"
    maps_to: tuple[str, ...] | None = None
    above: tuple[str, ...] = ()


def write_timeline(
    folder: Path, people: Iterable[Person], events: Iterable[Event], terms: Iterable[Term] = ()
) -> Timeline:
    """Write the folder and open it."""
    people, events, terms = list(people), list(events), list(terms)
    contents = Contents(folder, "spec", "0" * 32)
    for event in events:
        if event.content is not None:
            contents.add(event.patient, "note" if event.picture is None else "volume", event.content)
    rows = {
        "events": [_event_row(event, number) for number, event in enumerate(events)],
        "subjects": [_subject_row(person) for person in people],
        "observation_periods": [
            {"subject_key": person.key, "t_start": when(start), "t_end": when(end), "ingest_batch": "b"}
            for person in people
            for start, end in person.observed
        ],
    }
    tables = {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in TABLES.items()}
    if terms:
        pairs = [(above, term.concept) for term in terms for above in term.above]
        listed = {
            "concepts": [_concept_row(term) for term in terms],
            "concept_ancestors": [{"ancestor": a, "descendant": d, "ingest_batch": "b"} for a, d in pairs],
        }
        tables |= {name: pa.Table.from_pylist(listed[name], schema=schema) for name, schema in VOCABULARY.items()}
    if any(event.content is not None for event in events):
        tables["assets"] = contents.table()
    if any(event.author or event.language for event in events):
        tables["notes"] = pa.Table.from_pylist(
            [
                {"event_id": e.id or format(n, "032x"), "author": e.author, "language": e.language, "ingest_batch": "b"}
                for n, e in enumerate(events)
                if e.author or e.language
            ],
            schema=NOTES,
        )
    if any(event.genotype for event in events):
        tables["variants"] = pa.Table.from_pylist(list(_variant_rows(events)), schema=VARIANTS)
    if any(event.called is not None for event in events):
        called = [row for number, event in enumerate(events) for row in _called_rows(event, number)]
        tables["called"] = pa.Table.from_pylist(called, schema=CALLED_STRETCHES)
        tables["genes"] = pa.Table.from_pylist([vars(each) | {"ingest_batch": "b"} for each in LIE], schema=GENES)
    for name, table in tables.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / name / "b.parquet")
    files = {name: (f"{name}/b.parquet",) for name in tables}
    counts = {name: len(table) for name, table in tables.items()}
    batch = Batch(source="spec", batch="0" * 32, mapping="sha256:" + "0" * 64, files=files, rows=counts)
    (folder / NAME).write_bytes(Manifest(batches=(batch,)).as_bytes())
    return open_timeline(folder)


def _event_row(event: Event, number: int) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(TABLES["events"].names)
    return row | {
        "subject_key": event.patient,
        "event_id": event.id or format(number, "032x"),
        "kind": "measurement",
        "t_start": when(event.at),
        "t_end": when(event.until),
        "t_available": when(event.known),
        "precision": event.precision,
        "concept": event.concept,
        "system": event.system,
        "code": event.code,
        "num": event.value,
        "value_code": event.genotype,
        "num_canonical": event.canonical,
        "unit": event.unit,
        "unit_ucum": event.ucum,
        "comparator": event.comparator,
        "status": event.status,
        "polarity": event.polarity,
        "source_ref": f"t.csv#{number}",
        "source_version": "1",
        "ingest_batch": "b",
        "deleted": event.deleted,
        "asset": event.asset if event.content is None else hashlib.sha256(event.content).hexdigest(),
    }


def _called_rows(event: Event, number: int) -> Iterator[dict[str, object]]:
    for place, first, last in event.called or ():
        yield {"event_id": event.id or format(number, "032x"), "build": event.code, "chromosome": place, "first": first,
               "last": last, "ingest_batch": "b"}  # fmt: skip


def _variant_rows(events: Iterable[Event]) -> Iterator[dict[str, object]]:
    for system, code, facts in {(e.system, e.code, e.facts) for e in events if e.genotype}:
        chromosome, position, reference, _ = code.split("-")
        for fact in facts:
            yield vars(fact) | {
                "build": system.partition(":")[2], "code": code, "chromosome": chromosome, "first": int(position),
                "last": int(position) + len(reference) - 1, "consequences": list(fact.consequences), "ingest_batch": "b",
            }  # fmt: skip


def _concept_row(term: Term) -> dict[str, object]:
    return {
        "concept": term.concept,
        "system": term.system,
        "code": term.code,
        "name": None,
        "standard": term.maps_to is None,
        "maps_to": None if term.maps_to is None else list(term.maps_to),
        "ingest_batch": "b",
    }


def _subject_row(person: Person) -> dict[str, object]:
    return {
        "subject_key": person.key,
        "birth": when(person.birth),
        "birth_precision": "day",
        "sex": person.sex,
        "death": when(person.death),
        "death_precision": person.death_precision,
        "opted_out": person.opted_out,
        "ingest_batch": "b",
    }
