"""Figures, ROC and calibration: a closed set, and only where enough patients of each class stand behind them.

1. A figure is a function of a few patients when there are few: it needs ten of each class: of cases and of controls, or of every
   class of a categorical outcome. A numeric and a segment outcome have no classes: their figures need twice as many patients in all,
   and the rest of these rules likewise.
2. An interval's width, the steps of a ROC curve and a group's observed risk tell how many there are of a class, which
   the suppressed counts do not: these need twenty-five of each class, and `min_cohort` where that is more. So does the table of
   right and wrong answers of a categorical outcome; `rapha.egress.classes` says what is left of it.
   Of several segments each needs, in the masks of so many patients, a voxel, and as many patients without one, or none: one drawn empty in
   nearly everybody would tell of the few. Where one is withheld, the mean of all is too, from which it could be reckoned.
3. Under an `every` index these numbers are of rows. Behind the rows of each class stand ten patients, or the cohort is refused; for rule
   2 there have to be as many patients as it asks for. A patient may have most rows of a group or of a cell, so neither the groups
   of predicted risk nor the table leave.
4. A figure outside the range of its name does not leave: large numbers carry messages.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

from pydantic import ValidationError

from rapha.egress.classes import class_rows, confusion
from rapha.egress.disclosure import round_figure, suppress, suppress_pair
from rapha.errors import EgressRefused
from rapha.records.metrics import (
    OF_CLASSES,
    OF_NUMBERS,
    OF_SEGMENTS,
    CalibrationBin,
    Evaluation,
    MetricName,
    RocPoint,
    Score,
    SegmentScore,
    SiteMetrics,
)
from rapha.records.outcome import OutcomeKind
from rapha.records.outputs import Figure, Figures, RawBin, RawEvaluation, RawEvaluations
from rapha.records.record import Record
from rapha.strict_json import NotStrict, strict_json

CLASS_FOR_FIGURES = 10
CLASS_FOR_BIN = 10
CLASS_FOR_DETAIL = 25
MOST_BINS = 16
MOST_ROWS = 100_000_000
RANGES: dict[MetricName, tuple[float, float]] = {
    "loss": (-1000.0, 1000.0),
    "auroc": (0.0, 1.0),
    "auprc": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "calibration_slope": (-100.0, 100.0),
    "calibration_intercept": (-100.0, 100.0),
    "c_index": (0.0, 1.0),
    "r2": (-1000.0, 1.0),
    "mae": (0.0, 1e12),
    "rmse": (0.0, 1e12),
    "macro_auroc": (0.0, 1.0),
    "accuracy": (0.0, 1.0),
    "dice": (0.0, 1.0),
    "perplexity": (1.0, 1e6),
}
CASELESS: dict[OutcomeKind, frozenset[MetricName]] = {
    "numeric": OF_NUMBERS,
    "categorical": OF_CLASSES,
    "segment": OF_SEGMENTS,
}
"""The kinds of outcome of which nobody is a case, and the figures of each beside `loss`."""
SetApart = Mapping[Literal["competing", "unobserved", "uncalled"], int]
Output = TypeVar("Output", bound=Record)


@dataclass(frozen=True)
class FigureRules:
    """What figures there may be of a study: `kind`, `classes` and several `segments` of its outcome, and whether its model is one of `language`. `fewest`: under an `every` index alone, how
    many patients stand behind the rows of a class, at the fewest: the node's own count."""

    kind: OutcomeKind = "binary"
    classes: tuple[str, ...] = ()
    language: bool = False
    fewest: int | None = None
    segments: tuple[str, ...] = ()


def read_output(data: bytes, kind: type[Output], name: str) -> Output:
    """The record an output file stands for. Nothing of the file is in the error.

    Raises:
        EgressRefused: `metric-not-allowed` for a figure without a name of the closed set, else `output-malformed`.
    """
    try:
        return kind.model_validate(strict_json(data))
    except ValidationError as error:
        unknown_metric = any(
            e["type"] == "literal_error" and "figures" in e["loc"] and e["loc"][-1] == "name"
            for e in error.errors(include_input=False, include_url=False)
        )
    except NotStrict:
        unknown_metric = False
    if unknown_metric:
        raise EgressRefused(f"output {name}: a figure that is not of the closed set", "metric-not-allowed")
    raise EgressRefused(f"output {name}: not of the form that is read", "output-malformed")


def release_scores(
    raw: Figures,
    train_rows: int,
    validation_rows: int,
    min_cohort: int,
    rules: FigureRules,
) -> tuple[int, tuple[Score, ...]]:
    """(the site's weight in the average, scores). `loss` is of the training rows, the others of the validation rows.

    `train_rows` and `validation_rows` are the node's own counts, exact. The weight is the number of training rows,
    rounded as every count; a workload that says other numbers is refused: one of its own choice would carry 24 bits a
    round, its share of the average would be what it likes, and figures of three patients would pass for those of many.

    Raises:
        EgressRefused: `cohort-too-small`; `metric-not-allowed` for a figure of another kind of outcome, or of model, than the
            study's; `output-malformed` for a figure given twice or numbers that cannot be.
    """
    if train_rows < min_cohort:
        raise EgressRefused(f"fewer than {min_cohort} training rows", "cohort-too-small")
    counted = raw.rows == train_rows and raw.positives + raw.negatives == validation_rows
    _check(counted, "rows that the node did not count")
    weight = suppress(train_rows, min_cohort).about
    enough, detail = _enough_of(raw, min_cohort, rules)
    _check_names(raw.figures, rules)
    return weight or min_cohort, _scores(_leaving(raw.figures, enough, detail, with_loss=True), detail)


