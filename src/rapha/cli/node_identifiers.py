"""`rapha node identifiers`: what is looked for in patients' notes, and hidden there."""

from pathlib import Path
from typing import Annotated

import typer


def identifiers(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV: id, and any of name, number, phone, email, address")
    ],
    steward: Annotated[str, typer.Option("--steward", help="who takes it over: lower-case letters, digits, hyphens")],
) -> None:
    """Hide what a file says of patients in their notes, before a model sees these.

    The file is CSV with a header: `id`, as the sources have it, and any of name, number, phone, email and address. It replaces the
    former one, stays in the node's home, and holds for all sources. Dates, telephone numbers and what looks like a name are
    hidden without it too.

    Example: rapha node identifiers /srv/rapha /data/people.csv --steward maria-lopez
    """
    from rapha.clock import utc_now
    from rapha.node.approvals import check_steward_name
    from rapha.node.configuration import Home
    from rapha.node.identifiers import take_identifiers
    from rapha.node.register import Register

    opened = Home(home)
    by = check_steward_name(steward)
    named = take_identifiers(opened, file)
    Register(opened.database, utc_now).note("identifiers.taken", None, steward=by)
    typer.echo(f"{named} patients are named; what is said of them is hidden in their notes from the next study on.")
