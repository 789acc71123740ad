"""Who has opted out of everything, by a list of the site's own: one identifier on each line, as national services send it.

The list is one more batch of the timeline, of the source `opt-out`: a row in `subjects` for every identifier, keyed as each
source's patients are. A patient with such a row enters no cohort, whatever any source says, and however often it is read.
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa

from rapha.canonical import digest
from rapha.errors import SourceError
from rapha.timeline.manifest import OPT_OUT, Table, read_manifest
from rapha.timeline.pseudonym import batch_id, subject_key
from rapha.timeline.schema import TABLES
from rapha.timeline.writer import write_batch

LARGEST_LIST = 512 << 20


def read_list(path: Path) -> list[str]:
    """The identifiers, each once. Blanks, and a comma at the end as some exports have it, are no part of one.

    Raises:
        SourceError: the file cannot be read, is too large, or is no text.
    """
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise SourceError(f"{path} is larger than 512 MiB: an opt-out file has one identifier on each line")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise SourceError(f"{path}: the opt-out file cannot be read ({error.strerror}): nothing was changed") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path}: the opt-out file is not UTF-8 text: nothing was changed") from None
    return sorted({line.strip().rstrip(",").replace(" ", "") for line in lines} - {""})


def write_opt_outs(timeline: Path, secret: bytes, identifiers: Iterable[str], coming: Iterable[str] = ()) -> None:
    """Put the list in the place of the former one. It is keyed for every source that is there, and for the words of
    `coming`: those about to be read. An empty list ends all opt-outs that came by a list.

    Raises:
        DiskFull, Conflict: see `write_batch`; the former list still holds.
    """
    whose = {batch.whose for batch in read_manifest(timeline).batches if batch.source != OPT_OUT} | set(coming)
    listed = sorted(identifiers)
    keys = sorted({subject_key(secret, word, identifier) for word in whose for identifier in listed})
    batch = batch_id(secret, 1, digest(OPT_OUT.encode()), {word: digest("\n".join(listed).encode()) for word in whose})
    columns = {
        "subject_key": pa.array(keys, pa.int64()),
        "opted_out": pa.array([True] * len(keys), pa.bool_()),
        "ingest_batch": pa.array([batch] * len(keys), pa.string()),
    }
    subjects = pa.table(
        [columns.get(field.name, pa.nulls(len(keys), field.type)) for field in TABLES["subjects"]],
        schema=TABLES["subjects"],
    )
    with duckdb.connect(":memory:") as duck:
        duck.execute("SET TimeZone = 'UTC'")
        tables: dict[Table, duckdb.DuckDBPyRelation] = {
            "events": duck.from_arrow(TABLES["events"].empty_table()),
            "subjects": duck.from_arrow(subjects),
            "observation_periods": duck.from_arrow(TABLES["observation_periods"].empty_table()),
        }
        write_batch(timeline, OPT_OUT, batch, digest(OPT_OUT.encode()), tables)


def patients_listed(timeline: Path) -> int:
    """How many patients of the timeline the list keeps out. Exact: for the steward alone."""
    from rapha.timeline.reader import open_timeline

    with open_timeline(timeline).connect() as connection:
        found = connection.execute(
            """SELECT count(DISTINCT subject_key) FROM subjects WHERE ingest_batch <> $batch AND subject_key IN (
                SELECT subject_key FROM subjects WHERE ingest_batch = $batch)""",
            {"batch": getattr(read_manifest(timeline).of(OPT_OUT), "batch", "")},
        ).fetchone()
    return int(found[0]) if found else 0
