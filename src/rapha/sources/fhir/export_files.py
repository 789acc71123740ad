"""The files of an export, and their lines: NDJSON (`.ndjson`, `.ndjson.gz`) line by line; JSON (`.json`, `.json.gz`), one
resource or Bundle, as a single line. Folders may lie in folders, so that later exports can be put beside the first.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from rapha.errors import SourceError

BLOCK_BYTES = 16 << 20
LONGEST_LINE = 64 << 20
LARGEST_BUNDLE = 256 << 20
MOST_FILES = 100_000
BATCH_LINES = 4096
NDJSON = (".ndjson", ".ndjson.gz")
JSON = (".json", ".json.gz")
TOO_LONG = "is longer than 64 MiB"
NOT_UTF8 = "is not UTF-8 text"

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
        *lines, rest = (rest + block).split(b"\n")
        if lines and skipping:
            broken.append((number, TOO_LONG))
            lines, number, skipping = lines[1:], number + 1, False
        if lines:
            first, number = number, number + len(lines)
            table = _table(range(first, number), lines, broken)
            del lines, block  # the table alone is held while it is worked on
            yield table
        if len(rest) > LONGEST_LINE or skipping:
            rest, skipping = b"", True
    if skipping:
        broken.append((number, TOO_LONG))
    elif rest:
        yield _table([number], [rest], broken)


def _table(numbers: "range | list[int]", lines: list[bytes], broken: Broken) -> pa.Table:
    """The lines that are text; a byte order mark at the very beginning is no part of it."""
    if numbers[0] == 1:
        lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
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
    table = pa.table({"line": pa.array(numbers, pa.int64()), "text": texts})
    if not all(lines):
        import pyarrow.compute as pc

        table = table.filter(pc.not_equal(table["text"], ""))
    return pa.Table.from_batches(table.to_batches(max_chunksize=BATCH_LINES), table.schema)


def _is_legible(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
