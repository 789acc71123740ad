"""`rapha node rotate-key`."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer


def rotate_key(home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]) -> None:
    """Go over to a new signing key: the old one signs that the new one follows, the hub takes it, the old one is removed.

    Stop the agent first. Receipts that the old key signed stay good. Run it again where it was cut short; the agent's next start ends it
    too. A key that was stolen is not rotated: have the hub's steward end it (`rapha hub revoke-key`), and enrol anew.

    Example: rapha node rotate-key /srv/rapha
    """
    from rapha.clock import utc_now
    from rapha.node.agent import lock_home
    from rapha.node.configuration import Home
    from rapha.node.hub_line import line_of
    from rapha.node.rotation import rotate_key as rotated

    opened = Home(home)
    with lock_home(opened.folder), closing(line_of(opened, utc_now)) as line:
        keyid = rotated(opened, line, utc_now)
    typer.echo(f"{opened.configuration.site} signs with {keyid} from now on; start the agent again")
