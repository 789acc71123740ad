"""Noise on a count that nobody said yes to, so that no row of questions tells whether one patient is here.

Rounding and suppression stop at questions that differ by one patient: whoever may ask often finds the place where a rounded
number steps. Noise has no such place. See docs/adr/0014-counts-without-a-yes.md.
"""

import math
import random
from collections.abc import Callable
from fractions import Fraction

DEVIATION = 20
"""Standard deviation, in patients, of the noise on each of two numbers: those with the outcome, and those without."""

DELTA = 1e-6

Below = Callable[[int], int]
"""n -> a whole number from 0 to n - 1, each equally likely."""


def gaussian(deviation: int = DEVIATION, below: Below | None = None) -> int:
    """A whole number from the discrete Gaussian of that scale, exactly: Canonne, Kamath and Steinke 2020, algorithm 3.

    No floating-point number takes part, so that the low bits of none can tell (Mironov 2012). `below` deals the chances; the
    operating system's, if not given.
    """
    deal = below or random.SystemRandom().randrange
    scale = deviation + 1
    while True:
        drawn = _laplace(scale, deal)
        off = abs(drawn) - Fraction(deviation**2, scale)
        if _happens(off * off / (2 * deviation**2), deal):
            return drawn


def guarantee(answers: int, deviation: int = DEVIATION) -> float:
    """epsilon of that many answers together, at DELTA: for each patient, whatever was asked and by whomever.

    An answer is two numbers, of which a patient is in one at most: 1/(2 deviation^2)-concentrated differential privacy, which
    adds up (Bun and Steinke 2016, propositions 1.3 and 1.6).
    """
    rho = answers / (2 * deviation**2)
    return rho + 2 * math.sqrt(rho * math.log(1 / DELTA))


def _laplace(scale: int, deal: Below) -> int:
    """A whole number from the discrete Laplace distribution of that scale: algorithm 2 there."""
    while True:
        fraction = deal(scale)
        if not _happens(Fraction(fraction, scale), deal):
            continue
        whole = 0
        while _happens(Fraction(1), deal):
            whole += 1
        magnitude, negative = fraction + scale * whole, deal(2) == 1
        if magnitude or not negative:
            return -magnitude if negative else magnitude


def _happens(gamma: Fraction, deal: Below) -> bool:
    """True with the probability exp(-gamma): algorithm 1 there."""
    while gamma > 1:
        if not _happens_within_one(Fraction(1), deal):
            return False
        gamma -= 1
    return _happens_within_one(gamma, deal)


def _happens_within_one(gamma: Fraction, deal: Below) -> bool:
    tries = 1
    while deal(gamma.denominator * tries) < gamma.numerator:
        tries += 1
    return tries % 2 == 1
