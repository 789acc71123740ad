"""Train, validation or test, and the order of rows: HMAC-SHA-256 (RFC 2104) of the patient under the site's secret.

The split depends on the secret and the patient alone, so a patient who is held out once is held out in every study of
this site. The order depends on the study too, so that rows of two studies cannot be matched by their place.
"""

import hashlib

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan

TRAIN, VALIDATION, TEST = 0, 1, 2
_BLOCK = 64


def split_column(plan: Plan, key: bytes, bound: Parameters) -> str:
    """SQL for the split of `answered.subject_key`: 0 train, 1 validation, 2 test.

    The hash is read as a fraction of 2^256 in hex, compared with the two borders: lowest part test, next validation.
    """
    test = plan.split.test_percent
    held_out = test + plan.split.validation_percent
    hashed = _keyed_hash("rapha split:", key, bound)
    return (
        f"CAST(CASE WHEN {hashed} < {bound.bind(_border(test), 'VARCHAR')} THEN {TEST} "
        f"WHEN {hashed} < {bound.bind(_border(held_out), 'VARCHAR')} THEN {VALIDATION} ELSE {TRAIN} END AS TINYINT)"
    )


def order_column(plan: Plan, key: bytes, bound: Parameters) -> str:
    """SQL for the place of a row among the others: 64 hex digits."""
    return _keyed_hash(f"rapha order {plan.study_digest}:", key, bound)


def _border(percent: int) -> str:
    return format(percent * (1 << 256) // 100, "064x")


def _keyed_hash(purpose: str, key: bytes, bound: Parameters) -> str:
    """HMAC-SHA-256 of `purpose` followed by the subject key in decimal."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner = bound.bind(bytes(byte ^ 0x36 for byte in block) + purpose.encode(), "BLOB")
    outer = bound.bind(bytes(byte ^ 0x5C for byte in block), "BLOB")
    message = "encode(CAST(answered.subject_key AS VARCHAR))"
    return f"sha256({outer} || unhex(sha256({inner} || {message})))"
