"""One statement for each type of resource: lines of text in, staged rows out.

A staged row is an event whose references are not resolved yet, or a line that is set aside, with the `reason`. Everything
pasted into a statement here is written in this room; what comes from files and mappings is bound.
"""

import json

from rapha.sources.fhir.observation import ABSENT, ANSWERS, FORM, OBSERVATION, UNREADABLE, answer
from rapha.sources.fhir.readings import READINGS, Reading
from rapha.sources.fhir.statuses import STATUSES
from rapha.sources.fhir.structures import VALUE
from rapha.timeline.schema import KINDS, POLARITIES, PRECISIONS, enum_of
from rapha.timeline.schema import STATUSES as STATES

COLUMNS = f"""file INTEGER, line BIGINT, address VARCHAR, part VARCHAR, place INTEGER, patient VARCHAR, kind {enum_of(KINDS)},
    t_start TIMESTAMP, t_end TIMESTAMP, t_known TIMESTAMP, t_otherwise TIMESTAMP, precision {enum_of(PRECISIONS)},
    utc_offset_minutes SMALLINT, system VARCHAR, code VARCHAR, num DOUBLE, comparator VARCHAR, unit VARCHAR,
    unit_ucum VARCHAR, value_code VARCHAR, text_ref VARCHAR, status {enum_of(STATES)}, polarity {enum_of(POLARITIES)}, encounter VARCHAR,
    asset VARCHAR, note VARCHAR, author VARCHAR, language VARCHAR, medication VARCHAR, members VARCHAR[], at_discharge BOOLEAN, version VARCHAR, updated TIMESTAMP,
    reason VARCHAR"""

TYPES = (*READINGS, "Observation")
"""The resources that become events."""

UNREAD_TIME = "has a date or time that cannot be read"
_REASONS = (
    ("r IS NULL", "is not JSON, or no resource"),
    ("len(r.modifierExtension) > 0", "has a modifierExtension, which may turn its meaning around"),
    ("r.implicitRules IS NOT NULL", "has implicitRules, which may turn its meaning around"),
    ("patient IS NULL", "names no patient"),
    ("stated IS NULL", "has a status that FHIR R4 does not know, or none"),
    ("start_text IS NOT NULL AND t_start IS NULL", UNREAD_TIME),
    ("end_text IS NOT NULL AND t_end IS NULL", UNREAD_TIME),
    ("known_text IS NOT NULL AND t_known IS NULL", UNREAD_TIME),
    ("t_start IS NULL", "does not say when it was"),
    ("last_of(t_end, end_text) < t_start", "ends before it starts"),
)


def statement(resource_type: str) -> str:
    """SQL that stages the rows of the relation `chunk` (see `statements.py`), all of this type.

    Each step leaves behind what the next ones do not
    need: a wide structure that is carried along costs more than reading it.
    """
    if resource_type == "Observation":
        return _insert(OBSERVATION, _observed())
    reading = READINGS[resource_type]
    lists = f"or_none({reading.codings}) AS codings, {reading.answers} AS answers, '' AS part"
    return _insert(reading, _pairs(_whole(resource_type, reading, lists)))


def _observed() -> str:
    """Each observation, and each of its components as one more: its part 0 is itself. Then a row for each pair of a coding and an
    answer, by their numbers: lists of wide structures are made nowhere. What gives no answer is one row, set aside."""
    itself = ", ".join(f"'{name}': r.{name}" for name in VALUE)
    whole = _whole("Observation", OBSERVATION, "r, list_concat([NULL], r.component) AS parts")
    columns = ", ".join(f"{sql} AS {_ANSWER[name]}" for name, sql in answer().items())
    return f"""SELECT * EXCLUDE (p, form, place), p.code.coding[coding_at].system AS system, p.code.coding[coding_at].code AS code, {columns}
        FROM (SELECT * EXCLUDE (many, answers, codings, nth), nth // codings + 1 AS answer_at, nth % codings + 1 AS coding_at
        FROM (SELECT *, unnest(range(many)) AS nth
        FROM (SELECT * EXCLUDE (reason), codings * greatest(answers, 1) AS many, coalesce(reason, {UNREADABLE}) AS reason
        FROM (SELECT *, {ANSWERS} AS answers
        FROM (SELECT * EXCLUDE (polarity, nth), greatest(coalesce(len(p.code.coding), 0), 1) AS codings, {FORM} AS form,
            if(nth = 0, address, address || '#component' || nth) AS place, if(nth = 0, '', 'c' || nth) AS part,
            coalesce({ABSENT}, polarity) AS polarity
        FROM (SELECT * EXCLUDE (r, component),
            CASE WHEN nth = 0 THEN {{{itself}}} ELSE TRY(json_transform(component, '{json.dumps(VALUE)}')) END AS p
        FROM (SELECT * EXCLUDE (parts), unnest(parts) AS component, generate_subscripts(parts, 1) - 1 AS nth FROM ({whole}))))))))"""


