"""What became of them. Makes `answered`: `cohort` with `fate` (kept, competing, unobserved) and the label's columns.

What counts happens in (index, end of window] and not after the end of observation. Whoever is not kept is counted and
set apart: neither a case nor a control.
"""

from rapha.cohort.dense import KIND_OF
from rapha.cohort.features import picked_asset
from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.cohort.slope import MICROSECONDS_A_DAY, slope
from rapha.cohort.windows import ends, happened, in_range, stands, starts
from rapha.records.dense import ImageFeature
from rapha.records.outcome import Reading, RiseRule, ValueRule
from rapha.records.segmenter import MASK
from rapha.records.study import DEATH

_NEVER = "CAST(NULL AS TIMESTAMP)"


def label_columns(plan: Plan) -> tuple[str, ...]:
    """The names of the label's columns, as the frozen dataset has them."""
    match plan.outcome.kind:
        case "binary" | "categorical":
            return ("label",)
        case "numeric":
            return ("value",)
        case "segment":
            return (MASK,)
        case "time-to-event":
            return ("time", "event", "cause") if plan.outcome.competing else ("time", "event")


def answered(plan: Plan, bound: Parameters) -> list[str]:
    """The tables `ahead` (what happened first, while observed) and `answered`."""
    if plan.outcome.drawn:
        return _segmented(plan, bound)
    first, last = starts(plan.outcome.during, plan, bound, "cohort"), ends(plan.outcome.during, plan, bound, "cohort")
    at = happened(plan, "cohort")
    within = f"{at} > {first}"
    columns = _competing(plan, bound)
    columns += _event(plan, bound, within)
    columns += [f"{column} AS {name}" for name, column in _readings(plan, bound, within).items()]
    listed = ",\n         ".join(columns)
    ahead = f"""
ahead AS (
  SELECT cohort.row, any_value(cohort.subject_key) AS subject_key, any_value(cohort.index_at) AS index_at,
         any_value(cohort.observed_to) AS observed_to, any_value({last}) AS ends_at,
         {listed}
  FROM cohort
  LEFT JOIN {_source(plan, bound)} AS e ON e.subject_key = cohort.subject_key AND {at} > cohort.index_at
    AND {at} <= {last} AND {at} <= cohort.observed_to{stands(plan, "cohort")}
  GROUP BY cohort.row
)"""
    return [ahead, _survival(plan) if plan.outcome.kind == "time-to-event" else _set_apart(plan)]


def _segmented(plan: Plan, bound: Parameters) -> list[str]:
    """The masks of the very volume that the image feature picks, one of each segment, whenever they were drawn: they say nothing of later
    than the image. Of two different masks of one segment none counts; whose volume lacks one of the segments is unknown, not without it."""
    (image,) = (feature for feature in plan.features if isinstance(feature, ImageFeature))
    numbers = [bound.bind(plan.number(segment), "INTEGER") for segment in plan.outcome.drawn]
    one_of_each = " AND ".join(f"count(DISTINCT m.asset) FILTER (WHERE m.concept = {number}) = 1" for number in numbers)
    masks = ", ".join(f"min(m.asset) FILTER (WHERE m.concept = {number})" for number in numbers)
    return [
        f"""
ahead AS (
  SELECT cohort.row, any_value(cohort.subject_key) AS subject_key, any_value(cohort.index_at) AS index_at,
         {picked_asset(image, plan, bound)} AS picture
  FROM cohort
  LEFT JOIN happening AS e ON e.subject_key = cohort.subject_key AND e.known <= cohort.index_at
  GROUP BY cohort.row
)""",
        f"""
answered AS (
  SELECT ahead.row, any_value(ahead.subject_key) AS subject_key, any_value(ahead.index_at) AS index_at,
         CASE WHEN {one_of_each} THEN 'kept' ELSE 'unobserved' END AS fate, [{masks}] AS {MASK}
  FROM ahead
  LEFT JOIN happening AS m ON m.subject_key = ahead.subject_key AND m.concept IN ({", ".join(numbers)})
    AND m.asset_kind = {bound.bind(KIND_OF["segment"], "VARCHAR")} AND m.asset_of = ahead.picture
  GROUP BY ahead.row
)""",
    ]


def _competing(plan: Plan, bound: Parameters) -> list[str]:
    """`competing_at`, the first of the competing events, by when it may have happened at the latest; and its cause."""
    outcome = plan.outcome
    if not outcome.competing:
        return [f"{_NEVER} AS competing_at", f"{_NEVER} AS competing_by"]
    numbers = bound.bind(plan.numbers(outcome.competing), "INTEGER[]")
    there = f"list_contains({numbers}, e.concept)"
    columns = _first(plan, "competing", there)
    if outcome.kind == "time-to-event":
        cause = f"CAST(list_position({numbers}, e.concept) + 1 AS TINYINT)"
        columns.append(f"arg_min({cause}, ({_latest(plan)}, {cause})) FILTER (WHERE {there}) AS competing_cause")
    return columns


def _first(plan: Plan, name: str, there: str) -> list[str]:
    """When the first of some events happened; and the latest moment of it, which says what came before what: whatever
    else is on the record happened before a death, also where that was given to the day and the rest to the minute."""
    at, latest = happened(plan, "cohort"), _latest(plan)
    return [
        f"arg_min({at}, ({latest}, {at})) FILTER (WHERE {there}) AS {name}_at",
        f"min({latest}) FILTER (WHERE {there}) AS {name}_by",
    ]


def _latest(plan: Plan) -> str:
    return "e.latest" if DEATH in plan.concepts else "e.happened"


