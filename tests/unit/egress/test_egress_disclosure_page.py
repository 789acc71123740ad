"""docs/disclosure.md says what is so."""

import re
from pathlib import Path

from rapha.egress.disclosure import FIGURE_DECIMALS, FIGURE_DIGITS
from rapha.egress.gate import RULES
from rapha.egress.metrics import RANGES
from rapha.records.metrics import METRICS

PAGE = (Path(__file__).parents[3] / "docs" / "disclosure.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|")]


def test_every_rule_of_the_gate_is_on_the_page_once() -> None:
    table = PAGE[PAGE.index("## The rules") : PAGE.index("## Counts")]
    assert tuple(re.findall(r"\| `([a-z-]+)` \|$", table, re.MULTILINE)) == RULES


def test_every_figure_has_its_decimals_and_its_range_on_the_page() -> None:
    for name in METRICS:
        (row,) = [row for row in ROWS if f"`{name}`" in row]
        low, high = RANGES[name]
        rounding = f"{FIGURE_DIGITS[name]} digits" if name in FIGURE_DIGITS else FIGURE_DECIMALS[name]
        assert row.endswith(f"| {rounding} | {low:g} to {high:g} |")
    assert {*FIGURE_DECIMALS, *FIGURE_DIGITS} == set(RANGES) == set(METRICS)
