"""The oracle's reading of a site's vocabulary and units: slow, in plain Python. It shares no code with `rapha.cohort`."""

import math
from collections.abc import Sequence

from little_timeline import Event, Term

from rapha.records.concept import CodeSet, Concept
from rapha.records.study import Study


def in_unit(number: float | None, unit: str | None, name: str, study: Study) -> float | None:
    """A number in the unit of its concept: as it is, converted, or none."""
    wanted = study.units().get(name)
    if number is None or wanted is None or unit == wanted:
        return number
    if unit not in study.concepts[name].convert:
        return None
    conversion = study.concepts[name].convert[unit]
    converted = number * conversion.times + conversion.plus
    return converted if math.isfinite(converted) else None


class Vocabulary:
    """The site's concepts, and what lies below them."""

    def __init__(self, terms: Sequence[Term] = ()) -> None:
        self.terms = terms

    def of(self, system: str, code: str) -> list[Term]:
        """The concepts of a code."""
        return [term for term in self.terms if (term.system, term.code) == (system, code)]

    def stands_for(self, each: CodeSet) -> set[str]:
        """The site's concepts that a code set means: none, where it is its codes and no more."""
        if not (each.descendants or each.mapped):
            return set()
        found: set[str] = set()
        for code in each.codes:
            for term in self.of(each.system, code):
                roots = {term.concept, *(term.maps_to or ())} if each.descendants else {term.concept}
                below = {t.concept for t in self.terms if roots & set(t.above)} if each.descendants else set()
                found |= roots | below
        return found

    def holds(self, each: CodeSet, event: Event) -> bool:
        """Whether a code set holds an event: by its code, by what its code means, or by the site's concept for it."""
        means = {event.concept} if event.concept else set()
        for term in self.of(event.system, event.code):
            means |= {term.concept, *(term.maps_to or ())}
        written = event.system == each.system and event.code in each.codes
        return written or bool(means & self.stands_for(each))

    def is_of(self, concept: Concept, event: Event) -> bool:
        """Whether an event is one of a concept: in one of its sets, and in none that it excludes; written as it asks."""
        if (concept.written_by and event.author not in concept.written_by) or (
            concept.language and event.language not in concept.language
        ):
            return False
        return any(self.holds(s, event) for s in concept.any_of) and not any(
            self.holds(s, event) for s in concept.exclude
        )

    def cannot_say(self, each: CodeSet) -> bool:
        """Whether descendants are asked for that the site cannot name."""
        above = {a for term in self.terms for a in term.above if a != term.concept}
        layered = any({t.concept, *(t.maps_to or ())} & above for t in self.terms if t.system == each.system)
        return each.descendants and (not layered or not all(self.of(each.system, code) for code in each.codes))
