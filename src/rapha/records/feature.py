"""What the model sees of a patient at the index. Short forms: `{last: hdl, during: {...}}`, `{demographic: age}`,
`{sequence: [hdl, sbp], during: {...}}`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.cohort_spec import Concepts, Window, not_yet
from rapha.records.record import Record, Word

Aggregate = Literal["first", "last", "min", "max", "mean", "count", "any"]
AGGREGATES: tuple[str, ...] = ("first", "last", "min", "max", "mean", "count", "any")
_LATER = ("slope", "ratio", "sum")


def _no_future(window: Window) -> None:
    if window.relation == "from":
        raise PydanticCustomError("future", "a feature may not look past the index: use until or before")


class AggregateFeature(Record):
    """One number over the events of one concept that were *available* in the window.

    `count` is 0 and `any` is 0 where there is no event; the others are missing there.
    """

    kind: Literal["aggregate"] = "aggregate"
    aggregate: Aggregate
    of: Word
    during: Window

    @model_validator(mode="after")
    def _past(self) -> "AggregateFeature":
        _no_future(self.during)
        return self

    @property
    def name(self) -> str:
        window = self.during
        length = f"{window.length.count}{window.length.unit}" if window.length else "ever"
        return f"{self.aggregate}_{self.of}_{window.relation}_{length}"


class DemographicFeature(Record):
    """`age`: years at the index, with fraction. `sex`: 1 male, 0 female, missing where unknown."""

    kind: Literal["demographic"] = "demographic"
    demographic: Literal["age", "sex"]

    @property
    def name(self) -> str:
        return self.demographic


class SequenceFeature(Record):
    """The last `at_most` events of these concepts that were available in the window, oldest first.

    Each is (concept as its place in `of`, value, days before the index).
    """

    kind: Literal["sequence"] = "sequence"
    of: Concepts
    during: Window
    at_most: Annotated[int, Field(ge=1, le=1024)] = 64

    @model_validator(mode="after")
    def _past(self) -> "SequenceFeature":
        _no_future(self.during)
        return self

    @property
    def name(self) -> str:
        return "sequence"


def _expand(value: Any) -> Any:
    if not isinstance(value, dict) or "kind" in value:
        return value
    if later := [word for word in _LATER if word in value]:
        raise not_yet(f"the feature `{later[0]}`")
    found = [word for word in (*AGGREGATES, "demographic", "sequence") if word in value]
    if len(found) != 1:
        words = ", ".join((*AGGREGATES, "demographic", "sequence"))
        raise PydanticCustomError(
            "one_word", "{what} has one of: {words}", {"what": "a feature", "words": words, "given": list(value)}
        )
    word, rest = found[0], {k: v for k, v in value.items() if k != found[0]}
    if word == "demographic":
        return {"kind": "demographic", "demographic": value[word], **rest}
    if word == "sequence":
        return {"kind": "sequence", "of": value[word], **rest}
    return {"kind": "aggregate", "aggregate": word, "of": value[word], **rest}


Feature = Annotated[
    Annotated[AggregateFeature | DemographicFeature | SequenceFeature, Field(discriminator="kind")],
    BeforeValidator(_expand),
]
