"""Payment: what a study offers each site for computing, the deposit that holds it, and the node's voucher for that deposit.

Computing is paid, never data. A study without `payment` is the same as before there was any.
"""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.anchor import Address, Hash32
from rapha.records.record import Digest, Record

PARTS = 10_000
"""Shares are of so many parts."""
MAX_OTHERS = 7
MAX_WAIT_DAYS = 90
MAX_AHEAD_DAYS = 731
DAY_SECONDS = 86_400


def _as_address(value: Any) -> Any:
    """YAML reads a bare 0x... as a number, and wallets write addresses in mixed case."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 160:
        return f"0x{value:040x}"
    return value.lower() if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{40}", value) else value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Account = Annotated[Address, BeforeValidator(_as_address)]
"""Of a chain: 0x and 40 hex digits."""
Wei = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,37}$"), BeforeValidator(_as_text)]
"""The smallest unit of a chain's coin, 10^-18 of it, from 1 on; as text, since readers' numbers end at 2^53."""
Days = Annotated[int, Field(ge=1, le=MAX_WAIT_DAYS)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=MAX_WAIT_DAYS * DAY_SECONDS)]
Coordinate = Hash32
Half = Hash32
"""r or s of a signature, 32 bytes."""


class OtherPayee(Record):
    """Who gets a share besides the custodian: who runs the hub, say."""

    account: Account
    percent: Annotated[int, Field(ge=1, le=99)]


class Referee(Record):
    """Who decides where the funder disputes within `window_days`; where they say nothing in `ruling_days`, the site is paid."""

    account: Account
    window_days: Days
    ruling_days: Days


class Payment(Record):
    """Each site that takes part gets `each_site`, in `escrow` on the chain with the id `chain`, once its receipt is in the log
    `log` and that log's root is anchored there: until the end of the day `until` (UTC), then the funder has it back."""

    chain: Annotated[int, Field(ge=1, lt=1 << 53)]
    escrow: Account
    log: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    each_site: Wei
    until: date
    others: Annotated[tuple[OtherPayee, ...], Field(max_length=MAX_OTHERS)] = ()
    referee: Referee | None = None

    @model_validator(mode="after")
    def _leaves_a_rest(self) -> "Payment":
        if sum(other.percent for other in self.others) > 99:
            raise PydanticCustomError("shares", "payment.others: their shares leave nothing for the site")
        return self

    @property
    def deadline(self) -> int:
        """The last second, since 1970."""
        return int(datetime.combine(self.until, time(23, 59, 59), UTC).timestamp())


class Payee(Record):
    account: Account
    parts: Annotated[int, Field(strict=True, ge=1, le=PARTS)]


class Deposit(Record):
    """Coin that is locked for one study at one node. Its name is the hash of all of it (`rapha.proof.escrow.deposit`)."""

    format: Literal["rapha-deposit-v1"] = "rapha-deposit-v1"
    chain: Annotated[int, Field(strict=True, ge=1, lt=1 << 53)]
    escrow: Address
    study: Digest
    log: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    funder: Address
    referee: Address | None
    payees: Annotated[tuple[Payee, ...], Field(min_length=1, max_length=MAX_OTHERS + 1)]
    """The custodian first, who also gets what does not divide."""
    amount: Wei
    deadline: Annotated[int, Field(strict=True, ge=1, lt=1 << 40)]
    window_seconds: Seconds
    ruling_seconds: Seconds
    key_x: Coordinate
    key_y: Coordinate
    salt: Hash32


class Voucher(Record):
    """The node's word: this receipt is for this deposit. `receipt`: SHA-256 of the DSSE bytes, with its signature's halves."""

    format: Literal["rapha-voucher-v1"] = "rapha-voucher-v1"
    deposit: Deposit
    receipt: Hash32
    receipt_r: Half
    receipt_s: Half
    voucher_r: Half
    voucher_s: Half
