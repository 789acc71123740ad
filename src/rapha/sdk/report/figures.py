"""The figures of a report, each from what it shows to an SVG: ROC, calibration, training by round."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from rapha.records.metrics import Evaluation, RoundScores, Score, SiteMetrics
from rapha.sdk.report.svg import Frame, bounds, legend, line, path, picture, style_of, tag, ticks

_TENTHS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def federated(site: SiteMetrics) -> Evaluation | None:
    """The evaluation of the federated model at a site."""
    return next((each for each in site.evaluations if each.model == "federated"), None)


def roc(sites: Sequence[SiteMetrics]) -> Markup | None:
    """One curve for each hospital that let one out; None where none did."""
    curves = [(at, site.site, each) for at, site in enumerate(sites) if (each := federated(site)) and each.roc]
    if not curves:
        return None
    frame = Frame(50, 36, 390, 340, (0, 1), (0, 1))
    parts = [frame.axes("1 − specificity (false-positive rate)", "Sensitivity", _TENTHS, _TENTHS)]
    parts.append(line(frame.x(0), frame.y(0), frame.x(1), frame.y(1), "chance"))
    rows = []
    for at, name, evaluation in curves:
        colour, dash = style_of(at)
        points = sorted((p.false_positive_rate, p.true_positive_rate) for p in evaluation.roc)
        drawn = [(frame.x(x), frame.y(y)) for x, y in points]
        parts.append(path(drawn, stroke=colour, stroke_dasharray=dash, class_="series"))
        area = evaluation.score("auroc")
        rows.append((f"{name}  {area.value:.3f}" if area else name, colour, dash))
    parts.append(legend(frame.x(0.46), frame.y(0.06) - 18 * (len(rows) - 1), rows))
    names = ", ".join(name for name, _, _ in rows)
    return picture(460, 420, f"ROC curves of the federated model, with AUROC: {names}", *parts)


def calibration(sites: Sequence[SiteMetrics]) -> Markup | None:
    """Observed against predicted risk, in groups large enough to be shown; None where no hospital has any."""
    lines = [(at, site.site, each) for at, site in enumerate(sites) if (each := federated(site)) and each.calibration]
    if not lines:
        return None
    top = max(max(b.predicted, b.observed) for _, _, each in lines for b in each.calibration)
    marks = ticks(0, min(1.0, top * 1.15 or 1.0), 5)
    high = max(marks[-1], top * 1.08)
    frame = Frame(50, 36, 390, 340, (0, high), (0, high))
    parts = [frame.axes("Predicted risk", "Observed risk", marks, marks)]
    parts.append(line(frame.x(0), frame.y(0), frame.x(high), frame.y(high), "chance"))
    rows = []
    for at, name, evaluation in lines:
        colour, dash = style_of(at)
        drawn = [(frame.x(b.predicted), frame.y(b.observed)) for b in evaluation.calibration]
        parts.append(path(drawn, stroke=colour, stroke_dasharray=dash, class_="series"))
        parts += [tag("circle", cx=x, cy=y, r=4, fill=colour, class_="dot") for x, y in drawn]
        rows.append((name, colour, dash))
    parts.append(legend(frame.left + 14, frame.top + 6, rows))
    names = ", ".join(name for name, _, _ in rows)
    return picture(460, 420, f"Calibration of the federated model at {names}: observed against predicted risk", *parts)


def by_round(history: Sequence[RoundScores], sites: Sequence[str], name: str, title: str) -> Markup | None:
    """One figure, round after round: thin for each hospital, thick for the mean; None where there are no two rounds."""
    mean = _series({"mean": [(each.round, each.mean) for each in history]}, name)["mean"]
    each_site = _series({s: [(e.round, e.sites[s]) for e in history if s in e.sites] for s in sites}, name)
    values = [value for _, value in [*mean, *(p for points in each_site.values() for p in points)]]
    rounds = [number for number, _ in mean]
    if len(rounds) < 2:
        return None
    low, high = bounds(values)
    frame = Frame(50, 36, 390, 210, (min(rounds), max(rounds)), (low, high))
    marks = [mark for mark in ticks(min(rounds), max(rounds), 6) if mark == int(mark)]
    parts = [frame.axes("Round", title, marks, ticks(low, high, 4))]
    for at, site in enumerate(sites):
        colour, dash = style_of(at)
        drawn = [(frame.x(x), frame.y(y)) for x, y in each_site[site]]
        parts.append(path(drawn, stroke=colour, stroke_dasharray=dash, class_="thin"))
    parts.append(path([(frame.x(x), frame.y(y)) for x, y in mean], class_="mean"))
    said = f"{title} by round: from {mean[0][1]:.3f} to {mean[-1][1]:.3f}"
    return picture(460, 292, said, *parts)


def key_of(sites: Sequence[str]) -> list[tuple[str, Markup]]:
    """Each hospital's name with a stroke in its colour, to stand in a line of text."""
    strokes = []
    for at, site in enumerate(sites):
        colour, dash = style_of(at)
        stroke = path([(0, 6), (24, 6)], stroke=colour, stroke_dasharray=dash, class_="series")
        strokes.append((site, tag("svg", stroke, viewBox="0 0 24 12", aria_hidden="true")))
    return strokes


def _series(
    scores: Mapping[str, Sequence[tuple[int, Sequence[Score]]]], name: str
) -> dict[str, list[tuple[int, float]]]:
    return {
        key: [(number, score.value) for number, found in rounds for score in found if score.name == name]
        for key, rounds in scores.items()
    }
