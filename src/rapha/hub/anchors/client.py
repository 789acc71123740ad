"""Writes a log's root to its contract, once; deploys that contract; fetches the proof of an anchor that is final.

Everything can be done again at any time: what the chain says decides, nothing is remembered here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rapha.errors import Conflict, NotPermitted, Unproven, Unreachable
from rapha.hub.anchors.bounded_web3 import Contract
from rapha.hub.anchors.chain import Chain, Outcome, address_of, address_to_be
from rapha.hub.anchors.proving import proof_of
from rapha.hub.anchors.rules import NONE, Standing, fees, gas_for, next_step
from rapha.hub.anchors.settings import ChainKey
from rapha.proof.anchor.verify import ANCHORED, origin_id
from rapha.records.anchor import AnchorProof

POLL_SECONDS = 2
LOOK_BACK_BLOCKS, LOOK_BACK_TIMES = 2_000, 500
"""How the event is searched: nodes answer for a few thousand blocks at once."""
Pause = Callable[[float], None]


@dataclass(frozen=True)
class Published:
    """A root that stands on the chain. `transaction`: the one that was sent for it now, if one was."""

    transaction: str | None
    outcome: Outcome | None


@dataclass(frozen=True)
class Shown:
    """What the chain says of a log: the largest size and its root, in the newest block and in the newest final one."""

    size: int
    root: bytes
    final_size: int
    final_root: bytes

    @property
    def anchors(self) -> tuple[tuple[int, bytes], ...]:
        """Both, as sizes with their roots."""
        return (self.size, self.root), (self.final_size, self.final_root)


class AnchorClient:
    """The contract of a log, on a chain."""

    def __init__(self, chain: Chain, pause: Pause = time.sleep) -> None:
        """Raises ConfigurationError: the settings name no contract, or none is there."""
        self._chain, self._pause = chain, pause
        self._address = chain.settings.contract or ""
        self._contract: Contract = chain.contract("RaphaAnchor", chain.settings.contract)

    def publish(self, key: ChainKey, origin: str, size: int, root: bytes, replace: bool = False) -> Published:
        """Have `root` stand for the log's first `size` entries, and wait for it. Sends nothing where it stands already.

        A transaction of this account that waits is waited for; with `replace` another takes its place, at its nonce.

        Raises:
            NotPermitted: the contract has another publisher.
            Conflict: the chain has another root or a larger size, asks for more than the limits, or refuses.
            Unreachable: no answer; or not in a block in time: the same call later goes on with it.
        """
        sender = address_of(key)
        publisher = str(self._chain.call(self._contract.functions.publisher())).lower()
        if publisher != sender:
            raise NotPermitted(f"only {publisher} may anchor in {self._address}, and this key is {sender}'s")
        sent: str | None = None
        for _ in range(self._chain.settings.wait_seconds // POLL_SECONDS + 1):
            found = self.standing(sender, origin, size)
            step = next_step(found, size, root, replace and sent is None)
            if step == "done":
                return Published(sent, self._chain.outcome(sent) if sent else None)
            if sent is None and step in ("send", "replace"):
                sent = self._send(key, found.mined, origin, size, root, step == "replace")
                continue
            if sent and (outcome := self._chain.outcome(sent)) and not outcome.succeeded:
                raise Conflict(f"the transaction {sent} failed in block {outcome.block}: nothing was anchored by it")
            self._pause(POLL_SECONDS)
        raise Unreachable(_waiting(sent))

    def standing(self, sender: str, origin: str, size: int) -> Standing:
        """What the newest block says. The account's transactions are counted first: what came meanwhile shows in the root."""
        mined, sent = self._chain.nonces(sender)
        functions, name = self._contract.functions, origin_id(origin)
        largest = self._chain.call(functions.largest(name))
        return Standing(bytes(self._chain.call(functions.rootAt(name, size))), int(largest), mined, sent)

    def show(self, origin: str) -> Shown:
        """The largest anchor of a log, and the largest final one; size 0 where there is none. Raises Unreachable, Conflict."""
        final = self._chain.final()
        now = self._largest(origin, None)
        return Shown(*now, *((0, NONE) if final is None else self._largest(origin, final)))

    def prove(self, origin: str, size: int, root: bytes, block: int | None = None) -> tuple[AnchorProof, str]:
        """The proof of a final anchor, and the hash of its block as this node says it. `block` spares the search.

        Raises:
            Conflict: that anchor is not there, or not final yet.
            Unproven: the chain has another root, or its answers do not fit together.
        """
        final = self._chain.final()
        stands = NONE if final is None else self._root_at(origin, size, final)
        if final is None or stands == NONE:
            raise Conflict(f"{size} entries of {origin} are not anchored in a block that is final: try again later")
        if stands != root:
            raise Unproven(f"the chain has another root for {size} entries than this log: {stands.hex()}")
        number, transaction = self._event(origin, size, final, block)
        header = self._chain.ask("eth_getBlockByNumber", hex(number), False)
        receipts = self._chain.ask("eth_getBlockReceipts", hex(number))
        if not isinstance(header, dict) or not isinstance(receipts, list):
            raise Unproven("the chain's node answered with something that is no block with its receipts")
        proof = proof_of(origin, size, self._address, header, receipts, transaction)
        if proof.root != "0x" + root.hex():
            raise Unproven("the event has another root than the contract")
        return proof, str(header["hash"])

    def _send(self, key: ChainKey, nonce: int, origin: str, size: int, root: bytes, replace: bool) -> str:
        data = self._contract.encode_abi("anchor", [origin_id(origin), size, root])
        gas = gas_for(self._chain.estimate(address_of(key), self._address, data), self._chain.settings.gas_limit)
        paid = fees(*self._chain.prices(), self._chain.settings.max_fee_gwei, replace)
        return self._chain.send(key, nonce, self._address, data, gas, paid)

    def _largest(self, origin: str, block: int | None) -> tuple[int, bytes]:
        if block is not None and not self._chain.has_code(self._address, block):
            return 0, NONE
        size = int(self._chain.call(self._contract.functions.largest(origin_id(origin)), block))
        return size, self._root_at(origin, size, block)

    def _root_at(self, origin: str, size: int, block: int | None) -> bytes:
        if block is not None and not self._chain.has_code(self._address, block):
            return NONE
        return bytes(self._chain.call(self._contract.functions.rootAt(origin_id(origin), size), block))

    def _event(self, origin: str, size: int, final: int, block: int | None) -> tuple[int, int]:
        """The block of an anchor, and which of its transactions."""
        topics = ["0x" + word.hex() for word in (ANCHORED, origin_id(origin), size.to_bytes(32, "big"))]
        for first, last in _windows(final) if block is None else [(block, block)]:
            asked = {"address": self._address, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}
            found = self._chain.ask("eth_getLogs", asked)
            if found:
                return _place(found, last)
        raise Conflict("the anchor's block was not found: say which it is (--block), an explorer of the chain knows it")


