"""A pickled table -> CSV, in a process of its own: `python -I frame_file.py TABLE.pkl.compress OUT.csv COLUMN...`

A pickle is a program. This one is run by an unpickler that knows eleven names, and each of them leads to a harmless
class or function of this page: neither pandas nor numpy is loaded, and any other name ends the process. Only what a
table of whole numbers, real numbers and texts needs is here. Standard library alone.
"""

import csv
import lzma
import math
import pickle
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

TYPE_CODES = {"f8": "d", "i8": "q"}


class Refused(Exception):
    """The file asks for more than a table needs."""


class Dtype:
    """`numpy.dtype`: its name is all that is kept."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Byte order and the like: the files are of little-endian machines, as all that run this."""


class Texts:
    """`numpy.ndarray` of objects: shape and a flat list."""

    shape: tuple[int, ...]
    cells: list[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, _, _, self.cells = state


class Frame:
    """`pandas.DataFrame`: pickle gives it its state, `_mgr` among it."""

    _mgr: tuple[list[tuple[list[list[Any]], list[int] | slice]], list[Texts]]

    def columns(self) -> dict[str, list[Any]]:
        """Its columns by name."""
        blocks, axes = self._mgr
        names = axes[0].cells
        found: dict[str, list[Any]] = {}
        for rows, placement in blocks:
            placed = names[placement] if isinstance(placement, slice) else [names[at] for at in placement]
            found |= zip(placed, rows, strict=True)
        return found


class RangeIndex:
    """The rows' own numbers, which nobody needs."""


def _numbers(buffer: bytearray, dtype: Dtype, shape: tuple[int, ...], order: str) -> list[Any]:
    if order != "C" or dtype.name not in TYPE_CODES:
        raise Refused("numbers in a form that is not read here")
    flat = array(TYPE_CODES[dtype.name])
    flat.frombytes(buffer)
    return _cut(flat.tolist(), shape)


def _cut(flat: list[Any], shape: tuple[int, ...]) -> list[Any]:
    if len(shape) == 1:
        return flat
    rows, width = shape
    return [flat[at * width : (at + 1) * width] for at in range(rows)]


def _block(values: Any, placement: list[int] | slice, dimensions: int) -> tuple[list[Any], list[int] | slice]:
    return (_cut(values.cells, values.shape) if isinstance(values, Texts) else values), placement


def _manager(blocks: tuple[Any, ...], axes: list[Any]) -> tuple[Any, ...]:
    return blocks, axes


NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("builtins", "slice"): slice,
    ("numpy", "dtype"): Dtype,
    ("numpy", "ndarray"): Texts,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: Texts(),
    ("numpy.core.numeric", "_frombuffer"): _numbers,
    ("pandas._libs.internals", "_unpickle_block"): _block,
    ("pandas.core.frame", "DataFrame"): Frame,
    ("pandas.core.indexes.base", "Index"): Texts,
    ("pandas.core.indexes.base", "_new_Index"): lambda kind, state: state.get("data", kind()),
    ("pandas.core.indexes.range", "RangeIndex"): RangeIndex,
    ("pandas.core.internals.managers", "BlockManager"): _manager,
}


class TableUnpickler(pickle.Unpickler):
    """Finds the eleven names, and refuses every other."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands here for that name. Raises Refused."""
        try:
            return NAMES[module, name]
        except KeyError:
            raise Refused(f"the file asks for {module}.{name}: it is not a plain table") from None


def written(cell: Any) -> str:
    """A cell as CSV text: nothing for a missing number, no `.0` on a whole one."""
    if not isinstance(cell, float):
        return str(cell)
    if math.isnan(cell):
        return ""
    return str(int(cell)) if cell.is_integer() else repr(cell)


def main(source: str, target: str, *names: str) -> None:
    """Write the named columns of the table in `source` to `target`."""
    with lzma.open(source) as file:
        frame = TableUnpickler(file).load()
    if not isinstance(frame, Frame):
        raise Refused("the file holds no table")
    columns = frame.columns()
    with Path(target).open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*(map(written, columns[name]) for name in names), strict=True))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Refused as refusal:
        sys.exit(str(refusal))
