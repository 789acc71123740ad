"""The files of an export, and their lines: NDJSON (`.ndjson`, `.ndjson.gz`) line by line; JSON (`.json`, `.json.gz`), one
resource or Bundle, as a single line. Folders may lie in folders, so that later exports can be put beside the first.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapha.errors import SourceError

BLOCK_BYTES = 4 << 20
LONGEST_LINE = 64 << 20
LARGEST_BUNDLE = 256 << 20
MOST_FILES = 100_000
BATCH_LINES = 4096
NDJSON = (".ndjson", ".ndjson.gz")
JSON = (".json", ".json.gz")
TOO_LONG = "is longer than 64 MiB"
MARK = b"\xef\xbb\xbf"
"""A byte order mark."""
NOT_UTF8 = "is not UTF-8 text"

Ends = np.ndarray[tuple[int], np.dtype[np.int32]]
Broken = list[tuple[int, str]]
"""Line and reason of what could not be read."""


def find(folder: Path) -> dict[str, Path]:
    """Every file of the export by its name below the folder, in the order of names. Hidden ones, and links that lead out of
    the folder, are not part of it.

    Raises:
        SourceError: there is no folder, or no such file in it.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder: name the one that holds the export")
    home = folder.resolve()
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if not hidden and name.endswith(NDJSON + JSON) and path.is_file() and path.resolve().is_relative_to(home):
            found[name] = path
        if len(found) > MOST_FILES:
            raise SourceError(f"{folder} holds more than {MOST_FILES:,} files: join them, or name a smaller folder")
    if not found:
        raise SourceError(f"{folder} holds no file that ends in {', '.join(NDJSON + JSON)}")
    return found


def read(path: Path, broken: Broken) -> Iterator[pa.Table]:
    """Tables of `line` int64 and `text` string, empty lines left out. What cannot be read is added to `broken`.

    Raises:
        SourceError: the file cannot be read at all.
    """
    try:
        with _open(path) as file:
            if path.name.endswith(NDJSON):
                yield from _lines(file, broken)
            else:
                text = file.read(LARGEST_BUNDLE + 1)
                if len(text) > LARGEST_BUNDLE:
                    raise SourceError(f"{path} is larger than 256 MiB: export NDJSON instead")
                yield _table([1], [text], broken)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged, or cut short"
        raise SourceError(f"{path} cannot be read: {reason}") from None


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _lines(file: IO[bytes], broken: Broken) -> Iterator[pa.Table]:
    rest, number, skipping = b"", 1, False
    while block := file.read(BLOCK_BYTES):
        held = rest + block
        ends = _ends(held)
        if len(ends):
            rest = held[ends[-1] :]
            if skipping:
                broken.append((number, TOO_LONG))
            table = _whole_lines(held, ends, number, skipping, broken)
            number, skipping = number + len(ends), False
            del held, block  # the table alone is held while it is worked on
            yield table
        else:
            rest = held
        if len(rest) > LONGEST_LINE or skipping:
            rest, skipping = b"", True
    if skipping:
        broken.append((number, TOO_LONG))
    elif rest:
        yield _table([number], [rest], broken)


def _ends(held: bytes) -> Ends:
    """Where each line ends: one past its line feed."""
    return (np.flatnonzero(np.frombuffer(held, np.uint8) == ord("\n")) + 1).astype(np.int32)


def _whole_lines(held: bytes, ends: Ends, number: int, skipping: bool, broken: Broken) -> pa.Table:
    """The lines up to the last line feed as they lie in `held`, each with its own; one by one where some are no text, or
    one is the tail of a line that was too long."""
    if not skipping and not (number == 1 and held.startswith(MARK)):
        starts = np.concatenate((np.zeros(1, np.int32), ends))
        texts = pa.StringArray.from_buffers(len(ends), pa.py_buffer(starts), pa.py_buffer(held))
        try:
            texts.validate(full=True)
        except pa.ArrowInvalid:
            pass
        else:
            return _told(pa.table({"line": np.arange(number, number + len(ends)), "text": texts}))
    lines = held[: ends[-1] - 1].split(b"\n")
    tail = 1 if skipping else 0
    return _table(range(number + tail, number + len(lines)), lines[tail:], broken)


def _table(numbers: "range | list[int]", lines: list[bytes], broken: Broken) -> pa.Table:
    """The lines that are text; a byte order mark at the very beginning is no part of it."""
    if numbers and numbers[0] == 1:
        lines[0] = lines[0].removeprefix(MARK)
    try:
        texts = pa.array(lines, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        legible = [_is_legible(line) for line in lines]
        broken += [(number, NOT_UTF8) for number, good in zip(numbers, legible, strict=True) if not good]
        kept = [pair for pair, good in zip(zip(numbers, lines, strict=True), legible, strict=True) if good]
        numbers, texts = (
            [number for number, _ in kept],
            pa.array([line for _, line in kept], pa.binary()).cast(pa.string()),
        )
    return _told(pa.table({"line": pa.array(numbers, pa.int64()), "text": texts}))


def _told(table: pa.Table) -> pa.Table:
    """Without empty lines, in batches that can be worked on side by side."""
    if not pc.all(pc.greater(pc.binary_length(table["text"]), 1)).as_py():
        table = table.filter(pc.greater(pc.binary_length(pc.utf8_rtrim(table["text"], "\n")), 0))
    return pa.Table.from_batches(table.to_batches(max_chunksize=BATCH_LINES), table.schema)


def _is_legible(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
