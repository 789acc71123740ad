"""People who do not exist, as many and with such codes as a site's profile says, in a timeline like a hospital's.

Nothing here comes from a row: a profile holds suppressed and rounded counts. So nothing learnt here means anything; that it
can be learnt at all does.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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
from rapha.sdk.rehearsal.made_up_assets import give_assets
from rapha.timeline.assets import Contents
from rapha.timeline.schema import TABLES
from rapha.timeline.writer import write_batch

MOST_PEOPLE = 5_000
"""More would only take longer: a rehearsal asks whether, not how well."""

PEOPLE, SHARE = 2_000, 0.6
FIRST_YEAR, LAST_YEAR = 2005, 2022
DYING, MOST_EVENTS = 0.08, 6
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
    people = min(_number(profile.patients), MOST_PEOPLE)
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    units = {pair: unit for name, unit in study.units().items() for pair in study.concepts[name].written_codes()}
    shares = {(line.system, line.code): _number(line.patients) / max(people, 1) for line in _asked_for(profile, study)}
    for key in range(people):
        start, end, subject = _life(dice, key, profile)
        rows["subjects"].append(subject)
        rows["observation_periods"].append({"subject_key": key, "t_start": start, "t_end": end, "ingest_batch": SOURCE})
        rows["events"] += _events(dice, key, start, end, shares, units)
    batch = digest(f"{profile.site} {study.digest}".encode()).removeprefix("sha256:")[:32]
    made = {name: _table(name, rows[name]) for name in TABLES}
    if dense_of(study) or study.said_in_notes():
        contents = Contents(folder, SOURCE, batch)
        give_assets(study, rows["events"], contents, dice)
        made |= {"events": _table("events", rows["events"]), "assets": contents.table()}
    with duckdb.connect(":memory:") as duck:
        tables = {name: duck.from_arrow(table) for name, table in made.items()}
        write_batch(folder, SOURCE, batch, digest(b"made up"), tables)  # type: ignore[arg-type]
    return people


def _asked_for(profile: SiteProfile, study: Study) -> Iterator[ConceptCoverage]:
    codes = {pair for concept in study.concepts.values() for pair in concept.written_codes()}
    return (line for line in profile.coverage if (line.system, line.code) in codes)


def _number(count: Count) -> int:
    return count.about if count.about is not None else (count.below or 1) - 1


def _life(dice: random.Random, key: int, profile: SiteProfile) -> tuple[datetime, datetime, Row]:
    first, last = profile.first_year or FIRST_YEAR, profile.last_year or LAST_YEAR
    start, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 12, 31, tzinfo=UTC)
    birth = start - timedelta(days=dice.randint(20 * 365, 80 * 365))
    death = start + (end - start) * dice.random() if dice.random() < DYING else None
    subject = {
        "subject_key": key, "birth": birth, "birth_precision": "day", "sex": dice.choice(("female", "male")),
        "death": death, "death_precision": "second" if death else None, "opted_out": False, "ingest_batch": SOURCE,
    }  # fmt: skip
    return start, death or end, subject


def _events(
    dice: random.Random,
    key: int,
    start: datetime,
    end: datetime,
    shares: dict[tuple[str, str], float],
    units: dict[tuple[str, str], str | None],
) -> Iterator[Row]:
    for (system, code), share in shares.items():
        if dice.random() >= share:
            continue
        for number in range(dice.randint(1, MOST_EVENTS)):
            at = start + (end - start) * dice.random()
            yield {
                "subject_key": key, "event_id": digest(f"{key} {system} {code} {number}".encode())[7:39],
                "kind": "observation", "t_start": at, "t_available": at, "precision": "second", "system": system,
                "code": code, "num": round(dice.gauss(100, 20), 1), "unit": units.get((system, code)), "status": "final", "polarity": "affirmed",
                "source_ref": f"made-up#{key}", "source_version": "1", "ingest_batch": SOURCE, "deleted": False,
            }  # fmt: skip


def _table(name: str, rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[name])
