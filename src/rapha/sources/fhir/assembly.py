"""Staged rows into the tables of the timeline: references resolved, versions and deletions minded, observation measured."""

from datetime import date, timedelta

from rapha.sources.fhir.mapping import Mapping, Span
from rapha.sources.fhir.people import GONE, LAST_DELETED, NEWEST
from rapha.sources.fhir.staging import Staging
from rapha.timeline.notes import NOTE_TEXTS
from rapha.timeline.schema import USABLE_STATUSES

_EVENT_ID = """CREATE TEMP MACRO event_name(address, part, place) AS
    CAST(left(sha256(concat_ws(chr(31), getvariable('source'), address, part, place)), 32) AS UUID)"""
_TABLES = (
    # Older versions of what is there in several.
    f"""CREATE TABLE superseded AS SELECT file, line FROM (
        SELECT DISTINCT file, line, address, updated, version FROM staged WHERE part = '' AND place = 0
            AND address IN (SELECT address FROM staged WHERE part = '' AND place = 0 GROUP BY address HAVING count(*) > 1))
        QUALIFY NOT {NEWEST}""",
    """CREATE TABLE stays AS SELECT encounter, max(t_end) AS t_end FROM staged
        WHERE kind = 'encounter' AND reason IS NULL AND t_end IS NOT NULL GROUP BY encounter""",
    """CREATE TABLE panels AS SELECT member, min(parent) AS parent FROM (
        SELECT unnest(members) AS member, event_name(address, '', 0) AS parent FROM staged
        WHERE members IS NOT NULL AND reason IS NULL) GROUP BY member""",
    """CREATE TABLE tablets AS SELECT address, coding.system AS system, coding.code AS code, nth - 1 AS nth FROM (
        SELECT address, unnest(codings) AS coding, generate_subscripts(codings, 1) AS nth
        FROM (SELECT address, max({'updated': coalesce(updated, TIMESTAMP '1800-01-01'), 'codings': codings}).codings AS codings
            FROM medicines WHERE codings IS NOT NULL GROUP BY address))""",
)
_AVAILABLE = {
    "same": "s.t_otherwise",
    "encounter end": "greatest(s.t_otherwise, stays.t_end)",
    "last updated": "s.updated",
}
_NOBODY = """INSERT INTO set_aside SELECT DISTINCT file, line, CASE
        WHEN patient IN (SELECT address FROM deletions) THEN 'is about a patient who was deleted'
        WHEN patient[:8] = 'Patient/' OR patient[:8] = 'Patient?' THEN 'names a patient who is not in the export'
        WHEN contains(patient, ':') THEN 'refers to an address that is neither in the export nor of one of `servers`'
        ELSE 'is not about a patient' END
    FROM staged WHERE reason IS NULL AND patient NOT IN (SELECT address FROM named)"""

_TOLD = f"""CREATE TABLE told AS SELECT file, subject_key, kind, t_start, t_end, status IN (
        {", ".join(f"'{status}'" for status in USABLE_STATUSES)}) AND polarity = 'affirmed' AND NOT deleted AS counts
    FROM resolved"""
"""When and of whom each event is: all that is asked of `resolved` more than once."""


def assemble(staging: Staging, mapping: Mapping) -> None:
    """Make the views `resolved`, and `events` and `observation_periods` as the timeline has them."""
    staging.execute(_EVENT_ID)
    for table in _TABLES:
        staging.execute(table)
    staging.execute("INSERT INTO set_aside SELECT DISTINCT file, line, reason FROM staged WHERE reason IS NOT NULL")
    staging.execute(_NOBODY)
    if mapping.available == "last updated":
        staging.execute(
            """INSERT INTO set_aside SELECT DISTINCT file, line, 'does not say when it was known, nor when it was updated'
            FROM staged WHERE reason IS NULL AND t_known IS NULL AND updated IS NULL"""
        )
        staging.execute("DELETE FROM staged WHERE t_known IS NULL AND updated IS NULL")
    staging.execute(f"CREATE VIEW resolved AS {_resolved(mapping)}")
    staging.execute(_TOLD)
    staging.execute(
        f"CREATE VIEW events AS SELECT * EXCLUDE (file, line, note, author, language, {', '.join(_unfilled(staging))}) FROM resolved"
    )
    staging.execute(
        f"CREATE TABLE {NOTE_TEXTS} AS SELECT subject_key, note AS text FROM resolved WHERE note IS NOT NULL AND NOT deleted"
    )
    _say_who_wrote(staging, mapping)
    _observe(staging, mapping.observation)


