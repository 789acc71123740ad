"""Records as iOS writes them, nine in ten bytes of an export, taken out of a text by the thousand.

1. A pattern says what such a record is, and gives what expat would: `<` may stand in no value, so where a text has neither `<!` nor
   `<?`, each `<Record ` begins a record. All `<` are counted again against those that are markup.
2. Most records of an export differ in their values alone. One of each shape, the specimen, is read by the pattern; whatever has the same bytes
   between its quotes is read by the places of its quotes, for all at once.
3. The second is used where a text is nothing but records and white space. It then divides in one way only, so both say the same.
"""

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapha.sources.apple_health.places import Damaged

COLUMNS = ("type", "source", "device", "unit", "start", "end", "value", "extra")
"""All texts, empty where the record has none. `device` is one of `DEVICES`, empty where nothing is said of it. `extra` holds the metadata as iOS writes it: key="..." value="..."."""
DEVICES = ("Watch", "iPhone", "other")
_V, _N, _META = rb'="([^"]*)"', rb'="[^"]*"', rb'<MetadataEntry key="[^"]*" value="[^"]*"/>'
_RECORD = re.compile(
    rb"<Record type" + _V + rb" sourceName" + _V + rb"(?: sourceVersion" + _N + rb")?(?: device" + _V + rb")?"
    rb"(?: unit" + _V + rb")?(?: creationDate" + _N + rb")? startDate" + _V + rb" endDate" + _V + rb"(?: value" + _V
    + rb")?(?:/>|>((?:\s*" + _META + rb")*)\s*</Record>)"
)  # fmt: skip
_STRIDE, _EXTRA, _DEVICE = _RECORD.groups + 1, COLUMNS.index("extra"), COLUMNS.index("device")
_BEGINS, _WORD = b"<Record type=", 8
_NAMED_FIRST, _NAMED_LAST = (int.from_bytes(word, "little") for word in (_BEGINS[:_WORD], _BEGINS[-_WORD:]))
_MOST_SHAPES, _MOST_QUOTES, _LONGEST_GAP_BYTES = 32, 128, 256
"""Of one text, of a record and between two quotes of it; a text that has more is read by the pattern alone."""
_BLANKS = b" \t\r\n"
_NO_XML = bytes(code for code in range(0x20) if code not in b"\t\r\n")
_BROKEN, _BROKEN_QUOTED = re.compile(rb"[\t\r\n]"), re.compile(rb'"[^<"\t\r\n]*[\t\r\n][^<"]*"')
_ENTRY = re.compile(_META)
_ENTITY = re.compile(rb"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot|apos));|&")
_NAMED = {b"lt": b"<", b"gt": b">", b"amp": b"&", b"quot": b'"', b"apos": b"'"}
_Places = npt.NDArray[np.int64]


def taken_out(text: bytes) -> tuple[pa.RecordBatch, bytes] | None:
    """The records as iOS writes them, and the text without them; None where something might hide a record or make one.

    Raises:
        Damaged: a value holds what none can.
    """
    if len(text.translate(None, _NO_XML)) < len(text):
        return None  # expat says what is wrong
    places = _nothing_else(text)
    if places is None:
        return _by_pattern(text)
    columns = [_texts(text, *places[at]) for at in range(len(COLUMNS))]
    if _broken_lines(columns):
        return None
    return as_batch([_devices(column) if at == _DEVICE else _plain(column) for at, column in enumerate(columns)]), b""


def _by_pattern(text: bytes) -> tuple[pa.RecordBatch, bytes] | None:
    parts = _RECORD.split(text)
    rest = b"".join(parts[::_STRIDE])
    if b"<!" in rest or b"<?" in rest:
        return None
    columns = [parts[at::_STRIDE] for at in range(1, _STRIDE)]
    ended = [extra for extra in columns[_EXTRA] if extra is not None]
    markup = len(columns[0]) + len(ended) + len(_ENTRY.findall(b"".join(ended)))
    if text.count(b"<") != rest.count(b"<") + markup:
        raise Damaged("is not well-formed XML")
    arrays = [pa.array(column, pa.binary()).fill_null(b"") for column in columns]
    if _broken_lines(arrays):
        return None
    return as_batch([_devices(array) if at == _DEVICE else _plain(array) for at, array in enumerate(arrays)]), rest


def _broken_lines(columns: list[pa.Array]) -> bool:
    """Whether a value has a tab or the end of a line, for which XML has a blank."""
    ways = (_BROKEN_QUOTED if at == _EXTRA else _BROKEN for at in range(len(COLUMNS)))
    held = (column.buffers()[2] for column in columns)
    return any(way.search(each.to_pybytes()) for way, each in zip(ways, held, strict=True) if each)


def _nothing_else(text: bytes) -> list[tuple[_Places, _Places]] | None:
    """Where each column of each record begins and ends; None where the text holds anything beside records and white space."""
    if len(text) < _WORD:
        return None
    pieces = _Pieces(text)
    if pieces.odd or not pieces.count or text[: pieces.starts[0]].strip(_BLANKS):
        return None
    if not all(pieces.read(shape) for shape in pieces.shapes()):
        return None
    if not pieces.done.all() or text.count(b"<") != pieces.markup:
        return None
    return list(zip(pieces.begins, pieces.ends, strict=True))


