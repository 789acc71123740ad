"""Who is in, and what is predicted: the cohort language.

One form is signed (the canonical one, as the fields below stand); people may write the short one:

    {first: [cholesterol, hdl]}                      IndexEvent(pick=first, of=...)
    {until: index, for: 2 years}                     Window(relation=until, length=2 years)
    {age: {at_least: 18}}                            AgeCriterion(at_least=18)
    {none_of: [diabetes], during: {until: index}}    EventCriterion(match=none, of=...)

Windows are open at their start and closed at their end, (start, end]: what is known *at* the index is known, what is
predicted lies strictly *after* it, and no moment belongs to both. `before` leaves the moment of the index out.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record, Word

Unit = Literal["hours", "days", "weeks", "months", "years"]
Concepts = Annotated[tuple[Word, ...], Field(min_length=1, max_length=200)]

_DURATION = re.compile(r"^\s*(\d{1,5})\s*(hour|day|week|month|year)s?\s*$")


def not_yet(what: str) -> PydanticCustomError:
    """The error for a word of the language that this version does not run."""
    return PydanticCustomError("not_yet", "{what} is not yet possible in this version", {"what": what})


class Duration(Record):
    """`5 years`: a calendar interval, as a hospital counts it."""

    count: Annotated[int, Field(ge=1, le=36_500)]
    unit: Unit

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = _DURATION.match(value)
        if not found:
            raise PydanticCustomError("duration", "a duration reads like '30 days', '6 months' or '5 years'")
        return {"count": int(found[1]), "unit": found[2] + "s"}

    @model_serializer
    def _write(self) -> str:
        return f"{self.count} {self.unit}"

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


class Window(Record):
    """A stretch of time that ends (`until`, `before`) or starts (`from`) at the index.

    `length` None means without bound: the whole record before, or after, the index.
    """

    relation: Literal["until", "before", "from"]
    anchor: Literal["index"] = "index"
    length: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "relation" in value:
            return value
        relations = [key for key in ("until", "before", "from") if key in value]
        if len(relations) != 1 or set(value) - {*relations, "for"}:
            raise PydanticCustomError(
                "window", "a window reads like {{until: index, for: 2 years}}: one of until, before, from; and for"
            )
        anchor = value[relations[0]]
        if anchor != "index":
            raise not_yet(f"a window anchored to {str(anchor)[:40]!r}")
        return {"relation": relations[0], "anchor": anchor, "length": value.get("for")}


class IndexEvent(Record):
    """The moment a patient enters: the first, or last, event of any of these concepts."""

    pick: Literal["first", "last"]
    of: Concepts

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if isinstance(value, dict) and "every" in value:
            raise not_yet("`every` as index event")
        return _expand_one(value, {"first": ("pick", "first"), "last": ("pick", "last")}, "of", "index event")


class AgeCriterion(Record):
    """Age in completed years at the index, bounds included."""

    kind: Literal["age"] = "age"
    at_least: Annotated[int, Field(ge=0, le=130)] = 0
    at_most: Annotated[int, Field(ge=0, le=130)] = 130

    @model_validator(mode="after")
    def _ordered(self) -> "AgeCriterion":
        if self.at_least > self.at_most:
            raise PydanticCustomError("age", "at_least is above at_most: nobody can have this age")
        return self


class SexCriterion(Record):
    kind: Literal["sex"] = "sex"
    sex: Literal["female", "male"]


class EventCriterion(Record):
    """Events in a window: `any` of the concepts, `all` of them, or `none`; `any` may ask for a count."""

    kind: Literal["events"] = "events"
    match: Literal["any", "all", "none"]
    of: Concepts
    during: Window
    at_least: Annotated[int, Field(ge=1, le=10_000)] = 1

    @model_validator(mode="after")
    def _counted(self) -> "EventCriterion":
        if self.match != "any" and self.at_least != 1:
            raise PydanticCustomError("count", "at_least counts events of any_of; all_of and none_of take none")
        return self


class ObservedCriterion(Record):
    """Under observation, without a gap, for this long up to the index."""

    kind: Literal["observed"] = "observed"
    before: Duration


def _expand_criterion(value: Any) -> Any:
    if not isinstance(value, dict) or "kind" in value:
        return value
    words = {"any_of": "any", "all_of": "all", "none_of": "none"}
    found = [key for key in ("age", "sex", "observed", *words) if key in value]
    if len(found) != 1:
        raise PydanticCustomError("criterion", "a criterion has one of: age, sex, observed, any_of, all_of, none_of")
    key, rest = found[0], {k: v for k, v in value.items() if k != found[0]}
    if key in words:
        return {"kind": "events", "match": words[key], "of": value[key], **rest}
    if isinstance(value[key], dict):
        return {"kind": key, **value[key], **rest}
    return {"kind": key, **value}


Criterion = Annotated[
    Annotated[AgeCriterion | SexCriterion | EventCriterion | ObservedCriterion, Field(discriminator="kind")],
    BeforeValidator(_expand_criterion),
]


class CohortSpec(Record):
    """Every `include` must hold, no `exclude` may; both are judged at the index, row by row."""

    index: IndexEvent
    include: tuple[Criterion, ...] = ()
    exclude: tuple[Criterion, ...] = ()


class OutcomeSpec(Record):
    """What is predicted.

    binary: the event happens in the window (1), or the patient was observed to its end without it (0). A competing
    event that comes first makes the row neither: it is counted and set apart. A patient not observed to the end, with
    neither, is unknown: `unobserved: exclude`.

    time-to-event: time to the event in days, censored at the competing event, at the end of observation, or at the
    end of the window: `unobserved: censor`.
    """

    kind: Literal["binary", "time-to-event"] = "binary"
    event: Word
    during: Window
    competing: Word | None = None
    unobserved: Literal["exclude", "censor"]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("kind") in ("categorical", "numeric"):
            raise not_yet(f"a {value['kind']} outcome")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> "OutcomeSpec":
        if self.during.relation != "from" or self.during.length is None:
            raise PydanticCustomError("outcome", "an outcome lies after the index: {{from: index, for: 5 years}}")
        wanted = "censor" if self.kind == "time-to-event" else "exclude"
        if self.unobserved != wanted:
            raise PydanticCustomError(
                "outcome", "a {kind} outcome needs `unobserved: {wanted}`", {"kind": self.kind, "wanted": wanted}
            )
        if self.competing == self.event:
            raise PydanticCustomError("outcome", "the competing event is the outcome itself")
        return self


def _expand_one(value: Any, words: dict[str, tuple[str, str]], of: str, what: str) -> Any:
    """Turn `{word: target, ...}` into `{field: word, of: target, ...}` for the one word that is there."""
    field = next(iter(words.values()))[0]
    if not isinstance(value, dict) or field in value:
        return value
    found = [key for key in words if key in value]
    if len(found) != 1:
        raise PydanticCustomError(
            "one_word", "{what} has one of: {words}", {"what": what, "words": ", ".join(words), "given": list(value)}
        )
    rest = {k: v for k, v in value.items() if k != found[0]}
    return {field: words[found[0]][1], of: value[found[0]], **rest}
