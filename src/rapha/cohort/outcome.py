"""What became of them. Makes `answered`: `cohort` with `fate` (kept, competing, unobserved) and the label's columns.

What counts happens in (index, end of window] and not after the end of observation. Whoever is not kept is counted and
set apart: neither a case nor a control.
"""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.records.study import DEATH

MICROSECONDS_A_DAY = 86_400_000_000


def label_columns(plan: Plan) -> tuple[str, ...]:
    """The names of the label's columns, as the frozen dataset has them."""
    return ("label",) if plan.outcome.kind == "binary" else ("time", "event")


def answered(plan: Plan, bound: Parameters) -> list[str]:
    """The tables `ahead` (the first outcome and the first competing event, while observed) and `answered`."""
    assert plan.outcome.during.length is not None  # the record's own rule
    length = bound.interval(plan.outcome.during.length)
    event = bound.bind(plan.number(plan.outcome.event), "INTEGER")
    competing = "CAST(NULL AS TIMESTAMP)"
    if plan.outcome.competing is not None:
        number = bound.bind(plan.number(plan.outcome.competing), "INTEGER")
        competing = f"min(e.happened) FILTER (WHERE e.concept = {number})"
    ahead = f"""
ahead AS (
  SELECT cohort.subject_key, cohort.index_at, any_value(cohort.observed_to) AS observed_to,
         cohort.index_at + {length} AS ends_at,
         min(e.happened) FILTER (WHERE e.concept = {event}) AS event_at,
         {competing} AS competing_at
  FROM cohort
  LEFT JOIN happening AS e ON e.subject_key = cohort.subject_key AND e.happened > cohort.index_at
    AND e.happened <= cohort.index_at + {length} AND e.happened <= cohort.observed_to
  GROUP BY cohort.subject_key, cohort.index_at
)"""
    return [ahead, _binary(plan) if plan.outcome.kind == "binary" else _survival(plan)]


def _is_case(plan: Plan) -> str:
    """The event came, and no competing event came before it. Every event that counts is before a death (see
    `people`), also where the death is given to the day and the event to the minute."""
    if plan.outcome.competing in (None, DEATH):
        return "event_at IS NOT NULL"
    return "event_at IS NOT NULL AND (competing_at IS NULL OR event_at <= competing_at)"


def _binary(plan: Plan) -> str:
    return f"""
answered AS (
  SELECT subject_key,
         CASE WHEN {_is_case(plan)} THEN 'kept'
              WHEN competing_at IS NOT NULL THEN 'competing'
              WHEN observed_to >= ends_at THEN 'kept'
              ELSE 'unobserved' END AS fate,
         CAST({_is_case(plan)} AS TINYINT) AS label
  FROM ahead
)"""


def _survival(plan: Plan) -> str:
    return f"""
answered AS (
  SELECT subject_key, CASE WHEN stop_at > index_at THEN 'kept' ELSE 'unobserved' END AS fate,
         (epoch_us(stop_at) - epoch_us(index_at)) / {MICROSECONDS_A_DAY}.0 AS time,
         CAST(is_case AS TINYINT) AS event
  FROM (
    SELECT *, {_is_case(plan)} AS is_case,
           CASE WHEN {_is_case(plan)} THEN event_at ELSE least(competing_at, observed_to, ends_at) END AS stop_at
    FROM ahead
  )
)"""
