"""Which frozen rows are whose: a file beside the dataset, for the hospital alone. The workload never sees it.

Columns: `subject_key` int64, each once, ascending; `rows` binary, SHA-256 over the patient's rows in the dataset's order.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rapha.errors import Unproven
from rapha.timeline.beside import space_watched, write_beside

if TYPE_CHECKING:
    import pyarrow as pa

PATIENTS = "patients.arrow"


def write_patients(subjects: "pa.ChunkedArray", dataset: "pa.Table", folder: Path) -> None:
    """Write `patients.arrow` into `folder`. `subjects`: whose row each of the dataset is. Raises DiskFull."""
    import pyarrow as pa

    states: dict[int, hashlib._Hash] = {}
    for subject, row in zip(subjects.to_pylist(), _rows(dataset), strict=True):
        states.setdefault(subject, hashlib.sha256()).update(row)
    keys = sorted(states)
    columns = {
        "subject_key": pa.array(keys, pa.int64()),
        "rows": pa.array([states[key].digest() for key in keys], pa.binary(32)),
    }

    def write(file: BinaryIO) -> None:
        table = pa.table(columns)
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    folder.mkdir(parents=True, exist_ok=True)
    with space_watched(folder):
        write_beside(folder / PATIENTS, write)


def read_patients(folder: Path) -> dict[int, bytes]:
    """Subject key -> SHA-256 of their rows. Raises Unproven where the file is gone or is none."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(folder / PATIENTS).read_all()
    except (OSError, pa.ArrowInvalid):
        raise Unproven(f"{folder / PATIENTS} cannot be read: nobody can say any more who was in this run") from None
    return dict(zip(table["subject_key"].to_pylist(), table["rows"].to_pylist(), strict=True))


def _rows(dataset: "pa.Table") -> "list[bytes]":
    """Each row as SHA-256 over its values, column by column: missing or not, then the number's eight bytes."""
    import pyarrow.compute as pc

    states = [hashlib.sha256() for _ in range(len(dataset))]
    for column in dataset.itercolumns():
        if not _is_number(column):
            for state, value in zip(states, column.to_pylist(), strict=True):
                state.update(repr(value).encode())
            continue
        missing = pc.is_null(column).to_numpy()
        numbers = pc.cast(pc.fill_null(column, 0), "float64").to_numpy()
        for state, absent, number in zip(states, missing.astype("uint8"), numbers, strict=True):
            state.update(absent.tobytes() + number.tobytes())
    return [state.digest() for state in states]


def _is_number(column: "pa.ChunkedArray") -> bool:
    """Neither a sequence nor the name of an asset."""
    import pyarrow as pa

    return not (pa.types.is_list(column.type) or pa.types.is_string(column.type))


def whose_rows(patients: dict[int, bytes], dataset: "pa.Table") -> list[int]:
    """The subject key of each row, where nobody has two. Patients with the same row are taken in the order of their keys.

    Raises:
        Unproven: a row is nobody's, or somebody has none.
    """
    waiting: dict[bytes, list[int]] = {}
    for key in sorted(patients, reverse=True):
        waiting.setdefault(patients[key], []).append(key)
    found = []
    for row in _rows(dataset):
        of_this = waiting.get(hashlib.sha256(row).digest())
        if not of_this:
            raise Unproven("a frozen row is of no patient who was written down, or of one who has several")
        found.append(of_this.pop())
    if any(waiting.values()):
        raise Unproven("a patient who was written down has no frozen row")
    return found