def release_metrics(
    raw: RawEvaluations,
    site: str,
    train_rows: int,
    set_apart: SetApart,
    min_cohort: int,
    cohort_rows: int,
    rules: FigureRules,
) -> SiteMetrics:
    """What one hospital lets out at the end. `train_rows`, `set_apart` and `cohort_rows` are the node's own counts, exact: a workload
    cannot have held out more than they leave.

    Raises:
        EgressRefused: `output-malformed`, `metric-not-allowed`.
    """
    _check_once(evaluation.model for evaluation in raw.evaluations)
    for one in raw.evaluations:
        held_out = one.positives + one.negatives
        _check(min(one.positives, one.negatives) >= 0 and held_out <= cohort_rows - train_rows, "impossible row counts")
    return SiteMetrics(
        site=site,
        train_rows=suppress(train_rows, min_cohort),
        set_apart={reason: suppress(n, min_cohort) for reason, n in set_apart.items()},
        evaluations=tuple(_evaluation(evaluation, min_cohort, rules) for evaluation in raw.evaluations),
    )


def _evaluation(raw: RawEvaluation, min_cohort: int, rules: FigureRules) -> Evaluation:
    _check_names(raw.figures, rules)
    caseless = rules.kind in CASELESS
    rows, events = suppress_pair(raw.positives + raw.negatives, raw.positives, min_cohort)
    enough, detail = _enough_of(raw, min_cohort, rules)
    of_patients = detail and rules.fewest is None  # each row is another patient's
    _check(not caseless or not (raw.roc or raw.bins), "a curve of an outcome that has no cases")
    _check_confusion(raw)
    segments = _of_segments(raw, rules, enough, detail, min_cohort)
    enough = enough and len(segments) == len(raw.segments)
    return Evaluation(
        model=raw.model,
        rows=rows,
        events=None if caseless else events,
        scores=_scores(_leaving(raw.figures, enough, detail), detail),
        roc=_roc(raw.roc) if detail else (),
        calibration=_calibration(raw.bins, min_cohort) if of_patients else (),
        classes=class_rows(raw.classes, rules.classes, min_cohort),
        confusion=confusion(raw.confusion, rules.classes, min_cohort) if of_patients and raw.confusion else None,
        segments=segments,
    )


def _of_segments(
    raw: RawEvaluation, rules: FigureRules, enough: bool, detail: bool, min_cohort: int
) -> tuple[SegmentScore, ...]:
    """The Dice of each of several segments that enough have and enough have not, as any figure; the names are the study's and not the
    workload's."""
    all_dice = all(figure.name == "dice" for figure in raw.segments)
    _check(all_dice and len(raw.segments) in (0, len(rules.segments)), "not the segments of the study")
    rows, most = raw.negatives, max(CLASS_FOR_DETAIL, min_cohort)
    counted = len(raw.drawn) == len(raw.segments) and max(raw.drawn, default=0) <= rows
    _check(counted, "segments that are drawn in other numbers than there are rows")
    told = zip(rules.segments, raw.segments, raw.drawn, strict=False) if enough else ()
    return tuple(
        SegmentScore(segment=name, score=_score(one, detail and _both(n, rows, most)))
        for name, one, n in told
        if _in_range(one) and _both(n, rows, CLASS_FOR_FIGURES)
    )


def _both(drawn: int, rows: int, least: int) -> bool:
    return drawn >= least and (drawn == rows or rows - drawn >= least)


def _enough_of(raw: Figures | RawEvaluation, min_cohort: int, rules: FigureRules) -> tuple[bool, bool]:
    """Whether enough patients stand behind figures, and behind what tells more of them."""
    most = max(CLASS_FOR_DETAIL, min_cohort)
    enough, detail = _enough_rows(raw, most, rules)
    if rules.fewest is None:
        return enough, detail
    return enough and rules.fewest >= CLASS_FOR_FIGURES, detail and rules.fewest >= most


def _enough_rows(raw: Figures | RawEvaluation, detail: int, rules: FigureRules) -> tuple[bool, bool]:
    positives, negatives = raw.positives, raw.negatives
    of_classes = len(raw.classes) == len(rules.classes) and bool(rules.classes) == (rules.kind == "categorical")
    _check(of_classes, "not the classes of the study")
    if rules.kind not in CASELESS:
        return _enough(positives, negatives, CLASS_FOR_FIGURES), _enough(positives, negatives, detail)
    _check(positives == 0, "cases of an outcome that has none")
    if rules.classes:
        _check(sum(raw.classes) == negatives, "classes that do not add up to the rows")
        return min(raw.classes) >= CLASS_FOR_FIGURES, min(raw.classes) >= detail
    return negatives >= 2 * CLASS_FOR_FIGURES, negatives >= 2 * detail


