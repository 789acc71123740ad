"""Keys that are not believed for ever: receipts of before their end hold, those of after it fail at step 18."""

import base64
import json
from collections.abc import Callable

import record_samples as made_up
import small_authority
import small_log
from receipt_samples import AGGREGATION, HUB, NORTH, Fault, Files

from rapha.canonical import canonical_bytes
from rapha.proof import checkpoint
from rapha.proof.certified import TRUST_CONFIG_FILE, certified_path, trust_config
from rapha.records.wire import TrustedKeys, Window

BEFORE, STAMPED, AFTER = "2026-11-23T07:59:59Z", "2026-11-23T08:00:00Z", "2026-11-23T08:00:01Z"
"""Every receipt of these folders is stamped at the second of these, and is entry 4 of its log."""
PLACE = 4


def believed(
    window: Window, successor: Window | None = None, owner: str = "north", role: str = "node"
) -> Callable[[Files], None]:
    """The key of north, or another, has this window; with a successor where one is given."""

    def at_last(files: Files) -> None:
        known = TrustedKeys.from_bytes(files["receipts/keys.json"])
        mine = (owner, role)
        listed = [
            key.model_copy(update={"window": window}) if (key.owner, key.role) == mine else key for key in known.keys
        ]
        if successor:
            more = {"owner": owner, "window": successor}
            listed.append(made_up.trusted(f"next-{owner}", role).model_copy(update=more))
        files["receipts/keys.json"] = known.model_copy(update={"keys": tuple(listed)}).as_bytes()

    return at_last


def of_the_hub(role: str, end: str) -> Callable[[Files], None]:
    """The hub has gone over to another authority; the key of this role, of before, is believed until then."""

    def at_last(files: Files) -> None:
        old, new = small_authority.authority(HUB), small_authority.authority(HUB, seed="next ")
        log = small_log.private_key(small_log.ORIGIN).public_key()
        config = trust_config((old.trust, new.trust), ((log, None),), small_log.ORIGIN, HUB, old.uri)
        files[TRUST_CONFIG_FILE] = config.as_bytes()
        known = TrustedKeys.from_bytes(files["receipts/keys.json"])
        ended = [key.model_copy(update={"window": Window(end=end)}) if key.role == role else key for key in known.keys]
        files["receipts/keys.json"] = known.model_copy(update={"keys": (*ended, *new.trusted)}).as_bytes()

    return at_last


def one_stamper_too_few(files: Files) -> None:
    of_the_hub("authority", AFTER)(files)
    config = json.loads(files[TRUST_CONFIG_FILE])
    config["trustedRoot"]["timestampAuthorities"].pop()
    files[TRUST_CONFIG_FILE] = json.dumps(config).encode()


def logged_under(
    first: Window | None, second: Window | None = None, places: tuple[int, int] = (PLACE, PLACE)
) -> Callable[[Files], None]:
    """The log had one key for the first entry of north's receipt, with this window, and another for the second."""

    def at_last(files: Files) -> None:
        _relog(files, NORTH, places[0], FORMER_LOG)
        _relog(files, certified_path(NORTH), places[1], small_log.ORIGIN)
        known = TrustedKeys.from_bytes(files["receipts/keys.json"])
        public = small_log.private_key(FORMER_LOG).public_key()
        of_before = {"keyid": checkpoint.keyid(public), "public_key": checkpoint.public_to_pem(public), "window": first}
        [log] = known.of_role("log")
        others = [key for key in known.keys if key.role != "log"]
        both = (log.model_copy(update=of_before), log.model_copy(update={"window": second}))
        files["receipts/keys.json"] = known.model_copy(update={"keys": (*others, *both)}).as_bytes()

    return at_last


def _relog(files: Files, path: str, place: int, log: str) -> None:
    bundle = json.loads(files[path])
    material = bundle["verificationMaterial"]
    entry = base64.b64decode(material["tlogEntries"][0]["canonicalizedBody"])
    material["tlogEntries"] = [small_log.placed_here(entry, place, log).as_json()]
    files[path] = canonical_bytes(bundle)


FORMER_LOG = "log of before"
OWN_ROLES = ("log", "authority", "time-stamper", "certificate-log")
ENDED_LATER = {
    "key-rotated-after": Fault(NORTH, 0, at_last=believed(Window(end=AFTER), Window(start=STAMPED))),
    "key-revoked-after": Fault(NORTH, 0, at_last=believed(Window(start=STAMPED, end=AFTER, below=PLACE + 1))),
    "hub-key-rotated-after": Fault(
        NORTH, 0, at_last=believed(Window(end=AFTER), Window(start=STAMPED), owner=HUB, role="hub")
    ),
    "log-rotated-between": Fault(NORTH, 0, at_last=logged_under(Window(end=AFTER))),
    "log-key-begun-after-the-stamp": Fault(NORTH, 0, at_last=logged_under(Window(start=AFTER), Window(start=AFTER))),
    "log-keys-revoked-behind-their-own-entries": Fault(
        NORTH, 0, at_last=logged_under(Window(below=PLACE + 1), Window(below=PLACE + 2), (PLACE, PLACE + 1))
    ),
    "authority-rotated-after": Fault(NORTH, 0, at_last=of_the_hub("authority", AFTER)),
}
"""No faults: the key has ended, and these receipts were there before."""

WINDOW_FAULTS = {
    "key-revoked-before": Fault(NORTH, 18, at_last=believed(Window(end=STAMPED))),
    "key-revoked-before-in-the-log": Fault(NORTH, 18, at_last=believed(Window(end=AFTER, below=PLACE))),
    "key-not-good-yet": Fault(NORTH, 18, at_last=believed(Window(start=AFTER))),
    "windows-swapped": Fault(NORTH, 18, at_last=believed(Window(start=AFTER), Window(end=AFTER))),
    "hub-key-ended-before": Fault(
        AGGREGATION, 18, at_last=believed(Window(end=STAMPED), Window(start=STAMPED), owner=HUB, role="hub")
    ),
    "hub-key-not-good-yet": Fault(AGGREGATION, 18, at_last=believed(Window(start=AFTER), owner=HUB, role="hub")),
    "window-upside-down": Fault(NORTH, 18, at_last=believed(Window(start=AFTER, end=BEFORE))),
    **{f"{role}-ended-before": Fault(NORTH, 18, at_last=of_the_hub(role, STAMPED)) for role in OWN_ROLES},
    "first-log-key-ended-before": Fault(NORTH, 18, at_last=logged_under(Window(end=STAMPED))),
    "first-log-key-revoked-before-in-the-log": Fault(NORTH, 18, at_last=logged_under(Window(below=PLACE))),
    "second-log-key-revoked-before-in-the-log": Fault(
        NORTH, 18, at_last=logged_under(None, Window(below=PLACE + 1), (PLACE, PLACE + 1))
    ),
    "one-stamper-too-few": Fault(NORTH, 18, at_last=one_stamper_too_few),
}
