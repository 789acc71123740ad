"""Ways to state hardware evidence that is none, whatever it says: the statement is not understood, and nothing is claimed of it."""

from collections.abc import Callable
from typing import Any

from receipt_faults import restated
from receipt_samples import AGGREGATION, HUB, NORTH, Fault, Files, with_evidence

Json = dict[str, Any]


def _changed(change: Callable[[Json], object]) -> Callable[[Files], None]:
    """North's evidence says otherwise, and north signs that."""

    def after(files: Files) -> None:
        with_evidence()(files)
        restated(NORTH, "north", lambda value: change(_internal(value)))(files)

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
    "evidence-of-the-hub": Fault(AGGREGATION, 8, after=_of_the_hub),
}
