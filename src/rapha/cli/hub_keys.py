"""`rapha hub revoke-key`."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def revoke_key(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the hub's home folder")],
    site: Annotated[str, typer.Argument(metavar="SITE", help="whose key")],
    key: Annotated[
        str, typer.Option("--key", help="how its id begins; without it the key that the site signs with now")
    ] = "",
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%dT%H:%M:%SZ"], help="from when it is not believed, in UTC; from now on"
        ),
    ] = None,
) -> None:
    """End a key of a hospital. It opens no door at once; what it signed from that time on is not believed, what it signed before is.

    The hub signs it and puts it into the public log: at once where it runs and is asked for its keys, else at its next start. Who pinned
    the key is told by `rapha receipt follow-keys`. The hospital comes back with a new key and a code of `rapha hub enrol`.

    Example: rapha hub revoke-key /srv/hub st-anna --from 2026-11-28T12:00:00Z
    """
    from datetime import UTC

    from rapha.clock import utc_now
    from rapha.hub.configuration import load
    from rapha.hub.notify import Bell
    from rapha.hub.signer import Signer
    from rapha.hub.site_keys import revoke
    from rapha.hub.store.database import open_store
    from rapha.proof import keys

    opened = load(home)
    signer = Signer(opened.settings.name, keys.private_from_pem(opened.key.read_bytes()), utc_now)
    moment = since.replace(tzinfo=UTC) if since else None
    with closing(open_store(opened.database, Bell(), utc_now)) as store, store.changing() as change:
        window = revoke(change, signer, site, key or None, moment)
    typer.echo(f"the key of {site} is believed until {window.end}, and no longer; its node is locked out")
