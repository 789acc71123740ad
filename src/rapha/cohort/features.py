"""What was known of a patient at the index. Makes `seen`: one column f0, f1, ... for each feature, in study order."""

from typing import assert_never

from rapha.cohort.outcome import MICROSECONDS_A_DAY
from rapha.cohort.parameters import Parameters, inside
from rapha.cohort.plan import Plan
from rapha.records.feature import AggregateFeature, DemographicFeature, Feature, SequenceFeature

DAYS_A_YEAR = 365.25
_INDEX = "cohort.index_at"


def seen(plan: Plan, bound: Parameters) -> list[str]:
    """The table `seen`. Every patient of the cohort has at least one event, the index, so the join loses nobody."""
    columns = "".join(
        f",\n         {_column(feature, plan, bound)} AS f{number}" for number, feature in enumerate(plan.features)
    )
    return [
        f"""
seen AS (
  SELECT cohort.subject_key{columns}
  FROM cohort
  JOIN happening AS e ON e.subject_key = cohort.subject_key
  GROUP BY cohort.subject_key
)"""
    ]


def _column(feature: Feature, plan: Plan, bound: Parameters) -> str:
    match feature:
        case AggregateFeature():
            return _aggregate(feature, plan, bound)
        case DemographicFeature(demographic="age"):
            days = f"(epoch_us({_INDEX}) - epoch_us(cohort.birth)) / {MICROSECONDS_A_DAY}.0"
            return f"any_value(CASE WHEN cohort.birth <= {_INDEX} THEN {days} / CAST({DAYS_A_YEAR} AS DOUBLE) END)"
        case DemographicFeature():
            return "any_value(CASE cohort.sex WHEN 'male' THEN 1.0 WHEN 'female' THEN 0.0 END)"
        case SequenceFeature():
            return _sequence(feature, plan, bound)
        case _:
            assert_never(feature)


def _aggregate(feature: AggregateFeature, plan: Plan, bound: Parameters) -> str:
    """`count` and `any` are of events; the others of those events that carry a number."""
    number = bound.bind(plan.number(feature.of), "INTEGER")
    there = f"e.concept = {number} AND {inside(feature.during, bound, _INDEX)}"
    valued = f"FILTER (WHERE {there} AND e.value IS NOT NULL)"
    match feature.aggregate:
        case "first":
            return f"arg_min(e.value, e.place) {valued}"
        case "last":
            return f"arg_max(e.value, e.place) {valued}"
        case "min" | "max":
            return f"{feature.aggregate}(e.value) {valued}"
        case "mean":  # in a fixed order, or two runs could differ in the last bit
            return f"avg(e.value ORDER BY e.value) {valued}"
        case "count":
            return f"CAST(count(DISTINCT e.place) FILTER (WHERE {there}) AS DOUBLE)"
        case "any":
            return f"CAST(count(*) FILTER (WHERE {there}) > 0 AS DOUBLE)"


def _sequence(feature: SequenceFeature, plan: Plan, bound: Parameters) -> str:
    """The last `at_most` events, oldest first: (place of the concept in `of`, number or null, days before index)."""
    concepts = bound.bind(plan.numbers(feature.of), "INTEGER[]")
    there = f"list_contains({concepts}, e.concept) AND {inside(feature.during, bound, _INDEX)}"
    days = f"(epoch_us({_INDEX}) - epoch_us(e.happened)) / {MICROSECONDS_A_DAY}.0"
    event = (
        f"struct_pack(concept := CAST(list_position({concepts}, e.concept) - 1 AS SMALLINT), "
        f"value := e.value, days := CAST({days} AS FLOAT))"
    )
    listed = f"list({event} ORDER BY e.place, e.concept) FILTER (WHERE {there})"
    return f"coalesce(list_slice({listed}, -{bound.bind(feature.at_most, 'INTEGER')}, -1), [])"
