"""What a receipt shows and what it does not, worked out of what was checked and not believed of the signer. Pure.

The signer has to say it too, under `not_shown`. Where its words leave out what its own record implies, it promises more than it
shows; that, and whatever else it says there, is flagged. A flag fails no receipt: words are no evidence either way.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rapha.clock import stamp
from rapha.proof.claim import EVIDENCE_NOT_SHOWN, T0_NOT_SHOWN, AggregationClaim, SiteClaim
from rapha.proof.evidence.appraise import FLAG
from rapha.proof.freeze import FREEZE_NOT_SHOWN, NOT_FROZEN_BEFORE, FreezeClaim, Placed
from rapha.proof.logged import NO_WITNESS
from rapha.proof.refusal import REFUSAL_NOT_SHOWN, RefusalClaim
from rapha.proof.remarks import PLAIN_NEGATIVES, RECORDS_WORDS, aggregation_remarks, release_remarks
from rapha.records.receipt import Tier, Verdict
from rapha.records.release import Release

Claim = SiteClaim | AggregationClaim | RefusalClaim | FreezeClaim

OWN_CLOCK = T0_NOT_SHOWN[3], REFUSAL_NOT_SHOWN[2]
"""What the signer says of its time, and a verifier that saw the time stamp says better."""
STAMPED_NOT_SHOWN = "That it was signed at the time it names: a time stamper saw it at the time above, and before that there is the signer's own clock alone."
NOT_REPEATED_NOT_SHOWN = "That the training was done as stated: nobody else ran it again."
"""In a verdict of tier T2, in the place of what the signer says of that: its words name the tier that it claims itself."""
BAD_EVIDENCE_NOT_SHOWN = "That this code, and no other, ran on the signer's machine: the hardware evidence with the receipt did not hold here, and shows nothing."
NOT_ANCHORED = (
    "That the log's tree stands in a public chain: no anchor is looked at here (`rapha log verify-anchor` does)."
)
SIGNERS_WORDS = RECORDS_WORDS.union(REFUSAL_NOT_SHOWN)
"""Every sentence that a signer of this format has for what is not shown."""
SANDBOXES = ("bubblewrap", "namespaces", "i-accept-that-code-can-reach-this-machine")
"""What a sandbox is called. Another name is a signer's own word, and is shown as that."""
_NO_INK = re.compile(
    r"[\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u2800\u3000\u3164\ufeff\uffa0]+"
)
_QUOTES = re.compile(r"[\u201c-\u201f]")
_QUOTED_CHARACTERS = 200


@dataclass(frozen=True)
class Seen:
    """What was checked outside the statement: both entries' places in the log and the RFC 3161 time; the witnesses, by key id, that have
    seen the checkpoints of both; and the same of the freeze that a receipt names."""

    placed: Placed
    witnesses: frozenset[str]
    frozen: Placed | None = None


def implied(claim: Claim) -> tuple[str, ...]:
    """What the signer has to say is not shown, by its own record."""
    match claim:
        case SiteClaim():
            return release_remarks(claim.release, claim.evidence is not None)
        case AggregationClaim():
            return aggregation_remarks(claim.aggregation)
        case RefusalClaim():
            return REFUSAL_NOT_SHOWN
        case FreezeClaim():
            return ()


def claimed_tier(claim: Claim) -> Tier:
    """T1 where a transcript is signed that a second machine can be held against; it is T1 only with that machine's word."""
    return "T1" if isinstance(claim, SiteClaim) and claim.release.transcript else "T0"


def not_shown(claim: Claim, seen: Seen) -> tuple[str, ...]:
    """What is not shown of this claim with all that was seen; the signer may say more that promises nothing, and never less."""
    modest = [remark for remark in claim.not_shown if remark in PLAIN_NEGATIVES]
    said = dict.fromkeys((*implied(claim), *modest))
    known = [STAMPED_NOT_SHOWN if remark in OWN_CLOCK else remark for remark in said]
    frozen = (FREEZE_NOT_SHOWN if seen.frozen else NOT_FROZEN_BEFORE,) if isinstance(claim, SiteClaim) else ()
    return (*dict.fromkeys(known), *frozen, *(() if seen.witnesses else (NO_WITNESS,)), NOT_ANCHORED)


