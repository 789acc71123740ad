"""A person's yes: what it covers, when it ends, who can have said it."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from rapha.canonical import base64_text, digest
from rapha.errors import NotPermitted, Unproven
from rapha.proof import keys
from rapha.proof.consent import check_stands, open_said, seal_said
from rapha.proof.envelope import seal
from rapha.records.consent import Consent, DeviceEnvelope, Withdrawal

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
KEY, OTHER = keys.generate(), keys.generate()
STUDY = digest(b"study")


def consent(**changes: object) -> Consent:
    said = {
        "study_digest": STUDY, "relay": "town", "device": keys.keyid(KEY.public_key()), "sentence": "Predict it.", "given": NOW,
        "modalities": ("wearables",), "until": NOW + timedelta(days=30), "at_least_devices": 100, "nonce": "0" * 32,
    }  # fmt: skip
    return Consent.model_validate({**said, **changes})


def test_a_yes_covers_its_study_its_relay_its_time_and_its_company():
    given = consent()
    check_stands(given, STUDY, "town", 100, NOW, ())
    check_stands(given, STUDY, "town", 100, NOW + timedelta(days=29), ())


@pytest.mark.parametrize(
    ("study", "relay", "devices", "days", "withdrawn", "why"),
    [
        (digest(b"another"), "town", 100, 1, False, "another study"),
        (STUDY, "city", 100, 1, False, "another relay"),
        (STUDY, "town", 99, 1, False, "100 devices or more"),
        (STUDY, "town", 100, -1, False, "not yet given"),
        (STUDY, "town", 100, 30, False, "has ended"),
        (STUDY, "town", 100, 1, True, "withdrawn"),
    ],
)
def test_and_nothing_else(study, relay, devices, days, withdrawn, why):
    given = consent()
    with pytest.raises(NotPermitted, match=why):
        check_stands(given, study, relay, devices, NOW + timedelta(days=days), {given.digest} if withdrawn else ())


@pytest.mark.parametrize("changes", [{"until": NOW}, {"until": NOW + timedelta(days=800)}, {"at_least_devices": 3}])
def test_a_yes_without_end_or_company_cannot_be_built(changes):
    with pytest.raises(ValidationError):
        consent(**changes)


def test_an_envelope_gives_back_what_was_signed():
    assert open_said(seal_said(consent(), KEY), KEY.public_key(), Consent) == consent()


def bent(envelope: DeviceEnvelope) -> DeviceEnvelope:
    return envelope.model_copy(update={"payload": base64_text(consent(relay="city").as_bytes())})


def loose(envelope: DeviceEnvelope) -> DeviceEnvelope:
    """Signed again, but not in the one form."""
    from rapha.proof.consent import DEVICE_TYPE
    from rapha.proof.envelope import pae

    payload = b" " + consent().as_bytes()
    signature = base64_text(keys.sign(KEY, pae(payload, DEVICE_TYPE)))
    signed = envelope.signatures[0].model_copy(update={"sig": signature})
    return DeviceEnvelope(payload=base64_text(payload), signatures=(signed,))


def as_a_receipt(envelope: DeviceEnvelope) -> DeviceEnvelope:
    """The signature of the same bytes as a receipt is no signature of them as a consent."""
    receipt = seal(consent().as_bytes(), KEY)
    return DeviceEnvelope(payload=receipt.payload, signatures=receipt.signatures)


@pytest.mark.parametrize("change", [bent, loose, as_a_receipt])
def test_an_envelope_that_was_changed_is_unproven(change):
    with pytest.raises(Unproven):
        open_said(change(seal_said(consent(), KEY)), KEY.public_key(), Consent)


def test_nobody_speaks_for_another_device_or_with_another_record():
    with pytest.raises(Unproven, match="another device"):
        open_said(seal_said(consent(), OTHER), KEY.public_key(), Consent)
    with pytest.raises(Unproven, match="speaks for another device"):
        open_said(seal_said(consent(), OTHER), OTHER.public_key(), Consent)
    with pytest.raises(Unproven, match="no withdrawal"):
        open_said(seal_said(consent(), KEY), KEY.public_key(), Withdrawal)
