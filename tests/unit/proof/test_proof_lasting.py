"""The second line of a witness: the message of the specification, one key, and nothing that was changed passes."""

import dataclasses
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from rapha.errors import ConfigurationError, Unproven
from rapha.proof import checkpoint as notes
from rapha.proof import lasting
from rapha.proof.checkpoint import Checkpoint

LOG, ROOT = Ed25519PrivateKey.from_private_bytes(b"l" * 32), bytes(range(32))
SECOND = MLDSA44PrivateKey.from_seed_bytes(b"w" * 32)
AT, NAME = datetime(2026, 11, 25, 12, 0, tzinfo=UTC), "witness.example/east"
SIGNED = notes.signed("log.example/one", 4711, ROOT, LOG)
WHOLE = SIGNED.with_signatures(lasting.cosigned(SIGNED, NAME, SECOND, AT))


def test_it_reads_as_it_was_written() -> None:
    again = notes.read_checkpoint(WHOLE.as_bytes())
    assert lasting.cosignature_time(again, NAME, SECOND.public_key()) == AT
    assert lasting.cosignature_time(SIGNED, NAME, SECOND.public_key()) is None
    assert lasting.cosignature_time(again, "witness.example/west", SECOND.public_key()) is None


def test_what_is_signed_is_the_structure_of_the_specification() -> None:
    """C2SP tlog-cosignature, `cosigned_message`, byte by byte; and the line is as long as others measured it."""
    ((_, raw),) = WHOLE.signatures[1:]
    message = b"subtree/v1\n\0" + bytes([20]) + b"witness.example/east" + int(AT.timestamp()).to_bytes(8, "big")
    message += bytes([15]) + b"log.example/one" + bytes(8) + (4711).to_bytes(8, "big") + ROOT
    SECOND.public_key().verify(raw[12:], message)
    assert len(raw) == 4 + 8 + lasting.SIGNATURE_BYTES


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "log.example/two"},
        {"size": 4712},
        {"root": bytes(32)},
        {"signatures": [(NAME, WHOLE.signatures[1][1][:11] + b"\1" + WHOLE.signatures[1][1][12:])]},
        {"signatures": [(NAME, WHOLE.signatures[1][1][:-1] + b"\0")]},
        {"signatures": [(NAME, WHOLE.signatures[1][1][:-1])]},
        {"signatures": [(NAME, WHOLE.signatures[1][1][:6])]},
        {"signatures": [WHOLE.signatures[1]] * 2},
    ],
    ids=["another log", "a larger one", "another root", "another time", "a bit", "cut", "no time", "twice"],
)
def test_nothing_that_was_changed_passes(change: dict[str, object]) -> None:
    changed: Checkpoint = dataclasses.replace(WHOLE, **change)  # type: ignore[arg-type]
    with pytest.raises(Unproven):
        lasting.cosignature_time(changed, NAME, SECOND.public_key())


def test_the_logs_own_line_is_a_cosignature_by_its_name_that_says_no_time() -> None:
    whole = SIGNED.with_signatures(lasting.signed_by_log(SIGNED, SECOND))
    (name, raw) = notes.read_checkpoint(whole.as_bytes()).signatures[1]
    assert name == "log.example/one" and raw[4:12] == bytes(8)
    said = b"subtree/v1\n\0" + bytes([15]) + b"log.example/one" + bytes(8) + bytes([15]) + b"log.example/one"
    SECOND.public_key().verify(raw[12:], said + bytes(8) + (4711).to_bytes(8, "big") + ROOT)
    notes.check_log(whole, LOG.public_key())
    assert lasting.is_signed_by_log(whole, SECOND.public_key())
    assert not lasting.is_signed_by_log(SIGNED, SECOND.public_key())
    for change in ({"size": 4712}, {"root": bytes(32)}, {"signatures": ((name, raw[:-1] + b"\0"),)}):
        with pytest.raises(Unproven, match="does not fit"):
            lasting.is_signed_by_log(dataclasses.replace(whole, **change), SECOND.public_key())  # type: ignore[arg-type]


def test_names_that_are_too_long_are_refused() -> None:
    with pytest.raises(Unproven, match="255 bytes"):
        lasting.cosigned(SIGNED, "é" * 128, SECOND, AT)


def test_keys_come_back_from_pem_and_others_do_not() -> None:
    pem = lasting.private_to_pem(SECOND)
    assert lasting.public_to_pem(lasting.private_from_pem(pem).public_key()) == lasting.public_to_pem(
        SECOND.public_key()
    )
    assert lasting.keyid(lasting.public_from_pem(lasting.public_to_pem(SECOND.public_key()))) == lasting.keyid(
        SECOND.public_key()
    )
    for wrong in (b"none", notes.private_to_pem(LOG)):
        with pytest.raises(ConfigurationError, match="ML-DSA-44"):
            lasting.private_from_pem(wrong)
    for other in ("none", notes.public_to_pem(LOG.public_key())):
        with pytest.raises(Unproven, match="ML-DSA-44"):
            lasting.public_from_pem(other)
