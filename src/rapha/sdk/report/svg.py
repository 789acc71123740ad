"""Drawing: SVG elements with everything escaped, and a plot's frame of axes. No library, no script."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

COLOURS = ("#0b6394", "#b0440f", "#2a7347", "#7443a0", "#806000", "#a02a5c", "#3d5a1e", "#4a5568")
"""One for each series, in turn; each has a contrast of at least 5.5 on white."""
DASHES = ("", "7 3", "2 3", "9 3 2 3")
"""Series beyond the colours, and print without colour, are told apart by these."""


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """An element; its name is never from outside. `_` in an attribute's name stands for `-`, `class_` for `class`."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _number(value))
        for key, value in attributes.items()
        if value is not None and value != ""
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inside)  # noqa: S704


def text(x: float, y: float, words: str, *, class_: str = "", anchor: str = "start") -> Markup:
    """Words whose baseline starts, ends or is centred at a point."""
    return tag("text", words, x=x, y=y, class_=class_, text_anchor=None if anchor == "start" else anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Iterable[tuple[float, float]], **attributes: object) -> Markup:
    """A line through points."""
    steps = " ".join(f"{'L' if at else 'M'}{x:.1f} {y:.1f}" for at, (x, y) in enumerate(points))
    return tag("path", d=steps, fill="none", **attributes)


def picture(width: float, height: float, title: str, *children: str) -> Markup:
    """A whole figure; `title` is what a screen reader says."""
    return tag("svg", *children, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=title)


def style_of(place: int) -> tuple[str, str]:
    """Colour and dash of the series at a place."""
    return COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, some `about` of them."""
    step = _nice((high - low) / about)
    first = math.ceil(low / step - 1e-9)
    return [round((first + at) * step, 10) for at in range(int((high - first * step) / step + 1e-9) + 1)]


def bounds(values: Sequence[float], margin: float = 0.06) -> tuple[float, float]:
    """A range with some room that holds all values; never empty."""
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1.0) * margin
    return low - room, high + room


@dataclass(frozen=True)
class Frame:
    """The rectangle of a plot in a picture, and the ranges its axes have."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.top + self.height - (value - low) / (high - low) * self.height

    def axes(self, x_name: str, y_name: str, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> Markup:
        """Grid, ticks and the names of the axes; the vertical one's name stands above it."""
        bottom, right = self.top + self.height, self.left + self.width
        parts = [line(self.left, self.y(v), right, self.y(v), "grid") for v in y_ticks]
        parts += [text(self.left - 8, self.y(v) + 4, _short(v), class_="tick", anchor="end") for v in y_ticks]
        parts += [line(self.x(v), bottom, self.x(v), bottom + 5, "axis") for v in x_ticks]
        parts += [text(self.x(v), bottom + 19, _short(v), class_="tick", anchor="middle") for v in x_ticks]
        parts += [line(self.left, bottom, right, bottom, "axis")]
        parts += [text(self.left + self.width / 2, bottom + 38, x_name, class_="name", anchor="middle")]
        parts += [text(self.left - 34, self.top - 14, y_name, class_="name")]
        return Markup("").join(parts)


def legend(x: float, y: float, rows: Sequence[tuple[str, str, str]], spacing: float = 18) -> Markup:
    """Name, colour and dash of each series, one below the other."""
    parts = []
    for at, (name, colour, dash) in enumerate(rows):
        parts.append(
            path(
                [(x, y + at * spacing), (x + 22, y + at * spacing)],
                stroke=colour,
                stroke_dasharray=dash,
                class_="series",
            )
        )
        parts.append(text(x + 29, y + at * spacing + 4, name, class_="label"))
    return Markup("").join(parts)


def _number(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def _short(value: float) -> str:
    return f"{value:g}"


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return float(next(size for size in (1, 2, 2.5, 5, 10) if size * power >= step * 0.999) * power)
