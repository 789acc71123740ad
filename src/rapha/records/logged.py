"""What a hospital signed, as the hub gives it back once it is in the public log."""

from typing import Self

from rapha.records.bundle import Bundle
from rapha.records.certified import CertifiedBundle
from rapha.records.record import Record


class LoggedReceipt(Record):
    """Both its files: under the key, and under the certificate."""

    bundle: Bundle
    certified: CertifiedBundle

    @classmethod
    def of_files(cls, receipt: bytes, certified: bytes) -> Self:
        """Of both as they are delivered. Raises pydantic.ValidationError."""
        return cls(bundle=Bundle.from_bytes(receipt), certified=CertifiedBundle.from_bytes(certified))


class ReceiptPlace(Record):
    """How far the hub is with what a hospital signed at the end of a run, be it a release or a refusal. `study`: the state of the study;
    `logged`: None while it is not in the log."""

    study: str
    logged: LoggedReceipt | None