def settled(verdict: Verdict) -> Verdict:
    """A verdict whose evidence was judged, without remarks of before that: on evidence that may count, or of a tier that it is not of."""
    instead: dict[str, str] = {}
    if verdict.tier == "T2":
        instead[T0_NOT_SHOWN[0]] = NOT_REPEATED_NOT_SHOWN
    if any(flag.startswith(FLAG) for flag in verdict.flagged):
        instead[EVIDENCE_NOT_SHOWN] = BAD_EVIDENCE_NOT_SHOWN
    return verdict.model_copy(update={"not_shown": tuple(instead.get(one, one) for one in verdict.not_shown)})


def flags(claim: Claim) -> tuple[str, ...]:
    """Where the signer's own words are not those of its record."""
    due = implied(claim)
    left_out = [one for one in due if one not in claim.not_shown]
    beyond = [one for one in claim.not_shown if one in SIGNERS_WORDS and one not in due and one not in PLAIN_NEGATIVES]
    besides = [one for one in claim.not_shown if one not in SIGNERS_WORDS]
    name = claim.release.sandbox.backend if isinstance(claim, SiteClaim) else SANDBOXES[0]
    return (
        *(f"It leaves out what its own record does not show: {_quoted(one)}" for one in left_out),
        *(f"It tells of what its own record does not have: {_quoted(one)}" for one in beyond),
        *(f"It says besides, in words of its own: {_quoted(one)}" for one in besides),
        *(() if name in SANDBOXES else (f"It names a sandbox that is not known: {_quoted(name)}",)),
    )


def found(claim: Claim, seen: Seen) -> tuple[str, ...]:
    """What the evidence is, line by line."""
    return (
        *(_of_release(claim.release) if isinstance(claim, SiteClaim) else ()),
        *(
            (f"Frozen before the run: {_entries(seen.frozen)}, time-stamped {stamp(seen.frozen.stamped)}.",)
            if seen.frozen
            else ()
        ),
        f"In the log: {_entries(seen.placed)}, seen by {len(seen.witnesses)} of the witnesses that are known.",
        f"Time-stamped: {stamp(seen.placed.stamped)}.",
    )


def _entries(placed: Placed) -> str:
    first, second = placed.places
    return f"entries {first} and {second}" if first != second else f"entry {first}"


def _of_release(release: Release) -> Iterable[str]:
    made = release.transcript
    yield (
        f"Tier T1 is claimed: a transcript of {made.waypoints} waypoints is signed and logged; it takes the word of a machine that did the run again."
        if made
        else "Tier T0 is all that is claimed: no transcript of the run is signed."
    )
    box = release.sandbox
    layers = f"{len(box.layers)} layers, " if box.isolated else "NO isolation, "
    name = box.backend if box.backend in SANDBOXES else _quoted(box.backend)
    yield f"Sandbox, by the signer's word: {name}, {layers}{box.held} of the {box.attempts} ways out that it says were tried held."
    spent = release.privacy.as_json()
    yield (
        "Differential privacy: none."
        if spent["mechanism"] == "none"
        else f"Differential privacy, by the signer's word: {spent['mechanism']}, epsilon at most {spent['epsilon']} at delta {spent['delta']}."
    )


def _quoted(words: str) -> str:
    """On one line, and no longer than a sentence: what is quoted can neither end its quotation nor begin a line of its own."""
    line = _QUOTES.sub('"', _NO_INK.sub(" ", words))
    cut = (
        line
        if line in SIGNERS_WORDS or len(line) <= _QUOTED_CHARACTERS
        else f"{line[:_QUOTED_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"
    )
    return f"\N{LEFT DOUBLE QUOTATION MARK}{cut}\N{RIGHT DOUBLE QUOTATION MARK}"
