"""Small numbers suppressed, the others rounded. See `docs/disclosure.md` for what this does not stop.

Rounding comes before anything that is derived, so that nothing can be divided back to an exact number. What it leaves
open is the difference of two answers whose cohorts differ by one patient: a rounded number steps by 5 at one place in
five. Each study is decided by a hospital; nobody can ask by themselves, and often.
"""

import hmac

from rapha.records.metrics import Count, MetricName
from rapha.records.release import ReasonCode

ROUND_TO = 5
FIGURE_DECIMALS: dict[MetricName, int] = {
    "loss": 3, "auroc": 3, "auprc": 3, "brier": 3, "c_index": 3, "calibration_slope": 2, "calibration_intercept": 2,
    "r2": 3, "macro_auroc": 3, "accuracy": 2, "dice": 3,
}  # fmt: skip
"""A hospital of a thousand held-out patients knows its AUROC to about +-0.02: a third decimal compares two models on
the same patients, a fourth would only carry information about the patients."""


FIGURE_DIGITS: dict[MetricName, int] = {"mae": 3, "rmse": 3, "perplexity": 2}
"""Significant digits of those that are in the unit of the outcome: the same for any unit; and of those that have no upper end."""


def suppress(n: int, threshold: int, base: int = ROUND_TO) -> Count:
    """`below` the threshold, or `about` n to the nearest multiple of `base` (halves up) that is not below it.

    Zero is below: that there is nobody is also a fact about people. Were 12 of at least 12 rounded to 10, it would
    be known exactly; it is 15.

    Raises:
        ValueError: a negative number, or a threshold or base below 1.
    """
    if n < 0 or threshold < 1 or base < 1:
        raise ValueError("a count is not negative; threshold and base are at least 1")
    if n < threshold:
        return Count(below=threshold)
    least = -(-threshold // base) * base
    return Count(about=max((n + base // 2) // base * base, least))


def suppress_pair(rows: int, events: int, threshold: int) -> tuple[Count, Count]:
    """Rows, and those with the event among them, so that neither group shows when it is small.

    The third number, rows - events, is shown by whoever can subtract. So:

    1. fewer rows than the threshold: both `below`;
    2. fewer events than the threshold: `events` is `below`, which says no more of the others than `rows` does;
    3. fewer others than the threshold: `events` reads as `rows`. It says that the others are below the threshold, and
       not how many: to name the events would name them. It errs by less than the threshold.
    4. enough of both: each by itself.

    Raises:
        ValueError: more events than rows, or a negative number.
    """
    if events > rows:
        raise ValueError("more events than rows")
    shown = suppress(rows, threshold)
    if rows - events < threshold <= events:
        return shown, shown
    return shown, suppress(events, threshold)


def suppress_noised(events: int, others: int, threshold: int) -> tuple[Count, Count]:
    """Patients, and those with the event among them, of two numbers that carry noise: how many have it, and how many not.

    All that is done here is done to what the noise has made of the numbers: it tells of no patient more than they do.
    """
    events = max(events, 0)
    return suppress_pair(events + max(others, 0), events, threshold)


def told(reason: ReasonCode) -> ReasonCode:
    """The reason as it may leave: an empty cohort reads as one that is too small. Were the two apart, a cohort of one
    described person would tell whether that person is here."""
    return "cohort-too-small" if reason == "cohort-empty" else reason


def step_of(n: int) -> int:
    """The step to which a number of a profile is rounded: 10, and from 1000 on two
    significant digits."""
    return max(10, int(10.0 ** (len(str(n)) - 2)))


def suppress_keyed(n: int, threshold: int, key: bytes, what: str) -> Count:
    """As `suppress`, in the steps of `step_of`, from a place that only the site knows.

    Where the step lies follows from the site's `key` and from `what` is counted: the same count is always shown as the same
    number, one patient more changes it one time in ten or less often, and who sees it change does not know which number it
    had: the number is somewhere in a range of twice the step. See docs/disclosure.md.

    Raises:
        ValueError: a negative number, or a threshold below 1.
    """
    if n < 0 or threshold < 1:
        raise ValueError("a count is not negative; the threshold is at least 1")
    if n < threshold:
        return Count(below=threshold)
    step = step_of(n)
    least = -(-threshold // 10) * 10
    place = int.from_bytes(hmac.new(key, what.encode(), "sha256").digest()[:8], "big") % step
    return Count(about=max((n + place) // step * step, least))


def within(shown: Count, threshold: int) -> tuple[int, int]:
    """The least and the most that a number can be which `suppress_keyed` shows so, as anybody can work out who does not
    have the key."""
    if shown.about is None:
        return 0, threshold - 1
    step = step_of(shown.about)
    return max(threshold, shown.about - step + 1), shown.about + step - 1


def round_figure(name: MetricName, value: float) -> float:
    """The figure to the decimals or the significant digits of its name; never a negative zero."""
    if name in FIGURE_DIGITS:
        return round_significant(value, FIGURE_DIGITS[name])
    return round(value, FIGURE_DECIMALS[name]) + 0.0


def round_significant(value: float, digits: int) -> float:
    """To that many significant digits, the same for any unit of measurement; never a negative zero."""
    return float(f"{value:.{digits - 1}e}") + 0.0
