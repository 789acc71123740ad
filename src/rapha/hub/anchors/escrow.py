"""The escrow contract, as one who has an account on the chain uses it. Every step can be done again: the chain says what stands.

Nothing here signs for a node: a voucher is made where the node's key is (`rapha.proof.escrow.voucher`).
"""

import time
from dataclasses import dataclass
from typing import Any

from rapha.errors import ConfigurationError, Conflict, Unproven, Unreachable
from rapha.hub.anchors.bounded_web3 import Contract, ContractFunction, Web3
from rapha.hub.anchors.chain import Chain, Outcome, address_of
from rapha.hub.anchors.client import Pause, wait_for
from rapha.hub.anchors.rules import NONE, fees, gas_for
from rapha.hub.anchors.settings import ChainKey
from rapha.hub.anchors.whole import WholeLog
from rapha.proof.anchor.verify import origin_id
from rapha.proof.escrow.deposit import NOBODY, bytes_of, deposit_id
from rapha.proof.escrow.steps import STATES, Standing, Step, check_step, is_done
from rapha.proof.escrow.voucher import check_voucher, entry_of
from rapha.proof.merkle import leaf_hash
from rapha.records.payment import Deposit, Voucher

Terms = tuple[Any, ...]


@dataclass(frozen=True)
class Place:
    """Where a receipt is in a log, under a root that is on the chain."""

    index: int
    size: int
    path: tuple[bytes, ...]


