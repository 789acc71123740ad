"""A folder of FHIR resources -> their texts, in the order of the files' names.

`.ndjson` holds one resource a line, `.json` one resource or one Bundle; `.gz` behind either. A line that is no JSON is
set aside with its number.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import duckdb
import pyarrow as pa

from rapha.errors import SourceError

LONGEST_LINE, LARGEST_FILE = 16 << 20, 256 << 20
BATCH_BYTES = 4 << 20
SCHEMA = pa.schema([pa.field("text", pa.string())])
_IS_OBJECT = "SELECT CASE WHEN json_valid(text) THEN json_type(text) = 'OBJECT' ELSE false END FROM incoming"
ENDINGS = (".ndjson", ".ndjson.gz", ".json", ".json.gz")


@dataclass
class Resources:
    """Reads a folder once, or the files of it that are `listed`. `set_aside` then has file, line and reason of what was no resource; `read` counts the rest."""

    folder: Path
    listed: tuple[Path, ...] = ()
    set_aside: list[tuple[str, int, str]] = field(default_factory=list)
    read: int = 0

    def files(self) -> list[Path]:
        """The files that are read. Raises SourceError: there is none."""
        if self.listed:
            return list(self.listed)
        there = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        found = [path for path in there if path.is_file() and path.name.endswith(ENDINGS)]
        if not found:
            raise SourceError(f"{self.folder}: no folder with files that end in {', '.join(ENDINGS)}")
        return found

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All texts. Raises SourceError: a file cannot be read."""
        with duckdb.connect(":memory:", config={"threads": 1}) as checker:
            for path in self.files():
                try:
                    yield from self._of_file(path, checker)
                except (OSError, EOFError, zlib.error):
                    raise SourceError(f"{path} cannot be read: damaged, or cut short") from None

    def _of_file(self, path: Path, checker: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        lines: list[tuple[int, str]] = []
        size = 0
        for line, data in self._lines(path):
            try:
                text = data.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError:
                self.set_aside.append((path.name, line, "is not UTF-8 text"))
                continue
            lines.append((line, text))
            size += len(data)
            if size >= BATCH_BYTES:
                yield self._batch(path.name, lines, checker)
                lines, size = [], 0
        if lines:
            yield self._batch(path.name, lines, checker)

    def _lines(self, path: Path) -> Iterator[tuple[int, bytes]]:
        with _open(path) as file:
            if ".ndjson" not in path.suffixes:
                data = file.read(LARGEST_FILE + 1)
                if len(data) > LARGEST_FILE:
                    raise SourceError(f"{path}: larger than {LARGEST_FILE >> 20} MiB; write it as NDJSON")
                yield 1, data
                return
            line = 0
            while data := file.readline(LONGEST_LINE):
                line += 1
                whole = data.endswith(b"\n") or len(data) < LONGEST_LINE
                if whole:
                    if data.strip():
                        yield line, data
                    continue
                self.set_aside.append((path.name, line, f"is longer than {LONGEST_LINE >> 20} MiB"))
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass

    def _batch(self, name: str, lines: list[tuple[int, str]], checker: duckdb.DuckDBPyConnection) -> pa.RecordBatch:
        batch = pa.RecordBatch.from_arrays([pa.array([text for _, text in lines], pa.string())], schema=SCHEMA)
        checker.register("incoming", batch)
        valid = checker.execute(_IS_OBJECT).fetchall()
        checker.unregister("incoming")
        bad = [line for (line, _), (good,) in zip(lines, valid, strict=True) if not good]
        self.set_aside += [(name, line, "is no JSON object") for line in bad]
        self.read += len(lines) - len(bad)
        return batch.filter(pa.array([good for (good,) in valid], pa.bool_())) if bad else batch


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