_ANSWER = {
    "num": "num",
    "comparator": "comparator",
    "unit": "unit",
    "ucum": "unit_ucum",
    "code": "value_code",
    "ref": "ref",
}
"""What each column of an answer is called in a staged row."""


def _pairs(lists: str) -> str:
    """A row for each pair of a coding and an answer of two lists."""
    columns = ", ".join(f"answer.{name} AS {column}" for name, column in _ANSWER.items())
    return f"""SELECT * EXCLUDE (coding, answer), coding.system AS system, coding.code AS code, {columns}
        FROM (SELECT * EXCLUDE (answers), unnest(answers) AS answer, generate_subscripts(answers, 1) AS answer_at
        FROM (SELECT * EXCLUDE (codings), unnest(codings) AS coding, generate_subscripts(codings, 1) AS coding_at
        FROM ({lists})))"""


def _insert(reading: Reading, pairs: str) -> str:
    """One staged row for each pair of a coding and an answer."""
    return f"""INSERT INTO staged BY NAME
        SELECT * EXCLUDE (coding_at, answer_at, ref, members, clinical, text_ref),
            CAST((answer_at - 1) * 1000 + coding_at - 1 AS INTEGER) AS place, {reading.kind} AS kind,
            coalesce(ref, text_ref) AS text_ref, CASE WHEN part = '' AND answer_at = 1 AND coding_at = 1 THEN members END AS members
        FROM ({pairs})"""


def _whole(resource_type: str, reading: Reading, parts: str) -> str:
    """Each resource once: what is true of all of it, and its `parts`."""
    return f"""SELECT * EXCLUDE (r, stated, start_text, end_text, known_text, otherwise_text),
            precision_of(start_text) AS precision, offset_of(start_text) AS utc_offset_minutes,
            utc_of(otherwise_text) AS t_otherwise, stated.status AS status,
            coalesce({reading.polarity}, stated.polarity) AS polarity, {_first_reason()} AS reason,
            {reading.text_ref} AS text_ref, {reading.asset} AS asset, {reading.note} AS note,
            {reading.author} AS author, {reading.language} AS language, {reading.medication} AS medication,
            {reading.at_discharge} AS at_discharge, {reading.clinical} AS clinical,
            list_transform({reading.members}, lambda m: local_of(m.reference)) AS members,
            coalesce(r.meta.versionId, r.meta.lastUpdated) AS version, utc_of(r.meta.lastUpdated) AS updated, {parts}
        FROM (SELECT *, utc_of(start_text) AS t_start, utc_of(end_text) AS t_end,
            last_of(utc_of(known_text), known_text) AS t_known
        FROM (SELECT file, line, coalesce('{resource_type}/' || r.id, address, getvariable('names')[file + 1] || '#' || line) AS address, r,
            local_of({reading.patient}) AS patient, replace(local_of({reading.encounter}), 'Encounter/', '') AS encounter,
            {reading.start} AS start_text, {reading.end} AS end_text, {reading.known} AS known_text,
            {reading.otherwise.format(start=reading.start, end=reading.end)} AS otherwise_text,
            {_stated(resource_type, reading.status)} AS stated
        FROM (SELECT file, line, address, TRY(json_transform(text, $structure)) AS r FROM chunk)))"""


def _stated(resource_type: str, word: str) -> str:
    cases = " ".join(
        f"WHEN '{said}' THEN {{'status': '{status}', 'polarity': '{polarity}'}}"
        for said, (status, polarity) in STATUSES[resource_type].items()
    )
    return f"CASE {word} {cases} END"


def _first_reason() -> str:
    cases = " ".join(f"WHEN {condition} THEN '{said}'" for condition, said in _REASONS)
    return f"CASE {cases} END"
