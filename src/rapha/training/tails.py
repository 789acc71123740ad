"""Two-sided p-values, far into the tails."""

import math

STEPS, PRECISE = 500, 1e-15


def normal(z: float) -> float:
    """P(|Z| > |z|) of the standard normal distribution."""
    return math.erfc(abs(z) / math.sqrt(2))


def student(t: float, degrees: float) -> float:
    """P(|T| > |t|) of Student's distribution: the regularised incomplete beta function I_x(df / 2, 1 / 2) at
    x = df / (df + t^2), by its continued fraction (DLMF 8.17.22), on the side where it converges fast."""
    if degrees <= 0:
        return math.nan
    x, y = degrees / (degrees + t * t), t * t / (degrees + t * t)
    a, b = degrees / 2, 0.5
    if x < (a + 1) / (a + b + 2):
        return _beta(a, b, x, y)
    return 1 - _beta(b, a, y, x)


def _beta(a: float, b: float, x: float, y: float) -> float:
    """I_x(a, b) with y = 1 - x, given apart so that none of it is lost."""
    if x <= 0:
        return 0.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + (b * math.log(y) if y > 0 else 0)
    return math.exp(front) / a / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), by Lentz's way."""
    tiny = 1e-300
    value, upper, lower = 1.0, 1.0, 0.0
    for step in range(1, STEPS):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / ((1 + d * lower) or tiny)
        upper = (1 + d / upper) or tiny
        value *= upper * lower
        if abs(upper * lower - 1) < PRECISE:
            break
    return value