def deploy(chain: Chain, key: ChainKey, name: str, *arguments: Any, pause: Pause = time.sleep) -> tuple[str, Outcome]:
    """Make a contract; its address, and what became of the transaction.

    Raises:
        Conflict: a transaction of this account waits, the limits do not allow it, or the chain refuses.
        Unreachable: not in a block in time; says where the contract will be.
    """
    sender = address_of(key)
    mined, waiting = chain.nonces(sender)
    if waiting > mined:
        raise Conflict(f"a transaction of {sender} waits: until it is in a block nothing is deployed")
    data = chain.creation(name, arguments)
    gas = gas_for(chain.estimate(sender, None, data), chain.settings.deploy_gas_limit, "deploy_gas_limit")
    sent = chain.send(key, mined, None, data, gas, fees(*chain.prices(), chain.settings.max_fee_gwei))
    address = address_to_be(sender, mined)
    outcome = wait_for(chain, sent, pause)
    if outcome is None:
        raise Unreachable(
            f"{sent} is not in a block yet: once it is, the contract is at {address}. Do not deploy again"
        )
    if not outcome.succeeded or outcome.contract != address:
        raise Conflict(f"the transaction {sent} failed in block {outcome.block}: nothing was deployed")
    return address, outcome


def wait_for(chain: Chain, transaction: str, pause: Pause = time.sleep) -> Outcome | None:
    """What became of a transaction; None where it is in no block within the settings' `wait_seconds`. Raises Unreachable."""
    for _ in range(chain.settings.wait_seconds // POLL_SECONDS + 1):
        if outcome := chain.outcome(transaction):
            return outcome
        pause(POLL_SECONDS)
    return None


def _windows(final: int) -> Sequence[tuple[int, int]]:
    lasts = range(final, -1, -LOOK_BACK_BLOCKS)[:LOOK_BACK_TIMES]
    return [(max(0, last - LOOK_BACK_BLOCKS + 1), last) for last in lasts]


def _place(found: Any, final: int) -> tuple[int, int]:
    try:
        block, transaction = int(found[0]["blockNumber"], 16), int(found[0]["transactionIndex"], 16)
    except (KeyError, TypeError, ValueError, IndexError):
        raise Unproven("the chain's node answered with something that is no event") from None
    if not 0 <= block <= final or not 0 <= transaction < 1 << 20:
        raise Unproven("the chain's node answered with an event of another block")
    return block, transaction


def _waiting(sent: str | None) -> str:
    if sent is None:
        return (
            "a transaction of this account waits, and nothing was sent: run the same command later, or with --replace to "
            "put another in its place, at the highest fee that max_fee_gwei allows"
        )
    return f"sent as {sent}, and not in a block yet: run the same command again, it sends nothing twice"
