"""`rapha node rotate-key` and `revoke-key`."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def rotate_key(home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]) -> None:
    """Go over to a new signing key: the old one signs that the new one follows, the hub takes it, the old one is removed.

    Stop the agent first. Receipts that the old key signed stay good. Run it again where it was cut short; the agent's next start ends it
    too. A key that was stolen is not rotated: end it with `rapha node revoke-key`, and enrol anew.

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


def revoke_key(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%dT%H:%M:%SZ"],
            help="from when it is not believed, in UTC, at most 31 days back; from now on",
        ),
    ] = None,
) -> None:
    """End this node's signing key, which somebody else has or may have: it opens no door from now on, and what it signed from that time on is not believed.

    The key signs that itself, the hub puts it into the public log, and nothing takes it back. What was stamped and logged before that time stays good; studies that run here
    fail. The hub's steward ends a key that was lost, one that a thief has gone over from, or one from further back (`rapha hub revoke-key`).

    Example: rapha node revoke-key /srv/rapha --from 2026-11-28T12:00:00Z
    """
    from datetime import UTC

    from rapha.clock import utc_now
    from rapha.node.configuration import Home
    from rapha.node.hub_line import line_of
    from rapha.node.revocation import revoke_key as revoked
    from rapha.node.revocation import to_move_away

    opened = Home(home)
    moment = since.replace(tzinfo=UTC) if since else None
    with closing(line_of(opened, utc_now)) as line:
        keyid = revoked(opened, line, utc_now, moment)
    typer.echo(f"the key {keyid[:16]} of {opened.configuration.site} has ended, and opens no door at the hub")
    typer.echo(f"to come back: stop the agent, move {', '.join(to_move_away(opened))} out of {opened.folder},")
    typer.echo("and run `rapha node init` there with a code of the hub's steward; timeline, rules and register stay")