def _check_confusion(raw: RawEvaluation) -> None:
    """None, or of each class a row that adds up to it."""
    kinds, table = len(raw.classes), raw.confusion
    square = len(table) in (0, kinds) and all(len(row) == kinds for row in table)
    _check(square and all(sum(row) == n for row, n in zip(table, raw.classes, strict=False)), "an impossible table")


def _leaving(figures: Iterable[Figure], enough: bool, detail: bool, with_loss: bool = False) -> Iterator[Figure]:
    """Perplexity tells more of single notes than other figures do: it needs as many patients as an interval. The loss of the training rows
    needs no more than `min_cohort`."""
    for figure in figures:
        if (with_loss and figure.name == "loss") or (detail if figure.name == "perplexity" else enough):
            yield figure


def _check_names(figures: Iterable[Figure], rules: FigureRules) -> None:
    names = [figure.name for figure in figures]
    _check(len(names) == len(set(names)), "the same name twice")
    if "perplexity" in names and not rules.language:
        raise EgressRefused("the workload's figures: one of a language model", "metric-not-allowed")
    own = CASELESS.get(rules.kind)
    others = frozenset().union(*(figures for other, figures in CASELESS.items() if other != rules.kind))
    if any(name in others or (own is not None and name not in own) for name in names if name != "loss"):
        raise EgressRefused("the workload's figures: one of another kind of outcome", "metric-not-allowed")


def _scores(figures: Iterable[Figure], intervals: bool) -> tuple[Score, ...]:
    return tuple(_score(figure, intervals) for figure in figures if _in_range(figure))


def _in_range(figure: Figure) -> bool:
    low, high = RANGES[figure.name]
    return low <= figure.value <= high


def _score(figure: Figure, interval: bool) -> Score:
    """Rounded. An interval that passes the range of its name is cut to it; one that misses the value is left out."""
    value = round_figure(figure.name, figure.value)
    if not interval or figure.low is None or figure.high is None or not figure.low <= figure.value <= figure.high:
        return Score(name=figure.name, value=value)
    least, most = RANGES[figure.name]
    low, high = (round_figure(figure.name, bound) for bound in (max(figure.low, least), min(figure.high, most)))
    return Score(name=figure.name, value=value, low=low, high=high)


def _roc(points: Iterable[tuple[float, float]]) -> tuple[RocPoint, ...]:
    """On the grid of 0.05, rising, to 2 decimals."""
    released = []
    for false_positive_rate, true_positive_rate in points:
        step = round(min(max(false_positive_rate, 0.0), 1.0) * 20)
        _check(abs(false_positive_rate - step / 20) < 1e-9, "a point off the grid of the ROC curve")
        _check(0.0 <= true_positive_rate <= 1.0, "a rate outside 0 to 1")
        released.append(RocPoint(false_positive_rate=step / 20, true_positive_rate=round(true_positive_rate, 2) + 0.0))
    for before, after in pairwise(released):
        rising = before.true_positive_rate <= after.true_positive_rate
        _check(before.false_positive_rate < after.false_positive_rate and rising, "a ROC curve that does not rise")
    return tuple(released)


def _calibration(bins: Iterable[RawBin], min_cohort: int) -> tuple[CalibrationBin, ...]:
    """Neighbours joined, from the lowest risk, until each group has ten cases and ten controls; the last takes the
    rest. Predicted and observed risk to 2 decimals."""
    groups: list[list[RawBin]] = []
    waiting: list[RawBin] = []
    for one in sorted(bins, key=lambda b: b.predicted):
        _check(0.0 <= one.predicted <= 1.0 and 0 <= one.cases <= one.rows <= MOST_ROWS, "an impossible group")
        waiting.append(one)
        cases = sum(b.cases for b in waiting)
        if len(groups) < MOST_BINS and _enough(cases, sum(b.rows for b in waiting) - cases, CLASS_FOR_BIN):
            groups.append(waiting)
            waiting = []
    if groups:
        groups[-1].extend(waiting)
    return tuple(_bin(group, min_cohort) for group in groups)


def _bin(group: list[RawBin], min_cohort: int) -> CalibrationBin:
    rows = sum(b.rows for b in group)
    predicted = sum(b.predicted * b.rows for b in group) / rows
    observed = sum(b.cases for b in group) / rows
    return CalibrationBin(
        predicted=round(min(predicted, 1.0), 2) + 0.0, observed=round(observed, 2), rows=suppress(rows, min_cohort)
    )


def _enough(positives: int, negatives: int, least: int) -> bool:
    return min(positives, negatives) >= least


def _check_once(names: Iterable[str]) -> None:
    seen = list(names)
    _check(len(seen) == len(set(seen)), "the same name twice")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise EgressRefused(f"the workload's figures: {what}", "output-malformed")
