"""How much noise (epsilon, delta) takes. Free of torch: the node reads it for the receipt, the trainer for the noise.

The mechanism is the same at every site and follows from the study alone: `rounds * local_epochs / sampling_rate` steps,
each a Gaussian on the sum of the clipped gradients of a Poisson sample. Accounted by privacy loss distributions
(Koskela et al. 2020; Google's dp-accounting, pessimistic estimates), adding or removing one patient.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

from rapha.errors import TrainingFailed
from rapha.records.learning import Script
from rapha.records.study import Study

ACCOUNTANT = "dp-accounting PLD"
ROUNDS_ACCOUNTANT = "dp-accounting RDP"
_MISSING = "differential privacy needs dp-accounting: pip install 'rapha[node,train]'"
_INTERVAL = 1e-3
_CLOSE = 0.01
_LARGEST = 2.0**12


class Mechanism(NamedTuple):
    """`noise_multiplier`: standard deviation of the noise in units of `clip`. `epsilon`: what all `steps` together
    spend at the study's delta; an upper bound, and at most what the study asked for."""

    noise_multiplier: float
    steps: int
    epsilon: float


def mechanism_of(study: Study) -> Mechanism:
    """The least noise, to 1 %, with which the whole study stays within its (epsilon, delta).

    Raises:
        TrainingFailed: no noise that still allows to learn is enough (`not-yet-possible`), or dp-accounting is missing.
    """
    terms = study.privacy.differential_privacy
    assert terms is not None
    if isinstance(study.model, Script):
        return _of_rounds(terms.epsilon, terms.delta, study.training.rounds)
    steps = study.training.rounds * study.training.local_epochs * terms.steps_per_epoch
    return _calibrated(terms.epsilon, terms.delta, terms.sampling_rate, steps)


@lru_cache(maxsize=64)
def _of_rounds(epsilon: float, delta: float, rounds: int) -> Mechanism:
    """Mode B: the least noise, to a thousandth, in units of how far one patient moves a round's sum."""
    low, high = 0.0, _LARGEST
    if epsilon_of_rounds(high, rounds, delta) > epsilon:
        raise TrainingFailed("no noise is enough for this epsilon: ask for fewer rounds", "not-yet-possible")
    while high - low > high / 1000:
        middle = (low + high) / 2
        low, high = (low, middle) if epsilon_of_rounds(middle, rounds, delta) <= epsilon else (middle, high)
    return Mechanism(noise_multiplier=high, steps=rounds, epsilon=epsilon_of_rounds(high, rounds, delta))


def epsilon_of_rounds(noise_multiplier: float, rounds: int, delta: float) -> float:
    """An upper bound of epsilon at `delta` of so many sums with discrete Gaussian noise, of that many sensitivities each.

    Each is 1/(2 noise_multiplier^2)-concentrated (Canonne, Kamath and Steinke 2020, theorem 14), which is all that the Renyi
    accountant knows of a Gaussian; a privacy loss distribution would be that of the continuous one, which no computer draws.

    Raises:
        TrainingFailed: dp-accounting is missing.
    """
    if noise_multiplier <= 0:
        return math.inf
    try:
        import dp_accounting
        from dp_accounting.rdp import RdpAccountant
    except ImportError:
        raise TrainingFailed(_MISSING, "not-yet-possible") from None
    accountant: Any = RdpAccountant(neighboring_relation=dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(dp_accounting.GaussianDpEvent(noise_multiplier), rounds)
    return float(accountant.get_epsilon(delta))


@lru_cache(maxsize=64)
def _calibrated(epsilon: float, delta: float, rate: float, steps: int) -> Mechanism:
    low, high = 0.0, 0.5
    while (spent := epsilon_of(high, rate, steps, delta)) > epsilon:
        low, high = high, high * 2
        if high > _LARGEST:
            raise TrainingFailed("no noise is enough for this epsilon: ask for fewer rounds", "not-yet-possible")
    while high - low > _CLOSE * high:
        middle = (low + high) / 2
        if low == 0.0 and middle < 0.3:  # less noise than any accountant is made for
            break
        found = epsilon_of(middle, rate, steps, delta)
        low, high, spent = (low, middle, found) if found <= epsilon else (middle, high, spent)
    return Mechanism(noise_multiplier=high, steps=steps, epsilon=spent)


def epsilon_of(noise_multiplier: float, rate: float, steps: int, delta: float) -> float:
    """An upper bound of epsilon at `delta`, of so many steps.

    Raises:
        TrainingFailed: dp-accounting is missing.
    """
    try:
        import dp_accounting
        from dp_accounting.pld import PLDAccountant
    except ImportError:
        raise TrainingFailed(_MISSING, "not-yet-possible") from None
    accountant: Any = PLDAccountant(
        dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=_INTERVAL
    )
    step = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise_multiplier))
    accountant.compose(step, steps)
    return float(accountant.get_epsilon(delta))
