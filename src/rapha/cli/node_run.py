"""`rapha node run`: the agent, from its start to its end."""

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rapha.node.configuration import Home, NodeConfiguration
    from rapha.node.hub_line import HubLine
    from rapha.node.journey import Journey
    from rapha.node.reader import Reader
    from rapha.node.sandbox.port import Backend

LOG_PATIENCE_SECONDS = 20.0
Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]
TwiceOption = Annotated[
    bool,
    typer.Option(
        "--i-accept-that-budget-may-be-spent-twice",
        help="go on with a privacy ledger that has forgotten runs; the audit log keeps which",
    ),
]


def run(home: Folder, twice: TwiceOption = False) -> None:
    """Run the agent: poll the hub, decide, train, release. Stops cleanly on Ctrl-C or SIGTERM.

    Refuses to begin on a privacy ledger that is an older copy, and ends where the hub's public log contradicts what this node saw of it:
    docs/operations.md says what to do.

    Example: rapha node run /srv/rapha
    """
    from rapha.cli.interrupted import interrupt_when_asked_to_end
    from rapha.cli.log import log_to_stderr
    from rapha.clock import utc_now
    from rapha.errors import RaphaError
    from rapha.node.agent import Agent, lock_home
    from rapha.node.configuration import Home
    from rapha.node.hub_line import line_of, persist
    from rapha.node.reader import LOST, ReaderBeside
    from rapha.node.remembered import check_remembered
    from rapha.node.rotation import finish_rotation
    from rapha.node.sandbox.choose import backend_of
    from rapha.policy.rules_file import read_rules

    opened = Home(home)
    read_rules(opened.rules)  # what is wrong in them is said before anything is done, whether or not the hub answers
    lock = lock_home(opened.folder)
    log_to_stderr(site=opened.configuration.site)
    interrupt_when_asked_to_end()
    journey = reader = None
    try:
        backend = backend_of(
            opened, afresh=True
        )  # it may move this process into a control group: the reader's copy comes after it
        reader = ReaderBeside()
        with closing(line_of(opened, utc_now)) as old:
            persist(lambda: finish_rotation(opened, old), math.inf)
        journey, line = _journey_and_line(opened, backend, reader)
        _look_at_log(journey)
        persist(lambda: check_remembered(opened, line, accepted=twice), math.inf)
        typer.echo(_in_force(opened.configuration))
        journey.have_sandboxes_wait()
        journey.introduce(math.inf)
        at_once = opened.configuration.at_once
        Agent(line, journey, opened.folder / "errors.log", at_once=at_once).run()
    except KeyboardInterrupt:
        if reader and reader.lost:
            raise RaphaError(LOST) from None
        typer.echo(f"{opened.configuration.site}: agent has stopped")
    finally:
        if journey:
            journey.close()
        if reader:
            reader.close()
        lock.close()


def _in_force(settings: "NodeConfiguration") -> str:
    """What an agent goes by that an edited file would tell only of its next start."""
    limit = settings.limit_mbit_per_second
    pace = "as much of the line as there is" if limit is None else f"at most {limit:g} Mbit/s of the line"
    return f"{settings.site}: agent is running, hub {settings.hub_url}; weights take {pace}, {settings.at_once} tasks at a time"


def _look_at_log(journey: "Journey") -> None:
    """A contradiction keeps the agent from beginning; a hub that does not show its log does not, for the agent looks again, and a freeze and a receipt
    wait for it."""
    from rapha.errors import Unreachable

    with suppress(Unreachable):
        journey.look_at_log(LOG_PATIENCE_SECONDS)


@contextmanager
def journey_of(home: "Home") -> Iterator["Journey"]:
    """A home's journey, for a command of a steward; its line to the hub is closed behind it."""
    journey, line = _journey_and_line(home)
    with closing(line):
        yield journey


def _journey_and_line(
    home: "Home", backend: "Backend | None" = None, reader: "Reader | None" = None
) -> "tuple[Journey, HubLine]":
    from rapha.clock import utc_now
    from rapha.node.hub_line import line_of
    from rapha.node.journey import Journey
    from rapha.node.reader import ReaderHere
    from rapha.node.register import Register
    from rapha.node.sandbox.choose import stewards_backend

    line, register = line_of(home, utc_now), Register(home.database, utc_now)
    backend = backend or stewards_backend(home)
    return Journey(home, line, register, backend, utc_now, reader or ReaderHere()), line
