"""Who is in. Makes `cohort`: the rows of `entered` for which every `include` holds and no `exclude` does.

A criterion holds where it is known to hold: a patient of unknown age meets no criterion of age, so is neither included
nor excluded by one.
"""

from typing import assert_never

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.cohort.windows import in_range, inside, stands
from rapha.records.cohort_spec import (
    OLDEST,
    AgeCriterion,
    BothCriterion,
    Criterion,
    EitherCriterion,
    EventCriterion,
    NotCriterion,
    ObservedCriterion,
    SexCriterion,
    WithinCriterion,
)


def cohort(plan: Plan, bound: Parameters) -> list[str]:
    """The tables `history` (one column for each criterion over events) and `cohort`."""
    columns: list[str] = []
    include = [_holds(criterion, columns, plan, bound) for criterion in plan.cohort.include]
    exclude = [_holds(criterion, columns, plan, bound) for criterion in plan.cohort.exclude]
    rules = [*include, *(f"NOT {rule}" for rule in exclude)]
    listed = "".join(f",\n         {column} AS c{number}" for number, column in enumerate(columns))
    return [
        f"""
history AS (
  SELECT entered.row{listed}
  FROM entered
  LEFT JOIN happening AS e ON e.subject_key = entered.subject_key{stands(plan, "entered")}
  GROUP BY entered.row
)""",
        f"""
cohort AS MATERIALIZED (
  SELECT entered.*
  FROM entered
  JOIN history ON history.row = entered.row
  WHERE {" AND ".join(rules) or "true"}
)""",
    ]


def _holds(criterion: Criterion, columns: list[str], plan: Plan, bound: Parameters) -> str:
    match criterion:
        case EventCriterion():
            columns.append(_events(criterion, plan, bound))
            return f"c{len(columns) - 1}"
        case AgeCriterion():
            return f"coalesce({_age(criterion, bound)}, false)"
        case SexCriterion():
            return f"coalesce(sex = {bound.bind(criterion.sex, 'VARCHAR')}, false)"
        case ObservedCriterion():
            return f"(observed_from <= index_at - {bound.interval(criterion.before)})"
        case WithinCriterion():
            return "coalesce(encounter_start <= index_at AND coalesce(index_at < encounter_end, true), false)"
        case BothCriterion():
            return "(" + " AND ".join(_holds(one, columns, plan, bound) for one in criterion.of) + ")"
        case EitherCriterion():
            return "(" + " OR ".join(_holds(one, columns, plan, bound) for one in criterion.of) + ")"
        case NotCriterion():
            return f"(NOT {_holds(criterion.of, columns, plan, bound)})"
        case _:
            assert_never(criterion)


def _age(criterion: AgeCriterion, bound: Parameters) -> str:
    """Completed years: the birthday that begins the first is past, the one that ends the last is not.

    No upper bound is none: sources give an age of 300 to whoever is too old to be told apart.
    """
    rule = f"birth + to_years({bound.bind(criterion.at_least, 'INTEGER')}) <= index_at"
    if criterion.at_most < OLDEST:
        rule += f" AND index_at < birth + to_years({bound.bind(criterion.at_most + 1, 'INTEGER')})"
    return f"({rule})"


def _events(criterion: EventCriterion, plan: Plan, bound: Parameters) -> str:
    """One boolean for each patient, over that patient's events in the window."""
    concepts = plan.numbers(criterion.of)
    listed = bound.bind(concepts, "INTEGER[]")
    there = f"list_contains({listed}, e.concept) AND {inside(criterion.during, plan, bound, 'entered')}"
    there += in_range(criterion.value, bound)
    match criterion.match:
        case "any":
            least = bound.bind(criterion.at_least, "INTEGER")
            one = (
                "*"
                if len(concepts) == 1 or (criterion.at_least, criterion.at_most) == (1, None)
                else "DISTINCT e.event_id"
            )
            counted = f"count({one}) FILTER (WHERE {there})"
            if criterion.at_most is None:
                return f"{counted} >= {least}"
            return f"{counted} BETWEEN {least} AND {bound.bind(criterion.at_most, 'INTEGER')}"
        case "all":
            every = bound.bind(len(concepts), "INTEGER")
            return f"count(DISTINCT e.concept) FILTER (WHERE {there}) = {every}"
        case "none":
            return f"count(*) FILTER (WHERE {there}) = 0"