def _say_who_wrote(staging: Staging, mapping: Mapping) -> None:
    """The table `notes`: what is known of each document; its language by the mapping, where it says none."""
    written = (
        f"CASE WHEN kind = 'note' OR note IS NOT NULL THEN '{mapping.language}' END"  # a report with a text is one
    )
    spoken = f"coalesce(language, {written})" if mapping.language else "language"
    any_told = staging.execute("FROM staged WHERE author IS NOT NULL OR language IS NOT NULL LIMIT 1")
    where = "(author IS NOT NULL OR language IS NOT NULL) AND NOT deleted" if any_told or mapping.language else "false"
    staging.execute(
        f"""CREATE TABLE notes AS SELECT DISTINCT event_id, author, language, ingest_batch
        FROM (SELECT event_id, author, {spoken} AS language, ingest_batch, deleted FROM resolved) WHERE {where}"""
    )


def _unfilled(staging: Staging) -> list[str]:
    """The columns of `events` in which no row has a value: they need not be sorted."""
    columns = ("comparator", "value_code", "text_ref", "asset")
    [counts] = staging.execute(
        "SELECT count(comparator), count(value_code), count(text_ref), count(asset) + count(note) FROM staged"
    )
    return ["concept", *(name for name, count in zip(columns, counts, strict=True) if not count)]


def _resolved(mapping: Mapping) -> str:
    known = f"""CASE WHEN s.t_known IS NOT NULL THEN s.t_known
        WHEN s.at_discharge AND stays.t_end IS NOT NULL THEN greatest(s.t_otherwise, stays.t_end)
        ELSE {_AVAILABLE[mapping.available]} END"""
    return f"""SELECT s.file, s.line, named.subject_key,
            event_name(s.address, s.part, s.place + coalesce(tablets.nth, 0)) AS event_id, s.kind, s.t_start, s.t_end,
            {known} AS t_available, s.precision, s.utc_offset_minutes, coalesce(s.system, tablets.system) AS system,
            coalesce(s.code, tablets.code) AS code, CAST(NULL AS VARCHAR) AS concept, s.num, s.comparator, s.unit,
            s.unit_ucum, CASE WHEN s.unit_ucum IS NOT NULL THEN s.num END AS num_canonical, s.value_code, s.text_ref,
            s.status, s.polarity, s.encounter,
            CASE WHEN s.part <> '' THEN event_name(s.address, '', 0) ELSE panels.parent END AS parent_event, s.note, s.author, s.language,
            coalesce(sha256(s.note), s.asset) AS asset,
            s.address AS source_ref, coalesce(s.version, getvariable('batch')) AS source_version,
            getvariable('batch') AS ingest_batch, {GONE} AS deleted
        FROM staged AS s JOIN named ON named.address = s.patient
        LEFT JOIN stays ON stays.encounter = s.encounter
        LEFT JOIN panels ON panels.member = s.address
        LEFT JOIN tablets ON tablets.address = s.medication
        LEFT JOIN ({LAST_DELETED}) AS deletion ON deletion.address = s.address
        WHERE s.reason IS NULL
            AND NOT EXISTS (SELECT 1 FROM superseded AS x WHERE x.file = s.file AND x.line = s.line)"""


def _observe(staging: Staging, observation: Span | str) -> None:
    stays = "SELECT subject_key, t_start, t_end FROM told WHERE kind = 'encounter' AND counts"
    if not isinstance(observation, Span):
        staging.execute(f"CREATE TABLE seen AS SELECT DISTINCT * FROM ({stays}) WHERE t_end >= t_start")
    else:
        every = "SELECT subject_key, t_start, if(kind = 'encounter', t_end, NULL) AS t_end FROM told WHERE counts"
        staging.execute(
            f"""CREATE TABLE seen AS SELECT subject_key, {_edge(observation.start)} AS t_start,
                CASE WHEN unsure_death THEN least({_edge(observation.end, 1)}, last_event)
                    ELSE {_edge(observation.end, 1)} END AS t_end
            FROM (SELECT subject_key, dead AND death IS NULL AS unsure_death FROM people JOIN keyed USING (address)
                WHERE NOT merged)
            LEFT JOIN (SELECT subject_key, min(t_start) AS first_event, greatest(max(t_start), max(t_end)) AS last_event
                FROM ({every}) GROUP BY subject_key) USING (subject_key)
            LEFT JOIN (SELECT subject_key, min(t_start) AS first_stay, greatest(max(t_start), max(t_end)) AS last_stay
                FROM ({stays}) GROUP BY subject_key) USING (subject_key)"""
        )
    staging.execute(
        """CREATE VIEW observation_periods AS SELECT *, getvariable('batch') AS ingest_batch FROM seen
        WHERE t_start <= t_end"""
    )
    staging.execute(
        """INSERT INTO set_aside SELECT file, line, 'has no period of observation' FROM people JOIN keyed USING (address)
        WHERE NOT merged AND subject_key NOT IN (SELECT subject_key FROM observation_periods)"""
    )


def _edge(edge: date | str, days: int = 0) -> str:
    """SQL of one end, `days` after a day that is named: the last day is observed to its end."""
    words = {
        "first event": "first_event",
        "first encounter": "first_stay",
        "last event": "last_event",
        "last encounter": "last_stay",
    }
    return words[edge] if isinstance(edge, str) else f"TIMESTAMP '{(edge + timedelta(days)).isoformat()}'"
