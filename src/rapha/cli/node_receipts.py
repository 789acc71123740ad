"""`rapha node receipts`: is what this hospital signed in the public log?"""

from pathlib import Path
from typing import Annotated

import typer

WORDS = {
    "logged": "entry {0.entry}; the proof is in {1}/receipts",
    "waits": "not yet: {0.words}",
    "never": "no: {0.words}, so nothing of it was delivered",
    "missing": "NO: {0.words}",
    "spoilt": "its proof is not as it was kept: {0.words}",
    "unasked": "not looked for yet: the agent does, within some minutes",
}


def receipts(home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]) -> None:
    """Show where the public log has each receipt and refusal that this node signed, as the agent found it; proofs lie in HOME/receipts.

    Ends with 11 where the hub showed none for a completed study or a refusal, or something else: its steward has to answer for that. Ends with 4
    where a proof that was kept cannot be read, or is another.

    Example: rapha node receipts /srv/rapha
    """
    from rich.console import Console
    from rich.table import Table

    from rapha.clock import utc_now
    from rapha.errors import ConfigurationError, Unproven
    from rapha.node.configuration import Home
    from rapha.node.logged_receipts import places
    from rapha.node.register import Register

    opened = Home(home)
    found = list(places(opened.folder, Register(opened.database, utc_now)))
    if not found:
        typer.echo("nothing was signed here yet: no release, and no refusal")
        return
    table = Table("dispatch", "what", "in the public log", box=None, pad_edge=False)
    for place in found:
        table.add_row(place.dispatch, place.word, WORDS[place.state].format(place, home))
    Console().print(table)
    if missing := sum(place.state == "missing" for place in found):
        raise Unproven(
            f"the hub did not show {missing} of what this hospital signed in its public log: ask its steward. What was signed lies in {home}/outbox"
        )
    if spoilt := [place.words for place in found if place.state == "spoilt"]:
        raise ConfigurationError(
            f"{spoilt[0]} or its neighbour cannot be read, or is not what was signed and logged: put both back from a copy, or delete both: the "
            "agent asks for them again"
        )
