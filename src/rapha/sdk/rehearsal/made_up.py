"""People who do not exist, as many and with such codes as a site's profile says, in a timeline like a hospital's.

Nothing here comes from a row: a profile holds suppressed and rounded counts. How many have a code is the profile's; where an
event lies is the study's (see `scenes.py`). So nothing learnt here means anything; that it can be learnt at all does.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from rapha import __version__
from rapha.canonical import digest
from rapha.records.metrics import Count
from rapha.records.record import Slug
from rapha.records.site import ConceptCoverage, SiteProfile
from rapha.records.study import Study
from rapha.records.tensors import dense_of
from rapha.records.variant import CALLED_WELL, DOSAGE
from rapha.records.variant_rule import VariantRule
from rapha.sdk.rehearsal.lives import FIRST_YEAR, LAST_YEAR, birth, life, number_of, sex, subject
from rapha.sdk.rehearsal.made_up_assets import give_assets, penned_rows
from rapha.sdk.rehearsal.made_up_variants import (
    as_had,
    builds_called,
    called_rows,
    carried_elsewhere,
    code_of,
    copies,
    gene_rows,
    pairs_of,
    variant_rows,
)
from rapha.sdk.rehearsal.numbers import Level, usual
from rapha.sdk.rehearsal.scenes import Pair, Placed, Scene, barred
from rapha.timeline.assets import Contents
from rapha.timeline.schema import CALLED, NOTES, TABLES, VOCABULARY
from rapha.timeline.writer import write_batch

MOST_PEOPLE = 5_000
"""More would only take longer: a rehearsal asks whether, not how well."""

PEOPLE, SHARE = 2_000, 0.6
ON_THE_WAY, MOST_EVENTS = 0.7, 4
SOURCE = "made-up"
Row = dict[str, Any]


def profiles_for(study: Study) -> tuple[SiteProfile, ...]:
    """Hospitals as the study would wish them: as many as it needs, with every code it names."""
    codes = sorted({pair for concept in study.concepts.values() for pair in concept.written_codes()})
    coverage = tuple(
        ConceptCoverage(system=system, code=code, patients=Count(about=int(PEOPLE * SHARE))) for system, code in codes
    )
    names = study.sites.only or tuple(f"made-up-{number}" for number in range(1, max(2, study.sites.at_least) + 1))
    return tuple(
        SiteProfile(
            site=Slug(name), name=name, modalities=study.data.modalities, patients=Count(about=PEOPLE),
            first_year=FIRST_YEAR, last_year=LAST_YEAR, coverage=coverage, version=__version__,
        )
        for name in names
    )  # fmt: skip


def write_timeline(folder: Path, profile: SiteProfile, study: Study) -> int:
    """Fill a timeline with made-up people; how many there are. Same profile and study: same people."""
    dice = random.Random(f"{profile.site} {study.digest}")  # noqa: S311
    people = min(number_of(profile.patients), MOST_PEOPLE)
    rows: dict[str, list[Row]] = {name: [] for name in (*TABLES, *VOCABULARY, *CALLED)}
    shares = _shares(profile, study, people)
    for key in range(people):
        _person(dice, key, profile, study, shares, rows)
    batch = digest(f"{profile.site} {study.digest}".encode()).removeprefix("sha256:")[:32]
    tables = TABLES
    if any(concept.by_vocabulary for concept in study.concepts.values()):
        tables = tables | VOCABULARY
        _vocabulary(shares, rows)
    if study.variant_rules():
        tables = tables | CALLED
        rows["variants"] += variant_rows(study, SOURCE)
        rows["genes"] += gene_rows(study, SOURCE)
    made = {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in tables.items()}
    if dense_of(study) or study.said_in_notes():
        contents = Contents(folder, SOURCE, batch)
        give_assets(study, rows["events"], contents, dice)
        made |= {"events": pa.Table.from_pylist(rows["events"], schema=TABLES["events"]), "assets": contents.table()}
    if penned := penned_rows(study, rows["events"], dice):
        made["notes"] = pa.Table.from_pylist(penned, schema=NOTES)
    with duckdb.connect(":memory:") as duck:
        relations = {name: duck.from_arrow(table) for name, table in made.items()}
        write_batch(folder, SOURCE, batch, digest(b"made up"), relations)  # type: ignore[arg-type]
    return people


def _shares(profile: SiteProfile, study: Study, people: int) -> dict[Pair, float]:
    """The part of patients who have each code that the study writes. A concept that stands for more codes than it writes is
    taken to be there where the profile lists none of these: what is below a code, a profile does not say."""
    listed = {(line.system, line.code): number_of(line.patients) / max(people, 1) for line in profile.coverage}
    shares: dict[Pair, float] = {}
    for concept in study.concepts.values():
        pairs = pairs_of(concept)
        here = {pair: listed[pair] for pair in pairs & listed.keys()}
        known = here or concept.mention or not concept.beyond_profiles
        shares |= here if known else dict.fromkeys(pairs, SHARE)
    return dict(sorted(shares.items()))


def unlisted(study: Study, profiles: Iterable[SiteProfile]) -> dict[str, str]:
    """Features, by name, whose concept no profile lists a code of, and that concept. A concept that stands for more codes than
    it writes out is left to the hospitals."""
    listed = {(line.system, line.code) for profile in profiles for line in profile.coverage}
    missing = {
        name
        for name, concept in study.concepts.items()
        if (concept.mention or not concept.beyond_profiles) and listed.isdisjoint(concept.written_codes())
    }
    reading = ((feature.name, name) for feature in study.features for name in _read_by(feature))
    return {feature: name for feature, name in reading if name in missing}


def _read_by(feature: Any) -> tuple[str, ...]:
    of = getattr(feature, "of", ())
    return (of,) if isinstance(of, str) else tuple(of)


def _person(
    dice: random.Random,
    key: int,
    profile: SiteProfile,
    study: Study,
    shares: Mapping[Pair, float],
    rows: dict[str, list[Row]],
) -> None:
    start, end, death = life(dice, profile)
    held = _held(dice, study, shares)
    scene = Scene(study, dice, (start, end), held)
    on_the_way = dice.random() < ON_THE_WAY and scene.played()
    if on_the_way and scene.death:
        end = death = scene.death
    left_out = (barred(study) if on_the_way else frozenset()) | study.said_in_notes().keys()
    events = [*scene.events, *_strewn(dice, study, {n: p for n, p in held.items() if n not in left_out}, start, end)]
    born = birth(dice, profile, study, scene.index if on_the_way else start, end)
    rows["subjects"].append(subject(key, born, sex(dice, profile), death, SOURCE))
    rows["observation_periods"].append({"subject_key": key, "t_start": start, "t_end": end, "ingest_batch": SOURCE})
    made = [_row(dice, key, number, event, held, study) for number, event in enumerate(events)]
    made += [_read(key, build, start) for build in builds_called(study) if dice.random() < 0.9]
    made += [_carrier(key, rule, start) for rule in carried_elsewhere(study) if dice.random() < 0.2]
    rows["events"] += made
    for row in made:
        if row["system"] == CALLED_WELL and row["code"] in builds_called(study):
            rows["called"] += called_rows(study, row["code"], row["event_id"], SOURCE)


def _held(dice: random.Random, study: Study, shares: Mapping[Pair, float]) -> dict[str, list[Pair]]:
    """The codes of each concept that one patient has. Codes that decide who is in go together, as far as their shares let them; so do several
    segments, for who draws one draws all. A mention has those of its notes, of which each second says it."""
    cohort = study.cohort
    together = {
        *cohort.index.of,
        *cohort.encounter,
        *study.outcome.segments,
        *(n for c in cohort.include for n in getattr(c, "of", ()) if isinstance(n, str)),
    }
    drawn, held = dice.random(), {}
    for name, concept in study.concepts.items():
        pairs = sorted(pairs_of(concept) & shares.keys())
        held[name] = [pair for pair in pairs if (drawn if name in together else dice.random()) < shares[pair]]
    for name, mention in study.said_in_notes().items():
        held[name] = [pair for note in mention.notes for pair in held[note]]
    return held


def _strewn(
    dice: random.Random, study: Study, held: Mapping[str, list[Pair]], start: datetime, end: datetime
) -> Iterator[Placed]:
    """Events anywhere in a life."""
    levels: dict[str, Level] = {}
    for name in (name for name, pairs in held.items() if pairs):
        level = levels.setdefault(name, usual(dice, study, name))
        for _ in range(dice.randint(0, MOST_EVENTS)):
            yield Placed(name, start + (end - start) * dice.random(), None, level.number(dice))


def _row(
    dice: random.Random, key: int, number: int, event: Placed, held: Mapping[str, list[Pair]], study: Study
) -> Row:
    system, code = dice.choice(held[event.concept])
    rule = study.concepts[event.concept].variant if event.concept in study.concepts else None
    said = {"num": event.number, "unit": study.units().get(event.concept)} | copies(key, system, code)
    if rule:
        said |= as_had(rule, key)
    return _written(key, number, event.start, event.end, system, code) | said


def _read(key: int, build: str, at: datetime) -> Row:
    """A sample of somebody, called well."""
    return _written(key, -1, at, None, CALLED_WELL, build) | {"kind": "procedure"}


def _carrier(key: int, rule: VariantRule, at: datetime) -> Row:
    """Somebody who carries what others are free of."""
    row = _written(key, -2, at, None, f"{DOSAGE}:{rule.build}", code_of(rule))
    return row | {"kind": "measurement", "num": 1.0, "value_code": "heterozygous"}


def _written(key: int, number: int, start: datetime, end: datetime | None, system: str, code: str) -> Row:
    return {
        "subject_key": key, "event_id": digest(f"{key} {system} {code} {number}".encode())[7:39],
        "kind": "observation", "t_start": start, "t_end": end, "t_available": start, "precision": "second",
        "system": system, "code": code, "num": None, "unit": None, "status": "final", "polarity": "affirmed",
        "source_ref": f"made-up#{key}", "source_version": "1", "ingest_batch": SOURCE, "deleted": False,
    }  # fmt: skip


def _vocabulary(pairs: Iterable[Pair], rows: dict[str, list[Row]]) -> None:
    """Every code is a concept of its own, with one below it, so that a hierarchy can be asked."""
    for system, code in pairs:
        name = f"{system} {code}"
        for concept, own in ((name, code), (f"{name} below", f"{code} below")):
            rows["concepts"].append(
                {
                    "concept": concept,
                    "system": system,
                    "code": own,
                    "standard": True,
                    "maps_to": [concept],
                    "ingest_batch": SOURCE,
                }
            )
            rows["concept_ancestors"].append({"ancestor": name, "descendant": concept, "ingest_batch": SOURCE})
