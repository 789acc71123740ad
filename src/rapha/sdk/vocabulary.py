"""The words a person may write at each place of a study file, taken from the records and their short forms."""

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from rapha.records.cohort_spec import (
    MATCHES,
    NESTS,
    BothCriterion,
    EitherCriterion,
    EventCriterion,
    IndexEvent,
    NotCriterion,
)
from rapha.records.dense import DENSE_KINDS, GenotypesFeature, ImageFeature, NoteFeature
from rapha.records.feature import (
    AGGREGATES,
    FEATURE_WORDS,
    AggregateFeature,
    Baseline,
    DemographicFeature,
    SequenceFeature,
)
from rapha.records.moments import Window
from rapha.records.outcome import Reading
from rapha.records.record import Record
from rapha.records.study import Study

PICKS = ("first", "last", "min", "max", "mean")
_SHORT_FORMS: dict[type[Record], tuple[str, ...]] = {
    IndexEvent: ("first", "last", "every", "at", "after", "washout"),
    Window: ("until", "before", "from", "for"),
    EventCriterion: ("any_of", "all_of", "none_of", "during", "value", "at_least", "at_most", "exactly"),
    BothCriterion: ("and",),
    EitherCriterion: ("or",),
    NotCriterion: ("not",),
    Baseline: PICKS,
    Reading: (*PICKS, "slope", "unit", "per"),
    AggregateFeature: (*AGGREGATES, "during", "per", "baseline"),
    SequenceFeature: ("sequence", "during", "at_most"),
    DemographicFeature: ("demographic",),
    GenotypesFeature: ("genotypes", "during", "build", "variants", "pick"),
    ImageFeature: ("image", "during", "shape", "spacing", "window", "intensity", "beside", "pick"),
    NoteFeature: ("note", "during", "at_most", "pick"),
}
SHORT_KEYS: dict[str | int, tuple[str, ...]] = {
    "length": ("for",),
    "relation": ("until", "before", "from"),
    "anchor": ("until", "before", "from"),
    "end": ("until",),
    "pick": ("first", "last", "every"),
    "of": (
        "first",
        "last",
        "every",
        "any_of",
        "all_of",
        "none_of",
        "and",
        "or",
        "not",
        *AGGREGATES,
        "sequence",
        *DENSE_KINDS,
    ),
    "during": PICKS,
}
"""By field of a record: the keys under which the short form has it."""

EVENT_WORDS = tuple(MATCHES)
CRITERIA = ("age", "sex", "observed", "within", *EVENT_WORDS, *NESTS)
FEATURES = FEATURE_WORDS


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    close = difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None


def words_at(loc: Sequence[str | int]) -> tuple[str, ...]:
    """The keys that may stand at a place, given as pydantic names it; none where no mapping is expected."""
    kind = _kind_at(loc)
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        return ()
    return _SHORT_FORMS.get(kind, tuple(name for name in kind.model_fields if name != "kind"))


def tags_at(loc: Sequence[str | int]) -> tuple[str, ...]:
    """The words that choose between the forms a place may have, e.g. the architectures at `model`."""
    return tuple(_tag(member) for member in _members(_kind_at(loc)))


def tag_key_at(loc: Sequence[str | int]) -> str:
    """The key that such a word stands under: `architecture` at `model`, `kind` elsewhere."""
    members = _members(_kind_at(loc))
    return "architecture" if any("architecture" in member.model_fields for member in members) else "kind"


def _kind_at(loc: Sequence[str | int]) -> Any:
    kind: Any = Study
    for part in loc:
        kind = _inside(kind, part)
    return _bare(kind)


def _inside(kind: Any, part: str | int) -> Any:
    kind = _bare(kind)
    if members := _members(kind):
        return next((member for member in members if _tag(member) == part), None)
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind.model_fields[str(part)].annotation if part in kind.model_fields else None
    arguments = typing.get_args(kind)
    return arguments[0 if typing.get_origin(kind) is tuple else -1] if arguments else None


def _bare(kind: Any) -> Any:
    """Without `Annotated`, and without the None of an optional record."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else kind
    return kind


def _members(kind: Any) -> tuple[type[Record], ...]:
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        members = (_bare(member) for member in typing.get_args(kind))
        return tuple(m for m in members if isinstance(m, type) and issubclass(m, Record))
    return ()


def _tag(member: type[Record]) -> str:
    """By `kind` or `architecture`; of the rules for an outcome, by the first of their keys."""
    field = member.model_fields.get("kind") or member.model_fields.get("architecture")
    return str(field.default) if field else f"{next(iter(member.model_fields))}-rule"
