"""What a column means: SQL that reads a text as a time, a number, a word of a list, and says why it could not.

Nothing of a mapping is ever pasted into a statement: columns are known by number (`c0`, `c1` ...), and every word of
the mapping, and the reasons with column names in them too, is bound as a parameter.
"""

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from rapha.sources.tables.mapping import (
    AgeBirth,
    CodeColumn,
    ColumnTime,
    DaysTime,
    EndOf,
    FixedDay,
    LatestTime,
    MinutesTime,
    PolarityColumn,
    SexColumn,
    StatusColumn,
    Time,
    Where,
)
from rapha.timeline.readings import Fault

WORST_AGE = 130


@dataclass(frozen=True)
class Moment:
    """SQL of a TIMESTAMP (UTC), of its precision, and of the offset in minutes that the source gave."""

    at: str = "CAST(NULL AS TIMESTAMP)"
    precision: str = "CAST(NULL AS VARCHAR)"
    offset: str = "CAST(NULL AS SMALLINT)"
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Word:
    """SQL of a text, and what can be wrong with it."""

    sql: str
    faults: tuple[Fault, ...] = ()


@dataclass
class Meaning:
    """Builds the SQL of one statement over one staged file. `columns` gives the SQL of a column by its name in the
    file; `parameters` go with the statement; `source` is what it reads from.

    Each cell is read once, in two steps that are subqueries of `source`: its parts, and what they mean.
    """

    origin: date | None
    columns: MappingOf[str, str]
    parameters: dict[str, Any] = field(default_factory=dict)
    _steps: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))

    def source(self, table: str) -> str:
        """SQL: the rows of a staged table, with everything that was read from their cells so far."""
        for step in self._steps:
            table = f"(SELECT *{''.join(f', {sql} AS {name}' for sql, name in step.items())} FROM {table})"
        return table

    def bind(self, value: Any) -> str:
        """The placeholder of a value."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"

    def fault(self, condition: str, column: str, wrong: str) -> Fault:
        """`wrong` is said of the column: "is empty"."""
        return Fault(condition, self.bind(f"`{column}` {wrong}"))

    def empty(self, column: str) -> Fault:
        """The cell has nothing in it."""
        return self.fault(f"{self.columns[column]} IS NULL", column, "is empty")

    def time(self, time: Time, needed: bool = True) -> Moment:
        """A moment; where it is `needed`, an empty cell is a fault."""
        match time:
            case FixedDay():
                return Moment(f"({self._origin()} + to_days(CAST({self.bind(time.day)} AS INTEGER)))", "'day'")
            case DaysTime():
                days = self._part(f"days_of({self.columns[time.days]})")
                at = self._value(f"sane({self._origin()} + to_days({days}))")
                return Moment(at, "'day'", faults=self._unread(at, time.days, "is not a whole number of days", needed))
            case MinutesTime():
                minutes = self._part(f"minutes_of({self.columns[time.minutes]})")
                at = self._value(f"sane({self._origin()} + to_minutes({minutes}))")
                wrong = self._unread(at, time.minutes, "is not a whole number of minutes", needed)
                return Moment(at, "'minute'", faults=wrong)
            case ColumnTime():
                return self._clock(time, needed)

    def available(self, available: Time | LatestTime) -> Moment:
        """When the hospital knew: a moment, or the latest of some."""
        if not isinstance(available, LatestTime):
            return self.time(available)
        moments = [self.time(time) for time in available.latest_of]
        latest = f"greatest({', '.join(moment.at for moment in moments)})"
        return Moment(latest, faults=tuple(fault for moment in moments for fault in moment.faults))

    def until(self, end: Time | EndOf) -> Moment:
        """A moment; of `end_of`, when the day, month or year that the cell gives is over, on the clock of its zone."""
        if not isinstance(end, EndOf):
            return self.time(end)
        given = self.time(end.end_of)
        step = (
            f"CASE {given.precision} WHEN 'day' THEN INTERVAL 1 DAY WHEN 'month' THEN INTERVAL 1 MONTH "
            "WHEN 'year' THEN INTERVAL 1 YEAR END"
        )
        over = f"({given.at} + {step})"
        if isinstance(end.end_of, ColumnTime) and end.end_of.zone is not None:
            clock = self._local(end.end_of, self._part(f"time_parts({self.columns[end.end_of.column]})"))
            over = f"utc_in({clock} + {step}, {self.bind(end.end_of.zone)})"
        return Moment(self._value(f"coalesce({over}, {given.at})"), given.precision, given.offset, given.faults)

    def birth(self, birth: Time | AgeBirth | None) -> Moment:
        """The moment of birth, or none."""
        if birth is None:
            return Moment()
        if not isinstance(birth, AgeBirth):
            return self.time(birth, needed=False)
        at = self.time(birth.at)
        years, _ = self.number(birth.age)
        plausible = f"CASE WHEN {years} BETWEEN 0 AND {WORST_AGE} THEN {years} END"
        wrong = self._unread(plausible, birth.age, f"is not an age between 0 and {WORST_AGE}", needed=False)
        born = f"({at.at} - to_months(CAST(round({plausible} * 12) AS INTEGER)))"
        return Moment(born, "'year'", faults=(*at.faults, *wrong))

    def number(self, column: str) -> tuple[str, str]:
        """SQL of a finite number, and of the comparator before it."""
        parts = self._part(f"number_parts({self.columns[column]})")
        return self._value(f"finite(TRY_CAST({parts}.number AS DOUBLE))"), self._value(f"comparator_of({parts})")

    def numbers(self, columns: Sequence[str]) -> tuple[str, str, str]:
        """The same of many columns at once: SQL of lists of the numbers, of the comparators, and of whether a cell is no number."""
        cells = ", ".join(self.columns[column] for column in columns)
        parts = self._part(f"list_transform([{cells}], lambda cell: number_parts(cell))")
        number = "finite(TRY_CAST(part.number AS DOUBLE))"
        numbers = self._value(f"list_transform({parts}, lambda part: {number})")
        signs = self._value(f"list_transform({parts}, lambda part: comparator_of(part))")
        return (
            numbers,
            signs,
            self._value(f"list_transform({parts}, lambda part: part IS NOT NULL AND {number} IS NULL)"),
        )

    def wording(self, wording: str | CodeColumn | None, needed: bool = True) -> Word:
        """A constant, or the cell of a column; where it is `needed`, an empty one is a fault."""
        if isinstance(wording, CodeColumn):
            return Word(self.columns[wording.column], (self.empty(wording.column),) if needed else ())
        return Word(f"CAST({self.bind(wording)} AS VARCHAR)")

    def choice(self, choice: str | StatusColumn | PolarityColumn | SexColumn, needed: bool = True) -> Word:
        """A constant, or the word that `values` gives for the cell of a column."""
        if isinstance(choice, str):
            return Word(self.bind(choice))
        keys, words = self.bind(list(choice.values)), self.bind(list(choice.values.values()))
        cell = self.columns[choice.column]
        found = f"({words})[list_position({keys}, {cell})]"
        if isinstance(choice, StatusColumn) and choice.empty is not None:
            found, needed = f"CASE WHEN {cell} IS NULL THEN {self.bind(choice.empty)} ELSE {found} END", False
        word = self._value(found)
        return Word(word, self._unread(word, choice.column, "is not one of the mapping's values", needed))

    def holds(self, where: Where) -> str:
        """SQL condition: the cell is one of the values."""
        return self._value(self.rows(where))

    def rows(self, where: Where) -> str:
        """The same, of the cells of the staged file as they stand: to leave rows out before they are read."""
        return f"coalesce(list_contains({self.bind(list(where.values))}, {self.columns[where.column]}), false)"

    def _part(self, sql: str) -> str:
        return self._steps[0].setdefault(sql, f"m{len(self._steps[0])}")

    def _value(self, sql: str) -> str:
        return self._steps[1].setdefault(sql, f"v{len(self._steps[1])}")

    def _origin(self) -> str:
        return f"CAST({self.bind(self.origin)} AS TIMESTAMP)"

    def _unread(self, read: str, column: str, wrong: str, needed: bool) -> tuple[Fault, ...]:
        cell = self.columns[column]
        unread = self.fault(f"{cell} IS NOT NULL AND {read} IS NULL", column, wrong)
        return (self.empty(column), unread) if needed else (unread,)

    def _clock(self, time: ColumnTime, needed: bool) -> Moment:
        parts = self._part(f"time_parts({self.columns[time.column]})")
        clock, exactly = self._local(time, parts), f"precision_of({parts})"
        there, offset = clock, f"offset_of({parts})"
        if time.precision is not None:
            offset, exactly = (
                "CAST(NULL AS INTEGER)",
                f"CASE WHEN {exactly} IN ('year', 'month') THEN {exactly} ELSE 'day' END",
            )
        if time.zone is not None:
            there = f"utc_in({clock}, {self.bind(time.zone)})"
            offset = f"coalesce({offset}, CAST((epoch_us({clock}) - epoch_us({there})) // 60000000 AS INTEGER))"
        told = there if time.precision else f"coalesce({clock} - to_minutes(offset_of({parts})), {there})"
        at = self._value(told)
        faults = self._unread(at, time.column, "is not a date or time", needed)
        return Moment(at, exactly, self._value(f"CAST({offset} AS SMALLINT)"), faults)

    def _local(self, time: ColumnTime, parts: str) -> str:
        """SQL of what the clock of the place showed; of a column of days, its first moment."""
        clock = f"sane(clock_of({parts}))"
        return f"date_trunc('day', {clock})" if time.precision else clock
