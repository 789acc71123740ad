"""Does the model remember patients? What the trainer measured, held against the site's limits.

A model that remembers nobody knows a patient it learned from no better than one of the same hospital who was held out: the
split is by a keyed hash, so who is on which side is chance. By chance alone the share of pairs in which the former is the
better known (`recognised`) scatters about one half with the deviation of a rank sum (Mann and Whitney 1947), so

1. a release is refused where that share is further above the site's limit than chance brings it once in a thousand times;
2. and where, of the rows that the model knows best, more were learned from than chance brings, at the odds of that limit, once in a
   thousand times: a model may know a few by heart, and the others as it should;
3. where even a model that knows most of its patients by heart could not be told from chance, nothing is said: `not-run`;
4. of a private round, planted patients are guessed (Steinke, Nasr and Jagielski 2023, https://arxiv.org/abs/2305.08846):
   so many right guesses that the epsilon it owes brings them less than once in ten thousand times refuse it;
5. of an adapter that learns to write, planted canaries are looked for (Carlini et al. 2019, https://arxiv.org/abs/1802.08232): it is refused
   where their mean exposure is above the site's limit, or where it writes one of them to the end. Without that test none leaves.

Those chances are of one look at one output. Each round of a study is looked at, at each hospital: a model that stays at the limit is refused more often.
"""

import math

from rapha.errors import EgressRefused
from rapha.records.audit import (
    BEST,
    CANARIES,
    DECOYS,
    AuditLimits,
    AuditVerdict,
    CanaryRanks,
    GenerativeLimits,
    Guesses,
    RawAudit,
)

ALARM = 1e-3
DEVIATIONS = 3.09
"""That chance, of a normal distribution's upper end."""

VISIBLE = 0.25
"""Where a model has to pass the limit by as much to be refused, one that knows most of its patients by heart might not be: nothing is
said to have been looked at. That is below some 57 patients."""

DOUBT = 1e-4
DELTA = 1e-9
"""At which a private round's epsilon is taken: the planted patients are thousands, and each costs the bound this much."""

_STEP = 0.01


def refused_above(limits: AuditLimits, members: int, held_out: int, rows_a_patient: float = 1.0) -> float:
    """The least share that is refused. Several rows of one patient count as one: they are known or not known together."""
    if not (members and held_out):
        return math.inf
    variance = (members + held_out + 1) / (12 * members * held_out)
    return limits.recognised + DEVIATIONS * math.sqrt(variance * rows_a_patient)


def can_see(limits: AuditLimits, members: int, held_out: int, rows_a_patient: float = 1.0) -> bool:
    """Whether there are patients enough to tell a model that remembers from one that does not."""
    above = refused_above(limits, members, held_out, rows_a_patient)
    return above < min(1.0, limits.recognised + VISIBLE)


def judge(
    raw: RawAudit,
    limits: AuditLimits,
    members: int,
    held_out: int,
    rows_a_patient: float,
    epsilon: float | None,
    generative: GenerativeLimits | None = None,
) -> AuditVerdict:
    """The verdict on one output. `members` and `held_out` are the node's own counts, exact; `epsilon` is what the round owes at
    DELTA, under differential privacy. `generative`: the limits of an adapter that learns to write.

    Raises:
        EgressRefused: `output-malformed`: rows that the node did not count, guesses that are none, or no canaries where there must be.
    """
    if (raw.members, raw.held_out) != (members, held_out) or not _possible(raw):
        raise EgressRefused("the workload's audit: rows that the node did not count", "output-malformed")
    if generative is not None and raw.canaries is None:
        raise EgressRefused("the workload's audit: no canaries of an adapter that learns to write", "output-malformed")
    written = generative is not None and raw.canaries is not None and learnt_by_heart(raw.canaries, generative)
    above = refused_above(limits, members, held_out, rows_a_patient)
    seen = None if raw.guesses is None else epsilon_seen(raw.guesses)
    best = None if raw.recognised is None else best_known_chance(raw, limits, rows_a_patient)
    found = raw.recognised is not None and (raw.recognised > above or (best is not None and best < ALARM))
    spent = epsilon is not None and raw.guesses is not None and chance_of(raw.guesses, epsilon, DELTA) < DOUBT
    looked = raw.recognised is not None and can_see(limits, members, held_out, rows_a_patient)
    return AuditVerdict(
        verdict="refused" if found or spent or written else "passed" if looked else "not-run",
        members=members,
        held_out=held_out,
        recognised=raw.recognised,
        refused_above=above if math.isfinite(above) else None,
        best_known_chance=best,
        epsilon=epsilon,
        epsilon_seen=seen,
        exposure=None if raw.canaries is None else exposure_of(raw.canaries),
        by_heart=None if raw.canaries is None else raw.canaries.by_heart,
    )


