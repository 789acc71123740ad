"""Rows of a staged file into `events`."""

from collections.abc import Iterator
from dataclasses import dataclass

from rapha.sources.tables.mapping import ColumnMapping, Events, ValueColumn
from rapha.sources.tables.meaning import Meaning, Moment, Word
from rapha.timeline.notes import NOTE_TEXTS
from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.schema import FEW_WORDS, PRECISIONS, enum_of
from rapha.timeline.staging import Staging

_SIGN = enum_of(("<", "<=", ">", ">="))
JOINED_TIMES = "joined_times"
"""How many rows of the other file have the cell that a row is joined by; NULL where none has."""


@dataclass(frozen=True)
class StagedBlock:
    """One block of the mapping's events and the staged file it reads. `rows` is the table that its rows are read into, `place` its
    number, from 0, among the blocks of that file: part of its events' ids. `version` is the digest of the file."""

    events: Events
    table: str
    columns: dict[str, str]
    rows: str
    place: int
    version: str

    def faults(self, meaning: Meaning) -> tuple[Fault, ...]:
        """A row must find exactly one of the file it is joined with."""
        if self.events.join is None:
            return ()
        by, other = self.events.join.by, self.events.join.file
        return (
            meaning.empty(by),
            meaning.fault(f"{JOINED_TIMES} IS NULL", by, f"names no row of {other}"),
            meaning.fault(f"{JOINED_TIMES} > 1", by, f"names more than one row of {other}"),
        )


def read_events(staging: Staging, mapping: ColumnMapping, block: StagedBlock) -> tuple[int, str]:
    """Read the block's rows; set aside those that cannot be read. Returns how many events they are, and a SELECT of them for
    `Staging.take_events_from`: what is the same in many of them, or follows from other columns, is not held meanwhile."""
    _stage_rows(staging, mapping, block)
    staging.set_aside(block.events.file, f"SELECT line, reason FROM {block.rows}")
    if block.events.text:
        _move_texts(staging, block, block.events.text)
    select = (_of_cells if block.events.wide else _of_rows)(staging, mapping.source, block)
    [[counted]] = staging.execute(f"SELECT count(*) FROM ({select})")
    return counted, select


def _move_texts(staging: Staging, block: StagedBlock, column: str) -> None:
    """The texts of notes are held once: each row knows its own by its digest, `asset`."""
    text = block.columns[column]
    rows = f"SELECT subject_key, {text} FROM {block.rows} WHERE reason IS NULL"
    staging.execute(f"INSERT INTO {NOTE_TEXTS} {rows}")
    if column != _value_column(block.events):
        staging.execute(f"ALTER TABLE {block.rows} DROP COLUMN {text}")


def _stage_rows(staging: Staging, mapping: ColumnMapping, block: StagedBlock) -> None:
    """`block.rows`: the file's rows with what is true of the whole row, the number and the comparator of its value column (of a wide
    table lists of them, and of whether a cell is no number), the `asset` of a note, and the reason to set the row aside."""
    events, meaning = block.events, Meaning(mapping.origin, block.columns)
    start, end = meaning.time(events.time), meaning.time(events.end, needed=False) if events.end else Moment()
    known = start if isinstance(events.available, str) else meaning.available(events.available)
    words: dict[str, Word] = {
        "system": meaning.wording(events.system),
        "code": meaning.wording(events.code, needed=not events.wide),
        "unit": meaning.wording(events.unit, needed=False),
        "status": meaning.choice(events.status),
        "polarity": meaning.choice(events.polarity),
    }
    faults = (
        meaning.empty(events.id),
        meaning.fault("subject_key IS NULL", events.id, f"names no patient of {mapping.subjects.file}"),
        *([meaning.empty(events.text)] if events.text else []),
        *block.faults(meaning),
        *start.faults,
        *end.faults,
        Fault(f"{end.at} < {start.at}", meaning.bind("ends before it starts")),
        *(known.faults if known is not start else ()),
        *(fault for word in words.values() for fault in word.faults),
    )
    values = _values(events, meaning)
    asset = f", sha256({block.columns[events.text]}) AS asset" if events.text else ""
    table = f"(FROM {block.table} WHERE {meaning.rows(events.where)})" if events.where else block.table
    encounter = block.columns[events.encounter] if events.encounter else "CAST(NULL AS VARCHAR)"
    staging.execute(
        f"""CREATE TABLE {block.rows} AS
            SELECT line{"".join(f", {cell}" for cell in _cells(block))}, subject_key,
                {start.at} AS t_start, {end.at} AS t_end, {known.at} AS t_available,
                CAST({start.precision} AS {enum_of(PRECISIONS)}) AS precision, {start.offset} AS utc_offset_minutes, {encounter} AS encounter,
                {", ".join(f"{_few(name, word.sql)} AS {name}" for name, word in words.items())},
                {first_reason(faults)} AS reason{values}{asset}
            FROM {meaning.source(table)} LEFT JOIN (SELECT id, subject_key FROM people)
                ON id = {block.columns[events.id]}""",
        meaning.parameters,
    )


def unfilled(mapping: ColumnMapping) -> Iterator[str]:
    """The columns of `events` that no block of this mapping fills."""
    yield from ("concept", "text_ref", "parent_event")
    if not mapping.units:
        yield from ("unit_ucum", "num_canonical")
    if not any(block.text for block in mapping.events):
        yield "asset"


