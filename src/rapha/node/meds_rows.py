"""What a timeline has, as rows of MEDS 0.4.1: one SELECT for a range of patients.

An event stands at the time it was *known*, so that no tool sees it sooner. One that lasts is two rows, `...//start` and
`...//end`, each with the `event_id` that ties them. A number with a comparator is a text ("<5"), as MEDS has no comparator
and 5 would be another statement. Events that do not count for a cohort are not there, nor is anybody who opted out.
"""

from rapha.timeline.schema import USABLE_STATUSES

SEPARATOR = "//"
"""Between a system and its code."""
BIRTH, DEATH = "MEDS_BIRTH", "MEDS_DEATH"
_KNOWN = "timezone('UTC', greatest(t_start, coalesce(t_available, t_start)))"
_USABLE = (
    f"status IN ({', '.join(repr(status) for status in USABLE_STATUSES)}) AND polarity = 'affirmed' AND NOT deleted"
)
_LASTS = "t_end > t_start"
_PEOPLE = """
person AS (
  SELECT subject_key, min(timezone('UTC', birth)) AS birth, min(timezone('UTC', death)) AS death,
         CASE WHEN count(DISTINCT sex) = 1 THEN min(sex) END AS sex
  FROM subjects GROUP BY subject_key HAVING NOT bool_or(opted_out)
)"""
_EVENTS = f"""
counted AS (
  SELECT events.subject_key, coalesce(system || '//', '') || code AS named, {_KNOWN} AS known,
         {_LASTS} AS lasts, timezone('UTC', t_end) AS ends, event_id, comparator, value_code,
         coalesce(num_canonical, num) AS number, CASE WHEN num_canonical IS NULL THEN unit ELSE unit_ucum END AS unit
  FROM events JOIN person ON person.subject_key = events.subject_key
  WHERE {_USABLE} AND t_start IS NOT NULL AND code IS NOT NULL
)"""
ROWS = f"""
WITH {_PEOPLE},{_EVENTS},
written AS (
  SELECT subject_key, CAST(NULL AS TIMESTAMP) AS time, 'SEX//' || sex AS code, CAST(NULL AS DOUBLE) AS number,
         CAST(NULL AS VARCHAR) AS text, CAST(NULL AS VARCHAR) AS unit, CAST(NULL AS VARCHAR) AS comparator,
         CAST(NULL AS VARCHAR) AS event_id, CAST(NULL AS VARCHAR) AS edge
  FROM person WHERE sex IS NOT NULL
  UNION ALL SELECT subject_key, birth, '{BIRTH}', NULL, NULL, NULL, NULL, NULL, NULL FROM person WHERE birth IS NOT NULL
  UNION ALL SELECT subject_key, death, '{DEATH}', NULL, NULL, NULL, NULL, NULL, NULL FROM person WHERE death IS NOT NULL
  UNION ALL
  SELECT subject_key, known, named || if(lasts, '//start', ''), if(comparator IS NULL, number, NULL),
         if(comparator IS NULL, value_code, comparator || CAST(number AS VARCHAR)), unit, comparator, event_id,
         CASE WHEN lasts THEN 'start' END
  FROM counted
  UNION ALL
  SELECT subject_key, greatest(ends, known), named || '//end', NULL, NULL, NULL, NULL, event_id, 'end'
  FROM counted WHERE lasts
)
SELECT subject_key AS subject_id, time, code, TRY_CAST(number AS FLOAT) AS numeric_value, text AS text_value, unit,
       comparator, event_id, edge,
       number IS NOT NULL AND coalesce(CAST(TRY_CAST(number AS FLOAT) AS DOUBLE) <> number, true) AS rounded
FROM written WHERE subject_key BETWEEN $first AND $last
ORDER BY subject_id, time NULLS FIRST, code, event_id, edge"""
"""One row of MEDS each; `rounded`: the number is not the one that the timeline has."""

SIZES = f"""
WITH {_PEOPLE},{_EVENTS}
SELECT person.subject_key, count(counted.subject_key) FROM person LEFT JOIN counted USING (subject_key)
GROUP BY person.subject_key ORDER BY person.subject_key"""
"""How many events each patient brings."""

LEFT_OUT = f"""
WITH {_PEOPLE}
SELECT reason, count(*) FROM (
  SELECT CASE WHEN person.subject_key IS NULL THEN 'of a patient who opted out'
              WHEN NOT ({_USABLE}) THEN 'cancelled, entered in error, negated or deleted'
              WHEN t_start IS NULL THEN 'without a time' WHEN code IS NULL THEN 'without a code' END AS reason
  FROM events LEFT JOIN person ON person.subject_key = events.subject_key)
WHERE reason IS NOT NULL GROUP BY reason ORDER BY reason"""
"""Events that are not written, by reason."""

PERIODS = f"""
WITH {_PEOPLE}
SELECT subject_key AS subject_id, timezone('UTC', t_start) AS start_time, timezone('UTC', t_end) AS end_time
FROM observation_periods JOIN person USING (subject_key) WHERE t_start <= t_end ORDER BY ALL"""

CODES = f"""
WITH {_PEOPLE},
used AS (
  SELECT DISTINCT coalesce(events.system || '//', '') || events.code AS named, events.system, events.code, concept, {_LASTS} AS lasts
  FROM events JOIN person USING (subject_key) WHERE {_USABLE} AND t_start IS NOT NULL AND code IS NOT NULL
),
known AS (SELECT concept, system || '//' || code AS named, system, code, name, maps_to FROM concepts),
meant AS (
  SELECT used.named, used.concept FROM used WHERE used.concept IS NOT NULL
  UNION SELECT used.named, known.concept FROM used JOIN known ON known.system = used.system AND known.code = used.code
  UNION SELECT used.named, unnest(known.maps_to) FROM used JOIN known ON known.system = used.system AND known.code = used.code
),
above AS (
  SELECT meant.named, known.named AS parent FROM meant JOIN known ON known.concept = meant.concept
  UNION SELECT meant.named, known.named FROM meant JOIN concept_ancestors ON descendant = meant.concept
        JOIN known ON known.concept = ancestor
)
SELECT code, description, parents FROM (
  SELECT DISTINCT used.named || unnest(if(used.lasts, ['//start', '//end'], [''])) AS code, texts.name AS description, parents
  FROM used
  LEFT JOIN (SELECT named, any_value(name) AS name FROM known GROUP BY named) AS texts ON texts.named = used.named
  LEFT JOIN (SELECT named, list_sort(list(DISTINCT parent)) AS parents FROM above WHERE parent <> named GROUP BY named)
    AS parents ON parents.named = used.named
  UNION SELECT 'SEX//' || sex, NULL, NULL FROM person WHERE sex IS NOT NULL
  UNION SELECT '{BIRTH}', NULL, NULL FROM person WHERE birth IS NOT NULL
  UNION SELECT '{DEATH}', NULL, NULL FROM person WHERE death IS NOT NULL
) ORDER BY code"""
"""Every code that is written; its name, and all that stands above it, where the site's vocabulary has them."""