def _event(plan: Plan, bound: Parameters, within: str) -> list[str]:
    """The first moment of the outcome in the window."""
    match plan.outcome.event:
        case ValueRule() as rule:
            concept = bound.bind(plan.number(rule.first), "INTEGER")
            there = f"e.concept = {concept} AND {within}{in_range(rule.value, bound)}"
        case RiseRule():
            there = f"e.risen AND {within}"
        case None if plan.outcome.events:
            there = (
                f"list_contains({bound.bind(plan.numbers(plan.outcome.events), 'INTEGER[]')}, e.concept) AND {within}"
            )
        case None:
            return [f"{_NEVER} AS event_at", f"{_NEVER} AS event_by"]
        case concept_name:
            there = f"e.concept = {bound.bind(plan.number(concept_name), 'INTEGER')} AND {within}"
    return _first(plan, "event", there)


def _readings(plan: Plan, bound: Parameters, within: str) -> dict[str, str]:
    """What the label is made of, beside moments."""
    outcome = plan.outcome
    if outcome.kind == "categorical":
        numbers = bound.bind(plan.numbers(outcome.events), "INTEGER[]")
        place = f"list_position({numbers}, e.concept)"
        there = f"FILTER (WHERE list_contains({numbers}, e.concept) AND {within})"
        return {"class": f"CAST(coalesce(arg_min({place}, ({_latest(plan)}, {place})) {there}, 0) AS TINYINT)"}
    if outcome.value is None:
        return {}
    return {"value": _reading(outcome.value, plan, bound, within)}


def _reading(reading: Reading, plan: Plan, bound: Parameters, within: str) -> str:
    there = f"e.concept = {bound.bind(plan.number(reading.of), 'INTEGER')} AND {within} AND e.value IS NOT NULL"
    if reading.pick == "slope":
        return slope(f"FILTER (WHERE {there})", reading.per == "year")
    columns = {
        "first": "arg_min(e.value, e.place)",
        "last": "arg_max(e.value, e.place)",
        "min": "min(e.value)",
        "max": "max(e.value)",
        "mean": "avg(e.value ORDER BY e.value)",
    }
    return f"{columns[reading.pick]} FILTER (WHERE {there})"


def _source(plan: Plan, bound: Parameters) -> str:
    """The events; for a rise, each with whether it has `risen` over the lowest of the stretches up to it."""
    rule = plan.outcome.event
    if not isinstance(rule, RiseRule):
        return "happening"
    number = f"CASE WHEN concept = {bound.bind(plan.number(rule.rise), 'INTEGER')} AND value > 0 THEN value END"
    rules = []
    if rule.ratio is not None and rule.within is not None:
        least = _least(number, rule.within.count, rule.within.unit, bound)
        quotient = f"round({number} / {least}, 9) >= {bound.bind(rule.ratio, 'DOUBLE')}"
        rules.append(f"coalesce({quotient}, false)")
    if rule.by is not None and rule.by_within is not None:
        least = _least(number, rule.by_within.count, rule.by_within.unit, bound)
        rules.append(f"coalesce(round({number} - {least}, 9) >= {bound.bind(rule.by, 'DOUBLE')}, false)")
    return f"(SELECT *, {' OR '.join(rules)} AS risen FROM happening)"


def _least(number: str, count: int, unit: str, bound: Parameters) -> str:
    """The lowest number of the stretch that ends with an event, both ends included."""
    frame = f"RANGE BETWEEN to_{unit}({bound.bind(count, 'INTEGER')}) PRECEDING AND CURRENT ROW"
    return f"min({number}) OVER (PARTITION BY subject_key ORDER BY happened {frame})"


_CASE = "event_at IS NOT NULL AND (competing_by IS NULL OR event_by <= competing_by)"
"""The event came, and no competing event came before it."""


def _set_apart(plan: Plan) -> str:
    """One rule for every label but a time: there, else competing, else watched to the end, else unknown."""
    there, watched = _CASE, "observed_to >= ends_at AND ends_at > index_at"
    label = f"CAST({_CASE} AS TINYINT) AS label"
    if plan.outcome.kind == "categorical":
        none = plan.outcome.none == "class"
        watched = watched if none else "false"
        label = f"CASE WHEN {_CASE} THEN {'class' if none else 'CAST(class - 1 AS TINYINT)'} ELSE CAST(0 AS TINYINT) END AS label"
    if plan.outcome.kind == "numeric":
        there, watched, label = "value IS NOT NULL", "false", "value"
    return f"""
answered AS (
  SELECT row, subject_key, index_at,
         CASE WHEN {there} THEN 'kept'
              WHEN competing_at IS NOT NULL THEN 'competing'
              WHEN {watched} THEN 'kept'
              ELSE 'unobserved' END AS fate,
         {label}
  FROM ahead
)"""


def _survival(plan: Plan) -> str:
    cause = ""
    if plan.outcome.competing:
        ended = "competing_at IS NOT NULL AND stop_at = competing_at"
        cause = f",\n         CAST(CASE WHEN is_case THEN 1 WHEN {ended} THEN competing_cause ELSE 0 END AS TINYINT) AS cause"
    return f"""
answered AS (
  SELECT row, subject_key, index_at, CASE WHEN stop_at > index_at THEN 'kept' ELSE 'unobserved' END AS fate,
         (epoch_us(stop_at) - epoch_us(index_at)) / {MICROSECONDS_A_DAY}.0 AS time,
         CAST(is_case AS TINYINT) AS event{cause}
  FROM (
    SELECT *, {_CASE} AS is_case,
           CASE WHEN {_CASE} THEN event_at WHEN ends_at IS NOT NULL THEN least(competing_at, observed_to, ends_at) END
             AS stop_at
    FROM ahead
  )
)"""
