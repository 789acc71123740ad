"""What can be done with a deposit, given where it stands: the contract's own rules, said before gas is spent. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, assert_never

from rapha.errors import Conflict, NotPermitted
from rapha.records.payment import Deposit

State = Literal["none", "held", "presented", "disputed", "paid", "refunded"]
STATES: tuple[State, ...] = ("none", "held", "presented", "disputed", "paid", "refunded")
"""In the order of the contract's numbers."""
Step = Literal["lock", "present", "dispute", "rule to pay", "rule to give back", "settle", "refund"]
AFTER: dict[Step, tuple[State, ...]] = {
    "lock": ("held", "presented", "disputed", "paid", "refunded"),
    "present": ("presented", "disputed", "paid"),
    "dispute": ("disputed",),
    "rule to pay": ("paid",),
    "rule to give back": ("refunded",),
    "settle": ("paid",),
    "refund": ("refunded",),
}
"""The states in which a step need not be done any more."""


@dataclass(frozen=True)
class Standing:
    """A deposit in the chain's newest block. `until`: the end of the funder's window, then of the referee's time; seconds."""

    state: State
    until: int
    now: int


def is_done(step: Step, found: Standing) -> bool:
    """Is the step done already, by anybody?"""
    return found.state in AFTER[step]


def check_step(step: Step, deposit: Deposit, found: Standing, sender: str) -> None:
    """Nothing, where the contract would take this step now from this sender.

    Raises:
        NotPermitted: it is another's to take.
        Conflict: the deposit does not stand where it must, or it is too early or too late.
    """
    match step:
        case "lock":
            _from(sender, deposit.funder, "the funder")
            _standing(found, "none")
            _before(found.now, deposit.deadline)
        case "present":
            _standing(found, "held")
            _before(found.now, deposit.deadline + 1)
        case "dispute":
            _from(sender, deposit.funder, "the funder")
            _standing(found, "presented")
            _before(found.now, found.until)
        case "rule to pay" | "rule to give back":
            _from(sender, deposit.referee, "the referee")
            _standing(found, "disputed")
            _before(found.now, found.until)
        case "settle":
            _standing(found, "presented", "disputed")
            _not_before(found.now, found.until)
        case "refund":
            _standing(found, "held")
            _not_before(found.now, deposit.deadline + 1)
        case _ as unreachable:
            assert_never(unreachable)


def _from(sender: str, wanted: str | None, who: str) -> None:
    if sender != wanted:
        raise NotPermitted(f"only {who} may do this, {wanted or 'and this deposit has none'}; this key is {sender}'s")


def _standing(found: Standing, *wanted: State) -> None:
    if found.state not in wanted:
        raise Conflict(f"the deposit is {found.state}, and this is done with one that is {' or '.join(wanted)}")


def _before(now: int, end: int) -> None:
    if now >= end:
        raise Conflict(f"too late: this had to be done before {moment(end)}, and the chain's clock says {moment(now)}")


def _not_before(now: int, start: int) -> None:
    if now < start:
        raise Conflict(f"too early: this can be done from {moment(start)} on, and the chain's clock says {moment(now)}")


def moment(seconds: int) -> str:
    """Seconds since 1970, as people write it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
