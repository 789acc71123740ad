"""The texts of records -> numbers: moments of UTC, sources, codes and factors; a tenth of the bytes, so that many can wait."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapha.sources.apple_health.moments import moments
from rapha.sources.apple_health.records import DEVICES
from rapha.sources.apple_health.vocabulary import CODES, STAGES, TYPES

_MOST_SOURCES = 8_000
OF_A_KIND = _MOST_SOURCES + 2
"""Numbers of sources that are of one kind."""
_NUMBERED = {name: at for at, name in enumerate(TYPES)}
_FACTORS = {(name, unit): factor for name, kind in TYPES.items() for unit, factor in kind.units}
_SLEEP = [at for at, kind in enumerate(CODES) if kind.way == "sleep"]
_BY_HAND, _TELLS_ZONE = 'key="HKWasUserEntered" value="1"', 'key="HKTimeZone"'


def typed(batch: pa.RecordBatch, sources: "Sources") -> pa.RecordBatch:
    """Of each record: `code` (null where its type is not read, then `type` has the text), `unit` and `value` as texts, `factor` of the unit
    (null where the type has no such), `stage` of sleep (null where it is none), `source`, `t_start`, `t_end`, `utc_offset` (null where
    they are none), `by_hand`, and `extra` where it tells of a zone."""
    types, units = (batch.column(at).dictionary_encode() for at in ("type", "unit"))
    code = pa.array([_NUMBERED.get(name) for name in types.dictionary.to_pylist()], pa.int16()).take(types.indices)
    (starts, offsets), (ends, _) = (moments(batch.column(at)) for at in ("start", "end"))
    extra = batch.column("extra")
    columns = {
        "code": code,
        "type": _where(code.is_null(), batch.column("type")),
        "unit": batch.column("unit"),
        "value": batch.column("value"),
        "factor": _factors(types, units),
        "stage": _stages(code, batch.column("value")),
        "source": sources.numbered(batch),
        "t_start": starts,
        "t_end": ends,
        "utc_offset": offsets,
        "by_hand": pc.match_substring(extra, _BY_HAND),
        "extra": _where(pc.match_substring(extra, _TELLS_ZONE), extra),
    }
    return pa.RecordBatch.from_pydict(columns)


def _where(wanted: pa.Array, texts: pa.Array) -> pa.Array:
    return pc.if_else(wanted, texts, pa.scalar(None, pa.string()))


def _factors(types: pa.DictionaryArray, units: pa.DictionaryArray) -> pa.Array:
    named, given = types.dictionary.to_pylist(), units.dictionary.to_pylist()
    pairs, back = _pairs(types.indices, units.indices, len(given))
    factors = [_FACTORS.get((named[pair // len(given)], given[pair % len(given)])) for pair in pairs]
    return pa.array(factors, pa.float64()).take(back)


def _pairs(one: pa.Array, other: pa.Array, of_other: int) -> tuple[list[int], pa.Array]:
    """Which pairs of numbers there are, in the order in which they come, as one number each; and which each row has."""
    numbers = one.to_numpy().astype(np.int64) * of_other + other.to_numpy()
    coded = pa.array(numbers).dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices


def _stages(code: pa.Array, values: pa.Array) -> pa.Array:
    asleep = pc.is_in(code, pa.array(_SLEEP, pa.int16()))
    if not asleep.true_count:
        return pa.nulls(len(code), pa.int16())
    words = _where(asleep, values).dictionary_encode()
    return pa.array([STAGES.get(word) for word in words.dictionary.to_pylist()], pa.int16()).take(words.indices)


class Sources:
    """The apps and devices of one export, numbered: a Watch before a phone before anything else, then as they come."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int], int] = {}

    def numbered(self, batch: pa.RecordBatch) -> pa.Array:
        """The number of the source of each row; the lower goes before."""
        names, devices = (batch.column(at).dictionary_encode() for at in ("source", "device"))
        named, classes = names.dictionary.to_pylist(), devices.dictionary.to_pylist()
        pairs, back = _pairs(names.indices, devices.indices, len(classes))
        numbers = [self._number(named[pair // len(classes)], classes[pair % len(classes)]) for pair in pairs]
        return pa.array(numbers, pa.int16()).take(back)

    def _number(self, name: str, device: str) -> int:
        kind = kind_of(name, device)
        number = self._numbers.setdefault((name, kind), min(len(self._numbers), _MOST_SOURCES) + 1)
        return kind * OF_A_KIND + number


_WATCH, _PHONE, _OTHER = range(3)
_KINDS = dict(zip(DEVICES, (_WATCH, _PHONE, _OTHER), strict=True))


def kind_of(name: str, device: str) -> int:
    """Of a source: the lower is believed before the higher. By its name where no device is told, one of `DEVICES`; a name may hold
    non-breaking spaces."""
    if device in _KINDS:
        return _KINDS[device]
    plain = name.replace("\xa0", " ").lower()
    return _WATCH if "watch" in plain else _PHONE if "iphone" in plain else _OTHER
