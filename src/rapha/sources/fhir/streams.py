"""Sorted tables into one stream for each kind, so that one statement reads a whole export's lines of that kind.

Whoever draws from one stream meets lines of other kinds, which wait for their turn; too many of them, and the stream ends,
to be opened again later. So an export sorted by type takes one statement for each, and a mixed one a few.
"""

from collections import defaultdict, deque
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapha.sources.fhir.sorting import LINES
from rapha.sources.fhir.statements import Kind
from rapha.timeline.stream import Stream

MOST_WAITING = 24 << 20
"""Bytes of lines that may wait for their turn."""
MOST_IN_VAIN = 12 << 20
"""Bytes of other kinds that a stream draws, one after the other, before it ends."""

BATCH_BYTES = 1 << 19
"""Of text in a batch, one line at least: what is taken apart at once is some forty times as much, however many parts a line has."""


class Streams:
    """Each table is in one stream, once."""

    def __init__(self, sorted_tables: Iterator[tuple[Kind, pa.Table]]) -> None:
        self._drawn = sorted_tables
        self._waiting: defaultdict[Kind, deque[pa.Table]] = defaultdict(deque)
        self._bytes = 0

    def __iter__(self) -> Iterator[tuple[Kind, pa.RecordBatchReader]]:
        """Kind and stream, until all is read; one stream is drawn to its end before the next is asked for.

        Raises:
            SourceError: what reading a file raised, once the stream in which it was met has ended.
        """
        while kind := self._next_kind():
            stream = Stream(self._lines(kind), LINES)
            yield kind, stream.reader
            stream.check()

    def _next_kind(self) -> Kind | None:
        """That of which most waits; of what is drawn next, where nothing does."""
        waiting = {kind: sum(table.nbytes for table in tables) for kind, tables in self._waiting.items() if tables}
        if not waiting:
            return self._draw()
        return max(waiting, key=lambda kind: waiting[kind])

    def _draw(self) -> Kind | None:
        """Take one more table in; its kind."""
        for kind, table in self._drawn:
            self._waiting[kind].append(table)
            self._bytes += table.nbytes
            return kind
        return None

    def _lines(self, kind: Kind) -> Iterator[pa.RecordBatch]:
        mine = self._waiting[kind]
        enough = MOST_WAITING
        while mine or (self._bytes < enough and self._draw()):
            while mine:
                table = mine.popleft()
                self._bytes -= table.nbytes
                for batch in table.to_batches():
                    yield from _cut(batch)
                enough = min(MOST_WAITING, self._bytes + MOST_IN_VAIN)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The same lines in batches of some `BATCH_BYTES`, to be worked on side by side."""
    reached = np.cumsum(pc.binary_length(batch["text"]).to_numpy(zero_copy_only=False), dtype=np.int64) // BATCH_BYTES
    begun = 0
    for end in (*(np.flatnonzero(np.diff(reached)) + 1).tolist(), batch.num_rows):
        yield batch.slice(begun, end - begun)
        begun = end
