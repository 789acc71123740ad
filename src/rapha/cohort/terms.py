"""Which events a concept is made of: a study's code sets over the vocabulary that the site has.

A code set is its codes, exactly as they are written. Only with `mapped` or `descendants` is the site's vocabulary asked: then
an event is of a code by what its own code, or the site's concept for it, means; and with `descendants` a code is also all
below it. A study without any such set asks for nothing but `wanted`.

    asked    concept, excluded, meaning, below, system, code    the codes as the study writes them
    meant    concept, excluded, stands                 of those by their `meaning`: the site's concepts; of `below`, all below too
    coded    concept, excluded, system, code           codes as written, and codes whose concept, or a concept that it
                                                       maps to, is meant
    wanted   concept, system, code                     codes that make an event one of the concept
    heard    concept, stands                           the site's concepts that do, whatever the event's own code

`concept` is the number of a study's concept, `stands` one of the site's, as `events.concept` holds it. What is excluded
wins, over the code and over the site's concept of an event. Of notes by who wrote them, `penned` holds which may be of a concept.

A code that is no standard concept stands for what it maps to only with `below`: the hierarchy is of standard concepts.
"""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.cohort.variants import of_variants, qualifying

_ROOTS = """
named AS (
  SELECT asked.concept, excluded, below, concepts.concept AS stands, CASE WHEN below THEN maps_to END AS maps_to
  FROM asked
  JOIN concepts ON concepts.system = asked.system AND concepts.code = asked.code
  WHERE meaning
),
rooted AS (
  SELECT concept, excluded, below, stands FROM named
  UNION
  SELECT concept, excluded, below, unnest(maps_to) FROM named
)"""
_TERMS = """
meant AS MATERIALIZED (
  SELECT concept, excluded, stands FROM rooted
  UNION
  SELECT concept, excluded, descendant
  FROM rooted
  JOIN concept_ancestors ON ancestor = stands
  WHERE below
),
coded AS MATERIALIZED (
  SELECT concept, excluded, system, code FROM asked
  UNION
  SELECT meant.concept, excluded, system, code
  FROM meant
  JOIN (
    SELECT system, code, concept AS of FROM concepts
    UNION ALL
    SELECT system, code, unnest(maps_to) FROM concepts
  ) ON of = stands
),
wanted AS MATERIALIZED (
  SELECT concept, system, code FROM coded WHERE NOT excluded
  EXCEPT
  SELECT concept, system, code FROM coded WHERE excluded
),
heard AS MATERIALIZED (
  SELECT concept, stands FROM meant WHERE NOT excluded
  EXCEPT
  SELECT concept, stands FROM meant WHERE excluded
)"""


def terms(plan: Plan, bound: Parameters) -> list[str]:
    """The tables up to `wanted`, and up to `heard` where the vocabulary is asked; `qualifying` where variants are, `penned` where
    who wrote a note is."""
    coded = [_asked(plan, bound), _ROOTS, _TERMS] if plan.by_vocabulary else [_written(plan, bound)]
    return [*coded, *qualifying(plan, bound), *_penned(plan, bound)]


def _penned(plan: Plan, bound: Parameters) -> list[str]:
    """`penned`: concept, event_id of each note that is known to be written so. `bare`: the concepts that do not ask."""
    if not plan.penned:
        return []
    parts = []
    for number, asked in sorted(plan.penned.items()):
        rules = [
            f"list_contains({bound.bind(list(values), 'VARCHAR[]')}, {column})"
            for column, values in (("author", asked.by), ("language", asked.languages))
            if values
        ]
        concept = bound.bind(number, "INTEGER")
        parts.append(f"\n  SELECT {concept} AS concept, event_id FROM notes WHERE {' AND '.join(rules)}")
    others = [number for number in range(len(plan.concepts)) if number not in plan.penned]
    bare = f"\nbare AS MATERIALIZED (SELECT unnest({bound.bind(others, 'INTEGER[]')}) AS concept)"
    return [f"\npenned AS MATERIALIZED ({'  UNION ALL'.join(parts)}\n)", bare]


