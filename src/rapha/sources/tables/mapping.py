"""What the columns of a hospital's tables mean.

Where a key may hold a constant or a column, a column is written `{column: name}`. Where it can hold nothing but a
column, the name alone is enough.
"""

from collections.abc import Iterator
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record
from rapha.timeline.schema import KINDS, POLARITIES, STATUSES
from rapha.timeline.units import MeasuredMapping

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Column = Text
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}$")]
"""A file of the data folder itself: no folders, nothing hidden. Its ending is checked where it is read."""


Cell = Text
"""What stands in a cell, exactly, blanks around it left out."""


def _one_of(*words: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in words:
            raise PydanticCustomError("word", "expected one of: {words}", {"words": ", ".join(words)})
        return value

    return AfterValidator(check)


Kind = Annotated[str, _one_of(*KINDS)]
Sex = Annotated[str, _one_of("female", "male", "other", "unknown")]
StatusWord = Annotated[str, _one_of(*STATUSES)]
PolarityWord = Annotated[str, _one_of(*POLARITIES)]


class ColumnTime(Record):
    """A date or time as text: `2020`, `2020-05`, `2020-05-01`, `2020-05-01 10:30`, `2020-05-01T10:30:00.5+02:00`.

    `zone`: where the clock hung, for times that name no offset themselves; without it they are UTC. `precision`: the column is of
    days, whatever clock stands in its texts (a midnight, mostly), which is not read.
    """

    column: Column
    precision: Literal["day"] | None = None
    zone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,60}$")] | None = None


class DaysTime(Record):
    """A whole number of days after the mapping's `origin`."""

    days: Column


class MinutesTime(Record):
    """A whole number of minutes after the mapping's `origin`."""

    minutes: Column


class FixedDay(Record):
    """The same day for every row: `day` days after the mapping's `origin`."""

    day: Annotated[int, Field(ge=-50_000, le=50_000)]


def _form_of_time(value: Any) -> str | None:
    given = value.model_fields_set if isinstance(value, Record) else value if isinstance(value, dict) else ()
    return next((f"({word})" for word in ("column", "days", "minutes", "day") if word in given), None)


Time = Annotated[
    Annotated[ColumnTime, Tag("(column)")]
    | Annotated[DaysTime, Tag("(days)")]
    | Annotated[MinutesTime, Tag("(minutes)")]
    | Annotated[FixedDay, Tag("(day)")],
    Discriminator(
        _form_of_time,
        custom_error_type="time",
        custom_error_message="a time reads like {column: taken_at}, {days: days}, {minutes: minutes} or {day: 0}",
    ),
]


class CodeColumn(Record):
    """A text that differs from row to row."""

    column: Column


def _constant_or_column(value: Any) -> str:
    return "(column)" if isinstance(value, dict | Record) else "(constant)"


Wording = Annotated[
    Annotated[Cell, Tag("(constant)")] | Annotated[CodeColumn, Tag("(column)")], Discriminator(_constant_or_column)
]


class StatusColumn(Record):
    """`empty` is the status of a row whose cell is empty; without it such a row is a mistake."""

    column: Column
    values: Annotated[dict[Cell, StatusWord], Field(min_length=1)]
    empty: StatusWord | None = None


class PolarityColumn(Record):
    column: Column
    values: Annotated[dict[Cell, PolarityWord], Field(min_length=1)]


class Where(Record):
    """Rows whose cell is one of these."""

    column: Column
    values: Annotated[tuple[Cell, ...], Field(min_length=1)]


class SexColumn(Record):
    """An empty cell is an unknown sex; any other that `values` does not name is a mistake of the row. `where`: it stands in these rows of
    the subjects' file, beside the patient's identifier."""

    column: Column
    values: Annotated[dict[Cell, Sex], Field(min_length=1)]
    where: Where | None = None


Status = Annotated[
    Annotated[StatusWord, Tag("(constant)")] | Annotated[StatusColumn, Tag("(column)")],
    Discriminator(_constant_or_column),
]
Polarity = Annotated[
    Annotated[PolarityWord, Tag("(constant)")] | Annotated[PolarityColumn, Tag("(column)")],
    Discriminator(_constant_or_column),
]


