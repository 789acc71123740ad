"""Does this person's yes stand, for this study, now? And: did their device sign this?"""

from collections.abc import Container
from datetime import datetime
from typing import TypeVar

from rapha.canonical import base64_bytes, base64_text
from rapha.errors import NotPermitted, Unproven
from rapha.proof import keys
from rapha.proof.envelope import pae
from rapha.records.consent import Consent, DeviceEnvelope, Withdrawal
from rapha.records.device import Advert, DeviceAnswer
from rapha.records.receipt import Signature

MAX_PAYLOAD_BYTES = 1 << 20
DEVICE_TYPE = "application/vnd.rapha.device+json"
Said = TypeVar("Said", Consent, Withdrawal, Advert, DeviceAnswer)


def seal_said(said: Consent | Withdrawal | Advert | DeviceAnswer, private: keys.PrivateKey) -> DeviceEnvelope:
    """The envelope of what a device says."""
    payload = said.as_bytes()
    signature = base64_text(keys.sign(private, pae(payload, DEVICE_TYPE)))
    signed = Signature(keyid=keys.keyid(private.public_key()), sig=signature)
    return DeviceEnvelope(payload=base64_text(payload), signatures=(signed,))


def open_said(envelope: DeviceEnvelope, key: keys.PublicKey, kind: type[Said]) -> Said:
    """What the owner of `key` says, of that kind and about itself.

    Raises:
        Unproven: another key signed it, bytes were changed, it is of another kind, or it speaks for another device.
    """
    # 1. The bytes, within limits.
    try:
        payload, raw = base64_bytes(envelope.payload), base64_bytes(envelope.signatures[0].sig)
    except ValueError:
        raise Unproven("a device's envelope is not base64 in its one form") from None
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unproven(f"a device's envelope holds more than {MAX_PAYLOAD_BYTES} bytes")
    # 2. The key made the signature over these bytes, as something that a device says.
    if envelope.signatures[0].keyid != keys.keyid(key):
        raise Unproven("this envelope is signed by another device")
    keys.verify(key, raw, pae(payload, DEVICE_TYPE))
    # 3. It is of that kind, in its one form.
    try:
        said = kind.from_bytes(payload)
    except ValueError:
        raise Unproven(f"this is no {kind.__name__.lower()} of a device") from None
    if said.as_bytes() != payload:
        raise Unproven("the record is not in its one form (RFC 8785)")
    # 4. It speaks for the device that signed it.
    if said.device != keys.keyid(key):
        raise Unproven("this record speaks for another device than the one that signed it")
    return said


def check_stands(
    consent: Consent, study_digest: str, relay: str, devices: int, now: datetime, withdrawn: Container[str]
) -> None:
    """Return if this yes covers one round of that study, through that relay, in a sum of so many devices, now.

    `withdrawn`: digests of the consents that were taken back.

    Raises:
        NotPermitted: it does not; the sentence says why.
    """
    if consent.study_digest != study_digest:
        raise NotPermitted("this consent is for another study")
    if consent.relay != relay:
        raise NotPermitted("this consent is for another relay")
    if consent.digest in withdrawn:
        raise NotPermitted("this consent was withdrawn")
    if now < consent.given:
        raise NotPermitted("this consent is not yet given: compare the clocks")
    if now >= consent.until:
        raise NotPermitted("this consent has ended: only the person can give another")
    if devices < consent.at_least_devices:
        raise NotPermitted(f"this consent is for sums of {consent.at_least_devices} devices or more")
