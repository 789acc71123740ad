"""Ways in which a hospital can name other patients than it froze before the run, or freeze after it; and the step that catches each."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import log_samples
import record_samples as made_up
import small_authority
import small_log
from receipt_samples import (
    AGGREGATION,
    FREEZE_PLACES,
    FROZEN_ORDER,
    HUB,
    NORTH,
    Fault,
    Files,
    Parts,
    frozen,
    payload_of,
)

from rapha.canonical import canonical_bytes
from rapha.proof.certified import certified_path
from rapha.records.bundle import Bundle
from rapha.records.wire import TrustedKeys

FREEZE = "freezes/north.json"
LAST = 9
"""Behind every receipt."""
NAMED, HUBS = 20, 24


def _roots(**changes: str) -> Callable[[Parts], None]:
    """North states another cohort in its receipt than the one it froze."""

    def before(parts: Parts) -> None:
        frozen(parts)
        release = parts.releases["north"]
        parts.releases["north"] = release.model_copy(update={"cohort": release.cohort.model_copy(update=changes)})

    return before


def _of(**changes: str) -> Callable[[Parts], None]:
    """North froze something else, and names that: whoever can sign for it can do so."""
    return lambda parts: frozen(parts, **changes)


def _another(parts: Parts) -> None:
    """North names a freeze that is not the one in the folder."""
    frozen(parts)
    parts.releases["north"] = parts.releases["north"].model_copy(update={"freeze": made_up.blob("another freeze")})
    parts.aggregation = parts.aggregation.model_copy(
        update={"freezes": {**(parts.aggregation.freezes or {}), "north": made_up.blob("another freeze")}}
    )


def _left_out(parts: Parts) -> None:
    """North's receipt names none, and the hub has one."""
    frozen(parts)
    parts.releases["north"] = parts.releases["north"].model_copy(update={"freeze": None})


def _not_had(parts: Parts) -> None:
    """The hub tells of none, and both receipts name one."""
    frozen(parts)
    parts.aggregation = parts.aggregation.model_copy(update={"freezes": None})


def _stated(change: Callable[[dict[str, Any]], None], owner: str = "north") -> Callable[[Files], None]:
    """Change the statement, and have it signed and logged again."""

    def after(files: Files) -> None:
        value = json.loads(payload_of(files, FREEZE))
        change(value)
        files[FREEZE] = small_log.signed_and_logged(
            canonical_bytes(value), made_up.private_key(owner), FREEZE_PLACES[0]
        )

    return after


def _in_order(path: str, place: int) -> Callable[[Files], None]:
    """All are in one tree, and this one is elsewhere in it."""

    def at_last(files: Files) -> None:
        order = [one for one in FROZEN_ORDER if one != path]
        small_log.in_one_tree(files, [*order[:place], path, *order[place:]])

    return at_last


def _without_first_round(parts: Parts) -> None:
    """North was late for the first round, and names a freeze all the same."""
    frozen(parts)
    release = parts.releases["north"]
    parts.releases["north"] = release.model_copy(update={"rounds": release.rounds[1:]})


def _in_another_tree(files: Files) -> None:
    """One log, one size, another root: the log forked."""
    aside = {path: files[path] for path in (FREEZE, certified_path(FREEZE))}
    small_log.in_one_tree(aside, [*aside])
    files.update(aside)


def _stamped(minutes: int) -> Callable[[Files], None]:
    """Freeze, or freeze and receipt, were stamped later."""

    def at_last(files: Files) -> None:
        late = small_authority.authority(HUB, small_authority.AT + timedelta(minutes=minutes))
        both = ((FREEZE, FREEZE_PLACES[1]), *(((NORTH, small_log.PLACE),) if minutes > 20 else ()))
        for path, place in both:
            receipt = Bundle.from_bytes(files[path]).dsseEnvelope
            files[certified_path(path)] = small_log.certified(receipt, made_up.trusted("north"), late, place)
        small_log.in_one_tree(files, FROZEN_ORDER)

    return at_last


def _of_another_log(files: Files) -> None:
    """Both logs are known, and nothing says which of two entries in two logs was first."""
    for path in (FREEZE, certified_path(FREEZE)):
        value = json.loads(files[path])
        log_samples.unknown_log(value["verificationMaterial"])
        files[path] = json.dumps(value).encode()
    known = TrustedKeys.from_bytes(files["receipts/keys.json"])
    more = small_log.trusted_log("rapha.dev/log/of-a-stranger")
    files["receipts/keys.json"] = known.model_copy(update={"keys": (*known.keys, more)}).as_bytes()


