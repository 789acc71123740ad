"""Blocks of whole lines of a CSV file; and those of them that need no care, parsed at once.

A block is regular where each line is a row, and each quote opens or closes a whole cell: then every reader of CSV reads the
same in it, and the fastest may.
"""

from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

BLOCK_BYTES = 4 << 20
LONGEST_LINE = 16 << 20
LONGEST_CELL = 1 << 17
UNREADABLE_LINE = b'"x"x\n'
"""Stands in the place of a line that is too long to hold; no reader of CSV takes it."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEWLINE, _RETURN, _QUOTE, _COMMA = b'\n\r",'
Codes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


class Blocks:
    """The bytes of a file, in blocks that end where a line does. The byte order mark is left out."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting = file.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)

    def next(self) -> bytes:
        """The next block, nothing at the end of the file. The last line may lack its end."""
        if cut := _after_last_line(self._waiting):
            block, self._waiting = self._waiting[:cut], self._waiting[cut:]
            return block
        parts, held = [self._waiting], len(self._waiting)
        self._waiting = b""
        while piece := self._file.read(BLOCK_BYTES):
            if cut := _after_last_line(piece):
                self._waiting = piece[cut:]
                if held > LONGEST_LINE:
                    return UNREADABLE_LINE + piece[_after_first_line(piece) : cut]
                return b"".join([*parts, piece[:cut]])
            held += len(piece)
            parts = [*parts, piece] if held <= LONGEST_LINE else []
        return b"".join(parts) if held <= LONGEST_LINE else UNREADABLE_LINE

    def put_back(self, lines: bytes) -> None:
        """These come first in the next block."""
        self._waiting = lines + self._waiting


def parse_regular(block: bytes, delimiter: str, width: int, places: list[int]) -> pa.RecordBatch | None:
    """The cells at these places of the rows of a block, texts as they stand, one row for each line; None where the block is
    not regular, has a row that is not of this width, or is not UTF-8. A tab as delimiter means that a quote is a text."""
    if not _is_regular(block, quoted=delimiter == ","):
        return None
    names = [f"h{at}" for at in range(width)]
    wanted = [names[place] for place in places]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            pa.csv.ParseOptions(delimiter=delimiter, quote_char='"' if delimiter == "," else False),
            pa.csv.ConvertOptions(
                include_columns=list(dict.fromkeys(wanted)), column_types=dict.fromkeys(wanted, pa.string())
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns = [table.column(name).combine_chunks() for name in wanted]
    return pa.RecordBatch.from_arrays(columns, names=[f"c{at}" for at in range(len(columns))])


def _after_first_line(piece: bytes) -> int:
    return piece.find(b"\n") + 1 or piece.find(b"\r") + 1


def _after_last_line(piece: bytes) -> int:
    """Where a block may be cut: after a newline or, without one, after a return that no newline may follow."""
    return piece.rfind(b"\n") + 1 or piece.rfind(b"\r", 0, len(piece) - 1) + 1


def _is_regular(block: bytes, quoted: bool) -> bool:
    if b"\0" in block:
        return False
    codes = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", np.uint8)
    ends = np.flatnonzero(codes == _NEWLINE)
    returns = np.flatnonzero(codes == _RETURN)
    empty = 2 if len(returns) else 1
    lengths = np.diff(ends, prepend=-1)
    if lengths.min() <= empty or lengths.max() > LONGEST_CELL or (codes[returns + 1] != _NEWLINE).any():
        return False
    return not quoted or _quotes_hold_cells(codes, ends)


def _quotes_hold_cells(codes: Codes, ends: Places) -> bool:
    """Every odd quote begins a cell, the one after it ends it, and no line ends between them: before each end are whole pairs."""
    quotes = np.flatnonzero(codes == _QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    if len(opening) != len(closing):
        return False
    before, after = codes[opening - 1], codes[closing + 1]
    begin = (before == _COMMA) | (before == _NEWLINE)
    end = (after == _COMMA) | (after == _NEWLINE) | (after == _RETURN)
    return bool(begin.all() and end.all() and not (np.searchsorted(quotes, ends) % 2).any())
