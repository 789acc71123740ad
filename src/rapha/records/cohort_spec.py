"""Who is in: the cohort language. What is predicted is in `outcome.py`, time in `moments.py`.

One form is signed (the canonical one, as the fields below stand); people may write the short one:

    {every: [admission], at: end, washout: 30 days}  IndexEvent(pick=every, of=..., at=end, washout=...)
    {age: {at_least: 18}}                            AgeCriterion(at_least=18)
    {none_of: [diabetes], during: {until: index}}    EventCriterion(match=none, of=...)
    {or: [{sex: female}, {not: {within: encounter}}]}   EitherCriterion(of=...), of criteria
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.moments import Duration, Window
from rapha.records.record import Real, Record, Word

Concepts = Annotated[tuple[Word, ...], Field(min_length=1, max_length=200)]


OLDEST = 130


class ValueRange(Record):
    """Numbers of events: every bound given must hold. `unit` is that of the concept's numbers (see `Concept`), in UCUM
    where the hospital's mapping gives it; `any` states none. "<5" is known to be below 5 and not known to be below 3.
    """

    above: Real | None = None
    at_least: Real | None = None
    below: Real | None = None
    at_most: Real | None = None
    unit: Annotated[str, Field(min_length=1, max_length=60)]

    @model_validator(mode="after")
    def _possible(self) -> "ValueRange":
        low = [bound for bound in (self.above, self.at_least) if bound is not None]
        high = [bound for bound in (self.below, self.at_most) if bound is not None]
        if not low and not high:
            raise PydanticCustomError("value", "a value is compared with one of: above, at_least, below, at_most")
        if len(low) > 1 or len(high) > 1:
            raise PydanticCustomError("value", "a value has one lower bound (above or at_least) and one upper bound")
        if low and high and (low[0] > high[0] or (low == high and not (self.at_least == self.at_most))):
            raise PydanticCustomError("value", "the lower bound is above the upper one: no number can be between them")
        return self


class IndexEvent(Record):
    """The moments at which a patient enters: the first, last, or `every` event of any of these concepts.

    `at` its start or end; `after` moves the index on from there; with `washout`, only an event before which, for so
    long, the patient was observed and had none of these concepts.
    """

    pick: Literal["first", "last", "every"]
    of: Concepts
    at: Literal["start", "end"] = "start"
    after: Duration | None = None
    washout: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        words = {word: ("pick", word) for word in ("first", "last", "every")}
        return _expand_one(value, words, "of", "index event")

    @model_validator(mode="after")
    def _exact(self) -> "IndexEvent":
        if self.after and self.after.unit in ("months", "years"):
            raise PydanticCustomError("index", "`after` is in hours, days or weeks: a month has no fixed length")
        return self


class AgeCriterion(Record):
    """Age in completed years at the index, bounds included; an upper bound of `OLDEST` is none."""

    kind: Literal["age"] = "age"
    at_least: Annotated[int, Field(ge=0, le=OLDEST)] = 0
    at_most: Annotated[int, Field(ge=0, le=OLDEST)] = OLDEST

    @model_validator(mode="after")
    def _ordered(self) -> "AgeCriterion":
        if self.at_least > self.at_most:
            raise PydanticCustomError("age", "at_least is above at_most: nobody can have this age")
        return self


class SexCriterion(Record):
    kind: Literal["sex"] = "sex"
    sex: Literal["female", "male"]


class EventCriterion(Record):
    """Events in a window: `any` of the concepts, `all` of them, or `none`.

    `any` counts them: `at_least` (1 unless `at_most` is given alone), `at_most`, or `exactly`. With `value`, only events
    count whose own number lies in the range.
    """

    kind: Literal["events"] = "events"
    match: Literal["any", "all", "none"]
    of: Concepts
    during: Window
    value: ValueRange | None = None
    at_least: Annotated[int, Field(ge=0, le=10_000)] = 1
    at_most: Annotated[int, Field(ge=0, le=10_000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _exactly(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "exactly" in value:
            if "at_least" in value or "at_most" in value:
                raise PydanticCustomError("count", "`exactly` says it all: leave at_least and at_most out")
            rest = {key: given for key, given in value.items() if key != "exactly"}
            return rest | {"at_least": value["exactly"], "at_most": value["exactly"]}
        return value if "at_least" in value or value.get("at_most") is None else value | {"at_least": 0}

    @model_validator(mode="after")
    def _counted(self) -> "EventCriterion":
        if self.match != "any" and (self.at_least, self.at_most) != (1, None):
            raise PydanticCustomError("count", "at_least counts events of any_of; all_of and none_of take none")
        if self.at_most is None and self.at_least == 0:
            raise PydanticCustomError("count", "at_least 0 holds for everybody; leave the criterion out")
        if self.at_most is not None and self.at_least > self.at_most:
            raise PydanticCustomError("count", "at_least is above at_most: no count can be between them")
        return self


class ObservedCriterion(Record):
    """Under observation, without a gap, for this long up to the index."""

    kind: Literal["observed"] = "observed"
    before: Duration


class WithinCriterion(Record):
    """The index lies in the row's encounter, before it ends: the patient is still there."""

    kind: Literal["within"] = "within"
    within: Literal["encounter"]


