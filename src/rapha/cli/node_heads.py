"""`rapha node heads` and `forget-head`: the last layers that are this hospital's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rapha.node.heads import Heads

Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]


def heads(home: Folder) -> None:
    """List the personal heads that are kept here: last layers tuned on this hospital's patients, which never leave.

    Use one with the model that was delivered: rapha.load(FOLDER, head=PATH).

    Example: rapha node heads /srv/rapha
    """
    kept = _heads(home).kept()
    for one in kept:
        typer.echo(f"{one.dispatch}  {one.study}  {one.path}  {one.digest}")
    if not kept:
        typer.echo("no personal head is kept here")


def forget_head(
    home: Folder,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="the run it is of: its dispatch, as `rapha node heads` lists it")
    ],
    steward: Annotated[str, typer.Option("--steward", help="who deletes it: lower-case letters, digits, hyphens")],
) -> None:
    """Delete a personal head for good. The shared model, and what its receipt says, stay as they are.

    Example: rapha node forget-head /srv/rapha d-4f2a --steward maria-lopez
    """
    from rapha.node.approvals import check_steward_name
    from rapha.records.record import DispatchId

    _heads(home).forget(DispatchId(run), check_steward_name(steward))
    typer.echo(f"the personal head of {run} is deleted")


def _heads(home: Path) -> "Heads":
    from rapha.clock import utc_now
    from rapha.node.configuration import Home
    from rapha.node.heads import Heads
    from rapha.node.register import Register

    opened = Home(home)
    return Heads(opened, Register(opened.database, utc_now))
