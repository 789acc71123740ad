"""The forest plot: each hospital's held-out patients under the federated model, its own and any other."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from markupsafe import Markup

from rapha.records.metrics import PooledScore, Score, StudyMetrics
from rapha.sdk.report.comparison import Comparison
from rapha.sdk.report.svg import Frame, bounds, line, picture, tag, text, ticks

Kind = Literal["federated", "personal", "local", "comparison"]
_COLOURS: dict[Kind, str] = {"federated": "#0b6394", "personal": "#2f7d5b", "local": "#8a4b12", "comparison": "#5f6b7a"}
_ROW, _GAP, _LEFT, _WIDTH = 22, 16, 250, 470


class Row(NamedTuple):
    """One model on one group of patients."""

    group: str
    model: str
    kind: Kind
    value: float
    low: float | None
    high: float | None

    @property
    def figure(self) -> str:
        """`0.742 (0.711 to 0.773)`"""
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


ALL = "All hospitals"
"""The mean over hospitals."""
TOGETHER = "In one pot"
"""All held-out patients as one group: can be measured only where their rows are public."""


def forest_rows(metrics: StudyMetrics, name: str, comparison: Comparison | None) -> list[Row]:
    """The rows of a figure, hospital by hospital, then over all; those that were let out."""
    rows: list[Row] = []
    for site in metrics.sites:
        scores = {each.model: each.score(name) for each in site.evaluations}
        rows += _rows(site.site, "Federated", "federated", scores.get("federated"))
        rows += _rows(site.site, "Federated, own last layer", "personal", scores.get("personal"))
        rows += _rows(site.site, "Own model", "local", scores.get("local"))
        if comparison:
            rows += _rows(site.site, comparison.name, "comparison", _named(comparison.sites.get(site.site, ()), name))
    rows += _rows(ALL, "Federated", "federated", _named(metrics.pooled, name))
    if comparison:
        rows += _rows(TOGETHER, "Federated", "federated", _named(comparison.federated, name))
        rows += _rows(TOGETHER, comparison.name, "comparison", _named(comparison.together, name))
    return rows


def forest(rows: Sequence[Row], title: str) -> Markup | None:
    """The plot; None where there is no row."""
    if not rows:
        return None
    groups = list(dict.fromkeys(row.group for row in rows))
    height = 34 + len(rows) * _ROW + len(groups) * _GAP
    low, high = bounds([v for row in rows for v in (row.value, row.low, row.high) if v is not None])
    frame = Frame(_LEFT, 22, _WIDTH, height - 30, (low, high), (0, 1))
    parts = [*_grid(frame, title), *_reference(frame, rows)]
    y = frame.top + _GAP
    for group in groups:
        parts.append(text(0, y + 4, group, class_="all" if group == ALL else "group"))
        for row in (row for row in rows if row.group == group):
            parts += _drawn(frame, row, y)
            y += _ROW
        y += _GAP
        if group != groups[-1]:
            parts.append(line(0, y - _GAP / 2 - _ROW / 2 + 2, 920, y - _GAP / 2 - _ROW / 2 + 2, "rule"))
    said = f"{title}: " + "; ".join(f"{row.group}, {row.model}: {row.figure}" for row in rows)
    return picture(920, height + 44, said, *parts)


def _grid(frame: Frame, title: str) -> list[Markup]:
    bottom = frame.top + frame.height
    marks = ticks(*frame.x_range, 6)
    parts = [line(frame.x(mark), frame.top, frame.x(mark), bottom, "grid") for mark in marks]
    parts += [text(frame.x(mark), bottom + 19, f"{mark:g}", class_="tick", anchor="middle") for mark in marks]
    parts += [line(frame.left, bottom, frame.left + frame.width, bottom, "axis")]
    name = f"{title}, with 95 % interval"
    return [*parts, text(frame.left + frame.width / 2, bottom + 38, name, class_="name", anchor="middle")]


def _reference(frame: Frame, rows: Sequence[Row]) -> list[Markup]:
    """A line down from the federated figure over all hospitals."""
    overall = next((row for row in rows if row.group == ALL and row.kind == "federated"), None)
    if overall is None:
        return []
    x = frame.x(overall.value)
    return [line(x, frame.top, x, frame.top + frame.height, "chance")]


def _drawn(frame: Frame, row: Row, y: float) -> list[Markup]:
    colour, x = _COLOURS[row.kind], frame.x(row.value)
    parts = [text(frame.left - 20, y + 4, row.model, class_="label", anchor="end")]
    parts.append(text(920, y + 4, row.figure, class_="figure", anchor="end"))
    if row.low is not None and row.high is not None:
        parts.append(
            tag("line", x1=frame.x(row.low), x2=frame.x(row.high), y1=y, y2=y, stroke=colour, class_="whisker")
        )
    if row.group == ALL and row.kind == "federated":
        return [
            *parts,
            tag("path", d=f"M{x - 8:.1f} {y} L{x:.1f} {y - 7} L{x + 8:.1f} {y} L{x:.1f} {y + 7} Z", fill=colour),
        ]
    if row.kind == "federated":
        return [*parts, tag("rect", x=x - 5, y=y - 5, width=10, height=10, fill=colour)]
    return [*parts, tag("circle", cx=x, cy=y, r=4.5, fill="#fff", stroke=colour, stroke_width=2)]


def _rows(group: str, model: str, kind: Kind, score: Score | PooledScore | None) -> list[Row]:
    return [Row(group, model, kind, score.value, score.low, score.high)] if score else []


def _named(scores: Sequence[Score] | Sequence[PooledScore], name: str) -> Score | PooledScore | None:
    return next((score for score in scores if score.name == name), None)
