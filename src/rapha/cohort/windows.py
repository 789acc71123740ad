"""Moments and windows of a row, as expressions over the columns of `entered`."""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.records.cohort_spec import ValueRange
from rapha.records.moments import Bound, Window
from rapha.records.study import DEATH


def moment(at: Bound, plan: Plan, bound: Parameters, row: str) -> str:
    """The moment, of the row table or alias `row`; NULL where the row has none."""
    if at.concept is not None:
        column = f"{row}.anchor{plan.anchors.index(Bound(anchor=at.anchor, concept=at.concept))}"
    else:
        columns = {"index": "index_at", "encounter start": "encounter_start", "encounter end": "encounter_end"}
        column = f"{row}.{columns[at.anchor]}"
    if at.offset is None:
        return column
    return f"({column} {'+' if at.side == 'after' else '-'} {bound.interval(at.offset)})"


def starts(window: Window, plan: Plan, bound: Parameters, row: str) -> str | None:
    """The moment after which the window begins; None where it has no beginning."""
    if window.relation in ("from", "between"):
        return moment(window.anchor, plan, bound, row)
    return f"{moment(window.anchor, plan, bound, row)} - {bound.interval(window.length)}" if window.length else None


def ends(window: Window, plan: Plan, bound: Parameters, row: str) -> str | None:
    """The moment at which the window ends; None where it has no end."""
    if window.end is not None:
        return moment(window.end, plan, bound, row)
    if window.relation == "from" and window.length is None:
        return None
    anchor = moment(window.anchor, plan, bound, row)
    return f"{anchor} + {bound.interval(window.length)}" if window.relation == "from" and window.length else anchor


def happened(plan: Plan, row: str) -> str:
    """When the event `e` happened, seen from the index of a row: a death that was given to a day, month or year happens at
    its first moment, or, where the index is no earlier than that, at its last."""
    if DEATH not in plan.concepts:
        return "e.happened"
    return f"CASE WHEN e.happened > {row}.index_at THEN e.happened ELSE e.latest END"


def stands(plan: Plan, row: str) -> str:
    """` AND` a predicate: what the event `e` says is not known to be otherwise at the index of a row. Nothing where none can be."""
    return f" AND (e.lost IS NULL OR e.lost > {row}.index_at)" if plan.carried else ""


def inside(window: Window, plan: Plan, bound: Parameters, row: str) -> str:
    """Predicate: the event `e` lies in the window. Windows are open at the start, closed at the end.

    A past window is of what was *known*: `e.known`, the later of when it happened and when the hospital had it. Any
    other is of what *happens*: see `happened`.
    """
    time = "e.known" if window.past else f"({happened(plan, row)})"
    first, last = starts(window, plan, bound, row), ends(window, plan, bound, row)
    rules = [f"{time} > {first}"] if first else []  # unknown where the row has not the moment: then nothing is inside
    rules += [f"{time} {'<' if window.relation == 'before' else '<='} {last}"] if last else []
    return " AND ".join(rules)


def in_range(value: ValueRange | None, bound: Parameters) -> str:
    """` AND` a predicate: the number of the event `e`, in its concept's unit, is known to lie in the range. Nothing for no
    range."""
    if value is None:
        return ""
    bounds = [
        (value.above, ">", ("'>'", "'>='"), ">=", "'>'"),
        (value.at_least, ">=", ("'>'", "'>='"), ">=", ""),
        (value.below, "<", ("'<'", "'<='"), "<=", "'<'"),
        (value.at_most, "<=", ("'<'", "'<='"), "<=", ""),
    ]
    rules = []
    for limit, sign, comparators, loose, strict in bounds:
        if limit is None:
            continue
        number = bound.bind(limit, "DOUBLE")
        own = f"(e.comparator IS NULL OR e.comparator IN ({', '.join(comparators)})) AND e.value {sign} {number}"
        rules.append(f"({own} OR e.comparator = {strict} AND e.value {loose} {number})" if strict else f"({own})")
    return "".join(f" AND coalesce({rule}, false)" for rule in rules)
