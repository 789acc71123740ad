"""Steps 5 to 8 of a receipt's judgement: what a statement is, by the place that it has in the folder, and all that it says. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from rapha.proof.checklist import Checklist
from rapha.proof.claim import AGGREGATION_BUILD, AGGREGATION_RECEIPT, SITE_BUILD, Json, SiteClaim
from rapha.proof.freeze import FREEZES, FreezeClaim, check_freeze_type, read_freeze
from rapha.proof.refusal import REFUSALS, RefusalClaim, check_refusal_nonce, check_refusal_type, read_refusal
from rapha.proof.shown import Claim
from rapha.proof.statement import check_nonce, check_types, read_at_once, read_canonical, read_claim


class _Plain(NamedTuple):
    """How a statement with a predicate of our own is read."""

    check_type: Callable[[Json], str]
    read: Callable[[Json, bytes], Claim]


_PLAIN = {REFUSALS: _Plain(check_refusal_type, read_refusal), FREEZES: _Plain(check_freeze_type, read_freeze)}
"""By the folder that they lie in."""


def understood(path: str, payload: bytes, found: Checklist) -> Claim:
    """Steps 5 to 8. Raises Stopped at the first that fails."""
    plain = _PLAIN.get(path[: path.find("/") + 1])
    whole = None if plain else read_at_once(payload)
    # 5. One way to write it, so that everybody reads the same.
    with found.step("The statement is in canonical form") as say:
        value = whole[0] if whole else read_canonical(payload)
        say("RFC 8785, byte for byte")
    # 6. It is the kind of statement that this place holds.
    with found.step("The statement is of the right type") as say:
        say(f"in-toto Statement v1, {plain.check_type(value) if plain else _kind_of(path, value)}")
    # 7. It cannot be guessed from its hash.
    with found.step("The nonce has 128 bits") as say:
        say(check_refusal_nonce(value) if plain else check_nonce(value))
    # 8. All of it is understood.
    with found.step("Every field is there, and none besides") as say:
        claim: Claim = whole[1] if whole else (plain.read if plain else read_claim)(value, payload)
        say("the whole statement is understood")
    return claim


def speaker(claim: Claim) -> str:
    """Whom a statement is of."""
    match claim:
        case SiteClaim():
            return claim.release.site
        case RefusalClaim():
            return claim.refusal.site
        case FreezeClaim():
            return claim.freeze.site
        case _:
            return claim.aggregation.hub


def _kind_of(path: str, value: Json) -> str:
    expected = AGGREGATION_BUILD if path == AGGREGATION_RECEIPT else SITE_BUILD
    return f"SLSA provenance v1, {check_types(value, (expected,))}"
