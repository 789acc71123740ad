"""A study's cohort as one SELECT: the rows of the frozen dataset, and those set apart."""

from dataclasses import dataclass, replace

from rapha.cohort.called import set_apart
from rapha.cohort.criteria import cohort
from rapha.cohort.entry import entered
from rapha.cohort.features import seen
from rapha.cohort.outcome import answered, label_columns
from rapha.cohort.parameters import Parameters
from rapha.cohort.people import people, used_of
from rapha.cohort.plan import Plan, plan_of
from rapha.cohort.split import order_column, split_column
from rapha.cohort.terms import hierarchy
from rapha.records.study import Study
from rapha.records.variant_rule import CARRIERS


@dataclass(frozen=True)
class Statement:
    """Text of our own words, and the study's values beside it."""

    text: str
    parameters: dict[str, object]


def cohort_statement(plan: Plan, key: bytes) -> Statement:
    """Columns: `fate` (kept, competing, unobserved, uncalled), `patient` (never written), `split`, f0, f1, ... in study order,
    then the label's columns.

    One row for each patient and index of the cohort, in the order of the dataset. `key` is the site's secret.
    """
    bound = Parameters()
    used = used_of(_asked(plan, Parameters()))
    tables = [*people(plan, bound, used), *_asked(plan, bound)]
    fate = (
        "CASE WHEN answered.row IN (SELECT row FROM uncalled) THEN 'uncalled' ELSE fate END AS fate"
        if plan.excluding
        else "fate"
    )
    columns = [fate, "answered.subject_key AS patient", f"{split_column(plan, key, bound)} AS split"]
    columns += [f"f{number}" for number in range(len(plan.features))]
    columns += label_columns(plan)
    text = f"""WITH{",".join(tables)}
SELECT {", ".join(columns)}
FROM answered
JOIN seen ON seen.row = answered.row
ORDER BY {order_column(plan, key, bound)}, answered.index_at
"""
    return Statement(text, bound.values)


def _asked(plan: Plan, bound: Parameters) -> list[str]:
    """What is asked of what happened: who enters, who is in, what became of them, what was known."""
    return [
        *entered(plan, bound),
        *cohort(plan, bound),
        *set_apart(plan, bound),
        *answered(plan, bound),
        *seen(plan, bound),
    ]


def presence_statement(plan: Plan) -> Statement:
    """Columns `concept` (the number of one of which anybody here has an event that counts), `unit`, and how many of its
    events in that unit have a number, `given`, and one in the concept's unit, `usable`; and how many `patients` have it.
    Units and numbers are looked at only for a study that uses numbers, patients for one that asks what notes say or who carries a
    variant: of these nobody whose samples differ in it; of a concept of copies, whoever has one; of who is free of a variant, or where whoever is neither is set apart, these or its carriers, who
    are fewer."""
    bound, free = Parameters(), plan.by_absence | plan.free | plan.excluding
    carriers = {number: CARRIERS if number in plan.by_absence else plan.variants[number].genotype for number in free}
    widened = {
        number: plan.variants[number].model_copy(update={"genotype": tuple(dict.fromkeys((*had, "reference")))})
        for number, had in carriers.items()
    }
    plan = replace(plan, variants=plan.variants | widened)
    used = frozenset({"unit", "given", "value"} if plan.numeric else {"value"} if plan.by_dosage else ())
    patients = _patients_of(plan, free, bound)
    counted = "unit, count(given) AS given, count(value) AS usable" if plan.numeric else "NULL AS unit, 0, 0"
    tables = ",".join(people(plan, bound, used))
    by = "concept, unit" if plan.numeric else "concept"
    return Statement(
        f"WITH{tables}\nSELECT concept, {counted}, {patients} AS patients\nFROM happening\nGROUP BY {by}\nORDER BY {by}\n",
        bound.values,
    )


def _patients_of(plan: Plan, free: frozenset[int], bound: Parameters) -> str:
    """SQL: how many patients a concept is of; of the concepts `free` those that carry, or those that do not."""
    if not (plan.said or plan.carried):
        return "NULL"
    stands = " AND lost IS NULL" if plan.carried else ""
    if not plan.by_dosage:
        return f"count(DISTINCT subject_key) FILTER (WHERE true{stands})"
    copies = f"list_contains({bound.bind(sorted(plan.by_dosage), 'INTEGER[]')}, concept)"
    carriers = f"count(DISTINCT subject_key) FILTER (WHERE (NOT {copies} OR value > 0){stands})"
    if not free:
        return carriers
    others = f"count(DISTINCT subject_key) FILTER (WHERE value = 0{stands})"
    is_free = f"list_contains({bound.bind(sorted(free), 'INTEGER[]')}, concept)"
    return f"CASE WHEN {is_free} THEN least({carriers}, {others}) ELSE {carriers} END"


def notes_statement(plan: Plan) -> Statement:
    """Columns `note` (the number of a concept), `event_id` and `asset`: the notes that count in which a mention of the plan is
    looked for. The least of its concepts where a note is of several."""
    bound = Parameters()
    notes = sorted({plan.number(name) for mention in plan.said.values() for name in mention.notes})
    of_notes = replace(
        plan, codes=tuple(each for each in plan.codes if each.concept in notes), said={}, variants={}, reckonings=()
    )
    tables = ",".join(people(of_notes, bound, frozenset({"event_id", "asset", "asset_kind"})))
    return Statement(
        f"""WITH{tables}
SELECT concept AS note, event_id, asset
FROM happening
WHERE list_contains({bound.bind(notes, "INTEGER[]")}, concept) AND asset_kind = 'note'
ORDER BY asset, event_id, note
""",
        bound.values,
    )


def hierarchy_statement(plan: Plan) -> Statement | None:
    """Columns `concept`, `system`, `code`: what is asked for with all below it, where the site cannot say what that is.
    None where nothing is asked for so."""
    bound = Parameters()
    return Statement(hierarchy(plan, bound), bound.values) if any(each.descendants for each in plan.codes) else None


def statement_text(study: Study) -> str:
    """The statement that a study runs, for a steward to read: the text as it runs, then each value it is given.

    Values made from the site's secret are not shown.
    """
    statement = cohort_statement(plan_of(study), b"")
    read = [f"-- read beforehand, into `mentions`: {_told(study, name)}" for name in study.said_in_notes()]
    values = (f"--   ${name} = {_shown(value)}" for name, value in statement.parameters.items())
    return "\n".join([*read, statement.text, "-- values, bound and never part of the text:", *values, ""])


def _told(study: Study, name: str) -> str:
    mention = study.said_in_notes()[name]
    return f"{name}, {mention.as_bytes().decode()}"


def _shown(value: object) -> str:
    return "(made from this site's secret)" if isinstance(value, bytes) else repr(value)
