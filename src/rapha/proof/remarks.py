"""What a signer has to say that its own record does not show. The verifier works the same out again: shown.py. Pure."""

from rapha.proof.claim import (
    BEST_NOT_SHOWN,
    EVIDENCE_NOT_SHOWN,
    MERGE_NOT_SHOWN,
    MODE_NOT_SHOWN,
    NO_AUDIT_NOT_SHOWN,
    NO_PRIVACY_NOT_SHOWN,
    NO_REPEAT_NOT_SHOWN,
    NO_WALLS_NOT_SHOWN,
    PRIVACY_NOT_SHOWN,
    T0_NOT_SHOWN,
    TRANSCRIPT_NOT_SHOWN,
    WALLS_FELL_NOT_SHOWN,
)
from rapha.records.audit import AUDIT_PASSED
from rapha.records.receipt import Aggregation
from rapha.records.release import Release, SandboxReport

RECORDS_WORDS = frozenset(
    (*T0_NOT_SHOWN, *MERGE_NOT_SHOWN, BEST_NOT_SHOWN, NO_PRIVACY_NOT_SHOWN, PRIVACY_NOT_SHOWN, *MODE_NOT_SHOWN["B"],
     *MODE_NOT_SHOWN["C"], NO_AUDIT_NOT_SHOWN, TRANSCRIPT_NOT_SHOWN, NO_REPEAT_NOT_SHOWN, NO_WALLS_NOT_SHOWN,
     WALLS_FELL_NOT_SHOWN, EVIDENCE_NOT_SHOWN)
)  # fmt: skip
"""Every sentence for what a release or an aggregation does not show."""
PLAIN_NEGATIVES = frozenset(
    (NO_PRIVACY_NOT_SHOWN, NO_AUDIT_NOT_SHOWN, NO_REPEAT_NOT_SHOWN, NO_WALLS_NOT_SHOWN, WALLS_FELL_NOT_SHOWN)
)
"""Those of them that promise nothing, of whatever record they are said: the others tell of a noise, a transcript, a comparison that was."""


def release_remarks(release: Release, evidenced: bool = False) -> tuple[str, ...]:
    """What such a release does not show. `evidenced`: hardware evidence is stated with it, which whoever reads it has to judge."""
    first = (T0_NOT_SHOWN[0], EVIDENCE_NOT_SHOWN, *T0_NOT_SHOWN[2:]) if evidenced else T0_NOT_SHOWN
    repeat = TRANSCRIPT_NOT_SHOWN if release.transcript else NO_REPEAT_NOT_SHOWN
    privacy = NO_PRIVACY_NOT_SHOWN if release.privacy.mechanism == "none" else PRIVACY_NOT_SHOWN
    audit = () if AUDIT_PASSED in release.egress.rules else (NO_AUDIT_NOT_SHOWN,)
    return (*first, repeat, *MODE_NOT_SHOWN[release.mode], privacy, *audit, *_walls(release.sandbox))


def aggregation_remarks(aggregation: Aggregation) -> tuple[str, ...]:
    """What such an aggregation does not show."""
    best = () if aggregation.released_round is None else (BEST_NOT_SHOWN,)
    return (*T0_NOT_SHOWN, *MERGE_NOT_SHOWN, *best)


def _walls(box: SandboxReport) -> tuple[str, ...]:
    """Isolation counts as far as it was tried: some way out was, and each that was held. Which the self-test knows is not looked at."""
    if not box.isolated:
        return (NO_WALLS_NOT_SHOWN,)
    return () if box.layers and 0 < box.attempts == box.held else (WALLS_FELL_NOT_SHOWN,)