class AgeBirth(Record):
    """Birth as the day `at` less an age in years (0 to 130): known to the year."""

    age: Column
    at: Time


def _form_of_birth(value: Any) -> str:
    return "(age)" if isinstance(value, AgeBirth) or (isinstance(value, dict) and "age" in value) else "(time)"


Birth = Annotated[Annotated[AgeBirth, Tag("(age)")] | Annotated[Time, Tag("(time)")], Discriminator(_form_of_birth)]


class DeathElsewhere(Record):
    """Another file that tells of deaths: of a patient's rows the latest counts. An empty cell tells of none."""

    file: FileName
    id: Column
    at: Time


class Death(Record):
    """The moment of death. Without `where`, whose cell is empty lives; with it, only the rows it names are dead.

    `also`: where that file tells when, it counts in the place of `at`; whom it alone tells of is dead as well.
    """

    at: Time
    where: Where | None = None
    also: DeathElsewhere | None = None


class Subjects(Record):
    """One row per patient. `id` is the patient's identifier in this source; it does not enter the timeline.

    `where` names the rows that are patients, in a file that holds other rows too. `opted_out` names the patients who
    enter no cohort.
    """

    file: FileName
    id: Column
    where: Where | None = None
    birth: Birth | None = None
    sex: SexColumn | None = None
    death: Death | None = None
    opted_out: Where | None = None


FirstEvent = Literal["first event"]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


StartMoment = Annotated[
    Annotated[FirstEvent, Tag("(first event)")] | Annotated[Time, Tag("(time)")],
    Discriminator(lambda value: "(first event)" if isinstance(value, str) else "(time)"),
]


class EndOf(Record):
    """The end of the day, month or year that a time is given to: who was seen *on* that day was observed until it was over."""

    end_of: Time


def _has(value: Any, record: type[Record], key: str) -> bool:
    return isinstance(value, record) or (isinstance(value, dict) and key in value)


class Observation(Record):
    """From when to when the hospital would have seen what happened, from columns of the subjects' file.

    `start` is a time, the words `first event`, or a list of these: then the earliest counts.
    """

    start: Annotated[tuple[StartMoment, ...], Field(min_length=1), BeforeValidator(_as_list)]
    end: Annotated[
        Annotated[Time, Tag("(time)")] | Annotated[EndOf, Tag("(end of)")],
        Discriminator(lambda value: "(end of)" if _has(value, EndOf, "end_of") else "(time)"),
    ]


class WideColumn(Record):
    """One column of a wide table: one event for each row where it is not empty."""

    column: Column
    code: Cell
    unit: Cell | None = None


class LatestTime(Record):
    """The latest of some times: a value that was charted ahead is available when it is there *and* due."""

    latest_of: Annotated[tuple[Time, ...], Field(min_length=2, max_length=5)]


def _form_of_available(value: Any) -> str | None:
    if isinstance(value, str):
        return "(same)" if value == "same" else None
    latest = isinstance(value, LatestTime) or (isinstance(value, dict) and "latest_of" in value)
    return "(latest)" if latest else "(time)"


_AVAILABLE_READS = "expected 'same', or a time such as {column: reported}, or {latest_of: [...]} of such times"
AvailableTime = Annotated[
    Annotated[Literal["same"], Tag("(same)")] | Annotated[LatestTime, Tag("(latest)")] | Annotated[Time, Tag("(time)")],
    Discriminator(_form_of_available, custom_error_type="available", custom_error_message=_AVAILABLE_READS),
]


class ValueColumn(Record):
    """A column of numbers and words: a cell that is no number becomes the event's coded value, an empty one neither."""

    column: Column
    otherwise: Literal["code"]


def _form_of_value(value: Any) -> str:
    return "(words too)" if isinstance(value, dict | Record) else "(numbers)"


Value = Annotated[
    Annotated[Column, Tag("(numbers)")] | Annotated[ValueColumn, Tag("(words too)")], Discriminator(_form_of_value)
]


class Join(Record):
    """Columns of another file, of its one row with the same cell in the column `by`, which both files have."""

    file: FileName
    by: Column
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]


