"""KeyChange: that a hospital, or a hub by itself or in one of its roles, signs with another key from now on; or that a key is not believed any
more."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.certified import CertifiedBundle, Time, TrustConfig
from rapha.records.receipt import Receipt
from rapha.records.record import Record, is_none
from rapha.records.wire import Pem


class KeyChange(Record):
    """`owner`: as in a keys file. `keyid`: the key that ends. `successor`: of a rotation, the key that follows it. `believed_until`: of a revocation, the time from
    which what the key signed is not believed. `at`: by the signer's clock. `nonce`: random."""

    change: Literal["rotated", "revoked"]
    role: Literal["node", "hub", "log", "authority", "time-stamper", "certificate-log", "log-ml-dsa-44"]
    owner: Annotated[str, StringConstraints(pattern=r"^[^\s]{1,200}$")]
    keyid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    successor: Annotated[Pem | None, Field(exclude_if=is_none)] = None
    believed_until: Annotated[Time | None, Field(exclude_if=is_none)] = None
    at: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

    @model_validator(mode="after")
    def _fits(self) -> "KeyChange":
        rotated = self.change == "rotated"
        if (self.successor is not None) != rotated or (self.believed_until is not None) == rotated:
            raise PydanticCustomError("change", "a rotation names a successor, a revocation a time, and neither both")
        try:
            for said in (self.at, self.believed_until or self.at):
                datetime.fromisoformat(said)
        except ValueError:
            raise PydanticCustomError("at", "there is no such day or time") from None
        return self


class Rotation(Record):
    """How a node or a hub goes over to another key: one statement, signed by the key that ends, and by the one that follows, which shows
    that whoever says so has that one. A node sends both to its hub; a hub's own are both in the log."""

    ending: Receipt
    following: Receipt


class KeyChanges(Record):
    """Every logged change of keys, of a hub's hospitals and its own, and what its certificates and time stamps are checked with: public."""

    trust_config: TrustConfig
    changes: Annotated[tuple[CertifiedBundle, ...], Field(max_length=10_000)] = ()