class _Pieces:
    """A text cut where records begin: where a quote opens after `<Record type=`. What is filled in are the places of columns."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._quotes: _Places = np.flatnonzero(np.frombuffer(text, np.uint8) == ord('"'))
        self.odd = len(self._quotes) % 2 == 1
        self._words: npt.NDArray[np.uint64] = np.ndarray(len(text), "<u8", text + bytes(_WORD), strides=(1,))
        """The eight bytes from each place on."""
        opens = self._quotes[::2]
        named = np.flatnonzero(self._words[np.maximum(opens - _WORD, 0)] == _NAMED_LAST)
        named = named[self._words[np.maximum(opens[named] - len(_BEGINS), 0)] == _NAMED_FIRST]
        self._first: _Places = np.append(named * 2, len(self._quotes))
        """The first quote of each piece."""
        self.starts: _Places = np.append(opens[named] - len(_BEGINS), len(text))
        self.count, self.markup = len(named), 0
        self.done = np.zeros(self.count, bool)
        self.begins: _Places = np.repeat(self.starts[None, :-1], len(COLUMNS), axis=0)
        self.ends: _Places = self.begins.copy()

    def shapes(self) -> Iterator[_Places]:
        """Which of them differ in nothing but the values between their quotes, `_MOST_SHAPES` times at most; the first of each is to be
        read before the next are asked for."""
        quotes = np.diff(self._first)
        for _ in range(_MOST_SHAPES):
            if self.done.all():
                return
            specimen = int(np.argmin(self.done))
            like = np.flatnonzero((quotes == quotes[specimen]) & ~self.done)
            if quotes[specimen] > _MOST_QUOTES:
                return
            yield self._of_a_shape(like)

    def _of_a_shape(self, like: _Places) -> _Places:
        """Those that have the bytes between their quotes of the first."""
        quotes = self._quotes_of(like)
        begins, ends = quotes[:, 1::2], np.column_stack((quotes[:, 2::2], self.starts[like + 1]))
        lengths = ends - begins
        if lengths[0].max() > _LONGEST_GAP_BYTES:
            return like[:1]
        same = (lengths == lengths[0]).all(axis=1)
        like, begins = like[same], begins[same]
        same = np.ones(len(like), bool)
        for gap, length in enumerate(lengths[0].tolist()):
            for offset in range(0, length, _WORD):
                words = self._words[begins[:, gap] + offset]
                if (beyond := _WORD - length + offset) > 0:
                    words &= np.uint64((1 << 8 * (_WORD - beyond)) - 1)
                same &= words == words[0]
        alike: _Places = like[same]
        return alike

    def _quotes_of(self, pieces: _Places) -> _Places:
        """A row for each of these, which have as many quotes as the first."""
        first = self._first[pieces]
        of_each: _Places = self._quotes[first[:, None] + np.arange(self._first[pieces[0] + 1] - first[0])]
        return of_each

    def read(self, shape: _Places) -> bool:
        """All of these, as the pattern reads the first. False: it is no record, or more."""
        end = int(self.starts[shape[0] + 1])
        found = _RECORD.match(self.text, int(self.starts[shape[0]]), end)
        if found is None or self.text[found.end() : end].strip(_BLANKS):
            return False
        quotes = self._quotes_of(shape)
        for column in range(len(COLUMNS)):
            begin, end = found.span(column + 1)
            if begin >= 0:
                self.begins[column, shape] = _as_in_the_first(quotes, begin, begin - 1)
                self.ends[column, shape] = _as_in_the_first(quotes, end, end)
        self.markup += len(shape) * _markup(found)
        self.done[shape] = True
        return True


def _as_in_the_first(quotes: _Places, place: int, until: int) -> _Places:
    """As far from the same quote as `place` in the first row is from its last quote up to `until`."""
    at = int(np.searchsorted(quotes[0], until, "right")) - 1
    places: _Places = quotes[:, at] + (place - quotes[0, at])
    return places


def _markup(found: re.Match[bytes]) -> int:
    """How many `<` a record has, its values aside."""
    extra = found[_EXTRA + 1]
    return 1 if extra is None else 2 + len(_ENTRY.findall(extra))


def _texts(text: bytes, begins: _Places, ends: _Places) -> pa.Array:
    """What is between these places."""
    places = np.column_stack((begins, ends)).ravel().astype(np.int32)
    between = pa.Array.from_buffers(pa.binary(), len(places) - 1, [None, pa.py_buffer(places), pa.py_buffer(text)])
    return between.take(pa.array(np.arange(0, len(places), 2)))


def _plain(column: pa.Array) -> pa.Array:
    """Without entities, each distinct text looked at once."""
    if b"&" not in column.buffers()[2].to_pybytes():
        return column.cast(pa.string())
    coded = column.dictionary_encode()
    plain = [_ENTITY.sub(_meant, text) for text in coded.dictionary.to_pylist()]
    return pa.array(plain, pa.binary()).cast(pa.string()).take(coded.indices)


def _devices(column: pa.Array) -> pa.Array:
    """Apple writes a page of every device, with a number that changes: what model it is, is all that is wanted."""
    coded = column.dictionary_encode()
    classes = [device_class(_ENTITY.sub(_meant, text)) for text in coded.dictionary.to_pylist()]
    return pa.array(classes, pa.string()).take(coded.indices)


def device_class(told: bytes) -> str:
    """One of `DEVICES`, empty where nothing is told of a device."""
    return next((model for model in DEVICES[:2] if b"model:" + model.encode() in told), "other" if told else "")


def _meant(entity: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name = entity.groups()
    if name:
        return _NAMED[name]
    number = int(decimal) if decimal else int(hexadecimal, 16) if hexadecimal else 0
    if not (
        number in (9, 10, 13) or 0x20 <= number < 0xD800 or 0xE000 <= number < 0xFFFE or 0x10000 <= number < 0x110000
    ):
        raise Damaged("is not well-formed XML")
    return chr(number).encode()


def as_batch(columns: list[pa.Array]) -> pa.RecordBatch:
    """These texts, as `COLUMNS`."""
    return pa.RecordBatch.from_arrays(columns, names=list(COLUMNS))