class EscrowClient:
    """One escrow contract, on a chain."""

    def __init__(self, chain: Chain, pause: Pause = time.sleep) -> None:
        """Raises ConfigurationError: the settings name no escrow, or none is there."""
        self._chain, self._pause = chain, pause
        self._address = chain.settings.escrow or ""
        self._contract: Contract = chain.contract("RaphaEscrow", chain.settings.escrow, "escrow")

    def standing(self, deposit: Deposit) -> Standing:
        """Where a deposit stands in the newest block.

        Raises:
            ConfigurationError: it is on another chain, or in another contract.
            Unreachable, Conflict: of the chain's node.
        """
        self._check_here(deposit)
        found = self._chain.call(self._contract.functions.deposits(deposit_id(deposit)))
        if not isinstance(found, list | tuple) or len(found) != 2 or not 0 <= int(found[0]) < len(STATES):
            raise Unreachable(f"{self._chain.host} answered for the escrow with something that it cannot say")
        return Standing(STATES[int(found[0])], int(found[1]), self._chain.now())

    def lock(self, key: ChainKey, deposit: Deposit) -> Outcome | None:
        """Lock the deposit's amount, out of the key's account. None where it was locked before.

        Raises:
            NotPermitted, Conflict: `check_step`; or the chain asks for more than the limits, or refuses.
            Unreachable: no answer; or not in a block in time: the same call later goes on with it.
        """
        return self._step("lock", key, deposit, self._contract.functions.lock(terms_of(deposit)), int(deposit.amount))

    def present(self, key: ChainKey, voucher: Voucher, log: WholeLog) -> Outcome | None:
        """Show the receipt of a voucher, and its place under the newest root that is on the chain. None where it was shown before.

        Raises:
            Unproven: the voucher does not hold, or the receipt is not in that log.
            Conflict: it is not anchored yet; or as `lock`.
        """
        check_voucher(voucher)
        place = self.place_of(voucher, log)
        halves = (voucher.receipt, voucher.receipt_r, voucher.receipt_s, voucher.voucher_r, voucher.voucher_s)
        shown = (*map(bytes_of, halves), place.index, place.size, list(place.path))
        return self._step(
            "present", key, voucher.deposit, self._contract.functions.present(terms_of(voucher.deposit), shown)
        )

    def place_of(self, voucher: Voucher, log: WholeLog) -> Place:
        """The proof for the contract. Raises as `present`."""
        if log.origin != voucher.deposit.log:
            raise Unproven(f"{log.folder} is the log {log.origin}, and the deposit names {voucher.deposit.log}")
        index = log.index_of(leaf_hash(entry_of(voucher)))
        anchor = self._chain.contract("RaphaAnchor", str(self._chain.call(self._contract.functions.anchor())).lower())
        size = int(self._chain.call(anchor.functions.largest(origin_id(log.origin))))
        if size <= index:
            raise Conflict(f"the receipt is entry {index}, and {size} entries are anchored: try after the next anchor")
        root = bytes(self._chain.call(anchor.functions.rootAt(origin_id(log.origin), size)))
        if root == NONE or log.root_at(size) != root:
            raise Unproven(f"{log.folder} had another root at {size} entries than the chain: it was rewritten since")
        return Place(index, size, log.inclusion(index, size))

    def dispute(self, key: ChainKey, deposit: Deposit) -> Outcome | None:
        """The funder's objection. None where it was made before. Raises as `lock`."""
        return self._step("dispute", key, deposit, self._contract.functions.dispute(terms_of(deposit)))

    def rule(self, key: ChainKey, deposit: Deposit, pays: bool) -> Outcome | None:
        """The referee's word. None where it stands like that already. Raises as `lock`."""
        step: Step = "rule to pay" if pays else "rule to give back"
        return self._step(step, key, deposit, self._contract.functions.rule(terms_of(deposit), pays))

    def settle(self, key: ChainKey, deposit: Deposit) -> Outcome | None:
        """Credit the payees, once nobody can object any more. None where they are. Raises as `lock`."""
        return self._step("settle", key, deposit, self._contract.functions.settle(terms_of(deposit)))

    def refund(self, key: ChainKey, deposit: Deposit) -> Outcome | None:
        """Credit the funder, after the deadline. None where they are. Raises as `lock`."""
        return self._step("refund", key, deposit, self._contract.functions.refund(terms_of(deposit)))

    def owed(self, account: str) -> int:
        """Wei that the contract owes an account. Raises Unreachable, Conflict."""
        return int(self._chain.call(self._contract.functions.owed(Web3.to_checksum_address(account))))

    def withdraw(self, key: ChainKey, account: str) -> tuple[int, Outcome | None]:
        """Have an account sent what it is owed, to itself; how much that was. Nothing is sent where it is owed nothing.

        Raises as `lock`.
        """
        owed = self.owed(account)
        if not owed:
            return 0, None
        return owed, self._sent(key, self._contract.functions.withdraw(Web3.to_checksum_address(account)), 0)

    def _step(
        self, step: Step, key: ChainKey, deposit: Deposit, function: ContractFunction, wei: int = 0
    ) -> Outcome | None:
        found = self.standing(deposit)
        if is_done(step, found):
            return None
        check_step(step, deposit, found, address_of(key))
        return self._sent(key, function, wei)

    def _sent(self, key: ChainKey, function: ContractFunction, wei: int) -> Outcome:
        sender, settings = address_of(key), self._chain.settings
        mined, waiting = self._chain.nonces(sender)
        if waiting > mined:
            raise Conflict(f"a transaction of {sender} waits: run this again once it is in a block")
        data = self._contract.encode_abi(function.fn_name, list(function.arguments))
        gas = gas_for(
            self._chain.estimate(sender, self._address, data, wei), settings.escrow_gas_limit, "escrow_gas_limit"
        )
        paid = fees(*self._chain.prices(), settings.max_fee_gwei)
        sent = self._chain.send(key, mined, self._address, data, gas, paid, wei)
        outcome = wait_for(self._chain, sent, self._pause)
        if outcome is None:
            raise Unreachable(f"sent as {sent}, and not in a block yet: run this again, it sends nothing twice")
        if not outcome.succeeded:
            raise Conflict(f"the transaction {sent} failed in block {outcome.block}: nothing was changed by it")
        return outcome

    def _check_here(self, deposit: Deposit) -> None:
        here = (self._chain.settings.chain_id, self._address)
        if (deposit.chain, deposit.escrow) != here:
            raise ConfigurationError(
                f"the deposit is in {deposit.escrow} on chain {deposit.chain}, and the settings name {here[1]} on {here[0]}"
            )


def terms_of(deposit: Deposit) -> Terms:
    """The terms as the contract takes them."""
    return (
        bytes_of("0x" + deposit.study.removeprefix("sha256:")),
        origin_id(deposit.log),
        Web3.to_checksum_address(deposit.funder),
        Web3.to_checksum_address(deposit.referee or NOBODY),
        [Web3.to_checksum_address(payee.account) for payee in deposit.payees],
        [payee.parts for payee in deposit.payees],
        int(deposit.amount),
        deposit.deadline,
        deposit.window_seconds,
        deposit.ruling_seconds,
        *map(bytes_of, (deposit.key_x, deposit.key_y, deposit.salt)),
    )
