"""Who enters, and when. Makes `entered`: one row for each patient and index.

period   subject_key, observed_from, observed_to       under observation, gaps closed, ended by death
entry    subject_key, moment, began                    the index events; `began`: of an encounter, its start
stay     subject_key, began, ended                     the encounters
entered  row, subject_key, index_at, birth, sex, observed_from, observed_to, encounter_start, encounter_end,
         anchor0, anchor1, ... (the events that windows are anchored to)
"""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.cohort.windows import happened, stands

_PERIOD = """
period AS (
  SELECT joined.subject_key, min(starts) AS observed_from, least(max(ends), any_value(person.ended)) AS observed_to
  FROM (
    SELECT *, sum(CASE WHEN starts <= reached THEN 0 ELSE 1 END)
                OVER (PARTITION BY subject_key ORDER BY starts, ends ROWS UNBOUNDED PRECEDING) AS stretch
    FROM (
      SELECT *, max(ends) OVER (PARTITION BY subject_key ORDER BY starts, ends
                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
      FROM (
        SELECT subject_key, timezone('UTC', t_start) AS starts, timezone('UTC', t_end) AS ends
        FROM observation_periods
        WHERE t_start <= t_end
      )
    )
  ) AS joined
  JOIN person ON person.subject_key = joined.subject_key
  GROUP BY joined.subject_key, stretch
)"""


def entered(plan: Plan, bound: Parameters) -> list[str]:
    """The tables up to `entered`. An index lies in a period of observation."""
    return [_PERIOD, _entry(plan, bound), *_stay(plan, bound), _indexed(plan, bound), _entered(plan, bound)]


def _entry(plan: Plan, bound: Parameters) -> str:
    index = plan.cohort.index
    time = "happened" if index.at == "start" else "lasted_to"
    began = "CAST(NULL AS TIMESTAMP)"
    if plan.cohort.encounter:
        stays = bound.bind(plan.numbers(plan.cohort.encounter), "INTEGER[]")
        began = f"max(happened) FILTER (WHERE list_contains({stays}, concept))"
    return f"""
entry AS (
  SELECT subject_key, {time} AS moment, {began} AS began
  FROM happening
  WHERE list_contains({bound.bind(plan.numbers(index.of), "INTEGER[]")}, concept) AND {time} IS NOT NULL
  GROUP BY subject_key, {time}
)"""


def _stay(plan: Plan, bound: Parameters) -> list[str]:
    if not plan.cohort.encounter:
        return []
    stays = bound.bind(plan.numbers(plan.cohort.encounter), "INTEGER[]")
    return [
        f"""
stay AS (
  SELECT subject_key, happened AS began, CASE WHEN count(*) = count(lasted_to) THEN max(lasted_to) END AS ended
  FROM happening
  WHERE list_contains({stays}, concept)
  GROUP BY subject_key, happened
)"""
    ]


def _indexed(plan: Plan, bound: Parameters) -> str:
    """An index event after its washout, at its place in the patient's row of them."""
    index = plan.cohort.index
    at = f"moment + {bound.interval(index.after)}" if index.after else "moment"
    washed, before, last = "", "", ""
    if index.washout:
        clean = f"moment - {bound.interval(index.washout)}"
        before = ", lag(moment) OVER (PARTITION BY subject_key ORDER BY moment) AS previous"
        washed = f"\n  WHERE (previous IS NULL OR previous <= {clean}) AND observed_from <= {clean}"
    if index.pick != "every":
        order = "moment" if index.pick == "first" else "moment DESC"
        last = f"\n  QUALIFY row_number() OVER (PARTITION BY entry.subject_key ORDER BY {order}) = 1"
    return f"""
indexed AS (
  SELECT entry.subject_key, {at} AS index_at, coalesce(began, moment) AS looked_up, observed_from, observed_to
  FROM (SELECT *{before} FROM entry) AS entry
  JOIN period ON period.subject_key = entry.subject_key AND {at} BETWEEN observed_from AND observed_to{washed}{last}
)"""


def _entered(plan: Plan, bound: Parameters) -> str:
    stay, start, end = "", "CAST(NULL AS TIMESTAMP)", "CAST(NULL AS TIMESTAMP)"
    if plan.cohort.encounter:
        stay = "\n  ASOF LEFT JOIN stay ON stay.subject_key = indexed.subject_key AND stay.began <= looked_up"
        start, end = (
            f"CASE WHEN stay.ended IS NULL OR stay.ended >= looked_up THEN stay.{one} END" for one in ("began", "ended")
        )
    one = f"""
  SELECT row_number() OVER () AS row, indexed.subject_key, index_at, person.birth, person.sex, observed_from,
         observed_to, {start} AS encounter_start, {end} AS encounter_end
  FROM indexed
  JOIN person ON person.subject_key = indexed.subject_key{stay}"""
    if not plan.anchors:
        return f"\nentered AS MATERIALIZED ({one}\n)"
    columns = "".join(f",\n         {_anchor(n, plan, bound)} AS anchor{n}" for n in range(len(plan.anchors)))
    return f"""
unanchored AS MATERIALIZED ({one}
),
anchored AS (
  SELECT r.row{columns}
  FROM unanchored AS r
  JOIN happening AS e ON e.subject_key = r.subject_key
  GROUP BY r.row
),
entered AS MATERIALIZED (
  SELECT unanchored.*, anchored.* EXCLUDE (row)
  FROM unanchored
  JOIN anchored ON anchored.row = unanchored.row
)"""


def _anchor(number: int, plan: Plan, bound: Parameters) -> str:
    anchor = plan.anchors[number]
    assert anchor.concept is not None  # the record's own rule
    there = f"e.concept = {bound.bind(plan.number(anchor.concept), 'INTEGER')}{stands(plan, 'r')}"
    if anchor.anchor == "next":
        at = happened(plan, "r")
        return f"min({at}) FILTER (WHERE {there} AND {at} > r.index_at)"
    return f"max(e.happened) FILTER (WHERE {there} AND e.known <= r.index_at)"
