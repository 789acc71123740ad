"""The life of some deposits, any step by anybody at any time, beside a few lines that say what must come of it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import escrow_ground as on
import paid_site as site
from escrow_refusals import BEGUN, SECOND, Scene
from hypothesis import strategies as st

from rapha.hub.anchors.bounded_web3 import Web3
from rapha.hub.anchors.escrow import terms_of
from rapha.proof.escrow.voucher import signed_voucher
from rapha.records.payment import Voucher

WHO = st.sampled_from(on.ACCOUNTS)
FUNDER = st.sampled_from((on.FUNDER, on.FUNDER, on.FUNDER, on.FUNDER, on.STRANGER))
REFEREE = st.sampled_from((on.REFEREE, on.REFEREE, on.REFEREE, on.FUNDER))
WHICH = st.integers(0, 2)
WINDOW, RULING = 3 * on.DAY, 5 * on.DAY
DEADLINES = (10, 20, 60)
"""In days."""
SHARES = ((9_500, 500), (1, 9_999), (10_000,))

WAY = st.sampled_from(("settle", "pay", "give back", "keep silent", "wait"))
HONEST = st.tuples(st.just("onward"), WHICH, WAY)
ANY = st.one_of(
    st.tuples(st.just("lock"), FUNDER, WHICH, st.sampled_from((0, 0, 0, 1))),
    st.tuples(st.just("present"), WHO, WHICH, st.sampled_from((0, 0, 0, 1))),
    st.tuples(st.just("dispute"), FUNDER, WHICH),
    st.tuples(st.just("decide"), REFEREE, WHICH, st.booleans()),
    st.tuples(st.just("settle"), WHO, WHICH),
    st.tuples(st.just("refund"), WHO, WHICH),
    st.tuples(st.just("withdraw"), WHO, WHO),
    st.tuples(st.just("wait"), st.sampled_from((on.DAY, WINDOW, RULING, 10 * on.DAY))),
)
STEP = st.integers(0, 9).flatmap(lambda dice: ANY if dice > 6 else HONEST)
LIVES = st.tuples(st.tuples(*[st.integers(1, 10**20)] * 3), st.lists(STEP, min_size=15, max_size=30))
"""Three amounts, and what is done, step by step."""


@dataclass
class Held:
    """One deposit, as it should stand. The third has no referee, and the same receipt as the second."""

    voucher: Voucher
    evidence: tuple[Any, ...]
    amount: int
    salt: str
    state: str = "none"
    until: int = 0


class Life:
    """What the contract takes must be just what this model takes, and its coin what this model counts. `reached`: what was taken."""

    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self, scene: Scene, amounts: tuple[int, ...]) -> None:
        self.scene = scene
        ground = self.ground = scene.ground
        self.deposits = [self._made(number, amount) for number, amount in enumerate(amounts)]
        self.owed = dict.fromkeys(on.ACCOUNTS, 0)
        self.locked = self.paid_out = 0
        self.receipts: set[str] = set()
        self.started = {account: ground.balance(account) for account in on.ACCOUNTS}

    def step(self, name: str, *how: Any) -> None:
        """Take one step, and look at all the coin there is."""
        getattr(self, name)(*how)
        self.no_coin_is_made_or_lost()
        self.each_is_owed_what_the_terms_say()

    def _made(self, number: int, amount: int) -> Held:
        payees = tuple(
            {"account": account, "parts": parts}
            for account, parts in zip((on.CUSTODIAN, on.HUB), SHARES[number], strict=False)
        )
        changed: dict[str, Any] = {"amount": str(amount), "payees": payees, "salt": f"0x{number:064x}"}
        changed["deadline"] = BEGUN + DEADLINES[number] * on.DAY + on.DAY // 2
        if number == 2:
            changed |= {"referee": None, "window_seconds": 0, "ruling_seconds": 0}
        deposit = type(self.scene.voucher.deposit).model_validate(
            {**self.scene.voucher.deposit.model_dump(), **changed}
        )
        salt = SECOND if number else ""
        said = signed_voucher(deposit, site.receipt(self.scene.study, salt=salt), site.NODE)
        entry = site.entry(self.scene.study, salt=salt)
        return Held(said, on.evidence(said, self.scene.folder, entry), amount, salt)

    def _tried(self, allowed: bool, sender: str, function: str, *arguments: Any, wei: int = 0) -> bool:
        try:
            self.ground.call(sender, function, *arguments, wei=wei)
        except on.Refusal:
            assert not allowed, f"{function} was refused"
            return False
        assert allowed, f"{function} was taken"
        self.reached[function] += 1
        return True

    def lock(self, who: str, which: int, less: int) -> None:
        held = self.deposits[which]
        allowed = who == on.FUNDER and held.state == "none" and not less and self._now() < held.voucher.deposit.deadline
        if self._tried(allowed, who, "lock", terms_of(held.voucher.deposit), wei=held.amount - less):
            held.state = "held"
            self.locked += held.amount

    def present(self, who: str, which: int, besides: int) -> None:
        held, shown = self.deposits[which], (which + besides) % len(self.deposits)
        allowed = held.state == "held" and which == shown and held.salt not in self.receipts
        allowed = allowed and self._now() <= held.voucher.deposit.deadline
        terms = terms_of(held.voucher.deposit)
        if self._tried(allowed, who, "present", terms, self.deposits[shown].evidence):
            self.receipts.add(held.salt)
            held.state, held.until = "presented", self._now() + (WINDOW if which != 2 else 0)
            if which == 2:
                self._pay(held)

    def dispute(self, who: str, which: int) -> None:
        held = self.deposits[which]
        allowed = who == on.FUNDER and held.state == "presented" and self._now() < held.until
        if self._tried(allowed, who, "dispute", terms_of(held.voucher.deposit)):
            held.state, held.until = "disputed", self._now() + RULING

    def decide(self, who: str, which: int, pays: bool) -> None:
        held = self.deposits[which]
        allowed = who == on.REFEREE and which != 2 and held.state == "disputed" and self._now() < held.until
        if self._tried(allowed, who, "rule", terms_of(held.voucher.deposit), pays):
            self._pay(held) if pays else self._give_back(held)

    def settle(self, who: str, which: int) -> None:
        held = self.deposits[which]
        allowed = held.state in ("presented", "disputed") and self._now() >= held.until
        if self._tried(allowed, who, "settle", terms_of(held.voucher.deposit)):
            self._pay(held)

    def refund(self, who: str, which: int) -> None:
        held = self.deposits[which]
        allowed = held.state == "held" and self._now() > held.voucher.deposit.deadline
        if self._tried(allowed, who, "refund", terms_of(held.voucher.deposit)):
            self._give_back(held)

    def withdraw(self, who: str, account: str) -> None:
        owed = self.owed[account]
        if self._tried(owed > 0, who, "withdraw", Web3.to_checksum_address(account)):
            self.owed[account] = 0
            self.paid_out += owed

    def onward(self, which: int, way: str) -> None:
        """The next step of an honest life, so that many lives end."""
        held = self.deposits[which]
        if held.state == "none":
            self.lock(on.FUNDER, which, 0)
        elif held.state == "held" and way == "wait":
            self.wait(10 * on.DAY)
            self.refund(on.STRANGER, which)
        elif held.state == "held":
            self.present(on.STRANGER, which, 0)
        elif held.state == "presented" and way in ("pay", "give back", "keep silent"):
            self.dispute(on.FUNDER, which)
            if way != "keep silent":
                self.decide(on.REFEREE, which, way == "pay")
        elif held.state in ("presented", "disputed"):
            self.wait(RULING)
            self.settle(on.STRANGER, which)
        else:
            self.withdraw(on.STRANGER, on.CUSTODIAN if held.state == "paid" else on.FUNDER)

    def wait(self, seconds: int) -> None:
        self.ground.wait_until(self._now() + seconds)

    def no_coin_is_made_or_lost(self) -> None:
        held = sum(each.amount for each in self.deposits if each.state in ("held", "presented", "disputed"))
        assert self.ground.balance(self.ground.escrow) == held + sum(self.owed.values()) == self.locked - self.paid_out

    def each_is_owed_what_the_terms_say(self) -> None:
        assert {account: self.ground.owed(account) for account in on.ACCOUNTS} == self.owed

    def _pay(self, held: Held) -> None:
        assert held.state not in ("paid", "refunded")
        payees = held.voucher.deposit.payees
        others = [held.amount * payee.parts // 10_000 for payee in payees[1:]]
        for payee, part in zip(payees, (held.amount - sum(others), *others), strict=True):
            self.owed[payee.account] += part
        held.state = "paid"

    def _give_back(self, held: Held) -> None:
        assert held.state not in ("paid", "refunded")
        self.owed[on.FUNDER] += held.amount
        held.state = "refunded"

    def _now(self) -> int:
        return self.ground.now()
