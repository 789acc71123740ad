"""What was known of a patient at the index. Makes `seen`: one column f0, f1, ... for each feature, in study order."""

from typing import assert_never

from rapha.cohort.dense import KIND_OF
from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.cohort.slope import DAYS_A_YEAR, INDEX, MICROSECONDS_A_DAY, slope
from rapha.cohort.windows import inside, stands, starts
from rapha.records.dense import DenseFeature
from rapha.records.feature import AggregateFeature, DemographicFeature, Feature, SequenceFeature
from rapha.records.moments import Window


def seen(plan: Plan, bound: Parameters) -> list[str]:
    """The table `seen`: one row for each row of the cohort."""
    columns = "".join(
        f",\n         {_column(feature, plan, bound)} AS f{number}" for number, feature in enumerate(plan.features)
    )
    return [
        f"""
seen AS (
  SELECT cohort.row{columns}
  FROM cohort
  LEFT JOIN happening AS e ON e.subject_key = cohort.subject_key AND e.known <= cohort.index_at{_since(plan, bound)}{stands(plan, "cohort")}
  GROUP BY cohort.row
)"""
    ]


def _since(plan: Plan, bound: Parameters) -> str:
    """` AND` a predicate: the event is not before all of the windows. Nothing where one of them has no beginning."""
    windows: dict[Window, None] = {}
    for feature in plan.features:
        if not isinstance(feature, DemographicFeature):
            windows[feature.during] = None
        if isinstance(feature, AggregateFeature) and feature.baseline:
            windows[feature.baseline.during] = None
    if not windows or any(window.relation in ("until", "before") and window.length is None for window in windows):
        return ""
    first = ", ".join(starts(window, plan, bound, "cohort") or "" for window in windows)
    return f" AND e.known > least({first})"


def _column(feature: Feature, plan: Plan, bound: Parameters) -> str:
    match feature:
        case AggregateFeature():
            return _aggregate(feature, plan, bound)
        case DemographicFeature(demographic="age"):
            days = f"(epoch_us({INDEX}) - epoch_us(cohort.birth)) / {MICROSECONDS_A_DAY}.0"
            return f"any_value(CASE WHEN cohort.birth <= {INDEX} THEN {days} / CAST({DAYS_A_YEAR} AS DOUBLE) END)"
        case DemographicFeature():
            return "any_value(CASE cohort.sex WHEN 'male' THEN 1.0 WHEN 'female' THEN 0.0 END)"
        case SequenceFeature():
            return _sequence(feature, plan, bound)
        case DenseFeature():
            return picked_asset(feature, plan, bound)
        case _:
            assert_never(feature)


def _aggregate(feature: AggregateFeature, plan: Plan, bound: Parameters) -> str:
    """`count` and `any` are of events; the others of those events that carry a number."""
    number = bound.bind(plan.number(feature.of), "INTEGER")
    there = f"e.concept = {number} AND {inside(feature.during, plan, bound, 'cohort')}"
    valued = f"FILTER (WHERE {there} AND e.value IS NOT NULL)"
    match feature.aggregate:
        case "first" | "last" | "min" | "max" | "mean" | "sum":
            return _picked(feature.aggregate, valued)
        case "count":
            return f"CAST(count(*) FILTER (WHERE {there}) AS DOUBLE)"
        case "any":
            return f"CAST(count(*) FILTER (WHERE {there}) > 0 AS DOUBLE)"
        case "since":
            return _days("max(e.happened)", f"FILTER (WHERE {there})")
        case "slope":
            return slope(valued, feature.per == "year")
        case "ratio":
            return _ratio(feature, number, valued, plan, bound)
        case _:
            assert_never(feature.aggregate)


def _picked(aggregate: str, valued: str) -> str:
    """One number of many. Means and sums are taken in a fixed order, or two runs could differ in the last bit."""
    columns = {
        "first": "arg_min(e.value, e.place)",
        "last": "arg_max(e.value, e.place)",
        "min": "min(e.value)",
        "max": "max(e.value)",
        "mean": "avg(e.value ORDER BY e.value)",
        "sum": "sum(e.value ORDER BY e.value)",
    }
    return f"{columns[aggregate]} {valued}"


def _days(moment: str, there: str) -> str:
    """Days from a moment to the index."""
    return f"(epoch_us(any_value({INDEX})) - epoch_us({moment} {there})) / {MICROSECONDS_A_DAY}.0"


def _ratio(feature: AggregateFeature, number: str, valued: str, plan: Plan, bound: Parameters) -> str:
    assert feature.baseline is not None  # the record's own rule
    there = f"e.concept = {number} AND {inside(feature.baseline.during, plan, bound, 'cohort')}"
    baseline = _picked(feature.baseline.pick, f"FILTER (WHERE {there} AND e.value IS NOT NULL)")
    return f"{_picked('last', valued)} / nullif({baseline}, 0)"


def _sequence(feature: SequenceFeature, plan: Plan, bound: Parameters) -> str:
    """The last `at_most` events, oldest first: (place of the concept in `of`, number or null, days before index)."""
    concepts = bound.bind(plan.numbers(feature.of), "INTEGER[]")
    there = f"list_contains({concepts}, e.concept) AND {inside(feature.during, plan, bound, 'cohort')}"
    days = f"(epoch_us({INDEX}) - epoch_us(e.happened)) / {MICROSECONDS_A_DAY}.0"
    event = (
        f"struct_pack(concept := CAST(list_position({concepts}, e.concept) - 1 AS SMALLINT), "
        f"value := e.value, days := CAST({days} AS FLOAT))"
    )
    listed = f"list({event} ORDER BY e.place, e.concept) FILTER (WHERE {there})"
    return f"coalesce(list_slice({listed}, -{bound.bind(feature.at_most, 'INTEGER')}, -1), [])"


def picked_asset(feature: DenseFeature, plan: Plan, bound: Parameters) -> str:
    """The name of the asset of the first or last event that has one of this kind; of several at one moment, by that name."""
    number = bound.bind(plan.number(feature.of), "INTEGER")
    there = f"e.concept = {number} AND {inside(feature.during, plan, bound, 'cohort')}"
    picked, kind = "arg_min" if feature.pick == "first" else "arg_max", bound.bind(KIND_OF[feature.kind], "VARCHAR")
    return f"{picked}(e.asset, (e.place, e.asset)) FILTER (WHERE {there} AND e.asset_kind = {kind})"