class Events(Record):
    """One event for each row of a file; with `wide`, one for each row and column.

    `where`: only these rows; the others are no events. `text`: the text of a note, kept beside the events as an asset. `available`: when the hospital knew. `same` as `time` must be said, as it lets a value be seen when it was taken.
    """

    file: FileName
    id: Column
    join: Join | None = None
    where: Where | None = None
    kind: Kind
    time: Time
    end: Time | None = None
    available: AvailableTime
    system: Wording
    code: Wording | None = None
    value: Value | None = None
    unit: Wording | None = None
    status: Status = "final"
    polarity: Polarity = "affirmed"
    encounter: Column | None = None
    text: Column | None = None
    wide: tuple[WideColumn, ...] = ()

    @model_validator(mode="after")
    def _one_shape(self) -> "Events":
        if bool(self.wide) == (self.code is not None):
            raise PydanticCustomError("shape", "events have either `code` or `wide`")
        if self.text and (self.kind != "note" or self.wide):
            raise PydanticCustomError("shape", "`text` is of events of the kind `note`, one for each row")
        if self.wide and (self.value or self.unit):
            raise PydanticCustomError("shape", "with `wide`, value and unit stand in its rows")
        return self


class ColumnMapping(MeasuredMapping):
    """What columns mean, wherever the tables come from. `origin` is day 0 of every `days` and `day`."""

    origin: date | None = None
    subjects: Subjects
    observation: Observation
    events: Annotated[tuple[Events, ...], Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _origin_given(self) -> "ColumnMapping":
        if self.origin is None and _counts_days(self.model_dump(exclude={"units"})):
            raise PydanticCustomError("origin", "a time counts days, so `origin: 2000-01-01` must say what day 0 is")
        return self

    def files(self) -> tuple[str, ...]:
        """Every file it names, once, in the order it names them."""
        joined = (block.join.file for block in self.events if block.join)
        beside = [self.died_in.file] if self.died_in else []
        return tuple(dict.fromkeys([self.subjects.file, *beside, *(block.file for block in self.events), *joined]))

    @property
    def died_in(self) -> DeathElsewhere | None:
        """The file beside the subjects' that tells of deaths."""
        return self.subjects.death.also if self.subjects.death else None


class Mapping(ColumnMapping):
    """The whole file of `format: tables`."""

    format: Literal["tables"] = "tables"


class ViewsMapping(ColumnMapping):
    """The whole file of `format: views`: what it calls a file is one of `views`, by its name there. Each is a ViewDefinition beside
    the mapping, over the FHIR resources of the data folder."""

    format: Literal["views"]
    views: Annotated[dict[FileName, FileName], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _all_are_views(self) -> "ViewsMapping":
        for name in self.files():
            if name not in self.views:
                near = get_close_matches(name, self.views, n=1)
                meant = f"; did you mean `{near[0]}`?" if near else ""
                raise PydanticCustomError(
                    "view", "`file: {name}` is none of `views`{meant}", {"name": name, "meant": meant}
                )
        if idle := sorted(set(self.views) - set(self.files())):
            raise PydanticCustomError("view", "the view `{name}` is read by nothing: leave it out", {"name": idle[0]})
        return self


def _counts_days(value: Any) -> bool:
    if isinstance(value, dict):
        return not value.keys().isdisjoint(("days", "day", "minutes")) or any(
            _counts_days(v) for k, v in value.items() if k != "values"
        )
    return isinstance(value, list | tuple) and any(map(_counts_days, value))


_HOLD_COLUMNS = ("column", "days", "minutes", "age", "id", "value", "encounter", "by", "text")


def columns_of(part: Record) -> tuple[str, ...]:
    """Every column that a part of the mapping names, once, in the order of its keys; not those of a file it joins."""
    joined = part.join.columns if isinstance(part, Events) and part.join else ()
    written = part.model_dump()
    if isinstance(part, Subjects) and part.death:
        written["death"].pop("also")
    return tuple(column for column in dict.fromkeys(_columns(written)) if column not in joined)


def _columns(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _columns(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _HOLD_COLUMNS and isinstance(item, str):
                yield item
            elif key != "values":
                yield from _columns(item)
