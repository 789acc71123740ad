"""What a FHIR text means: SQL macros for dates and times, quantities, references and codings.

None raises: what cannot be read is NULL, and whoever asks says so.
"""

import re

MACROS = (
    """CREATE TEMP MACRO sane(moment) AS
        CASE WHEN moment >= TIMESTAMP '1800-01-01' AND moment < TIMESTAMP '2300-01-01' THEN moment END""",
    # A clock with an offset becomes UTC; one without is UTC already, or of the mapping's zone (`utc_of` below).
    """CREATE TEMP MACRO clock_of(v) AS CASE length(v)
        WHEN 10 THEN TRY_CAST(v AS TIMESTAMP) WHEN 7 THEN TRY_CAST(v || '-01' AS TIMESTAMP)
        WHEN 4 THEN TRY_CAST(v || '-01-01' AS TIMESTAMP)
        ELSE CASE WHEN length(v) >= 16 AND v[11] = 'T' AND v[5] = '-' AND v[8] = '-'
            THEN make_timestamp(epoch_us(TRY_CAST(v AS TIMESTAMPTZ))) END END""",
    """CREATE TEMP MACRO precision_of(v) AS CASE WHEN v IS NULL THEN NULL WHEN length(v) = 4 THEN 'year'
        WHEN length(v) = 7 THEN 'month' WHEN length(v) = 10 THEN 'day' WHEN v[17] = ':' THEN 'second'
        ELSE 'minute' END""",
    """CREATE TEMP MACRO offset_of(v) AS CAST(CASE WHEN length(v) < 16 THEN NULL WHEN right(v, 1) = 'Z' THEN 0
        WHEN v[-6] IN ('+', '-') THEN TRY_CAST(v[-6] || '1' AS INTEGER)
            * (TRY_CAST(v[-5:-4] AS INTEGER) * 60 + TRY_CAST(v[-2:] AS INTEGER)) END AS SMALLINT)""",
    # The last moment at which something that is dated `v` can have become known: a date is a whole day.
    """CREATE TEMP MACRO last_of(moment, v) AS moment + CASE length(v) WHEN 10 THEN INTERVAL 1 DAY
        WHEN 7 THEN INTERVAL 1 MONTH WHEN 4 THEN INTERVAL 1 YEAR ELSE INTERVAL 0 DAY END""",
    "CREATE TEMP MACRO number_of(v) AS CASE WHEN isfinite(TRY_CAST(v AS DOUBLE)) THEN TRY_CAST(v AS DOUBLE) END",
    r"""CREATE TEMP MACRO said_number(v) AS regexp_extract(trim(v),
        '^(<=|>=|<|>)? *([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$', ['comparator', 'number'])""",
    """CREATE TEMP MACRO ucum_of(q) AS CASE WHEN q.system = 'http://unitsofmeasure.org' THEN q.code END""",
    """CREATE TEMP MACRO answer(num, comparator, unit, ucum, code, ref) AS {'num': CAST(num AS DOUBLE),
        'comparator': CAST(comparator AS VARCHAR), 'unit': CAST(unit AS VARCHAR), 'ucum': CAST(ucum AS VARCHAR),
        'code': CAST(code AS VARCHAR), 'ref': CAST(ref AS VARCHAR)}""",
    """CREATE TEMP MACRO measured(q) AS
        answer(number_of(q.value), q.comparator, coalesce(q.unit, q.code), ucum_of(q), NULL, NULL)""",
    "CREATE TEMP MACRO no_answer() AS answer(NULL, NULL, NULL, NULL, NULL, NULL)",
    """CREATE TEMP MACRO first_text(attachments) AS list_filter(attachments,
        lambda a: a.data IS NOT NULL AND starts_with(lower(a.contentType), 'text/plain'))[1]""",
    """CREATE TEMP MACRO plain_text(attachments) AS nullif(TRY(decode(from_base64(first_text(attachments).data))), '')""",
    """CREATE TEMP MACRO language_of(tag) AS nullif(regexp_extract(lower(tag), '^([a-z]{2,3})([-_].*)?$', 1), '')""",
    "CREATE TEMP MACRO or_none(codings) AS CASE WHEN len(codings) > 0 THEN codings ELSE [NULL] END",
    "CREATE TEMP MACRO all_codings(concepts) AS flatten(list_transform(concepts, lambda c: coalesce(c.coding, [])))",
    "CREATE TEMP MACRO has_code(concept, wanted) AS list_contains(list_transform(concept.coding, lambda c: c.code), wanted)",
    # A reference as `Type/id`, without version and without the address of one of our servers. What points elsewhere
    # stays as it is, and is found nowhere.
    """CREATE TEMP MACRO bare(v) AS CASE WHEN contains(v, '/_history/') THEN split_part(v, '/_history/', 1) ELSE v END""",
    """CREATE TEMP MACRO local_of(v) AS
        CASE WHEN v[:4] = 'http' THEN regexp_replace(bare(v), getvariable('ours'), '') ELSE bare(v) END""",
)
"""Defined once on the connection of an ingest, before `utc_of`. They read the variables `ours` and `zone`."""

UTC = "CREATE TEMP MACRO utc_of(v) AS sane(clock_of(v))"
UTC_IN_ZONE = """CREATE TEMP MACRO utc_of(v) AS sane(CASE WHEN offset_of(v) IS NULL
    THEN make_timestamp(epoch_us(timezone(getvariable('zone'), clock_of(v)))) ELSE clock_of(v) END)"""
"""A FHIR date or time as a UTC clock; a clock without offset is UTC, or hangs in the mapping's zone."""


def addresses_of(servers: tuple[str, ...]) -> str:
    """The variable `ours`: a pattern of what an address on one of our servers begins with; of nothing, where none is."""
    bases = "|".join(re.escape(server.rstrip("/")) for server in servers)
    return f"^(?:{bases})/" if servers else r"[^\s\S]"
