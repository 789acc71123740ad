"""What a hospital's spellings of units mean in UCUM: said in its mapping, code by code, never guessed.

    units:
      - {system: local, codes: [crp], spelled: {MG/L: mg/L, mg/dl: mg/dL}}
      - {system: local, codes: [weight-lb], spelled: {lbs: "[lb_av]"}, unspelled: "[lb_av]"}
      - {spelled: {K/uL: 10*3/uL}}                    # of every code that no entry above names

A number whose unit is spelled there gets the UCUM unit and counts as canonical; the unit as given is kept beside it. Where the
source itself said UCUM, that stands. A spelling that is not there stays as given, and is counted.
"""

from typing import Annotated, Any

import duckdb
import pyarrow as pa
from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.author import Language
from rapha.records.record import Record
from rapha.timeline.manifest import Table
from rapha.timeline.mapping_file import SourceMapping

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Ucum = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,60}$")]
"""A UCUM code, case-sensitive: no blanks, no letters beyond ASCII."""


class UnitWords(Record):
    """Of these codes of a system (or of all codes that no other entry names): UCUM by spelling. `unspelled`: the unit of numbers
    that come without one."""

    system: Text | None = None
    codes: Annotated[tuple[Text, ...], Field(max_length=10_000)] = ()
    spelled: Annotated[dict[Text, Ucum], Field(default_factory=dict, max_length=500)]
    unspelled: Ucum | None = None

    @model_validator(mode="after")
    def _whole(self) -> "UnitWords":
        if not self.spelled and self.unspelled is None:
            raise PydanticCustomError("units", "an entry says what `spelled: {MG/L: mg/L}` means, or `unspelled: mg/L`")
        if (self.system is None) != (not self.codes):
            raise PydanticCustomError("units", "an entry is of `codes` of a `system`, or names neither")
        if self.unspelled and not self.codes:
            raise PydanticCustomError("units", "`unspelled` is of `codes`: no unit is that of every number without one")
        return self


class MeasuredMapping(SourceMapping):
    """A mapping of a hospital's records: numbers whose units may be spelled in its own way, and notes, in the `language` that holds
    where the source says none."""

    units: Annotated[tuple[UnitWords, ...], Field(max_length=1000)] = ()
    language: Language | None = None

    @model_validator(mode="after")
    def _once(self) -> "MeasuredMapping":
        named = [(each.system, code) for each in self.units for code in each.codes]
        if len(set(named)) < len(named) or sum(not each.codes for each in self.units) > 1:
            raise PydanticCustomError(
                "units", "a code has one entry under `units`, and all the others have one together"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not said is not written, see `SourceMapping`."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key not in ("units", "people", "language") or value}


Relation = duckdb.DuckDBPyRelation
_WORDS = pa.schema([(name, pa.string()) for name in ("system", "code", "given", "means")])
_TABLE = "unit_words"


def in_ucum(
    connection: duckdb.DuckDBPyConnection, tables: dict[Table, Relation], units: tuple[UnitWords, ...]
) -> tuple[dict[Table, Relation], tuple[str, ...]]:
    """The tables of a batch, its events with `unit_ucum` and `num_canonical` where an entry says what the unit given means; and
    what the report says of it."""
    if not units:
        return tables, ()
    events = _spelled(connection, tables["events"], units)
    return tables | {"events": events}, (_counted(events),)


def _spelled(connection: duckdb.DuckDBPyConnection, events: Relation, units: tuple[UnitWords, ...]) -> Relation:
    rows = [
        {"system": each.system, "code": code, "given": given, "means": means}
        for each in units
        for code in each.codes or (None,)
        for given, means in (*each.spelled.items(), *([(None, each.unspelled)] if each.unspelled else []))
    ]
    named = [{"system": each.system, "code": code} for each in units for code in each.codes]
    connection.from_arrow(pa.Table.from_pylist(rows, _WORDS)).create(_TABLE)
    connection.from_arrow(pa.Table.from_pylist(named, _WORDS)).create(f"{_TABLE}_named")
    return _of(
        events,
        "given_events",
        f"""SELECT given_events.* REPLACE (
                CASE WHEN means IS NULL THEN unit_ucum ELSE means END AS unit_ucum,
                CASE WHEN means IS NULL THEN num_canonical ELSE num END AS num_canonical)
            FROM given_events
            LEFT JOIN (SELECT DISTINCT system AS n_system, code AS n_code FROM {_TABLE}_named)
                ON n_system = system AND n_code = code
            LEFT JOIN (SELECT system AS w_system, code AS w_code, given, means FROM {_TABLE})
                ON unit_ucum IS NULL AND num IS NOT NULL AND given IS NOT DISTINCT FROM unit
                AND w_system IS NOT DISTINCT FROM n_system AND w_code IS NOT DISTINCT FROM n_code""",
    )


def _of(events: Relation, name: str, select: str) -> Relation:
    """A SELECT from the events, which it calls by `name`."""
    found = events.query(name, select)
    if found is None:
        raise TypeError("a SELECT has rows")
    return found


def _counted(events: Relation) -> str:
    """How many numbers are in UCUM, and how many are not. Counts alone."""
    [(numbers, known, codes, kinds)] = _of(
        events,
        "counted",
        """SELECT count(*), count(unit_ucum), count(DISTINCT CASE WHEN unit_ucum IS NULL THEN (system, code) END),
                  count(DISTINCT CASE WHEN unit_ucum IS NULL THEN (system, code, coalesce(unit, '')) END)
           FROM counted WHERE num IS NOT NULL""",
    ).fetchall()
    if known == numbers:
        return f"all {numbers:,} numbers are in UCUM units"
    return (
        f"{known:,} of {numbers:,} numbers are in UCUM units; {numbers - known:,}, of {codes:,} codes in {kinds:,} spellings (or none), "
        "stay as given: `rapha node units` lists them"
    )