def _refused_edit(files: Files) -> None:
    value = json.loads(files[FREEZE])
    payload = value["dsseEnvelope"]["payload"]
    value["dsseEnvelope"]["payload"] = ("B" if payload[0] == "A" else "A") + payload[1:]
    files[FREEZE] = json.dumps(value).encode()


def _fault(after: Callable[[Files], None] = lambda files: None, **more: Any) -> Fault:
    return Fault(NORTH, NAMED, **{"before": frozen, "after": after, **more})


def asked_for(files: Files) -> None:
    """The keys file asks for freezes."""
    known = TrustedKeys.from_bytes(files["receipts/keys.json"])
    files["receipts/keys.json"] = known.model_copy(update={"frozen": True}).as_bytes()


def _south_froze_nothing(parts: Parts) -> None:
    """One of two hospitals sent no freeze, as one that wants to choose does; both receipts say so."""
    frozen(parts)
    parts.releases["south"] = parts.releases["south"].model_copy(update={"freeze": None})
    del parts.freezes["south"]
    had = {"north": parts.releases["north"].freeze or ""}
    parts.aggregation = parts.aggregation.model_copy(update={"freezes": had})


def _asked_for_without_south(files: Files) -> None:
    """And its receipt was taken out of the folder."""
    asked_for(files)
    del files[SOUTH], files[certified_path(SOUTH)]


SOUTH = "receipts/south.json"
ASKED_FOR: dict[str, Fault] = {"freeze-asked-for": Fault(AGGREGATION, 0, before=frozen, at_last=asked_for)}
"""No fault: freezes are asked for, and there."""
FREEZE_FAULTS: dict[str, Fault] = {
    "freeze-of-other-patients": _fault(before=_roots(patients_root=made_up.blob("chosen afterwards"))),
    "freeze-of-other-rows": _fault(before=_roots(commitment=made_up.blob("other rows"))),
    "freeze-of-another-approval": _fault(before=_of(approval=made_up.blob("another approval"))),
    "freeze-that-is-not-named": _fault(before=_another),
    "freeze-missing": _fault(at_last=lambda files: files.pop(FREEZE)),
    "freeze-not-certified": _fault(at_last=lambda files: files.pop(certified_path(FREEZE))),
    "freeze-edited": _fault(_refused_edit),
    "freeze-by-another-site": _fault(
        lambda files: files.update(
            {FREEZE: small_log.signed_and_logged(payload_of(files, FREEZE), made_up.private_key("south"), 1)}
        )
    ),
    "freeze-of-another-type": _fault(_stated(lambda v: v.update(predicateType="https://rapha.dev/freeze/v0"))),
    "freeze-with-a-count": _fault(_stated(lambda v: v["predicate"].update(patients=311))),
    "freeze-short-nonce": _fault(_stated(lambda v: v["predicate"].update(nonce="00"))),
    "freeze-logged-after": _fault(at_last=_in_order(FREEZE, LAST)),
    "freeze-certified-after": _fault(at_last=_in_order(certified_path(FREEZE), LAST)),
    "receipt-logged-before-freeze": _fault(at_last=_in_order(NORTH, 0)),
    "receipt-certified-before-freeze": _fault(at_last=_in_order(certified_path(NORTH), 0)),
    "freeze-stamped-after": _fault(at_last=_stamped(1)),
    "freeze-stamped-after-the-run": _fault(at_last=_stamped(21)),
    "freeze-in-another-tree": _fault(at_last=_in_another_tree),
    "freeze-without-the-first-round": _fault(before=_without_first_round),
    "freeze-in-another-log": _fault(at_last=_of_another_log),
    "freeze-asked-for-and-none": Fault(NORTH, NAMED, at_last=asked_for),
    "freeze-asked-for-and-one-has-none": Fault(SOUTH, NAMED, before=_south_froze_nothing, at_last=asked_for),
    "freeze-asked-for-and-the-hub-had-none": Fault(AGGREGATION, HUBS, before=_not_had, at_last=asked_for),
    "freeze-asked-for-of-who-dropped-out": Fault(
        AGGREGATION, HUBS, before=_south_froze_nothing, at_last=_asked_for_without_south
    ),
    "freeze-left-out": Fault(AGGREGATION, HUBS, before=_left_out),
    "freeze-that-the-hub-had-not": Fault(AGGREGATION, HUBS, before=_not_had),
}
