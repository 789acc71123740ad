"""How far a long piece of work is, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@contextmanager
def progress_of(console: "Console") -> "Iterator[Callable[[str, int, int], None]]":
    """Give what is called with (what, done, total), as `rapha.timeline.report.Progress`. Where `console` is no terminal nothing is drawn."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        yield lines_of(bar)


def lines_of(bar: "Progress") -> "Callable[[str, int, int], None]":
    """The same on a bar that is at hand: one line for each `what`, however often it is told of."""
    from rich.progress import TaskID

    lines: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in lines:
            lines[what] = bar.add_task(what, total=max(total, 1))
        bar.update(lines[what], completed=done, total=max(total, 1))

    return show