def _written(plan: Plan, bound: Parameters) -> str:
    excluded = {(entry.concept, entry.system, entry.code) for entry in plan.codes if entry.excluded}
    codes = [entry for entry in plan.codes if (entry.concept, entry.system, entry.code) not in excluded]
    concepts = bound.bind([entry.concept for entry in codes], "INTEGER[]")
    systems = bound.bind([entry.system for entry in codes], "VARCHAR[]")
    written = bound.bind([entry.code for entry in codes], "VARCHAR[]")
    return f"""
wanted AS (
  SELECT unnest({concepts}) AS concept, unnest({systems}) AS system, unnest({written}) AS code
)"""


def _asked(plan: Plan, bound: Parameters) -> str:
    columns = {
        "concept": bound.bind([entry.concept for entry in plan.codes], "INTEGER[]"),
        "excluded": bound.bind([entry.excluded for entry in plan.codes], "BOOLEAN[]"),
        "meaning": bound.bind([entry.descendants or entry.mapped for entry in plan.codes], "BOOLEAN[]"),
        "below": bound.bind([entry.descendants for entry in plan.codes], "BOOLEAN[]"),
        "system": bound.bind([entry.system for entry in plan.codes], "VARCHAR[]"),
        "code": bound.bind([entry.code for entry in plan.codes], "VARCHAR[]"),
    }
    listed = ", ".join(f"unnest({values}) AS {name}" for name, values in columns.items())
    return f"""
asked AS MATERIALIZED (
  SELECT {listed}
)"""


def of_the_study(plan: Plan, columns: str, free: str = "") -> str:
    """SQL: `wanted.concept`, `heard.concept` or that of a rule over variants, and these columns, of every event that is of it, once.
    `free`: SQL of further such events.

    Codes are looked for first, while the file is read: few of a hospital's events are of a study.
    """
    by_code = f"""
    SELECT wanted.concept, {columns}
    FROM (SELECT * FROM events WHERE code IN (SELECT code FROM wanted)) AS events
    JOIN wanted ON wanted.system = events.system AND wanted.code = events.code{_as_penned(plan, "wanted")}"""
    by_rule = f"\n    UNION ALL{of_variants(columns)}" if plan.variants else ""
    by_rule += f"\n    UNION ALL{free}" if free else ""
    if not plan.by_vocabulary:
        return by_code + by_rule
    if any(entry.excluded and (entry.descendants or entry.mapped) for entry in plan.codes):
        by_code += """
    WHERE NOT EXISTS (
      SELECT 1 FROM meant WHERE excluded AND meant.concept = wanted.concept AND meant.stands = events.concept)"""
    return f"""{by_code}
    UNION ALL
    SELECT heard.concept, {columns}
    FROM (SELECT * FROM events WHERE concept IN (SELECT stands FROM heard)) AS events
    JOIN heard ON heard.stands = events.concept{_as_penned(plan, "heard")}
    WHERE NOT EXISTS (
      SELECT 1 FROM coded
      WHERE coded.concept = heard.concept AND coded.system = events.system AND coded.code = events.code){by_rule}"""


def _as_penned(plan: Plan, table: str) -> str:
    """SQL, a further condition of a join: who wrote a note, where the concept asks."""
    if not plan.penned:
        return ""
    return f"""
      AND ({table}.concept IN (SELECT concept FROM bare) OR ({table}.concept, events.event_id) IN (SELECT concept, event_id FROM penned))"""


def hierarchy(plan: Plan, bound: Parameters) -> str:
    """A SELECT of `concept, system, code`: what is asked for with all below it, and the site cannot say what that is. It
    has not the code in its vocabulary; or no hierarchy over the codes of that system."""
    return f"""WITH{_asked(plan, bound)},{_ROOTS},
layered AS (
  SELECT DISTINCT system
  FROM (
    SELECT system, concept AS of FROM concepts
    UNION ALL
    SELECT system, unnest(maps_to) FROM concepts
  )
  WHERE system IN (SELECT system FROM asked WHERE below)
    AND of IN (SELECT ancestor FROM concept_ancestors WHERE ancestor <> descendant)
)
SELECT DISTINCT concept, system, code
FROM asked
WHERE below AND (
  system NOT IN (SELECT system FROM layered)
  OR NOT EXISTS (SELECT 1 FROM concepts WHERE concepts.system = asked.system AND concepts.code = asked.code)
)
ORDER BY concept, system, code
"""
