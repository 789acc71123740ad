"""A study as it happens: events in, a live picture on a terminal or plain lines elsewhere."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rapha.cli.study_events import LABELS, sentence, state_after, unlike
from rapha.records.wire import Event

_BARS = "▁▂▃▄▅▆▇█"
_TREND = 24
_KEPT = 4
_METRICS = ("auroc", "c_index", "r2", "macro_auroc", "dice")


@dataclass
class _Line:
    """What is known of one hospital, or of all of them together."""

    patients: str = ""
    decision: str = "asked"
    round: int = 0
    loss: list[float] = field(default_factory=list)
    metric: list[float] = field(default_factory=list)
    unlike: list[int] = field(default_factory=list)
    """The rounds in which its update was unlike all others."""


class StudyView:
    """`with StudyView(console, "diabetes") as view: view.feed(event)`, event after event.

    Where `console` is no terminal every event is one line; on a terminal the picture is redrawn in place and stays when
    the view is left.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._sites: dict[str, _Line] = {}
        self._all = _Line(decision="")
        self._state = "submitted"
        self._metric = "AUROC"
        self._said: list[str] = []
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self.picture(), refresh=True)
            self._live.stop()

    def feed(self, event: Event) -> None:
        """Take in one event and show what it changed."""
        self._state = state_after(event) or self._state
        if event.site:
            self._take_site(self._sites.setdefault(event.site, _Line()), event)
        elif event.event == "round.closed":
            self._take_scores(self._all, event)
            for site in unlike(event):
                self._sites.setdefault(site, _Line()).unlike.append(event.round or 0)
        words = sentence(event)
        if self._live is None:
            if words:
                self._console.print(Text(f"{event.at:%H:%M:%S}  {words}"), soft_wrap=True)
            return
        if words and not event.event.startswith(("task.done", "round.")):
            self._said = [*self._said, words][-_KEPT:]
        self._live.update(self.picture(), refresh=True)

    def picture(self) -> Group:
        """The present moment."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("Hospital", "Patients", "Decision"):
            table.add_column(name)
        for name in ("Round", "Loss", self._metric):
            table.add_column(name, justify="right")
        table.add_column("")
        for site, line in sorted(self._sites.items()):
            table.add_row(*_cells(site, line))
        if self._all.loss or self._all.metric:
            table.add_row(*_cells("all", self._all), style="bold")
        head = Text.assemble((self._title, "bold"), "  ", (self._state, _colour(self._state)))
        alarms = [
            Text(
                f"ALARM: the update of {site} was unlike all others in {len(line.unlike)} of the rounds, last in round {line.unlike[-1]}",
                style="red",
            )
            for site, line in sorted(self._sites.items())
            if line.unlike
        ]
        return Group(head, Text(), table, Text(), *alarms, *(Text(words, style="dim") for words in self._said))

    def _take_site(self, line: _Line, event: Event) -> None:
        facts = event.facts
        line.patients = facts.get("patients", line.patients)
        noun, _, what = event.event.partition(".")
        if noun == "dispatch":
            line.decision = {"offered": "asked", "feasible": line.decision, "pending": "a person decides"}.get(
                what, what
            )
        elif event.event == "task.done":
            self._take_scores(line, event)
        elif event.event in ("task.failed", "task.missed"):
            line.decision = f"{what}: {facts.get('reason', '')}"

    def _take_scores(self, line: _Line, event: Event) -> None:
        line.round = event.round or line.round
        if (loss := _number(event.facts.get("loss"))) is not None:
            line.loss.append(loss)
        for name in _METRICS:
            if (value := _number(event.facts.get(name))) is not None:
                self._metric = LABELS[name]
                line.metric.append(value)


def sparkline(values: list[float]) -> str:
    """The last values as a row of bars, the lowest one lowest."""
    shown = values[-_TREND:]
    if len(shown) < 2:
        return ""
    low, high = min(shown), max(shown)
    return "".join(_BARS[round((value - low) / ((high - low) or 1.0) * (len(_BARS) - 1))] for value in shown)


def _cells(name: str, line: _Line) -> tuple[str, ...]:
    return (
        escape(name),
        escape(line.patients),
        escape(line.decision),
        str(line.round) if line.round else "",
        f"{line.loss[-1]:.4f}" if line.loss else "",
        f"{line.metric[-1]:.3f}" if line.metric else "",
        sparkline(line.metric),
    )


def _number(written: str | None) -> float | None:
    try:
        return float(written) if written else None
    except ValueError:
        return None


def _colour(state: str) -> str:
    return {"completed": "green", "failed": "red", "refused": "red", "cancelled": "yellow"}.get(state, "cyan")
