"""Time in the cohort language: durations, moments and windows.

    5 years                                          Duration
    index, encounter end, 24 hours after index       Bound
    next admission, last surgery                     Bound, anchored to an event
    {until: index, for: 2 years}                     Window(relation=until, length=2 years)
    {from: encounter start, until: index}            Window(relation=between)

Windows are open at their start and closed at their end, (start, end]: what is known *at* the index is known, what is
predicted lies strictly *after* it, and no moment belongs to both. `before` leaves the last moment out.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record, Word

Unit = Literal["hours", "days", "weeks", "months", "years"]

_DURATION = re.compile(r"^\s*(\d{1,5})\s*(hour|day|week|month|year)s?\s*$")
_BOUND = re.compile(
    r"^(?:(?P<offset>\d{1,5} [a-z]{3,6}) (?P<side>after|before) )?"
    r"(?P<anchor>index|encounter start|encounter end|next|last)(?: (?P<concept>[A-Za-z0-9][A-Za-z0-9_.-]{0,62}))?$"
)
ANCHORS = ("index", "encounter start", "encounter end", "next", "last")


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


class Bound(Record):
    """A moment of a row: an anchor, moved by `offset` to one `side`.

    `next` and `last` are of `concept`: its first event after the index, its last known up to it. A row that has no such
    moment (no encounter, one that has not ended, no such event) has a window there that holds nothing.
    """

    anchor: Literal["index", "encounter start", "encounter end", "next", "last"]
    concept: Word | None = None
    offset: Duration | None = None
    side: Literal["after", "before"] = "after"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = _BOUND.match(" ".join(value.split()))
        if not found or (found["anchor"] in ("next", "last")) != (found["concept"] is not None):
            raise PydanticCustomError(
                "moment",
                "a moment reads like 'index', '24 hours after index', 'encounter start', 'encounter end', "
                "'next stroke' or 'last surgery', where stroke and surgery are concepts; not {given}",
                {"given": repr(value[:60])},
            )
        return {key: value for key, value in found.groupdict().items() if value is not None}

    @model_serializer
    def _write(self) -> str:
        return str(self)

    def __str__(self) -> str:
        anchor = f"{self.anchor} {self.concept}" if self.concept else self.anchor
        return f"{self.offset} {self.side} {anchor}" if self.offset else anchor

    @property
    def past(self) -> bool:
        """Never after the index, whatever the row."""
        return self.anchor in ("index", "encounter start", "last") and (self.offset is None or self.side == "before")

    @property
    def ahead(self) -> bool:
        """Never before the index, whatever the row."""
        return self.anchor in ("index", "next") and (self.offset is None or self.side == "after")


class Window(Record):
    """A stretch of time that ends (`until`, `before`) or starts (`from`) at `anchor`, or lies `between` it and `end`.

    `length` None means without bound: the whole record before, or after, the anchor.
    """

    relation: Literal["until", "before", "from", "between"]
    anchor: Bound
    end: Bound | None = None
    length: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "relation" in value:
            return value
        relations = [key for key in ("until", "before", "from") if key in value]
        between = relations == ["until", "from"] and "for" not in value
        if (len(relations) != 1 and not between) or set(value) - {*relations, "for"}:
            raise PydanticCustomError(
                "window",
                "a window reads like {{until: index, for: 2 years}} or {{from: encounter start, until: index}}: one of "
                "until, before, from; and for; or from and until",
            )
        if between:
            return {"relation": "between", "anchor": value["from"], "end": value["until"]}
        return {"relation": relations[0], "anchor": value[relations[0]], "length": value.get("for")}

    @model_validator(mode="after")
    def _whole(self) -> "Window":
        if (self.relation == "between") != (self.end is not None) or (self.end and self.length):
            raise PydanticCustomError("window", "a window has two ends, or one and a length")
        if self.end and self.end == self.anchor:
            raise PydanticCustomError("window", "a window from a moment until the same moment holds nothing")
        if self.end and self.end.past and self.anchor.ahead:
            raise PydanticCustomError(
                "empty_window",
                "a window from {start} until {end} ends before it begins, whatever the patient: nothing can be in it",
                {"start": str(self.anchor), "end": str(self.end)},
            )
        return self

    @property
    def past(self) -> bool:
        """It ends at the index or before, whatever the row: it is of what was known. Others are of what happens."""
        if self.relation in ("until", "before"):
            return self.anchor.past
        return self.end is not None and self.end.past

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The moments it is anchored to."""
        return (self.anchor, self.end) if self.end else (self.anchor,)

    @property
    def name(self) -> str:
        """For the name of a feature: `until_2years`, `from_encounterstart_until_index`."""
        length = f"{self.length.count}{self.length.unit}" if self.length else "ever"
        if self.end:
            return f"from_{_joined(self.anchor)}_until_{_joined(self.end)}"
        if str(self.anchor) == "index":
            return f"{self.relation}_{length}"
        return f"{self.relation}_{_joined(self.anchor)}_{length}"


def _joined(bound: Bound) -> str:
    return str(bound).replace(" ", "")


def no_future(window: Window) -> None:
    """Raises PydanticCustomError where a feature's window may reach past the index."""
    if not window.past:
        raise PydanticCustomError(
            "future",
            "a feature may not look past the index: use until or before, and end at the index, before it, at the start "
            "of the encounter or at the last event of a concept",
        )
