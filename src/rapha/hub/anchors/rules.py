"""What to do next for an anchor, and what it may cost. Pure: the client asks the chain, this decides."""

from dataclasses import dataclass
from typing import Literal

from rapha.errors import Conflict
from rapha.hub.anchors.settings import GWEI

Step = Literal["done", "wait", "send", "replace"]
HEADROOM_PERCENT = 125
"""A transaction may use this much of what was estimated: the state may change before it is carried out."""
NONE = bytes(32)


@dataclass(frozen=True)
class Standing:
    """What the chain's newest block says of an origin and a size, and of the sender's transactions.

    `mined`: how many of the sender's transactions are in blocks, so the next one's nonce. `sent`: those that wait, too.
    """

    root: bytes
    largest: int
    mined: int
    sent: int


@dataclass(frozen=True)
class Fees:
    """Wei for each unit of gas: at most, and of it to the block's maker."""

    most: int
    tip: int


def next_step(found: Standing, size: int, root: bytes, replace: bool) -> Step:
    """Never two transactions where one could do: what stands is not sent, and nothing is sent behind one that waits.

    Raises:
        Conflict: the chain has another root for this size, or already a larger size.
    """
    # 1. What stands on the chain decides before anything that was sent.
    if found.root == root:
        return "done"
    if found.root != NONE:
        raise Conflict(
            f"the chain has another root for {size} entries: {found.root.hex()}. One of the two logs was rewritten; "
            f"keep both and find out which before anything else is anchored"
        )
    if found.largest >= size:
        raise Conflict(f"{found.largest} entries are anchored already, and sizes only grow: {size} cannot be any more")
    # 2. A transaction that waits may be this very one.
    if found.sent > found.mined:
        return "replace" if replace else "wait"
    return "send"


def fees(base: int, tip: int, most_gwei: int, replace: bool = False) -> Fees:
    """Room for the base fee to double; never above the limit. All in wei but the limit.

    Raises:
        Conflict: the chain asks for more than the limit now.
    """
    limit = most_gwei * GWEI
    if base + tip > limit:
        raise Conflict(
            f"a unit of gas costs {_gwei(base + tip)} gwei now and max_fee_gwei is {most_gwei}: try later, or raise it"
        )
    if replace:  # a node takes another in the place of one that waits only for at least a tenth more
        return Fees(limit, min(limit - base, 2 * tip + 1))
    return Fees(min(2 * base + tip, limit), tip)


def gas_for(estimate: int, limit: int, setting: str = "gas_limit") -> int:
    """The gas that a transaction may use. Raises Conflict where the estimate is above the limit."""
    if estimate > limit:
        raise Conflict(f"this would use {estimate} gas and {setting} is {limit}: is that the right contract?")
    return min(estimate * HEADROOM_PERCENT // 100, limit)


def final_block(tagged: int | None, newest: int, depth: int | None) -> int | None:
    """The newest final block's number; None where none is. A stated depth goes before the chain's own tag."""
    if depth is None:
        return tagged
    return newest - depth if newest >= depth else None


def _gwei(wei: int) -> str:
    return f"{wei / GWEI:.3f}".rstrip("0").rstrip(".")
