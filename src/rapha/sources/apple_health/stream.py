"""export.xml -> records by the thousand, and every other element one by one; memory does not grow with the file.

Two readers, of which the second is the judge of the first:

1. Before the first element nothing is read. What iOS writes there, a document type, was not well formed in several
   versions, and it is where entities are declared: it is passed over, so that no declaration ever takes effect.
2. expat reads all that is no record as iOS writes it. It knows no entity but XML's own five, opens nothing, and is
   stopped at `LIMIT_DEPTH` levels, `LIMIT_ATTRIBUTES` attributes and `LIMIT_PIECE_BYTES` without an end.
3. Records as iOS writes them, nine in ten bytes, are taken out before by `records.py`. From the first `<!` or `<?` on, expat reads
   everything.

`tests/unit/sources/test_apple_stream.py` holds the two against one another.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol
from xml.parsers import expat

import pyarrow as pa

from rapha.sources.apple_health.places import LIMIT_BYTES, Damaged
from rapha.sources.apple_health.records import COLUMNS, as_batch, device_class, taken_out

CHUNK_BYTES, LIMIT_PROLOG_BYTES, LIMIT_PIECE_BYTES = 1 << 19, 1 << 18, 1 << 23
BATCH_ROWS, BATCH_BYTES = 1 << 14, 1 << 22
LIMIT_DEPTH, LIMIT_ATTRIBUTES = 16, 64
_ATTRIBUTES = {
    "type": "type", "sourceName": "source", "device": "device", "unit": "unit", "startDate": "start",
    "endDate": "end", "value": "value",
}  # fmt: skip
_KEPT = ("Me", "Workout", "ExportDate")


class Readable(Protocol):
    """Gives at most so many bytes, none at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Element:
    """An element that is no record, with its metadata."""

    name: str
    attributes: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)


def read_export(xml: Readable, found: Callable[[Element], None]) -> Iterator[pa.RecordBatch]:
    """Batches of records, columns as `COLUMNS`, in no order that means anything; the other elements are told to `found`.

    Raises:
        Damaged: it is no export, not well formed, or passes a limit. What was given before is then to be thrown away.
    """
    try:
        yield from _read(xml, found)
    except expat.ExpatError:
        raise Damaged("is not well-formed XML") from None
    except (UnicodeDecodeError, pa.ArrowInvalid):
        raise Damaged("is not UTF-8 text") from None


def gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Fewer of them: each costs whoever takes it."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        rows, held = (sum(counts) for counts in zip(*((part.num_rows, part.nbytes) for part in waiting), strict=True))
        if rows >= BATCH_ROWS or held >= BATCH_BYTES:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


def _read(xml: Readable, found: Callable[[Element], None]) -> Iterator[pa.RecordBatch]:
    judge = _Judge(found)
    carried, read, quick = _after_prolog(xml), 0, True
    while True:
        chunk = xml.read(CHUNK_BYTES)
        read += len(chunk)
        if read > LIMIT_BYTES:
            raise Damaged("is larger than any export")
        text = carried + chunk
        cut = text.rfind(b"<Record ") if chunk and quick else len(text)
        if cut < 0:
            cut = len(text) - text.endswith(b"<")  # with what follows it may begin a comment
        text, carried = text[:cut], text[cut:]
        if len(carried) > LIMIT_PIECE_BYTES:
            raise Damaged("has a record that does not end")
        if quick and (taken := taken_out(text)):
            yield taken[0]
            text = taken[1]
        elif quick:
            quick = False
        judge.feed(text, last=not chunk)
        if judge.waiting:
            yield judge.batch()
        if not chunk:
            return


def _after_prolog(xml: Readable) -> bytes:
    """From the first element on."""
    head = xml.read(LIMIT_PROLOG_BYTES)
    begins = re.search(rb"<HealthData[\s>]", head)
    if not begins:
        raise Damaged("is no export of Apple Health in UTF-8: it has no HealthData")
    return head[begins.start() :]


class _Judge:
    """expat, with limits."""

    def __init__(self, found: Callable[[Element], None]) -> None:
        self._found, self._fed = found, 0
        self._open: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self._rows: list[tuple[str, ...]] = []
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._declared
        self._parser.EntityDeclHandler = self._declared

    @property
    def waiting(self) -> int:
        return len(self._rows)

    def feed(self, text: bytes, last: bool) -> None:
        self._parser.Parse(text, last)
        self._fed += len(text)
        if self._fed - max(self._parser.CurrentByteIndex, 0) > LIMIT_PIECE_BYTES:
            raise Damaged("has an element that does not end")

    def batch(self) -> pa.RecordBatch:
        rows, self._rows = self._rows, []
        return as_batch([pa.array(column, pa.string()) for column in zip(*rows, strict=True)])

    def _declared(self, *_: object) -> None:
        raise Damaged("declares a document type where none can be")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= LIMIT_DEPTH or len(attributes) > LIMIT_ATTRIBUTES:
            raise Damaged(f"has more than {LIMIT_DEPTH} levels or {LIMIT_ATTRIBUTES} attributes")
        if name == "MetadataEntry" and self._open and len(self._open[-1][2]) < LIMIT_ATTRIBUTES:
            self._open[-1][2].setdefault(attributes.get("key", ""), attributes.get("value", ""))
        self._open.append((name, attributes, {}))

    def _end(self, name: str) -> None:
        _, attributes, extra = self._open.pop()
        if name == "Record":
            row = {ours: attributes.get(theirs, "") for theirs, ours in _ATTRIBUTES.items()}
            row["device"] = device_class(row["device"].encode())
            row["extra"] = "".join(f'key="{key}" value="{value}"' for key, value in extra.items())
            self._rows.append(tuple(row[column] for column in COLUMNS))
        elif name in _KEPT:
            self._found(Element(name, attributes, extra))
