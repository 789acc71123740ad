"""The audit's verdict: what is refused, what passes, and where nothing can be seen."""

import math
from itertools import product

import numpy as np
import pytest

from rapha.egress.memorisation import DELTA, DOUBT, can_see, chance_of, check_passed, epsilon_seen, judge, refused_above
from rapha.errors import EgressRefused
from rapha.records.audit import AuditLimits, Guesses, RawAudit

LIMITS = AuditLimits()


def verdict(recognised: float | None, members: int = 650, held_out: int = 350, rows: float = 1.0, **more: object):
    raw = RawAudit(members=members, held_out=held_out, recognised=recognised, guesses=more.get("guesses"))
    return judge(raw, LIMITS, members, held_out, rows, more.get("epsilon"))


def test_chance_alone_refuses_once_in_a_thousand_times() -> None:
    """Of a model at the limit of a hospital that allows none: scores of members and others of one distribution."""
    chance, members, held_out, tries = np.random.default_rng(7), 65, 35, 20_000
    places = chance.permuted(np.tile(np.arange(100), (tries, 1)), axis=1)[:, :members]
    share = (places.sum(1) - members * (members - 1) / 2) / (members * held_out)
    found = (share > refused_above(AuditLimits(recognised=0.5), members, held_out)).mean()
    assert 0.0002 < found < 0.002


def test_more_patients_show_less() -> None:
    seen = [refused_above(LIMITS, 65 * n, 35 * n) for n in (1, 10, 100, 1000)]
    assert seen == sorted(seen, reverse=True) and seen[-1] > LIMITS.recognised
    assert [round(one, 3) for one in seen] == [0.738, 0.609, 0.569, 0.556]


def test_at_the_limit_of_what_is_seen() -> None:
    above = refused_above(LIMITS, 650, 350)
    assert verdict(above).verdict == "passed"
    assert verdict(above + 1e-6).verdict == "refused"
    assert verdict(0.2).verdict == "passed"


def best(known: int, members: int = 650, held_out: int = 350, rows: float = 1.0) -> float:
    raw = RawAudit(members=members, held_out=held_out, recognised=0.5, best_known=known)
    found = judge(raw, LIMITS, members, held_out, rows, None)
    assert (found.verdict == "refused") == (found.best_known_chance < 0.001)
    return found.best_known_chance


def test_a_few_known_by_heart_are_enough() -> None:
    """Of 50 rows known best, each learned from with the odds 0.55 * 650 to 0.45 * 350, written out."""
    odds = 0.55 * 650 / (0.55 * 650 + 0.45 * 350)
    assert math.isclose(
        best(45), sum(math.comb(50, k) * odds**k * (1 - odds) ** (50 - k) for k in range(45, 51)), rel_tol=1e-9
    )
    assert [best(known) < 0.001 for known in (0, 35, 44, 45, 50)] == [False, False, False, True, True]
    assert best(5, 65, 35) > 0.1
    assert best(50, rows=5.0) > 0.001


def test_several_rows_of_a_patient_are_one() -> None:
    assert verdict(0.65).verdict == "refused"
    assert verdict(0.65, rows=4.0).verdict == "passed"


@pytest.mark.parametrize(("members", "held_out"), [(16, 9), (0, 350), (650, 0)])
def test_too_few_to_see_is_said_and_only_refused_where_the_rules_want_it(members: int, held_out: int) -> None:
    assert not can_see(LIMITS, members, held_out)
    found = verdict(0.9, members, held_out)
    assert found.verdict == "not-run"
    check_passed(found, LIMITS)
    with pytest.raises(EgressRefused) as refused:
        check_passed(found, AuditLimits(too_few="refuse"))
    assert refused.value.reason == "cohort-too-small"


def test_what_could_not_be_measured_did_not_pass() -> None:
    assert verdict(None).verdict == "not-run"


def test_a_refusal_says_so_and_no_number() -> None:
    with pytest.raises(EgressRefused) as refused:
        check_passed(verdict(0.97), LIMITS)
    assert refused.value.reason == "patients-remembered"
    assert not any(letter.isdigit() for letter in str(refused.value))


@pytest.mark.parametrize(
    "raw",
    [
        RawAudit(members=650, held_out=350, recognised=0.5, best_known=51),
        RawAudit(members=651, held_out=350, recognised=0.5),
        RawAudit(members=650, held_out=349, recognised=0.5),
        RawAudit(members=650, held_out=350, recognised=0.5, guesses=Guesses(planted=8, guesses=9, correct=1)),
        RawAudit(members=650, held_out=350, recognised=0.5, guesses=Guesses(planted=8, guesses=4, correct=5)),
    ],
)
def test_a_workload_that_counted_otherwise_is_refused(raw: RawAudit) -> None:
    with pytest.raises(EgressRefused) as refused:
        judge(raw, LIMITS, 650, 350, 1.0, 1.0)
    assert refused.value.reason == "output-malformed"


def test_right_guesses_are_as_likely_as_counted_one_by_one() -> None:
    """Every outcome of ten guesses, each right with the chance that epsilon allows, written out."""
    for epsilon, correct in product((0.0, 0.5, 2.0), (0, 4, 8, 10)):
        right = math.exp(epsilon) / (1 + math.exp(epsilon))
        ways = [
            math.prod(right if hit else 1 - right for hit in way)
            for way in product((0, 1), repeat=10)
            if sum(way) >= correct
        ]
        found = chance_of(Guesses(planted=20, guesses=10, correct=correct), epsilon, 0.0)
        assert math.isclose(found, math.fsum(ways), rel_tol=1e-9)


def test_delta_costs_what_the_theorem_says() -> None:
    """2 m delta times the largest share, over i, of the chance to fall short by at most i: here by 1, for 10 of 10 at epsilon 0."""
    guesses = Guesses(planted=20, guesses=10, correct=10)
    pmf = [math.comb(10, k) / 1024 for k in range(11)]
    share = max(sum(pmf[10 - i : 10]) / i for i in range(1, 11))
    assert math.isclose(chance_of(guesses, 0.0, 0.001), 1 / 1024 + 2 * 20 * 0.001 * share, rel_tol=1e-9)


def test_the_epsilon_seen_is_the_last_that_is_not_believed() -> None:
    all_right = Guesses(planted=32_768, guesses=8192, correct=8192)
    seen = epsilon_seen(all_right)
    assert 6.6 < seen < 6.8
    assert chance_of(all_right, seen, DELTA) < DOUBT <= chance_of(all_right, seen + 0.01, DELTA)
    assert epsilon_seen(Guesses(planted=32_768, guesses=8192, correct=4120)) == 0


def test_a_private_round_that_spent_more_than_it_owes_is_refused() -> None:
    honest = Guesses(planted=32_768, guesses=8192, correct=4600)
    silent = Guesses(planted=32_768, guesses=8192, correct=8192)
    assert verdict(0.5, guesses=honest, epsilon=1.0).verdict == "passed"
    assert verdict(0.5, guesses=silent, epsilon=1.0).verdict == "refused"
    assert verdict(0.5, 16, 9, guesses=silent, epsilon=1.0).verdict == "refused"
