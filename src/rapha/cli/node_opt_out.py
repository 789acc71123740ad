"""`rapha node opt-out`: who enters no cohort, by the site's own list."""

from pathlib import Path
from typing import Annotated

import typer


def opt_out(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="one identifier on each line; replaces the former list")],
    steward: Annotated[str, typer.Option("--steward", help="who takes it over: lower-case letters, digits, hyphens")],
) -> None:
    """Keep those whom a list names out of all later cohorts, whichever source tells of them.

    The list is in the form of the NHS National Data Opt-out: one identifier on each line, as the sources have it. It holds
    for sources read later too. What is already training keeps the rows it was frozen with: pause or cancel it.

    Example: rapha node opt-out /srv/rapha /data/opt-outs.txt --steward maria-lopez
    """
    from rapha.clock import utc_now
    from rapha.node.approvals import check_steward_name
    from rapha.node.configuration import Home
    from rapha.node.opt_out import take_list
    from rapha.node.register import Register
    from rapha.timeline.reader import open_timeline

    opened = Home(home)
    by = check_steward_name(steward)
    listed, here, no_more = take_list(opened, file)
    typer.echo(f"{listed} identifiers are listed; {here} patients of this timeline enter no cohort because of them.")
    if no_more:
        typer.echo(
            f"{no_more} identifiers of the former list are not in this one: whom they name may enter cohorts again."
        )
    register = Register(opened.database, utc_now)
    register.note("opt-out.taken", None, steward=by, timeline=open_timeline(opened.timeline).digest)
