"""The notes of a timeline against the mentions of a study: the table `mentions`, laid before the cohort's one statement.

A pure function of timeline and study: same notes, same phrases, same rows. One note says a mention or not, however often.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from rapha.cohort.notes.scan import Scanner
from rapha.cohort.plan import Plan
from rapha.cohort.statement import notes_statement
from rapha.timeline.assets import Assets
from rapha.timeline.reader import LockedConnection, Timeline

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "mentions"
Noted = tuple[int, str, str]
"""Of a note: the number of its concept, its event and its asset."""


def lay_mentions(timeline: Timeline, connection: LockedConnection, plan: Plan) -> None:
    """Read the notes that the plan asks for, and lay what they say beside the timeline's tables. Nothing for a plan that asks
    no notes. Raises ConfigurationError: the text of a note is missing or damaged."""
    if not plan.said:
        return
    statement = notes_statement(plan)
    noted = connection.table(statement.text, statement.parameters)
    connection.lay(TABLE, mentions(plan, _rows(noted), Assets.of(timeline.folder, connection, "note")))


def _rows(noted: "pa.Table") -> Iterator[Noted]:
    for batch in noted.to_batches(max_chunksize=4096):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def mentions(plan: Plan, noted: Iterable[Noted], assets: Assets) -> "pa.Table":
    """Columns `concept`, `note` and `event_id`, in the order of assets and events; each text is read once.

    Of a note of several of the mention's concepts, the first counts, so that it is one event."""
    import pyarrow as pa

    scanner = Scanner(plan.said)
    looked_in = {concept: set(plan.numbers(mention.notes)) for concept, mention in plan.said.items()}
    rows: dict[tuple[int, str], int] = {}
    for asset, of_asset in groupby(noted, key=lambda each: each[2]):
        said = sorted(scanner.said_in(assets.read(asset)))
        for note, event_id, _ in of_asset:
            for concept in said:
                if note in looked_in[concept]:
                    rows.setdefault((concept, event_id), note)
    columns = {
        "concept": pa.array([concept for concept, _ in rows], pa.int32()),
        "note": pa.array(rows.values(), pa.int32()),
        "event_id": pa.array([event_id for _, event_id in rows], pa.string()),
    }
    return pa.table(columns)
