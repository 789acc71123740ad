"""Ways to state hardware evidence that is none, whatever it says: the statement is not understood, and nothing is claimed of it."""

import json
from collections.abc import Callable
from typing import Any

from receipt_faults import payload_of, resigned, restated
from receipt_samples import AGGREGATION, HUB, NORTH, Fault, Files, with_evidence

from rapha.canonical import canonical_bytes

Json = dict[str, Any]


def _changed(change: Callable[[Json], object]) -> Callable[[Files], None]:
    """North's evidence says otherwise, and north signs that."""

    def after(files: Files) -> None:
        with_evidence()(files)
        restated(NORTH, "north", lambda value: change(_internal(value)))(files)

    return after


def _nested(levels: int) -> Callable[[Files], None]:
    """Lists in lists: below the limit they are read, and are no evidence; above it nobody's stack is tried."""

    def after(files: Files) -> None:
        with_evidence()(files)
        stated = canonical_bytes(_internal(json.loads(payload_of(files, NORTH)))["evidence"])
        resigned(NORTH, "north", lambda payload: payload.replace(stated, b"[" * levels + b"]" * levels))(files)

    return after


def _internal(value: Json) -> Json:
    inside: Json = value["predicate"]["buildDefinition"]["internalParameters"]
    return inside


def _of_the_hub(files: Files) -> None:
    """The hub's statement has no such field: nobody can say of it where it was made."""
    made = {"kind": "sev-snp", "report": "", "collateral": {}, "devices": []}
    restated(AGGREGATION, HUB, lambda value: _internal(value).update(evidence=made))(files)


EVIDENCE_FAULTS = {
    "evidence-of-nothing": Fault(NORTH, 8, after=_changed(lambda inside: inside.update(evidence=None))),
    "evidence-with-a-root": Fault(NORTH, 8, after=_changed(lambda inside: inside["evidence"].update(root="AAAA"))),
    "evidence-without-a-report": Fault(NORTH, 8, after=_changed(lambda inside: inside["evidence"].pop("report"))),
    "evidence-with-white-space": Fault(
        NORTH, 8, after=_changed(lambda inside: inside["evidence"].update(report="AAAA\n"))
    ),
    "evidence-of-a-nameless-kind": Fault(
        NORTH, 8, after=_changed(lambda inside: inside["evidence"].update(kind="SEV SNP"))
    ),
    "evidence-that-does-not-say-whether-of-devices": Fault(
        NORTH, 8, after=_changed(lambda inside: inside["evidence"].pop("devices"))
    ),
    "evidence-of-a-device-without-a-report": Fault(
        NORTH, 8, after=_changed(lambda inside: inside["evidence"].update(devices=[{"kind": "nvidia-gpu"}]))
    ),
    "evidence-nested-too-deep": Fault(NORTH, 5, after=_nested(700)),
    "evidence-nested-deep": Fault(NORTH, 8, after=_nested(50)),
    "evidence-of-the-hub": Fault(AGGREGATION, 8, after=_of_the_hub),
}
