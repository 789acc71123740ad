"""A site's profile, made fit to leave: small cells hidden, and as many others as it takes that none can be worked out.

Each rule is written against somebody who sees all that is published, knows these rules, adds, subtracts and bounds. They do
not know the site's key. `tests/unit/egress/test_egress_differencing.py` is that somebody.

1. A cell of fewer patients than the threshold is not shown; nor is one of nobody. Both look the same.
2. Of groups that deal all patients (sexes, ages, lengths of observation) more are hidden, until what the total leaves for
   the hidden ones could be any number below ten in each of them.
3. The years of a code are hidden likewise against the code's own count. There is no count of a year over all codes, so a
   column has no total to subtract from.
4. Kinds of events (units, values) are shares among the kinds that are shown: what the hidden ones have is in no sum.
5. Every count is rounded from a place only the site knows, every share to a twentieth.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from rapha.egress.disclosure import suppress_keyed, within
from rapha.records.metrics import Count
from rapha.records.site import ConceptCoverage, Group, Share
from rapha.timeline.coverage import CodeCount, Part

SHARE_STEP = 0.05
MOST_KINDS = 20
MOST_DETAILED = 5_000
"""Codes with years and kinds; of the others the patients alone, so that a profile stays of a few megabytes."""

ROOM = 10
"""A hidden cell could hold any number below this at least: the lowest threshold that a site's rules may name."""

K = TypeVar("K", int, str)
Shown = Callable[[int, str], Count]
"""A number of patients, and what it counts -> as it may be told."""


def shown_with(threshold: int, key: bytes) -> Shown:
    """Counts as this site shows them."""
    return lambda n, what: suppress_keyed(n, threshold, key, f"profile {what}")


def groups(cells: Mapping[str, int], total: Count, threshold: int, shown: Shown, what: str) -> tuple[Group, ...]:
    """The cells of a table that deals all patients, as far as they can be told beside the total (rule 2)."""
    told = {name: shown(n, f"{what} {name}") for name, n in cells.items()}
    kept = _without_the_inferable(dict(cells), told, total, threshold, additive=True)
    return tuple(Group(group=name, patients=told[name]) for name in cells if name in kept)


def years(code: CodeCount, total: Count, span: range, threshold: int, shown: Shown) -> tuple[tuple[int, int], ...]:
    """(year, about so many patients) of a code in the site's years, as far as they can be told beside its count (rule 3)."""
    every = {year: code.years.get(year, 0) for year in span}
    told = {year: shown(n, f"{code.system}\0{code.code}\0{year}") for year, n in every.items() if n >= threshold}
    kept = _without_the_inferable(every, told, total, threshold, additive=False)
    return tuple((year, told[year].about or 0) for year in sorted(kept))


def shares(parts: Mapping[str, Part], threshold: int) -> tuple[Share, ...]:
    """What share each kind has among those shown, largest first (rule 4); to a twentieth."""
    enough = {name: part for name, part in parts.items() if part.patients >= threshold}
    whole = sum(part.millionths for part in enough.values())
    most = sorted(enough, key=lambda name: (-enough[name].millionths, name))[:MOST_KINDS]
    rounded = ((name, round(round(enough[name].millionths / whole / SHARE_STEP) * SHARE_STEP, 2)) for name in most)
    return tuple(Share(of=name, share=share) for name, share in rounded)


def coverage(codes: tuple[CodeCount, ...], span: range, threshold: int, key: bytes) -> tuple[ConceptCoverage, ...]:
    """The codes of enough patients, by system and code; with years and kinds those 5,000 of most patients."""
    shown = shown_with(threshold, key)
    listed = [code for code in codes if code.patients >= threshold]
    most = sorted(listed, key=lambda code: (-code.patients, code.system, code.code))[:MOST_DETAILED]
    detailed = {(code.system, code.code) for code in most}
    return tuple(_line(code, span, threshold, shown, (code.system, code.code) in detailed) for code in listed)


def _line(code: CodeCount, span: range, threshold: int, shown: Shown, detailed: bool) -> ConceptCoverage:
    patients = shown(code.patients, f"{code.system}\0{code.code}")
    if not detailed:
        return ConceptCoverage(system=code.system, code=code.code, patients=patients)
    kinds = {aspect: shares(parts, threshold) for aspect, parts in code.parts.items()}
    return ConceptCoverage(
        system=code.system,
        code=code.code,
        patients=patients,
        years=years(code, patients, span, threshold, shown),
        units=kinds.get("unit", ()),
        values=kinds.get("value", ()),
        precision=kinds.get("precision", ()),
        known=kinds.get("known", ()),
    )


def _without_the_inferable(
    cells: dict[K, int], told: Mapping[K, Count], total: Count, threshold: int, *, additive: bool
) -> set[K]:
    """The cells that may be shown. Smallest first, cells are hidden until the rest tells of none of the hidden."""
    shown = {name for name, count in told.items() if count.about is not None}
    kept = shown if total.about is not None else set()
    while kept and not _silent(kept, told, total, threshold, len(cells) - len(kept), additive=additive):
        kept.remove(min(kept, key=lambda name: (cells[name], str(name))))
    return kept


def _silent(
    kept: set[K], told: Mapping[K, Count], total: Count, threshold: int, hidden: int, *, additive: bool
) -> bool:
    """Whether each hidden cell could, for all that is shown, hold any number below ten.

    All hidden cells together hold between `least` and `most`. Where there are several, the others can take what one has not.
    Where the cells overlap (a patient of two years is in both), there is no `most`, unless they could be taken not to.
    """
    if not hidden:
        return True
    ranges = [within(told[name], threshold) for name in kept]
    whole = within(total, threshold)
    least, most = whole[0] - sum(high for _, high in ranges), whole[1] - sum(low for low, _ in ranges)
    return (most >= ROOM - 1 or (most < 0 and not additive)) and (least <= 0 or hidden > 1)
