"""The memorisation audit: what a site allows, what its trainer measured, what the gate says of it.

Only the gate's one word ever leaves, and that of a model that passed or was not looked at; a model that did not pass leaves
nothing but a refusal. See docs/audit.md.
"""

from typing import Annotated, Literal

from pydantic import Field

from rapha.records.record import Real, Record

AUDIT_PASSED = "memorisation-audit"
"""What the receipt has among its rules where every output of the run passed the audit."""

CANARIES_PASSED = "canary-extraction-test"
"""The same of the canaries of an adapter that learns to write: without it none leaves."""

ACCEPTED_MEMORY = "i-accept-that-models-may-remember-patients"

BEST = 20
"""Of so many rows, the one that the model knows best is looked at by itself."""

Probability = Annotated[Real, Field(ge=0, le=1)]


class AuditLimits(Record):
    """`recognised`: the highest chance, from 0.5 (none is) to 1 (all are), that of two patients, one learned from and one held out,
    the model may be found to know the one it learned from. `too_few`: what becomes of a release of which nothing can be
    seen, for lack of patients. The ugly name looks at nothing."""

    recognised: Annotated[Real, Field(ge=0.5, le=1)] = 0.55
    too_few: Literal["release", "refuse"] = "release"
    unaudited_allowed: Literal["i-accept-that-models-may-remember-patients"] | None = None


class Guesses(Record):
    """Of `planted` patients that exist in the trainer alone, each in by the toss of a coin, `guesses` were said to be in, and
    `correct` of them were."""

    planted: Annotated[int, Field(ge=1, le=1 << 20)]
    guesses: Annotated[int, Field(ge=1, le=1 << 20)]
    correct: Annotated[int, Field(ge=0, le=1 << 20)]


CANARIES, DECOYS = 16, 1023
"""How many random texts are planted among the notes that an adapter learns to write, and how many more are drawn and never planted."""


class CanaryRanks(Record):
    """Of each planted canary, how many of `decoys` the adapter finds as likely or likelier. `by_heart`: how many of the planted it writes
    to the end, given their beginning."""

    decoys: Annotated[int, Field(ge=1, le=1 << 20)]
    likelier: Annotated[tuple[Annotated[int, Field(ge=0, le=1 << 20)], ...], Field(min_length=1, max_length=1024)]
    by_heart: Annotated[int, Field(ge=0, le=1024)]


class GenerativeLimits(Record):
    """Of adapters that learn to write. `exposure`: the highest mean exposure of the canaries, in bits; one that nobody learnt has 1.44 on
    average, each further bit halves the decoys that are likelier."""

    exposure: Annotated[Real, Field(ge=2, le=8)] = 3.0


class RawAudit(Record):
    """`members`, `held_out`: how many rows were compared. `recognised`: the share of pairs in which the row that was learned
    from is the better known; None where that could not be measured. `best_known`: how many of the one in `BEST` rows that are known
    best were learned from. `guesses`: under differential privacy. `canaries`: of an adapter that learns to write."""

    members: Annotated[int, Field(ge=0)]
    held_out: Annotated[int, Field(ge=0)]
    recognised: Probability | None
    best_known: Annotated[int, Field(ge=0)] = 0
    guesses: Guesses | None = None
    canaries: CanaryRanks | None = None


class AuditVerdict(Record):
    """For the steward; never leaves. `refused_above` is what `recognised` had to pass to be refused; `best_known_chance` how likely a
    model at the limit is to have learned from so many of the rows that it knows best; `epsilon` what the round may
    have spent, and `epsilon_seen` what it was seen to spend at the least, where patients were planted; `exposure` that of the canaries in bits, and `by_heart` how many of them
    an adapter writes, where it learns to write."""

    verdict: Literal["passed", "refused", "not-run"]
    members: int
    held_out: int
    recognised: Probability | None = None
    refused_above: Real | None = None
    best_known_chance: Probability | None = None
    epsilon: Real | None = None
    epsilon_seen: Real | None = None
    exposure: Real | None = None
    by_heart: int | None = None
