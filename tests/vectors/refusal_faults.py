"""Ways in which a refusal can be wrong, and the step that is there to catch each."""

import json
from collections.abc import Callable
from typing import Any

import record_samples as made_up
from receipt_faults import relogged, resigned, restated, rewrapped
from receipt_samples import AGGREGATION, HUB, REFUSED, REFUSER, Fault, Files, Parts, payload_of, refused, sealed

from rapha.proof.certified import certified_path


def _with(**changes: Any) -> Callable[[Files], None]:
    """The refuser itself signs a predicate with these changes."""
    return restated(REFUSED, REFUSER, lambda value: value["predicate"].update(changes))


def _no_reason(value: dict[str, Any]) -> None:
    del value["predicate"]["reason"]


def _passed_over(parts: Parts) -> None:
    """The hub does not tell of a hospital that said no."""
    refused(parts)
    parts.aggregation = parts.aggregation.model_copy(update={"denials": {"west": "purpose-not-allowed"}})


def _by(owner: str) -> Callable[[Parts], None]:
    def before(parts: Parts) -> None:
        refused(parts)
        parts.signers[REFUSER] = owner

    return before


def _receipt_as_refusal(files: Files) -> None:
    files[REFUSED] = sealed(payload_of(files, AGGREGATION), REFUSER)


def _other_hint(material: dict[str, Any]) -> None:
    material["publicKey"]["hint"] = made_up.trusted("north").keyid


def _edit(value: dict[str, Any]) -> None:
    payload = value["payload"]
    value["payload"] = ("B" if payload[0] == "A" else "A") + payload[1:]


def _fault(step: int, after: Callable[[Files], None] = lambda files: None, **more: Any) -> Fault:
    return Fault(REFUSED, step, **{"before": refused, "after": after, **more})


REFUSAL_FAULTS: dict[str, Fault] = {
    "refusal-not-json": _fault(1, lambda files: files.update({REFUSED: b"no"})),
    "refusal-by-a-stranger": _fault(2, before=_by("stranger")),
    "refusal-by-another-site": _fault(3, before=_by("north")),
    "refusal-by-the-hub": _fault(3, before=_by(HUB)),
    "refusal-edited": _fault(4, rewrapped(REFUSED, _edit)),
    "refusal-not-canonical": _fault(5, resigned(REFUSED, REFUSER, lambda p: json.dumps(json.loads(p)).encode())),
    "refusal-of-another-type": _fault(
        6, restated(REFUSED, REFUSER, lambda v: v.update(predicateType="https://rapha.dev/refusal/v0"))
    ),
    "receipt-as-refusal": _fault(6, _receipt_as_refusal),
    "refusal-short-nonce": _fault(7, _with(nonce="00112233")),
    "refusal-with-a-text": _fault(8, _with(text="too few patients: 3")),
    "refusal-with-a-count": _fault(8, _with(reason="too-few-events")),
    "refusal-without-reason": _fault(8, restated(REFUSED, REFUSER, _no_reason)),
    "refusal-of-another-stage": _fault(8, _with(stage="gate")),
    "refusal-on-no-day": _fault(8, _with(at="2026-02-30T08:00:00.000Z")),
    "refusal-of-two-studies": _fault(8, _with(study_digest=made_up.blob("another study"))),
    "refusal-for-another": _fault(9, _with(site="north")),
    "refusal-of-another-study": _fault(
        10,
        restated(
            REFUSED,
            REFUSER,
            lambda v: (
                v["predicate"].update(study_digest=made_up.blob("another")),
                v["subject"][0]["digest"].update(sha256=made_up.blob("another")[7:]),
            ),
        ),
    ),
    "refusal-with-another-hint": _fault(12, relogged(REFUSED, _other_hint)),
    "refusal-not-certified": _fault(16, at_last=lambda files: files.pop(certified_path(REFUSED))),
    "refusal-passed-over": Fault(AGGREGATION, 21, before=_passed_over),
}
