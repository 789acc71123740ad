"""`rapha node public-log`: what this hospital keeps of the hub's public log, and how a steward goes on where that was contradicted."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

AcceptOption = Annotated[
    bool,
    typer.Option(
        "--i-accept-that-the-log-may-have-been-rewritten",
        help="take the log as the hub shows it now, at its word, where it does not go on from what was kept",
    ),
]


def public_log(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")], accept: AcceptOption = False
) -> None:
    """Show the hub's public log as this node saw it last: its keys, how many entries, the root. Ends with 11 where the log contradicted that.

    Then nothing leaves. Ask the hub's steward what happened; the option goes on with what the hub shows now, and keeps the evidence. Stop the
    agent first.

    Example: rapha node public-log /srv/rapha
    """
    from rapha.clock import utc_now
    from rapha.node.agent import lock_home
    from rapha.node.configuration import Home
    from rapha.node.hub_line import line_of
    from rapha.node.public_log import PublicLog
    from rapha.node.public_log_files import in_words
    from rapha.node.register import Register

    opened = Home(home)
    with closing(line_of(opened, utc_now)) as line:
        log = PublicLog(opened, line, Register(opened.database, utc_now), utc_now)
        if accept:
            with lock_home(opened.folder):
                made = log.begin_anew()
            typer.echo(f"from now on: {in_words(made)}; start the agent again")
            return
        log.check_not_refused()
        kept = log.kept()
    typer.echo(in_words(kept) if kept else "nothing is kept of the public log yet: the agent's next start does that")


def pinned_in_words(home: Path) -> str:
    """What a new home keeps of the log from the beginning; or that it does not yet, since the hub does not show it; or that it contradicts what a
    home that is enrolled anew kept."""
    from rapha.clock import utc_now
    from rapha.errors import RaphaError, Unreachable
    from rapha.node.configuration import Home
    from rapha.node.hub_line import line_of
    from rapha.node.public_log import AT_ITS_WORD, PublicLog
    from rapha.node.public_log_files import in_words
    from rapha.node.register import Register

    opened = Home(home)
    with closing(line_of(opened, utc_now)) as line:
        log = PublicLog(opened, line, Register(opened.database, utc_now), utc_now)
        try:
            return (
                f"{AT_ITS_WORD}: {in_words(log.look(tell=False))}. Compare that with what the hub's steward reads out"
            )
        except Unreachable as away:
            return f"the public log is not kept yet, the agent's first start does that: {away}"
        except RaphaError as problem:
            return f"enrolled, but the agent will not begin: {problem}"
