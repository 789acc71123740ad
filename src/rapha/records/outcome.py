"""What is predicted. Short forms:

event: stroke                                                                     the first event of a concept
event: {first: lab, value: {above: 4, unit: mmol/L}}                              ... whose number is in a range
event: {rise: creatinine, unit: mg/dL, ratio: 1.5, within: 7 days, by: 0.3, by_within: 48 hours}      KDIGO
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, SerializerFunctionWrapHandler, Tag, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.cohort_spec import ValueRange
from rapha.records.moments import Duration, Window
from rapha.records.record import Real, Record, Word

NONE = "none"
"""The class of whoever has none of the events of a categorical outcome."""
BACKGROUND = "background"
"""The class of a voxel that is of none of the segments."""
MOST_SEGMENTS = 16


class ValueRule(Record):
    """The first event of a concept whose own number lies in a range."""

    first: Word
    value: ValueRange


class RiseRule(Record):
    """The first number that has risen: to `ratio` times the lowest of the `within` up to it, or by `by` above the
    lowest of the `by_within` up to it. At least one of the two must be asked for.

    Numbers just so long apart are compared (48 hours apart is within 48 hours). Only numbers above 0
    are compared, in `unit` (`any` states none), at the time they were taken, those before the index too. Quotient and difference are
    taken to nine decimal places, so that 1.2 is a rise of 0.3 over 0.9. Source: KDIGO Clinical Practice Guideline for
    Acute Kidney Injury (2012), 2.1.1, without urine output.
    """

    rise: Word
    unit: Annotated[str, Field(min_length=1, max_length=60)]
    ratio: Annotated[Real, Field(gt=1, le=1000)] | None = None
    within: Duration | None = None
    by: Annotated[Real, Field(gt=0)] | None = None
    by_within: Duration | None = None

    @model_validator(mode="after")
    def _whole(self) -> "RiseRule":
        if (self.ratio is None) != (self.within is None) or (self.by is None) != (self.by_within is None):
            raise PydanticCustomError(
                "rise", "a rise reads `ratio: 1.5, within: 7 days` or `by: 0.3, by_within: 48 hours`"
            )
        if self.ratio is None and self.by is None:
            raise PydanticCustomError("rise", "a rise needs `ratio` and `within`, or `by` and `by_within`, or both")
        return self


class Reading(Record):
    """`{last: hba1c, unit: "%"}`: which number in the outcome's window is predicted.

    `{slope: hba1c, unit: "%", per: year}`: how fast the numbers change there, by the least squares line through them, in `unit`
    per day or year of 365.25 days; not known where all were taken at one moment.
    """

    pick: Literal["first", "last", "min", "max", "mean", "slope"]
    of: Word
    unit: Annotated[str, Field(min_length=1, max_length=60)]
    per: Literal["day", "year"] | None = None

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What has no `per` is written without: a study of before there were slopes keeps its digest."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "per" or value is not None}

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        words = [
            word for word in get_args(cls.model_fields["pick"].annotation) if isinstance(value, dict) and word in value
        ]
        if not isinstance(value, dict) or "pick" in value:
            return value
        if len(words) != 1:
            raise PydanticCustomError(
                "reading", "a predicted number has one of: first, last, min, max, mean, slope; and unit"
            )
        rest = {key: given for key, given in value.items() if key != words[0]}
        return rest | {"pick": words[0], "of": value[words[0]]}

    @model_validator(mode="after")
    def _complete(self) -> "Reading":
        if (self.pick == "slope") != (self.per is not None):
            raise PydanticCustomError("reading", "a slope, and only a slope, has `per: day` or `per: year`")
        return self


def _which(value: Any) -> str:
    if isinstance(value, ValueRule | RiseRule):
        return "rise-rule" if isinstance(value, RiseRule) else "first-rule"
    if isinstance(value, dict):
        return "rise-rule" if "rise" in value else "first-rule"
    return "concept"


OutcomeEvent = Annotated[
    Annotated[Word, Tag("concept")] | Annotated[ValueRule, Tag("first-rule")] | Annotated[RiseRule, Tag("rise-rule")],
    Discriminator(_which),
]


OutcomeKind = Literal["binary", "time-to-event", "categorical", "numeric", "segment"]
_AT_THE_INDEX = Window.model_validate({"until": "index"})
_UNASKED: dict[str, Any] = {"none": "class", "segment": None, "segments": []}
"""What is not written of an outcome that does not ask for it."""


class OutcomeSpec(Record):
    """What is predicted.

    binary: the event happens in the window (1), or the patient was observed to its end without it (0). A competing
    event that comes first makes the row neither: it is counted and set apart. A patient not observed to the end, with
    neither, is unknown: `unobserved: exclude`.

    time-to-event: time to the event in days, censored at the competing event, at the end of observation, or at the
    end of the window: `unobserved: censor`. What ended it is kept as its cause: 0 censored, 1 the event, 2 and on the
    competing events in their order.

    categorical: which of `events` comes first. The classes are the study's, the same at every site: `none` of them, and
    the events in their order; a row is 0, 1, 2, ... of them. `none: set-apart` leaves that class out: whoever has none of the
    events is unknown, and the first event is 0. numeric: the `value` in the window. Both set rows apart as binary does.

    segment: of each voxel of the image that the study's one image feature picks, whether it belongs to the concept `segment`, as a
    segmentation of that very image says. It has no window of its own. Whose image nobody has segmented is unknown. Or to which of
    `segments` it belongs, each of which somebody must have drawn on that image, if only to say that it has no voxel; a voxel of several
    is of the one that is named first.
    """

    kind: OutcomeKind = "binary"
    event: OutcomeEvent | None = None
    events: Annotated[tuple[Word, ...], Field(max_length=50)] = ()
    none: Literal["class", "set-apart"] = "class"
    value: Reading | None = None
    segment: Word | None = None
    segments: Annotated[tuple[Word, ...], Field(max_length=MOST_SEGMENTS)] = ()
    during: Window
    competing: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    unobserved: Literal["exclude", "censor"]

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study of before `none` could be set apart, or there were segments, keeps its digest."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key not in _UNASKED or value != _UNASKED[key]}

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if value.get("kind") == "segment":
            value = {"during": _AT_THE_INDEX} | value
        if value.get("competing") is None:
            return {key: given for key, given in value.items() if key != "competing"}
        return value | {"competing": [value["competing"]]} if isinstance(value["competing"], str) else value

    @model_validator(mode="after")
    def _asked(self) -> "OutcomeSpec":
        given = {"event": self.event is not None, "events": bool(self.events), "value": self.value is not None,
                 "segment": self.segment is not None, "segments": bool(self.segments)}  # fmt: skip
        of_voxels = "segments" if self.segments else "segment"
        wanted = {"categorical": "events", "numeric": "value", "segment": of_voxels}.get(self.kind, "event")
        if [name for name, there in given.items() if there] != [wanted]:
            raise PydanticCustomError(
                "outcome",
                "a {kind} outcome is given by `{wanted}`, and by nothing else",
                {"kind": self.kind, "wanted": wanted},
            )
        if self.kind == "categorical" and len(set(self.events)) < max(2, len(self.events)):
            raise PydanticCustomError("outcome", "a categorical outcome chooses between two events or more, each once")
        if self.segments and len({*self.segments, BACKGROUND}) < max(3, len(self.segments) + 1):
            raise PydanticCustomError(
                "outcome",
                "`segments` are two or more, each once, and none is `background`, which is what is left; one is a `segment`",
            )
        if self.none != "class" and self.kind != "categorical":
            raise PydanticCustomError("outcome", "`none` is for a categorical outcome")
        if len(set(self.classes)) < len(self.classes):
            raise PydanticCustomError(
                "outcome", "`none` is the class of whoever has none of the events: rename that event"
            )
        return self

    @model_validator(mode="after")
    def _agrees(self) -> "OutcomeSpec":
        if self.kind == "segment":
            self._of_an_image()
            return self
        window = self.during
        ahead = window.relation == "from" and window.length is not None
        ahead = ahead or (window.relation == "between" and not window.past)
        if not ahead or not _from_the_index(window):
            raise PydanticCustomError(
                "outcome",
                "an outcome lies after the index: {{from: index, for: 5 years}} or {{from: index, until: encounter end}}",
            )
        wanted = "censor" if self.kind == "time-to-event" else "exclude"
        if self.unobserved != wanted:
            raise PydanticCustomError(
                "outcome", "a {kind} outcome needs `unobserved: {wanted}`", {"kind": self.kind, "wanted": wanted}
            )
        if set(self.competing) & set(self.concepts):
            raise PydanticCustomError("outcome", "the competing event is the outcome itself")
        if len(set(self.competing)) < len(self.competing):
            raise PydanticCustomError("outcome", "a competing event is named twice")
        return self

    def _of_an_image(self) -> None:
        if self.during != _AT_THE_INDEX or self.competing or self.unobserved != "exclude":
            raise PydanticCustomError(
                "outcome",
                "a segment outcome has no window and nothing that competes, and needs `unobserved: exclude`: it is of the image that the "
                "study's feature picks",
            )

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.kind == "numeric"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes of a categorical outcome, in the order of their numbers; of another outcome none."""
        if self.kind != "categorical":
            return ()
        return (*((NONE,) if self.none == "class" else ()), *self.events)

    @property
    def drawn(self) -> tuple[str, ...]:
        """The concepts of a segment outcome, in the order of their numbers, from 1; of another outcome none."""
        return self.segments or ((self.segment,) if self.segment else ())

    @property
    def voxel_classes(self) -> tuple[str, ...]:
        """What a voxel can be where there are several segments, in the order of their numbers; of another outcome none."""
        return (BACKGROUND, *self.segments) if self.segments else ()

    @property
    def has_cases(self) -> bool:
        """Whether some patients have an event of it and others do not; a number and a segment everybody has."""
        return self.kind not in ("numeric", "segment")

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts it is made of, competing ones aside."""
        return tuple(name for _, name in self.mentions())

    def mentions(self) -> Iterator[tuple[str, str]]:
        """(key, concept) of every concept it is made of, competing ones aside."""
        match self.event:
            case ValueRule():
                yield "event", self.event.first
            case RiseRule():
                yield "event", self.event.rise
            case str():
                yield "event", self.event
        yield from (("events", name) for name in self.events)
        if self.value:
            yield "value", self.value.of
        if self.segment:
            yield "segment", self.segment
        yield from (("segments", name) for name in self.segments)


def _from_the_index(window: Window) -> bool:
    return window.anchor.anchor == "index" and window.anchor.side == "after"
