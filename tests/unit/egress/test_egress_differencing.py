"""Somebody who sees all of a profile, knows the rules, and adds, subtracts and bounds. They must not find a hidden cell."""

import random
from collections.abc import Mapping

import pytest

from rapha.egress import profile as fit
from rapha.egress.disclosure import step_of, suppress_keyed
from rapha.records.metrics import Count
from rapha.records.site import ConceptCoverage
from rapha.timeline.coverage import CodeCount, Part

KEY, THRESHOLD, SMALL = b"the secret of one site", 25, 10
SHOWN = fit.shown_with(THRESHOLD, KEY)


class Attacker:
    """Knows the total and some cells, each as a range; asks which numbers a hidden one could be."""

    def __init__(self, total: Count, cells: Mapping[str, Count], names: tuple[str, ...]) -> None:
        self.total, self.cells = self.range(total), [self.range(count) for count in cells.values()]
        self.hidden = [name for name in names if name not in cells]

    @staticmethod
    def range(shown: Count) -> tuple[int, int]:
        """From the rule of rounding: the number plus an unknown place, cut to a whole step, never below the threshold."""
        if shown.about is None:
            return 0, THRESHOLD - 1
        fits = [
            n
            for n in range(
                max(THRESHOLD, shown.about - 2 * step_of(shown.about)), shown.about + 2 * step_of(shown.about)
            )
            if any(max((n + place) // step_of(n) * step_of(n), 30) == shown.about for place in (0, step_of(n) - 1))
        ]
        return min(fits), max(fits)

    def could_be(self, n: int, *, overlapping: bool = False) -> bool:
        """Whether a world exists that looks like this one, and in which one hidden cell holds n.

        Every other hidden cell holds what it likes. Overlapping cells may add up to more than the total; an attacker who
        thinks that they do not, and is not proven wrong, may be right.
        """
        others_take = len(self.hidden) > 1
        least, most = n + sum(low for low, _ in self.cells), n + sum(high for _, high in self.cells)
        enough = others_take or most >= self.total[0]
        disproven = overlapping and sum(low for low, _ in self.cells) > self.total[1]
        return enough and (disproven or least <= self.total[1])

    def finds(self, *, overlapping: bool = False) -> bool:
        return bool(self.hidden) and not all(self.could_be(n, overlapping=overlapping) for n in range(SMALL))


def cells_of(dice: random.Random, many: int) -> dict[str, int]:
    """Groups as hospitals have them: a few large, some small, some empty."""
    sizes = (0, dice.randint(1, 24), dice.randint(25, 60), dice.randint(61, 990), dice.randint(1000, 40_000))
    return {f"g{n}": dice.choice(sizes) for n in range(many)}


def told(cells: Mapping[str, int], total: Count) -> dict[str, Count]:
    return {group.group: group.patients for group in fit.groups(cells, total, THRESHOLD, SHOWN, "age")}


@pytest.mark.parametrize("many", [2, 3, 4, 11])
def test_no_hidden_group_is_found_from_the_total_and_the_others(many: int) -> None:
    dice = random.Random(many)
    for _ in range(60):
        cells = cells_of(dice, many)
        total = SHOWN(sum(cells.values()), "patients")
        shown = told(cells, total)
        assert not Attacker(total, shown, tuple(cells)).finds(), cells
        assert all(cells[name] >= THRESHOLD for name in shown)


def test_the_attack_works_where_small_cells_alone_are_hidden() -> None:
    """Else the test above would say nothing."""
    dice, found = random.Random(1), 0
    for _ in range(120):
        cells = {"a": dice.randint(25, 200), "b": dice.randint(0, 24)}
        total = SHOWN(sum(cells.values()), "patients")
        naive = {name: SHOWN(n, name) for name, n in cells.items() if n >= THRESHOLD}
        found += Attacker(total, naive, tuple(cells)).finds()
    assert found > 5


def test_something_is_still_told() -> None:
    cells = {"female": 5120, "male": 4810, "other": 3, "unknown": 0}
    assert set(told(cells, SHOWN(9933, "patients"))) == {"female", "male"}


def code_of(dice: random.Random, span: range) -> CodeCount:
    """A code whose patients come back in other years, sometimes (`again`), or never."""
    by_year = {year: dice.choice((0, dice.randint(1, 24), dice.randint(25, 400))) for year in span}
    again = dice.choice((0.0, 0.0, 0.1, 0.6))
    patients = max(max(by_year.values()), round(sum(by_year.values()) * (1 - again)))
    return CodeCount("local", "a", patients, {year: n for year, n in by_year.items() if n})


@pytest.mark.parametrize("many", [1, 2, 3, 12])
def test_no_hidden_year_of_a_code_is_found_from_its_count_and_the_other_years(many: int) -> None:
    dice, span, listed = random.Random(many), range(2000, 2000 + many), 0
    for _ in range(120):
        code = code_of(dice, span)
        if code.patients < THRESHOLD:
            continue
        total = SHOWN(code.patients, "local\0a")
        shown = {str(year): Count(about=n) for year, n in fit.years(code, total, span, THRESHOLD, SHOWN)}
        assert not Attacker(total, shown, tuple(str(year) for year in span)).finds(overlapping=True), code
        assert all(code.years.get(int(year), 0) >= THRESHOLD for year in shown)
        listed += len(shown)
    assert listed > 50 or many == 1


def test_no_column_of_the_years_has_a_total() -> None:
    """Counts of one year over all codes would let a hidden cell be worked out from its column; no field holds one."""
    assert set(ConceptCoverage.model_fields) == {
        "system", "code", "patients", "years", "units", "values", "precision", "known",
    }  # fmt: skip


def test_kinds_of_few_patients_are_in_no_sum() -> None:
    """The shares of what is shown are the same, whatever the hidden kinds have."""
    shown = {"mg/dL": Part(400, 300_000_000), "mmol/L": Part(90, 60_000_000)}
    for rare in range(THRESHOLD):
        parts = shown | {"apples": Part(rare, rare * 1_000_000)}
        assert [(s.of, s.share) for s in fit.shares(parts, THRESHOLD)] == [("mg/dL", 0.85), ("mmol/L", 0.15)]


def test_codes_of_few_patients_and_those_of_nobody_are_not_listed() -> None:
    codes = tuple(CodeCount("local", f"c{n:02}", n) for n in range(60))
    listed = fit.coverage(codes, range(0), THRESHOLD, KEY)
    assert [line.code for line in listed] == [f"c{n:02}" for n in range(25, 60)]


def test_of_very_many_codes_those_of_most_patients_have_their_years(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "MOST_DETAILED", 3)
    codes = tuple(CodeCount("local", f"c{n}", 5_000 + n, {2000: 2_000, 2001: 5_000}) for n in range(9))
    listed = fit.coverage(codes, range(2000, 2002), THRESHOLD, KEY)
    assert [line.code for line in listed if line.years] == ["c6", "c7", "c8"] and len(listed) == 9


def test_one_patient_more_changes_few_cells() -> None:
    changed = sum(
        suppress_keyed(n, THRESHOLD, KEY, f"{n}") != suppress_keyed(n + 1, THRESHOLD, KEY, f"{n}")
        for n in range(THRESHOLD, 4_000)
    )
    assert changed < 0.05 * 4_000
