"""Batches as one Arrow stream, read by one statement however many they are."""

from collections.abc import Iterator

import pyarrow as pa


class Stream:
    """`reader` is for one statement, once. Within it nothing can be raised: what drawing a batch raises ends the stream, and
    `check`, called when the statement is done, raises it. `rows` counts what was drawn."""

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        self.rows = 0
        self._raised: Exception | None = None
        self.reader = pa.RecordBatchReader.from_batches(schema, self._drawn(batches))

    def check(self) -> None:
        """Raise what drawing a batch has raised."""
        if self._raised is not None:
            raise self._raised

    def _drawn(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                self.rows += batch.num_rows
                yield batch
        except Exception as error:
            self._raised = error
