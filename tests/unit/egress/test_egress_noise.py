"""The noise is the distribution it is said to be, and the page says what it guarantees."""

import math
import random
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from rapha.egress import noise
from rapha.egress.disclosure import suppress_noised
from rapha.egress.noise import DEVIATION, gaussian, guarantee

PAGE = (Path(__file__).parents[3] / "docs" / "disclosure.md").read_text(encoding="utf-8")
DRAWS = 20_000


def chance(of: int, deviation: int) -> float:
    """The discrete Gaussian distribution, from its definition."""
    weights = {n: math.exp(-(n**2) / (2 * deviation**2)) for n in range(-20 * deviation, 20 * deviation + 1)}
    return weights[of] / sum(weights.values())


@pytest.mark.parametrize("deviation", [1, 3])
def test_every_number_comes_as_often_as_the_distribution_says(deviation: int) -> None:
    deal = random.Random(7).randrange
    drawn = Counter(gaussian(deviation, deal) for _ in range(DRAWS))
    for n in range(-3 * deviation, 3 * deviation + 1):
        expected = DRAWS * chance(n, deviation)
        assert abs(drawn[n] - expected) < 5 * math.sqrt(expected) + 1, n


def test_the_noise_that_is_used_has_its_mean_and_deviation() -> None:
    deal = random.Random(11).randrange
    drawn = [gaussian(below=deal) for _ in range(DRAWS)]
    mean = sum(drawn) / DRAWS
    assert abs(mean) < 5 * DEVIATION / math.sqrt(DRAWS)
    assert abs(math.sqrt(sum((n - mean) ** 2 for n in drawn) / DRAWS) - DEVIATION) < 0.6


def test_the_operating_system_deals_it_when_nobody_else_does() -> None:
    assert len({gaussian() for _ in range(200)}) > 20


@pytest.mark.parametrize("gamma", [Fraction(0), Fraction(1, 3), Fraction(1), Fraction(5, 2)])
def test_something_happens_with_the_probability_of_a_falling_exponential(gamma: Fraction) -> None:
    deal = random.Random(3).randrange
    happened = sum(noise._happens(gamma, deal) for _ in range(DRAWS))
    assert abs(happened / DRAWS - math.exp(-gamma)) < 5 * math.sqrt(0.25 / DRAWS)


def test_the_page_says_what_so_many_answers_guarantee() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+\.\d\d) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    assert [(n, f"{guarantee(int(n)):.2f}") for n, _ in rows] == rows
    assert f"standard deviation of {DEVIATION} patients" in PAGE


def test_the_guarantee_is_that_of_concentrated_differential_privacy() -> None:
    rho = 100 / (2 * 20**2)
    assert guarantee(100) == pytest.approx(rho + 2 * math.sqrt(rho * math.log(1e6)))
    assert guarantee(400, deviation=40) == pytest.approx(guarantee(100, deviation=20))


@pytest.mark.parametrize(
    ("events", "others", "patients", "shown"),
    [
        (-31, 12, "below 25", "below 25"),
        (-31, -3, "below 25", "below 25"),
        (24, 0, "below 25", "below 25"),
        (10, 90, "about 100", "below 25"),
        (62, 143, "about 205", "about 60"),
        (80, -20, "about 80", "about 80"),
    ],
)
def test_what_the_noise_left_is_suppressed_and_rounded(events: int, others: int, patients: str, shown: str) -> None:
    assert tuple(map(str, suppress_noised(events, others, 25))) == (patients, shown)
