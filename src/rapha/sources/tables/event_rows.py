"""Rows of a staged file into `events`."""

from dataclasses import dataclass

from rapha.sources.tables.mapping import Events, Mapping, WideColumn
from rapha.sources.tables.meaning import Meaning, Moment, Word
from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.staging import Staging


@dataclass(frozen=True)
class StagedBlock:
    """One block of the mapping's events and the staged file it reads. `place` is its number, from 0, among the blocks
    of that file: part of its events' ids. `version` is the digest of the file."""

    events: Events
    table: str
    columns: dict[str, str]
    place: int
    version: str
    batch: str


def write_events(staging: Staging, mapping: Mapping, block: StagedBlock) -> int:
    """Add the block's events; set aside the rows that it cannot read. Returns the number of events."""
    _stage_rows(staging, mapping, block)
    staging.set_aside(block.events.file, "SELECT line, reason FROM block_rows")
    parts = block.events.wide or (block.events.value,)
    written = sum(_write_part(staging, mapping.source, block, at, part) for at, part in enumerate(parts))
    staging.execute("DROP TABLE block_rows")
    return written


def _stage_rows(staging: Staging, mapping: Mapping, block: StagedBlock) -> None:
    """`block_rows`: the file's rows with what is true of the whole row, the numbers `n0` ... and comparators `q0` ...
    of its value columns, and the reason to set the row aside."""
    events, meaning = block.events, Meaning(mapping.origin, block.columns)
    start, end = meaning.time(events.time), meaning.time(events.end, needed=False) if events.end else Moment()
    known = start if isinstance(events.available, str) else meaning.time(events.available)
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
        *start.faults,
        *end.faults,
        Fault(f"{end.at} < {start.at}", meaning.bind("ends before it starts")),
        *(known.faults if known is not start else ()),
        *(fault for word in words.values() for fault in word.faults),
    )
    readings = [meaning.number(column) for column in _value_columns(events)]
    numbers = "".join(f", {number} AS n{at}, {sign} AS q{at}" for at, (number, sign) in enumerate(readings))
    encounter = block.columns[events.encounter] if events.encounter else "CAST(NULL AS VARCHAR)"
    staging.execute(
        f"""CREATE TABLE block_rows AS
            SELECT line, {", ".join(block.columns.values())}, subject_key,
                {start.at} AS t_start, {end.at} AS t_end, {known.at} AS t_available,
                {start.precision} AS precision, {start.offset} AS utc_offset_minutes, {encounter} AS encounter,
                {", ".join(f"{word.sql} AS {name}" for name, word in words.items())},
                {first_reason(faults)} AS reason{numbers}
            FROM {meaning.source(block.table)} LEFT JOIN (SELECT id, subject_key FROM people)
                ON id = {block.columns[events.id]}""",
        meaning.parameters,
    )


def _write_part(staging: Staging, source: str, block: StagedBlock, at: int, part: WideColumn | str | None) -> int:
    column = part.column if isinstance(part, WideColumn) else part
    readable = "reason IS NULL"
    if column is not None:
        _set_aside_values(staging, block, at, column, empty_too=not isinstance(part, WideColumn))
        readable += f" AND n{at} IS NOT NULL"
    meaning = Meaning(None, block.columns)
    code, unit = "code", "unit"
    if isinstance(part, WideColumn):
        code, unit = meaning.bind(part.code), f"CAST({meaning.bind(part.unit)} AS VARCHAR)"
    reference = f"{meaning.bind(block.events.file + '#')} || line"
    component = meaning.bind(f"{block.place}.{column or ''}")
    number, comparator = (f"n{at}", f"q{at}") if column is not None else ("CAST(NULL AS DOUBLE)", "NULL")
    [(written,)] = staging.execute(
        f"""INSERT INTO events BY NAME
            SELECT subject_key, left(sha256(concat_ws(chr(31), {meaning.bind(source)}, {reference}, {component})), 32)
                    AS event_id,
                {meaning.bind(block.events.kind)} AS kind, t_start, t_end, t_available, precision, utc_offset_minutes,
                system, {code} AS code, {number} AS num, {comparator} AS comparator, {unit} AS unit,
                status, polarity, encounter, {reference} AS source_ref,
                {meaning.bind(block.version)} AS source_version, {meaning.bind(block.batch)} AS ingest_batch,
                false AS deleted
            FROM block_rows WHERE {readable}""",
        meaning.parameters,
    )
    return int(written)


def _set_aside_values(staging: Staging, block: StagedBlock, at: int, column: str, empty_too: bool) -> None:
    """A cell that is no number; in a wide table an empty cell is no event, elsewhere it is a mistake."""
    meaning = Meaning(None, block.columns)
    cell = block.columns[column]
    faults = [meaning.fault(f"{cell} IS NOT NULL AND n{at} IS NULL", column, "is not a number")]
    if empty_too:
        faults.append(meaning.empty(column))
    rows = f"SELECT line, {first_reason(faults)} AS reason FROM block_rows WHERE reason IS NULL"
    staging.set_aside(block.events.file, rows, meaning.parameters)


def _value_columns(events: Events) -> list[str]:
    return [wide.column for wide in events.wide] or ([events.value] if events.value else [])
