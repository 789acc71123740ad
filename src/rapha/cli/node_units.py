"""`rapha node units`: in which units this site's numbers are, and which of them no study could use."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]


def units(
    home: Folder,
    find: Annotated[str | None, typer.Option("--find", help="only codes with this in system or code")] = None,
    every: Annotated[bool, typer.Option("--all", help="codes of one unit too")] = False,
) -> None:
    """List the codes whose numbers are in several units, as spelled here and in UCUM; and what studies set aside for their unit.

    What to write is in the mapping, under `units:`. A spelling of fewer than 5 patients is counted, not shown.

    Example: rapha node units /srv/rapha --find glucose
    """
    from rapha.clock import utc_now
    from rapha.node.configuration import Home
    from rapha.node.frozen import units_set_aside
    from rapha.node.register import Register
    from rapha.timeline.reader import open_timeline
    from rapha.timeline.unit_counts import unit_lines

    opened = Home(home)
    with open_timeline(opened.timeline).connect() as connection:
        everything = unit_lines(connection, every=True)
        listed = everything if every else unit_lines(connection)
    lines = [line for line in listed if find is None or find.lower() in f"{line.system} {line.code}".lower()]
    table = Table("system", "code", "unit as given", "UCUM", "numbers", box=None, pad_edge=False)
    for line in lines:
        given = "(rare spellings)" if line.rare else _spelled(line.unit)
        table.add_row(line.system, line.code, given, line.ucum or "-", f"{line.numbers:,}")
    if lines:
        Console().print(table)
    typer.echo(
        f"{len({(line.system, line.code) for line in lines})} codes"
        if lines
        else "no code has numbers of several units"
    )
    seen = {name for line in everything if not line.rare for name in (line.unit, line.ucum)}
    for dispatch, study, aside in units_set_aside(Register(opened.database, utc_now)):
        unit = _spelled(aside.unit) if aside.unit in seen else "(a rare spelling)"
        typer.echo(f"{dispatch} {study}: {aside.numbers:,} numbers of `{aside.concept}` set aside, in: {unit}")


def _spelled(unit: str | None) -> str:
    return "(none)" if unit is None else "".join(letter if letter.isprintable() else "?" for letter in unit)
