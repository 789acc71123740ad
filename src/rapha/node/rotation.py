"""A node goes over to another signing key. Killed between any two writes it can answer with the old key or with the new one.

    1  key-next.pem     the new key; nobody knows of it yet
    2  rotation.json    the old key says that the new one follows, the new one that it is there: from here on it is begun
    3  the hub is told, as often as it takes: it takes the same statement twice as once, and asks for no token with it
    4  key-next.pem takes the place of key.pem: the old key is gone
    5  rotation.json goes

Whoever dies before 3 still has the key that the hub knows; between 3 and 4 both keys are here and the statement says that it was begun,
so that the next start tells the hub again and ends the same way.
"""

from pathlib import Path

from rapha import faults
from rapha.clock import Clock
from rapha.durable import sync_folder, write_synced
from rapha.errors import ConfigurationError, Conflict, NotPermitted
from rapha.node.configuration import Home
from rapha.node.hub_line import HubLine
from rapha.node.keys import load_key
from rapha.proof import keys
from rapha.proof.key_change import signed_rotation
from rapha.records.key_change import Rotation

NEXT, BEGUN = "key-next.pem", "rotation.json"


def rotate_key(home: Home, line: HubLine, clock: Clock) -> str:
    """Go over to a new key, or end what was begun; the new key's id. The home is locked by the caller.

    Raises:
        Unreachable: the hub does not answer. It is begun: the next call, or the agent's next start, goes on.
        NotPermitted, Conflict: the hub does not take the rotation, for the old key is not the one that counts there, or it changes too often.
    """
    if not _begun(home):
        _begin(home, clock)
    finish_rotation(home, line)
    return keys.keyid(load_key(home.key).public_key())


def finish_rotation(home: Home, line: HubLine) -> None:
    """End a rotation that was begun; nothing where none was. Raises as `rotate_key`."""
    if not _begun(home):
        return
    if (home.folder / NEXT).exists():
        _tell(home, line)
        faults.point("node.to-rename:key.pem")
        (home.folder / NEXT).replace(home.key)
        sync_folder(home.folder)
        faults.point("node.renamed:key.pem")
    (home.folder / BEGUN).unlink()
    sync_folder(home.folder)


def _tell(home: Home, line: HubLine) -> None:
    try:
        line.go_over(_statement(home.folder / BEGUN))
    except (Conflict, NotPermitted) as refused:
        raise type(refused)(
            f"the hub does not take the key that was to follow: {refused}. To go on with the old key, while that one counts, "
            f"move {NEXT} and {BEGUN} out of {home.folder}; else enrol the node anew"
        ) from refused


def _begun(home: Home) -> bool:
    return (home.folder / BEGUN).exists()


def _begin(home: Home, clock: Clock) -> None:
    following, draft = home.folder / NEXT, home.folder / f"{BEGUN}.draft"
    if not following.exists():
        unfinished = home.folder / f"{NEXT}.draft"
        write_synced(unfinished, keys.private_to_pem(keys.generate()))
        unfinished.replace(following)
        sync_folder(home.folder)
    faults.point("node.written:key-next.pem")
    rotation = signed_rotation(home.configuration.site, load_key(home.key), load_key(following), clock())
    write_synced(draft, rotation.as_bytes())
    faults.point("node.to-rename:rotation.json")
    draft.replace(home.folder / BEGUN)
    sync_folder(home.folder)
    faults.point("node.renamed:rotation.json")


def _statement(path: Path) -> Rotation:
    try:
        return Rotation.from_bytes(path.read_bytes())
    except ValueError:
        raise ConfigurationError(
            f"{path} is not as the node wrote it: restore it from a copy, with key.pem and {NEXT}"
        ) from None