class BothCriterion(Record):
    """Every one of the criteria holds, for this row."""

    kind: Literal["and"] = "and"
    of: Annotated[tuple["Criterion", ...], Field(min_length=1, max_length=100)]


class EitherCriterion(Record):
    """At least one of the criteria holds, for this row."""

    kind: Literal["or"] = "or"
    of: Annotated[tuple["Criterion", ...], Field(min_length=1, max_length=100)]


class NotCriterion(Record):
    """The criterion is not known to hold: who is of unknown sex meets `{not: {sex: female}}`."""

    kind: Literal["not"] = "not"
    of: "Criterion"


MATCHES = {"any_of": "any", "all_of": "all", "none_of": "none"}
NESTS = ("and", "or", "not")


def _expand_criterion(value: Any) -> Any:
    if not isinstance(value, dict) or "kind" in value:
        return value
    found = [key for key in ("age", "sex", "observed", "within", *MATCHES, *NESTS) if key in value]
    if len(found) != 1:
        raise PydanticCustomError(
            "criterion",
            "a criterion has one of: age, sex, observed, within, any_of, all_of, none_of, and, or, not",
        )
    key, rest = found[0], {k: v for k, v in value.items() if k != found[0]}
    if key in MATCHES:
        return {"kind": "events", "match": MATCHES[key], "of": value[key], **rest}
    if key in NESTS:
        return {"kind": key, "of": value[key], **rest}
    if isinstance(value[key], dict):
        return {"kind": key, **value[key], **rest}
    return {"kind": key, **value}


Criterion = Annotated[
    Annotated[
        AgeCriterion
        | SexCriterion
        | EventCriterion
        | ObservedCriterion
        | WithinCriterion
        | BothCriterion
        | EitherCriterion
        | NotCriterion,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_expand_criterion),
]
for _nest in (BothCriterion, EitherCriterion, NotCriterion):
    _nest.model_rebuild()


def events_in(criteria: Iterable[Criterion]) -> Iterator[EventCriterion]:
    """The criteria over events, however deep they are nested, in the order they are written."""
    for criterion in criteria:
        match criterion:
            case EventCriterion():
                yield criterion
            case BothCriterion() | EitherCriterion():
                yield from events_in(criterion.of)
            case NotCriterion():
                yield from events_in((criterion.of,))


def needs_encounter(criteria: Iterable[Criterion]) -> bool:
    """Whether one of them, however deep, is `within: encounter`."""
    for criterion in criteria:
        match criterion:
            case WithinCriterion():
                return True
            case BothCriterion() | EitherCriterion():
                if needs_encounter(criterion.of):
                    return True
            case NotCriterion():
                if needs_encounter((criterion.of,)):
                    return True
    return False


class CohortSpec(Record):
    """Every `include` must hold, no `exclude` may; both are judged at the index, row by row.

    `encounter`: the concepts whose events are the stays that windows may be anchored to. The encounter of a row is the
    index event itself, where it is one; else the one that began last up to the index event, unless it ended before.
    """

    index: IndexEvent
    encounter: Annotated[tuple[Word, ...], Field(max_length=200)] = ()
    include: tuple[Criterion, ...] = ()
    exclude: tuple[Criterion, ...] = ()


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
