"""The frozen rows of a script's call: those to train on, dealt to shards in mode B, or all of them without what came of them.

A shard is a function of its own patients alone: who is in it, and in which order, is a keyed hash of each. Another patient more or
less changes no other shard by one bit.
"""

import hashlib
import hmac
from typing import TYPE_CHECKING

from rapha.cohort.patients import whose_rows

if TYPE_CHECKING:
    import pyarrow as pa

_LABELS = {"label": 0, "event": 0, "cause": 0, "time": 1.0, "value": 0.0}
"""What stands for an outcome where a script is to predict it."""


def training_rows(table: "pa.Table") -> "pa.Table":
    """The rows to train on, in the order they were frozen in."""
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["split"], 0))


def shards(table: "pa.Table", patients: dict[int, bytes], count: int, key: bytes) -> list["pa.Table"]:
    """The rows to train on, of one a patient, in so many shards. Some may be empty. `key`: the site's secret.

    Raises:
        Unproven: the rows are not those of these patients.
    """
    dealt = sorted((tag_of(key, subject), at) for at, subject in enumerate(whose_rows(patients, table)))
    split = table["split"].to_pylist()
    places: list[list[int]] = [[] for _ in range(count)]
    for tag, at in dealt:
        if split[at] == 0:
            places[shard_of(tag, count)].append(at)
    return [taken(table, rows) for rows in places]


def taken(table: "pa.Table", places: list[int]) -> "pa.Table":
    """The rows at these places; of none, an empty table."""
    import pyarrow as pa

    return table.take(pa.array(places, pa.int64()))


def tag_of(key: bytes, subject: int) -> bytes:
    """What deals a patient to a shard, and places them in it: nothing else of a patient does."""
    return hmac.new(key, b"rapha-shard:" + str(subject).encode(), hashlib.sha256).digest()


def shard_of(tag: bytes, count: int) -> int:
    """Which of so many shards."""
    return int.from_bytes(tag, "big") % count


def halves(rows: int, key: bytes) -> list[bool]:
    """For the audit of so many rows, those to train on first: which of two references has a row, or, of one held out, is asked of it."""
    return [hmac.new(key, b"rapha-half:" + str(at).encode(), hashlib.sha256).digest()[0] % 2 == 0 for at in range(rows)]


def rows_to_predict(table: "pa.Table") -> "pa.Table":
    """All rows, those to train on first and those of the test last, none with its outcome."""
    import pyarrow as pa

    order = sorted(range(len(table)), key=lambda at, split=table["split"].to_pylist(): split[at])  # type: ignore[misc]
    found = table.take(order)
    for name, stand_in in (("split", 0), *_LABELS.items()):
        if name in found.column_names:
            place = found.schema.get_field_index(name)
            kind = found.schema.field(name)
            found = found.set_column(place, kind, pa.array([stand_in] * len(found), kind.type))
    return found
