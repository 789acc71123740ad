"""What a FHIR export does not say of itself, and the hospital must.

FHIR names its own fields, so that this mapping is short: how long patients were observed, what counts as known when a
resource is silent on it, whose addresses are ours, and who has said no.
"""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record
from rapha.timeline.units import MeasuredMapping

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s|?#\"\\]{1,300}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}$")]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,60}$")]


def _moment(*words: str) -> BeforeValidator:
    """One of the words, or a day."""

    def check(value: Any) -> str | date:
        if isinstance(value, date) or value in words:
            found: str | date = value
            return found
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            raise PydanticCustomError(
                "moment",
                "expected {words} or a day such as 2024-12-31",
                {"words": " or ".join(f"`{w}`" for w in words)},
            ) from None

    return BeforeValidator(check)


class Span(Record):
    """One period per patient. Events are those that count; a death ends the period whatever is said here."""

    start: Annotated[date | str, _moment("first event", "first encounter")]
    end: Annotated[date | str, _moment("last event", "last encounter")]


def _span_or_word(value: Any) -> Any:
    if isinstance(value, str) and value != "encounters":
        raise PydanticCustomError("observation", "expected `encounters`, or `start:` and `end:`")
    return value


class ConsentRule(Record):
    """`required`: only who has given a Consent for research that is in force `on` that day enters a cohort. A Consent that
    denies is honoured in any case."""

    required: bool
    on: date | None = None

    @model_validator(mode="after")
    def _day_given(self) -> "ConsentRule":
        if self.required and self.on is None:
            raise PydanticCustomError(
                "consent", "a required consent needs `on: 2024-12-31`, the day it must be in force"
            )
        return self


class OptOut(Record):
    """A file of the data folder with one identifier on each line. `system` is that of the identifiers
    (`Patient.identifier.system`); without it, the ids of Patient resources are meant.

    `lists`: the file names those who have `opted out`, or those who `remain` (a list that was sent to a national service
    and came back without those who had opted out).
    """

    file: FileName
    system: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = None
    lists: Literal["opted out", "remain"]


class Mapping(MeasuredMapping):
    """The whole file."""

    format: Literal["fhir"]
    observation: Annotated[Span | Literal["encounters"], BeforeValidator(_span_or_word)]
    available: Literal["same", "encounter end", "last updated"]
    zone: Zone | None = None
    servers: Annotated[tuple[Address, ...], Field(max_length=50)] = ()
    consent: ConsentRule = ConsentRule(required=False)
    opt_out: OptOut | None = None
