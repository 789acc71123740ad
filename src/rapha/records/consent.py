"""What one person says on their own device: yes to one study, for a time; and no again."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.dense import Modality
from rapha.records.receipt import Signature
from rapha.records.record import Digest, Record, Sentence, Slug

DeviceId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""The keyid of the device's P-256 key: SHA-256 of its SubjectPublicKeyInfo."""
LONGEST_DAYS = 731


class Consent(Record):
    """Yes: to this study and no other, to this relay and no other, from `given` until `until`, and only in a sum of
    `at_least_devices` or more. `sentence` is the purpose as the person read it."""

    kind: Literal["consent"] = "consent"
    study_digest: Digest
    relay: Slug
    device: DeviceId
    sentence: Sentence
    modalities: Annotated[tuple[Modality, ...], Field(min_length=1, max_length=5)]
    given: AwareDatetime
    until: AwareDatetime
    at_least_devices: Annotated[int, Field(ge=10, le=1_000_000)]
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

    @model_validator(mode="after")
    def _ends(self) -> "Consent":
        if not 0 < (self.until - self.given).total_seconds() <= LONGEST_DAYS * 86_400:
            raise PydanticCustomError(
                "ends", "a consent ends after it is given, and within {days} days", {"days": LONGEST_DAYS}
            )
        return self


class Withdrawal(Record):
    """No: from the next round on. What was in a sum before stays in it."""

    kind: Literal["withdrawal"] = "withdrawal"
    consent: Digest
    device: DeviceId
    at: AwareDatetime


class DeviceEnvelope(Record):
    """A DSSE envelope of a record that a device signs, around its exact RFC 8785 bytes."""

    payloadType: Literal["application/vnd.rapha.device+json"] = "application/vnd.rapha.device+json"
    payload: str
    signatures: Annotated[tuple[Signature, ...], Field(min_length=1, max_length=1)]