def exposure_of(ranks: CanaryRanks) -> float:
    """The mean exposure of the canaries in bits: the logarithm of how many texts there are, less that of the rank among them."""
    return math.fsum(math.log2((ranks.decoys + 1) / (above + 1)) for above in ranks.likelier) / len(ranks.likelier)


def learnt_by_heart(ranks: CanaryRanks, limits: GenerativeLimits) -> bool:
    """Whether an adapter that remembers its canaries like this stays where it is."""
    return ranks.by_heart > 0 or exposure_of(ranks) > limits.exposure


def check_passed(verdict: AuditVerdict, limits: AuditLimits) -> None:
    """Let an output out, or not.

    Raises:
        EgressRefused: `patients-remembered`; `cohort-too-small` where nothing could be seen and the rules want it seen.
    """
    if verdict.verdict == "refused":
        raise EgressRefused(
            "the model remembers patients it learned from: see `rapha node show`", "patients-remembered"
        )
    if verdict.verdict == "not-run" and limits.too_few == "refuse":
        raise EgressRefused("too few patients to see what the model remembers", "cohort-too-small")


def chance_of(guesses: Guesses, epsilon: float, delta: float) -> float:
    """At most how likely so many right guesses are of a run with (epsilon, delta): theorem 5.2 there."""
    right = 1 / (1 + math.exp(-epsilon))
    chances = _binomial(guesses.guesses, right)
    upper = math.fsum(chances[guesses.correct :])
    share, below = 0.0, 0.0
    for number in range(1, guesses.correct + 1):
        below += chances[guesses.correct - number]
        share = max(share, below / number)
    return min(1.0, upper + 2 * guesses.planted * delta * share)


def epsilon_seen(guesses: Guesses) -> float:
    """The largest epsilon, in steps of 0.01, of which so many right guesses have a chance below DOUBT; 0 where there is none."""
    low, high = 0, 2000
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if chance_of(guesses, middle * _STEP, DELTA) < DOUBT else (low, middle - 1)
    return low * _STEP


def best_known_chance(raw: RawAudit, limits: AuditLimits, rows_a_patient: float = 1.0) -> float:
    """How likely so many of the rows known best were learned from, of a model at the limit: each by itself, at the odds of its side
    times those of the limit. Several rows of one patient count as one."""
    rows = math.floor((raw.members + raw.held_out) // BEST / rows_a_patient)
    odds = limits.recognised * raw.members
    against = (1 - limits.recognised) * raw.held_out
    if not (rows and odds and against):
        return 1.0
    learned = min(rows, math.floor(raw.best_known / rows_a_patient))
    return min(1.0, math.fsum(_binomial(rows, odds / (odds + against))[learned:]))


def _possible(raw: RawAudit) -> bool:
    guesses, rows = raw.guesses, (raw.members + raw.held_out) // BEST
    counted = guesses is None or guesses.correct <= guesses.guesses <= guesses.planted
    return counted and raw.best_known <= min(rows, raw.members) and (raw.canaries is None or _all_there(raw.canaries))


def _all_there(ranks: CanaryRanks) -> bool:
    """Whether as many were planted and drawn as there must be: of fewer, chance would say less."""
    drawn = (len(ranks.likelier), ranks.decoys) == (CANARIES, DECOYS)
    return drawn and max(ranks.likelier) <= ranks.decoys and ranks.by_heart <= CANARIES


def _binomial(n: int, right: float) -> list[float]:
    """The chance of each number of right guesses, 0 to n."""
    yes, no = math.log(right), math.log1p(-right)
    whole = math.lgamma(n + 1)
    return [
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * yes + (n - k) * no) for k in range(n + 1)
    ]
