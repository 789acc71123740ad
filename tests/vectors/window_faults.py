"""Keys that are not believed for ever: receipts of before their end hold, those of after it fail at step 18."""

import json
from collections.abc import Callable

import record_samples as made_up
import small_authority
import small_log
from receipt_samples import AGGREGATION, HUB, NORTH, Fault, Files

from rapha.proof.certified import TRUST_CONFIG_FILE, trust_config
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


OWN_ROLES = ("log", "authority", "time-stamper", "certificate-log")
ENDED_LATER = {
    "key-rotated-after": Fault(NORTH, 0, at_last=believed(Window(end=AFTER), Window(start=STAMPED))),
    "key-revoked-after": Fault(NORTH, 0, at_last=believed(Window(start=STAMPED, end=AFTER, below=PLACE + 1))),
    "hub-key-rotated-after": Fault(
        NORTH, 0, at_last=believed(Window(end=AFTER), Window(start=STAMPED), owner=HUB, role="hub")
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
    "one-stamper-too-few": Fault(NORTH, 18, at_last=one_stamper_too_few),
}
