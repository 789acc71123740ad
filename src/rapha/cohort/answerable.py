"""Whether this site can answer a study at all: has it the codes, what lies below them, and their numbers in one unit?

A rule: what the site's checks found in; what is set aside out, or a refusal with the reason. Nothing is guessed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapha.cohort.found import UnitSetAside
from rapha.cohort.plan import Plan
from rapha.errors import CohortRefused
from rapha.records.study import DEATH


@dataclass(frozen=True)
class UnitCount:
    """Of one concept, by its number, and one unit: how many events have a number, and how many one that can be used; and how
    many patients have such an event, where notes or variants are asked."""

    concept: int
    unit: str | None
    given: int
    usable: int
    patients: int | None = None


def check_hierarchy(plan: Plan, unknown: Sequence[tuple[int, str, str]]) -> None:
    """Every code asked for with its descendants is known here, in a hierarchy. Raises CohortRefused: `no-hierarchy`."""
    if not unknown:
        return
    said = ", ".join(f"{code} ({system}) of `{plan.concepts[number]}`" for number, system, code in unknown[:5])
    more = " and others" if len(unknown) > 5 else ""
    raise CohortRefused(
        f"the study asks for all codes below {said}{more}, and this hospital's vocabulary does not say which they are: "
        "read in a vocabulary with its hierarchy, or write the codes out",
        "no-hierarchy",
    )


def check_concepts(plan: Plan, counts: Iterable[UnitCount], fewest: int) -> tuple[UnitSetAside, ...]:
    """Somebody has an event of every concept, and the numbers that are used are of one unit. Returns what is set aside.

    A concept of which nobody here has an event is more likely coded otherwise than absent. What notes say is said of `fewest`
    patients or more: a phrase is free text, and one that few notes hold, such as a name, would find a person. So is a variant:
    whoever has a rare one is known by it.

    Raises:
        CohortRefused: `unknown-concept`, `unknown-unit` or `mixed-units`; names the concepts, and no unit or number of
            the hospital's.
    """
    counts = list(counts)
    rare = {*plan.said, *plan.carried}
    present = {c.concept for c in counts if c.concept not in rare or (c.patients or 0) >= fewest}
    absent = [name for number, name in enumerate(plan.concepts) if number not in present and name != DEATH]
    if said := [name for name in absent if plan.number(name) in plan.said]:
        raise CohortRefused(
            f"the notes of fewer than {fewest} patients here say {_listed(said)}: check its phrases, or what it accepts",
            "unknown-concept",
        )
    if carried := [name for name in absent if plan.number(name) in plan.carried]:
        raise CohortRefused(
            f"fewer than {fewest} patients here are known to have {_listed(carried)}: check what the concept says, and whether this "
            "hospital's calls cover it and are annotated so",
            "unknown-concept",
        )
    if absent:
        raise CohortRefused(
            f"nobody here has an event of {_listed(absent)}: check the system and codes under `concepts` of the study, "
            "or the mapping this hospital's data was read with",
            "unknown-concept",
        )
    numbers = {name: [c for c in counts if c.concept == plan.number(name) and c.given] for name in plan.numeric}
    stated = {plan.concepts[each.concept] for each in plan.reckonings}
    unknown = [name for name, of in numbers.items() if name in stated and of and not any(c.usable for c in of)]
    if unknown:
        raise CohortRefused(
            f"no number of {_listed(sorted(unknown))} here is in the study's unit, or in one that it converts: state "
            "the conversion under `convert` of the concept, or the meaning of this hospital's units in its mapping",
            "unknown-unit",
        )
    mixed = [name for name, of in numbers.items() if name not in stated and len(of) > 1]
    if mixed:
        raise CohortRefused(
            f"the numbers of {_listed(sorted(mixed))} are in more than one unit here, or some in none: state the "
            "concept's `unit`, and what the others are in it under `convert`",
            "mixed-units",
        )
    return tuple(
        UnitSetAside(concept=name, unit=c.unit, numbers=c.given - c.usable)
        for name in plan.concepts
        if name in stated
        for c in numbers.get(name, [])
        if c.given > c.usable
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
