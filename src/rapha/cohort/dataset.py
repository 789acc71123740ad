"""The frozen rows as a file: same rows, same bytes. Arrow IPC, uncompressed, no identifiers.

Columns: `split` int8; `patient` int32 where a patient may have several rows, the same number for those of one; one float64,
nullable, for each feature, by its name; `sequence` list<struct<concept: int16, value: float64, days: float32>> where asked; for each dense feature, by its name, a fixed-size list of its elements,
nullable; then `label` int8; or `value` float64; or `mask`, a fixed-size list of uint8, 0 or the number of a segment; or `time` float64 (days), `event`
int8 and, where the study names competing events, `cause` int8.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rapha.canonical import digest_file
from rapha.cohort.dense import DenseColumn
from rapha.records.dense import DenseFeature
from rapha.records.feature import Feature, SequenceFeature
from rapha.records.private import PATIENT
from rapha.records.segmenter import MASK
from rapha.timeline.beside import space_watched, write_beside

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = "rows.arrow"
BATCH_ROWS = 65_536


def dataset_of(
    answer: "pa.Table", features: Sequence[Feature], labels: Sequence[str], by_patient: bool = False
) -> "pa.Table":
    """The dataset's table from the kept rows of a cohort statement; a dense feature is the name of its asset as yet, a mask those of its segments' assets. `by_patient`:
    with the column `patient`.

    Every buffer is made anew, with zeros where a value is missing: what lies under a null would else be chance, and
    the bytes would differ from run to run.
    """
    import pyarrow as pa

    columns = {"split": _integers(answer["split"])}
    if by_patient:
        columns[PATIENT] = _in_order_of_appearance(answer["patient"])
    for number, feature in enumerate(features):
        if not isinstance(feature, SequenceFeature | DenseFeature):
            columns[feature.name] = _reals(answer[f"f{number}"], pa.float64())
    for number, feature in enumerate(features):
        if isinstance(feature, SequenceFeature):
            columns[feature.name] = _sequences(answer[f"f{number}"])
    for number, feature in enumerate(features):
        if isinstance(feature, DenseFeature):
            columns[feature.name] = answer[f"f{number}"].combine_chunks()
    for label in labels:
        if label == MASK:
            columns[label] = answer[label].combine_chunks()
            continue
        real = label in ("time", "value")
        columns[label] = _reals(answer[label], pa.float64()) if real else _integers(answer[label])
    return pa.table(columns)


def write_dataset(
    table: "pa.Table", folder: Path, dense: "Sequence[DenseColumn]" = (), patients: Sequence[int] = ()
) -> str:
    """Write `rows.arrow` into `folder`; returns its digest. Atomic: a reader sees all of it or none. The assets of `dense`
    columns are read a batch at a time, so that memory does not grow with what is dense; `patients`: whose each row is.

    Raises:
        DiskFull: no space left in `folder`.
        ConfigurationError: an asset is missing, damaged or does not fit its feature.
    """
    import pyarrow as pa

    rows = min((column.batch_rows for column in dense), default=BATCH_ROWS)
    schema = table.schema
    for column in dense:
        place = schema.get_field_index(column.feature.name)
        schema = schema.set(place, pa.field(column.feature.name, column.kind))

    def write(file: BinaryIO) -> None:
        with pa.ipc.new_file(file, schema) as writer:
            for start in range(0, len(table), rows):
                batch = table.slice(start, rows)
                for column in dense:
                    place = batch.schema.get_field_index(column.feature.name)
                    filled = column.filled(batch[column.feature.name].to_pylist(), patients[start : start + rows])
                    batch = batch.set_column(place, schema.field(place), filled)
                writer.write_table(batch, max_chunksize=rows)

    with space_watched(folder):
        write_beside(folder / ROWS, write)
    return digest_file(folder / ROWS)


def _in_order_of_appearance(keys: "pa.ChunkedArray") -> "pa.Array":
    """0 for the patient of the first row, 1 for the next one who is another, and so on: nothing of a key is left."""
    import pyarrow as pa

    places: dict[int, int] = {}
    return pa.array([places.setdefault(key, len(places)) for key in keys.to_pylist()], type=pa.int32())


def _integers(column: "pa.ChunkedArray") -> "pa.Array":
    import pyarrow as pa

    return pa.array(column.to_numpy(), type=pa.int8())


def _reals(column: "pa.ChunkedArray | pa.Array", kind: "pa.DataType") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.fill_null(pc.cast(column, kind), 0.0).to_numpy(zero_copy_only=False)
    missing = pc.is_null(column).to_numpy(zero_copy_only=False)
    return pa.array(values, type=kind, mask=missing) if missing.any() else pa.array(values, type=kind)


def _sequences(column: "pa.ChunkedArray") -> "pa.Array":
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = column.combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    offsets = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False), out=offsets[1:])
    events = lists.flatten()
    fields = {
        "concept": pa.array(events.field("concept").to_numpy(zero_copy_only=False), type=pa.int16()),
        "value": _reals(events.field("value"), pa.float64()),
        "days": _reals(events.field("days"), pa.float32()),
    }
    structs = pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
    return pa.ListArray.from_arrays(pa.array(offsets), structs)
