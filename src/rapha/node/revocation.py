"""A node says that its own signing key is not to be believed from a time on: somebody else has it, or may have.

Nothing is written here: the key stays where it is until the steward moves it away, so that the command can be run again. The hub takes
the first statement; from then on the key opens no door, and the hub says so to whoever comes with it.
"""

from datetime import datetime

from rapha.clock import Clock
from rapha.errors import ConfigurationError
from rapha.node.configuration import Home
from rapha.node.hub_line import HubLine
from rapha.node.keys import load_key
from rapha.node.rotation import BEGUN
from rapha.proof import keys
from rapha.proof.key_change import signed_revocation

ENDED = ("node.yaml", "key.pem", "key-next.pem", "rotation.json")
"""What a steward moves out of a home whose key has ended, as far as it is there, before the node is enrolled anew."""


def revoke_key(home: Home, line: HubLine, clock: Clock, since: datetime | None) -> str:
    """End this node's key, from `since` on or from now; the key's id.

    Raises:
        ConfigurationError: the time is yet to come; or the node is in the middle of going over to another key.
        Unreachable: the hub does not answer: the key still counts there, unless the answer alone was lost. Run it again.
        NotPermitted, Conflict: it has ended or was followed already, or the time is too far back for the key alone.
    """
    if (home.folder / BEGUN).exists():  # which of both keys counts the hub alone knows
        raise ConfigurationError(
            f"{home.folder / BEGUN} says that this node is going over to another key: end that first with `rapha node rotate-key "
            f"{home.folder}`, and then run this again"
        )
    private, now = load_key(home.key), clock()
    if since is not None and since > now:
        raise ConfigurationError(
            "a key is revoked from a time that has come: run this again then, or leave --from away"
        )
    keyid = keys.keyid(private.public_key())
    line.revoke(signed_revocation(home.configuration.site, keyid, since or now, now, private))
    return keyid


def to_move_away(home: Home) -> tuple[str, ...]:
    """Names in the home that belong to the key that has ended."""
    return tuple(name for name in ENDED if (home.folder / name).exists())
