"""What the model sees of a patient at the index. Short forms: `{last: hdl, during: {...}}`, `{demographic: age}`,
`{sequence: [hdl, sbp], during: {...}}`; for arrays see `dense.py`."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.cohort_spec import Concepts
from rapha.records.dense import DENSE_KINDS, GenotypesFeature, ImageFeature, NoteFeature
from rapha.records.moments import Window, no_future
from rapha.records.record import Record, Word

Aggregate = Literal["first", "last", "min", "max", "mean", "sum", "count", "any", "since", "slope", "ratio"]
AGGREGATES: tuple[str, ...] = get_args(Aggregate)


class Baseline(Record):
    """What a ratio is a ratio to: one number over the events of the same concept in a window of its own."""

    pick: Literal["first", "last", "min", "max", "mean"]
    during: Window

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        words = ("first", "last", "min", "max", "mean")
        found = [word for word in words if isinstance(value, dict) and word in value]
        return {"pick": found[0], "during": value[found[0]]} if len(found) == 1 and len(value) == 1 else value

    @model_validator(mode="after")
    def _past(self) -> "Baseline":
        no_future(self.during)
        return self


class AggregateFeature(Record):
    """One number over the events of one concept that were *available* in the window.

    `count` is 0 and `any` is 0 where there is no event; the others are missing there. `since`: days from when the last
    event happened to the index. `slope`: of the least squares line through the numbers, `per` day or year of 365.25
    days; missing where all were taken at one moment. `ratio`: the last number over the `baseline`; missing where that
    is missing or 0.
    """

    kind: Literal["aggregate"] = "aggregate"
    aggregate: Aggregate
    of: Word
    during: Window
    per: Literal["day", "year"] | None = None
    baseline: Baseline | None = None

    @model_validator(mode="after")
    def _past(self) -> "AggregateFeature":
        no_future(self.during)
        return self

    @model_validator(mode="after")
    def _complete(self) -> "AggregateFeature":
        if (self.aggregate == "slope") != (self.per is not None):
            raise PydanticCustomError("aggregate", "a slope, and only a slope, has `per: day` or `per: year`")
        if (self.aggregate == "ratio") != (self.baseline is not None):
            raise PydanticCustomError(
                "aggregate", "a ratio, and only a ratio, has a baseline, such as {{min: {{until: index, for: 1 year}}}}"
            )
        return self

    @property
    def name(self) -> str:
        name = f"{self.aggregate}_{self.of}_{self.during.name}"
        if self.baseline:
            name += f"_to_{self.baseline.pick}_{self.baseline.during.name}"
        return f"{name}_per_{self.per}" if self.per else name


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
        no_future(self.during)
        return self

    @property
    def name(self) -> str:
        return "sequence"


FEATURE_WORDS = (*AGGREGATES, "demographic", "sequence", *DENSE_KINDS)
"""The words that a feature is written with."""


def _expand(value: Any) -> Any:
    if not isinstance(value, dict) or "kind" in value:
        return value
    found = [word for word in FEATURE_WORDS if word in value]
    if len(found) != 1:
        words = ", ".join(FEATURE_WORDS)
        raise PydanticCustomError(
            "one_word", "{what} has one of: {words}", {"what": "a feature", "words": words, "given": list(value)}
        )
    word, rest = found[0], {k: v for k, v in value.items() if k != found[0]}
    if word == "demographic":
        return {"kind": "demographic", "demographic": value[word], **rest}
    if word == "sequence":
        return {"kind": "sequence", "of": value[word], **rest}
    if word in DENSE_KINDS:
        return {"kind": word, "of": value[word], **rest}
    return {"kind": "aggregate", "aggregate": word, "of": value[word], **rest}


Feature = Annotated[
    Annotated[
        AggregateFeature | DemographicFeature | SequenceFeature | NoteFeature | ImageFeature | GenotypesFeature,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_expand),
]
