"""`rapha hub revoke-key`, `rotate` and `revoke-own-key`."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rapha.hub.configuration import HubConfiguration

Home = Annotated[Path, typer.Argument(metavar="HOME", help="the hub's home folder")]
Since = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%dT%H:%M:%SZ"], help="from when it is not believed, in UTC; from now on"),
]


def revoke_key(
    home: Home,
    site: Annotated[str, typer.Argument(metavar="SITE", help="whose key")],
    key: Annotated[
        str, typer.Option("--key", help="how its id begins; without it the key that the site signs with now")
    ] = "",
    since: Since = None,
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
    from rapha.hub.store.database import open_beside
    from rapha.proof import keys

    opened = load(home)
    signer = Signer(opened.settings.name, keys.private_from_pem(opened.key.read_bytes()), utc_now)
    moment = since.replace(tzinfo=UTC) if since else None
    with closing(open_beside(opened.database, Bell(), utc_now)) as store, store.changing() as change:
        done = revoke(change, signer, site, key or None, moment)
    typer.echo(f"the key {done.keyids[0][:16]} of {site} is believed until {done.window.end}, and no longer")
    for one in done.keyids[1:]:
        typer.echo(f"so is {one[:16]}, which it went over to since then")
    locked = f"its key {done.counts[:16]} still opens doors" if done.counts else "its node is locked out"
    typer.echo(locked)


def rotate(
    home: Home,
    what: Annotated[
        Literal["hub", "log", "authority"],
        typer.Argument(
            metavar="WHAT",
            help="hub: the key that signs aggregations; log: the two that sign checkpoints; authority: its three keys",
        ),
    ],
) -> None:
    """Go over to other keys of the hub's own, which stands still meanwhile. What was signed with the old ones stays good.

    A statement in the public log says which key follows, signed with the hub's key: `rapha receipt follow-keys` goes by it. That another key
    follows the hub's own is signed with both. The log's old key signs checkpoints too until you remove HOME/log-key-before.pem: when your
    witnesses know the new one. Where it was cut short, `rapha hub run` ends it; so does this, run again, and
    what was already done but for its last word is then done once more.

    Example: rapha hub rotate /srv/hub log
    """
    from rapha.cli.hub_lock import lock_hub
    from rapha.hub.configuration import load
    from rapha.hub.own_keys import check_alone

    opened = load(home)
    check_alone(opened)
    with lock_hub(opened.lock):
        half = what == "authority" and not opened.authority.exists()  # all but its last step was done
        ended = finish_rotations(opened)
        if half:
            typer.echo(f"{opened.settings.name}: the authority has its new keys; start the hub again")
            return
        made = ended.get(what) or _rotated(opened, what)
    typer.echo(f"{opened.settings.name}: the {what} signs with {', '.join(made)} from now on; start the hub again")


def revoke_own_key(
    home: Home,
    role: Annotated[
        Literal["hub", "log", "log-ml-dsa-44", "authority", "time-stamper", "certificate-log"],
        typer.Argument(metavar="ROLE", help="of which role"),
    ],
    key: Annotated[
        str, typer.Argument(metavar="KEYID", help="how the former key's id begins: /api/v1/keys lists them")
    ],
    since: Since = None,
) -> None:
    """End a former key of the hub's own that was stolen, while the hub stands still. A key that still signs is rotated first.

    The hub signs it and puts it into the public log: `rapha receipt follow-keys` goes by it. What the key signed from that time on, or
    behind that entry of the log, is not believed; a former log key signs no more checkpoints. That time may be before it was rotated: which
    key follows it counts still. Run it again where it was cut short.

    Example: rapha hub revoke-own-key /srv/hub log 9b6e --from 2026-11-28T12:00:00Z
    """
    from datetime import UTC

    from rapha.cli.hub_lock import lock_hub
    from rapha.hub.configuration import load
    from rapha.hub.own_keys import check_alone
    from rapha.hub.own_revocation import revoke_former
    from rapha.hub.wired import open_hub

    opened = load(home)
    check_alone(opened)
    moment = since.replace(tzinfo=UTC) if since else None
    with lock_hub(opened.lock):
        finish_rotations(opened)
        hub = open_hub(opened)
        try:
            ended = revoke_former(opened, hub.store, hub.desk, hub.signer, role, key, moment)
        finally:
            hub.stop()
    until = ended.window.end if ended.window else ""
    typer.echo(f"the {role} key {ended.keyid[:16]} is believed until {until}, and no longer; start the hub again")


def finish_rotations(configuration: "HubConfiguration") -> dict[str, tuple[str, ...]]:
    """End what was cut short: by name, the ids of its new keys. The hub is locked by the caller."""
    from rapha.hub.own_roles import begun

    return {what: _rotated(configuration, what) for what in begun(configuration)}


def finish_rotations_or_wait(configuration: "HubConfiguration") -> None:
    """As `finish_rotations`. What waits for the clock of this machine waits for the next start: the keys of before count until then."""
    from rapha.errors import ClockBehind
    from rapha.hub.own_roles import begun

    for what in begun(configuration):
        try:
            _rotated(configuration, what)
        except ClockBehind as behind:
            typer.echo(f"the {what} keeps its keys until the next start: {behind}", err=True)


def _rotated(configuration: "HubConfiguration", what: str) -> tuple[str, ...]:
    from rapha.hub.own_keys import rotate
    from rapha.hub.own_roles import ROLES
    from rapha.hub.wired import open_hub

    hub = open_hub(configuration)
    try:
        return rotate(ROLES[what](configuration, hub.desk, hub.signer), hub.store)
    finally:
        hub.stop()
