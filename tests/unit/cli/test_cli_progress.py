"""How far an ingest is: one line for each thing, however often it is told of, and none where nobody looks."""

import io

from rich.console import Console
from rich.progress import Progress

from rapha.cli.progress import lines_of, progress_of


def test_a_thing_told_of_a_thousand_times_has_one_line() -> None:
    bar = Progress(console=Console(file=io.StringIO(), force_terminal=True), auto_refresh=False)
    show = lines_of(bar)
    for done in range(1000):
        show("headers", done, 1000)
    show("volumes", 3, 7)
    assert [(line.description, line.completed, line.total) for line in bar.tasks] == [
        ("headers", 999, 1000),
        ("volumes", 3, 7),
    ]


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    said = io.StringIO()
    with progress_of(Console(file=said, force_terminal=False)) as show:
        show("headers", 1, 2)
    assert said.getvalue() == ""


def test_a_terminal_shows_what_is_done() -> None:
    said = io.StringIO()
    with progress_of(Console(file=said, force_terminal=True, width=80)) as show:
        show("headers", 1, 2)
    assert "headers" in said.getvalue() and "50%" in said.getvalue()