def _values(events: Events, meaning: Meaning) -> str:
    """SQL of what the cells with values are read as. Those of a wide table are lists, however many they are: with a column for each,
    what DuckDB plans grows with their square."""
    if events.wide:
        numbers, signs, wrong = meaning.numbers([wide.column for wide in events.wide])
        return f", {numbers} AS nums, CAST({signs} AS {_SIGN}[]) AS comparators, {wrong} AS wrong"
    if (column := _value_column(events)) is None:
        return ""
    number, sign = meaning.number(column)
    return f", {number} AS num, CAST({sign} AS {_SIGN}) AS comparator"


def _of_rows(staging: Staging, source: str, block: StagedBlock) -> str:
    """A SELECT of the events of the block: one of each row."""
    value, column = block.events.value, _value_column(block.events)
    readable, word = "reason IS NULL", "CAST(NULL AS VARCHAR)"
    if isinstance(value, ValueColumn):
        word = f"CASE WHEN num IS NULL THEN {block.columns[value.column]} END"
    elif column is not None:
        _set_aside_values(staging, block, column)
        readable += " AND num IS NOT NULL"
    meaning = Meaning(None, block.columns)
    number, comparator = ("num", "comparator") if column is not None else ("CAST(NULL AS DOUBLE)", "NULL")
    component = meaning.bind(f"{block.place}.{column or ''}")
    columns = _event(
        meaning, source, block, component, f"{number} AS num, {comparator} AS comparator, {word} AS value_code"
    )
    return staging.held(f"SELECT {columns} FROM {block.rows} WHERE {readable}", meaning.parameters)


def _of_cells(staging: Staging, source: str, block: StagedBlock) -> str:
    """The same of a wide table: one of each cell."""
    meaning, wide = Meaning(None, block.columns), block.events.wide
    reasons = meaning.bind([f"`{each.column}` is not a number" for each in wide])
    staging.set_aside(
        block.events.file,
        f"""SELECT line, reason FROM (SELECT line, unnest(wrong) AS is_wrong, unnest({reasons}) AS reason
            FROM {block.rows} WHERE reason IS NULL AND list_contains(wrong, true)) WHERE is_wrong""",
        meaning.parameters,
    )
    meaning = Meaning(None, block.columns)
    lists = {
        "code": meaning.bind([each.code for each in wide]),
        "unit": f"CAST({meaning.bind([each.unit for each in wide])} AS VARCHAR[])",
        "component": meaning.bind([f"{block.place}.{each.column}" for each in wide]),
        "num": "nums",
        "comparator": "comparators",
    }
    cells = ", ".join(f"unnest({sql}) AS {name}" for name, sql in lists.items())
    rows = f"(SELECT * EXCLUDE (code, unit, nums, comparators, wrong), {cells} FROM {block.rows} WHERE reason IS NULL)"
    columns = _event(meaning, source, block, "component", "num, comparator, CAST(NULL AS VARCHAR) AS value_code")
    return staging.held(f"SELECT {columns} FROM {rows} WHERE num IS NOT NULL", meaning.parameters)


def _event(meaning: Meaning, source: str, block: StagedBlock, component: str, value: str) -> str:
    """SQL of the columns of an event."""
    reference = f"{meaning.bind(block.events.file + '#')} || line"
    asset = "asset, " if block.events.text else ""
    return f"""subject_key, CAST(left(sha256(concat_ws(chr(31), {meaning.bind(source)}, {reference}, {component})), 32) AS UUID) AS event_id,
        {meaning.bind(block.events.kind)} AS kind, t_start, t_end, t_available, precision, utc_offset_minutes, system,
        code, unit, {value}, status, polarity, encounter, {reference} AS source_ref, {asset}{meaning.bind(block.version)} AS source_version,
        false AS deleted"""


def _few(name: str, sql: str) -> str:
    """SQL of a word, as one of few where the column is so held."""
    return f"CAST({sql} AS {enum_of(FEW_WORDS[name])})" if name in FEW_WORDS else sql


def _set_aside_values(staging: Staging, block: StagedBlock, column: str) -> None:
    """A cell that is no number, or empty."""
    meaning = Meaning(None, block.columns)
    unread = meaning.fault(f"{block.columns[column]} IS NOT NULL AND num IS NULL", column, "is not a number")
    faults = [unread, meaning.empty(column)]
    rows = f"SELECT line, {first_reason(faults)} AS reason FROM {block.rows} WHERE reason IS NULL"
    staging.set_aside(block.events.file, rows, meaning.parameters)


def _cells(block: StagedBlock) -> list[str]:
    """What is still asked of the cells themselves, once a row is read."""
    named = (_value_column(block.events), block.events.text)
    return list(dict.fromkeys(block.columns[column] for column in named if column))


def _value_column(events: Events) -> str | None:
    """The one column of values; a wide table has none."""
    return events.value.column if isinstance(events.value, ValueColumn) else events.value


def joined(
    table: str, columns: dict[str, str], by: str, other: str, others: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """SQL of a staged file with the columns of another beside its own, and all its columns by name.

    `others` are the columns of the other file by name, `by` among them.
    """
    beside = {name: f"j{at}" for at, name in enumerate(name for name in others if name != by)}
    wanted = "".join(f", {others[name]} AS {alias}" for name, alias in beside.items())
    key = others[by]
    found = (
        f"SELECT {key} AS joined_by, count(*) OVER (PARTITION BY {key}) AS {JOINED_TIMES}{wanted} FROM {other} "
        f"WHERE {key} IS NOT NULL QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY line) = 1"
    )
    return f"(SELECT * FROM {table} LEFT JOIN ({found}) ON {columns[by]} = joined_by)", {**columns, **beside}
