"""Everything that RaphaEscrow refuses, one line of the contract after another: the word it says, and how to make it say that."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import escrow_ground as on
import paid_site as site

from rapha.hub.anchors.bounded_web3 import Web3
from rapha.hub.anchors.escrow import terms_of
from rapha.proof.escrow.deposit import NOBODY
from rapha.proof.escrow.voucher import signed_voucher, vouch
from rapha.proof.keys import GROUP_ORDER
from rapha.records.payment import Payee, Voucher
from rapha.records.study import Study

BEGUN = 1_793_491_200
"""The chain's first block: 2026-11-01. The study's payment ends on 2027-03-31."""
SECOND = "second"
"""Of this study the node has a second receipt in the log, with another nonce."""
TERMS = ("study", "origin", "funder", "referee", "payees", "shares", "amount", "deadline", "window", "ruling")
EVIDENCE = ("receipt", "receiptR", "receiptS", "voucherR", "voucherS", "index", "size", "path")


@dataclass(frozen=True)
class Scene:
    """Contracts, a log that is anchored, a study with its payment, and the voucher that pays it."""

    ground: on.Ground
    folder: Path
    study: Study
    voucher: Voucher
    evidence: tuple[Any, ...]

    @property
    def terms(self) -> tuple[Any, ...]:
        return terms_of(self.voucher.deposit)

    def lock(self, terms: tuple[Any, ...] | None = None, sender: str = on.FUNDER, wei: int = site.EACH) -> None:
        self.ground.call(sender, "lock", terms or self.terms, wei=wei)

    def present(self, **changed: Any) -> None:
        self.ground.call(on.STRANGER, "present", self.terms, edited(self.evidence, EVIDENCE, changed))

    def shown(self) -> None:
        """Locked, and the receipt is presented."""
        self.lock()
        self.present()

    def disputed(self) -> None:
        self.shown()
        self.ground.call(on.FUNDER, "dispute", self.terms)

    def after(self, days: int) -> None:
        self.ground.wait_until(self.ground.now() + days * on.DAY)

    def too_late(self) -> None:
        self.ground.wait_until(self.voucher.deposit.deadline + 1)

    def pay(self, account: str) -> None:
        self.ground.call(on.STRANGER, "withdraw", Web3.to_checksum_address(account))


def scene_of(ground: on.Ground, folder: Path) -> Scene:
    """The scene on these contracts: the receipt is in a log that stands on the chain at its size."""
    study = site.study(site.payment(ground.escrow))
    voucher = site.voucher(study)
    entry = site.entry(study)
    log = folder / f"log-{ground.escrow}"
    site.log_with(log, [entry, site.entry(study, salt=SECOND), site.entry(study, site.OTHER_NODE)])
    ground.anchor_log(log)
    return Scene(ground, log, study, voucher, on.evidence(voucher, log, entry))


def edited(record: tuple[Any, ...], names: tuple[str, ...], changed: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(changed.get(name, value) for name, value in zip(names, record, strict=False)) + record[len(names) :]


def lock_with(**changed: Any) -> Callable[[Scene], None]:
    """Lock terms of which one is changed."""
    return lambda scene: scene.lock(edited(scene.terms, TERMS, changed))


def locked_then(**changed: Any) -> Callable[[Scene], None]:
    """Lock, and present evidence of which one field is changed."""

    def steps(scene: Scene) -> None:
        scene.lock()
        scene.present(**changed)

    return steps


def twice(scene: Scene) -> None:
    scene.lock()
    scene.lock()


def one_receipt_for_two_deposits(scene: Scene) -> None:
    """The node vouches twice for the same receipt: it is paid once."""
    scene.shown()
    second = vouch(site.deposit(scene.study, salt=2), scene.study, site.CUSTODIAN, site.receipt(scene.study), site.NODE)
    _lock_and_present(scene, second, site.entry(scene.study))


def used_by_a_stranger(scene: Scene) -> None:
    """Another key signed and logged the very same bytes, and has them presented against a deposit of its own."""
    deposit = site.deposit(scene.study, private=site.OTHER_NODE)
    said = signed_voucher(deposit, site.receipt(scene.study, site.OTHER_NODE), site.OTHER_NODE)
    _lock_and_present(scene, said, site.entry(scene.study, site.OTHER_NODE))


def vouched_for_another_deposit(scene: Scene) -> None:
    second = site.voucher(scene.study, salt=2)
    scene.lock(terms_of(second.deposit))
    scene.ground.call(on.STRANGER, "present", terms_of(second.deposit), scene.evidence)


def vouched_elsewhere(scene: Scene) -> None:
    """The voucher was signed for another contract of the same chain."""
    study = site.study(site.payment("0x" + "77" * 20))
    other = site.voucher(study)
    scene.lock()
    halves = {"voucherR": bytes.fromhex(other.voucher_r[2:]), "voucherS": bytes.fromhex(other.voucher_s[2:])}
    scene.present(**halves)


def high_s(scene: Scene) -> None:
    scene.lock()
    turned = GROUP_ORDER - int(scene.voucher.voucher_s, 16)
    scene.present(voucherS=turned.to_bytes(32, "big"))


def receipt_of_another_node(scene: Scene) -> None:
    """In the log, and signed, but by another node's key: this node vouches for what it did not sign."""
    other = site.receipt(scene.study, site.OTHER_NODE)
    theirs = vouch(
        site.deposit(scene.study, private=site.OTHER_NODE), scene.study, site.CUSTODIAN, other, site.OTHER_NODE
    )
    scene.lock()
    halves = {"receiptR": bytes.fromhex(theirs.receipt_r[2:]), "receiptS": bytes.fromhex(theirs.receipt_s[2:])}
    scene.present(**halves)


def not_in_the_log(scene: Scene) -> None:
    """Signed and vouched for, and never logged: shown with the place of another."""
    receipt = site.receipt(scene.study, salt="another")
    deposit = scene.voucher.deposit
    said = vouch(deposit, scene.study, site.CUSTODIAN, receipt, site.NODE)
    scene.lock()
    place = scene.evidence[5:]
    halves = (said.receipt, said.receipt_r, said.receipt_s, said.voucher_r, said.voucher_s)
    shown = (*(bytes.fromhex(half[2:]) for half in halves), *place)
    scene.ground.call(on.STRANGER, "present", scene.terms, shown)


def a_node_for_a_leaf(scene: Scene) -> None:
    """A path that begins one level higher: an inner node is no entry."""
    scene.lock()
    index, size, path = scene.evidence[5:]
    scene.present(index=index >> 1, size=size, path=path[1:])


def settle_twice(scene: Scene) -> None:
    scene.shown()
    scene.after(3)
    scene.ground.call(on.STRANGER, "settle", scene.terms)
    scene.ground.call(on.STRANGER, "settle", scene.terms)


def refund_what_is_paid(scene: Scene) -> None:
    scene.shown()
    scene.after(3)
    scene.ground.call(on.STRANGER, "settle", scene.terms)
    scene.too_late()
    scene.ground.call(on.FUNDER, "refund", scene.terms)


def refund_what_is_shown(scene: Scene) -> None:
    scene.shown()
    scene.too_late()
    scene.ground.call(on.FUNDER, "refund", scene.terms)


def refund_twice(scene: Scene) -> None:
    scene.lock()
    scene.too_late()
    scene.ground.call(on.FUNDER, "refund", scene.terms)
    scene.ground.call(on.FUNDER, "refund", scene.terms)


def refund_on_the_last_second(scene: Scene) -> None:
    scene.lock()
    scene.ground.wait_until(scene.voucher.deposit.deadline)
    scene.ground.call(on.FUNDER, "refund", scene.terms)


def present_too_late(scene: Scene) -> None:
    scene.lock()
    scene.too_late()
    scene.present()


def settle_while_the_funder_may_dispute(scene: Scene) -> None:
    scene.shown()
    scene.after(2)
    scene.ground.call(on.CUSTODIAN, "settle", scene.terms)


def settle_while_the_referee_may_rule(scene: Scene) -> None:
    scene.disputed()
    scene.after(4)
    scene.ground.call(on.CUSTODIAN, "settle", scene.terms)


def settle_what_is_only_locked(scene: Scene) -> None:
    scene.lock()
    scene.ground.call(on.CUSTODIAN, "settle", scene.terms)


def dispute_too_late(scene: Scene) -> None:
    scene.shown()
    scene.after(3)
    scene.ground.call(on.FUNDER, "dispute", scene.terms)


def dispute_of_another(scene: Scene) -> None:
    scene.shown()
    scene.ground.call(on.STRANGER, "dispute", scene.terms)


def dispute_before_anything_is_shown(scene: Scene) -> None:
    scene.lock()
    scene.ground.call(on.FUNDER, "dispute", scene.terms)


def rule_of_another(scene: Scene) -> None:
    scene.disputed()
    scene.ground.call(on.FUNDER, "rule", scene.terms, False)


def rule_too_late(scene: Scene) -> None:
    scene.disputed()
    scene.after(5)
    scene.ground.call(on.REFEREE, "rule", scene.terms, False)


def rule_without_a_dispute(scene: Scene) -> None:
    scene.shown()
    scene.ground.call(on.REFEREE, "rule", scene.terms, False)


def withdraw_twice(scene: Scene) -> None:
    scene.disputed()
    scene.ground.call(on.REFEREE, "rule", scene.terms, True)
    scene.pay(on.CUSTODIAN)
    scene.pay(on.CUSTODIAN)


def a_payee_that_takes_nothing(scene: Scene) -> None:
    """The anchor's contract has no way to be paid: what it is owed stays owed."""
    first, *others = scene.voucher.deposit.payees
    payees = (Payee(account=scene.ground.anchor.lower(), parts=first.parts), *others)
    deposit = scene.voucher.deposit.model_copy(update={"payees": payees})
    said = signed_voucher(deposit, site.receipt(scene.study), site.NODE)
    _lock_and_present(scene, said, site.entry(scene.study))
    scene.after(3)
    scene.ground.call(on.STRANGER, "settle", terms_of(deposit))
    scene.pay(scene.ground.anchor)


def _lock_and_present(scene: Scene, said: Voucher, entry: bytes) -> None:
    scene.lock(terms_of(said.deposit))
    shown = on.evidence(said, scene.folder, entry)
    scene.ground.call(on.STRANGER, "present", terms_of(said.deposit), shown)


WHO = (Web3.to_checksum_address(on.CUSTODIAN), Web3.to_checksum_address(on.HUB))
NONE = Web3.to_checksum_address(NOBODY)
REFUSALS: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "an anchor that is nowhere": ("NoAnchor", lambda scene: scene.ground.deploy_over(on.STRANGER)),
    "a lock by another than the funder": ("NotTheFunder", lambda scene: scene.lock(sender=on.STRANGER)),
    "a lock of nothing": ("WrongAmount", lambda scene: scene.lock(edited(scene.terms, TERMS, {"amount": 0}), wei=0)),
    "a lock of less than the terms say": ("WrongAmount", lambda scene: scene.lock(wei=site.EACH - 1)),
    "a lock of more than the terms say": ("WrongAmount", lambda scene: scene.lock(wei=site.EACH + 1)),
    "a deadline that has passed": ("WrongTime", lock_with(deadline=BEGUN)),
    "a deadline that is too far": ("WrongTime", lock_with(deadline=BEGUN + 800 * on.DAY)),
    "a window that is too long": ("WrongTime", lock_with(window=91 * on.DAY)),
    "a ruling that is too long": ("WrongTime", lock_with(ruling=91 * on.DAY)),
    "a window without a referee": ("WrongReferee", lock_with(referee=NONE, ruling=0)),
    "a ruling without a referee": ("WrongReferee", lock_with(referee=NONE, window=0)),
    "a referee without a window": ("WrongReferee", lock_with(window=0)),
    "a referee without time to rule": ("WrongReferee", lock_with(ruling=0)),
    "a funder who is the referee": ("WrongReferee", lock_with(referee=Web3.to_checksum_address(on.FUNDER))),
    "no payee": ("WrongPayees", lock_with(payees=[], shares=[])),
    "nine payees": ("WrongPayees", lock_with(payees=[WHO[0]] * 9, shares=[1112] + [1111] * 8)),
    "more payees than shares": ("WrongPayees", lock_with(payees=[*WHO, WHO[0]])),
    "fewer payees than shares": ("WrongPayees", lock_with(payees=[WHO[0]], shares=[10_000, 1])),
    "a payee who is nobody": ("WrongPayees", lock_with(payees=[WHO[0], NONE])),
    "a share of nothing": ("WrongPayees", lock_with(shares=[10_000, 0])),
    "shares of less than all": ("WrongPayees", lock_with(shares=[9_500, 499])),
    "shares of more than all": ("WrongPayees", lock_with(shares=[9_500, 501])),
    "a key that is no point": (
        "WrongKey",
        lambda scene: scene.lock((*scene.terms[:11], b"\x01" * 32, scene.terms[12])),
    ),
    "the same lock twice": ("NotIn", twice),
    "a receipt for what is not locked": ("NotIn", lambda scene: scene.present()),
    "a receipt after the deadline": ("TooLate", present_too_late),
    "the same receipt twice": ("NotIn", lambda scene: (scene.shown(), scene.present())[0]),
    "one receipt for two deposits": ("AlreadyPresented", one_receipt_for_two_deposits),
    "a voucher for another deposit": ("NotVouched", vouched_for_another_deposit),
    "a voucher for another contract": ("NotVouched", vouched_elsewhere),
    "a voucher in its second form": ("NotVouched", high_s),
    "a voucher for another receipt": ("NotVouched", locked_then(receipt=b"\x07" * 32)),
    "a receipt of another node": ("NotSigned", receipt_of_another_node),
    "a receipt with a broken signature": ("NotSigned", locked_then(receiptR=b"\x07" * 32)),
    "a size that is not anchored": ("NotAnchored", locked_then(size=10)),
    "a receipt that is not logged": ("NotLogged", not_in_the_log),
    "another place in the log": ("NotLogged", locked_then(index=5)),
    "a place beyond the log": ("NotLogged", locked_then(index=13)),
    "a place beyond the log, of the same low bits": (
        "NotLogged",
        lambda scene: locked_then(index=scene.evidence[5] + 16)(scene),
    ),
    "a path that is too short": ("NotLogged", lambda scene: locked_then(path=scene.evidence[7][:-1])(scene)),
    "a path that is too long": ("NotLogged", lambda scene: locked_then(path=[*scene.evidence[7], b"\x01" * 32])(scene)),
    "an inner node for an entry": ("NotLogged", a_node_for_a_leaf),
    "a settlement within the window": ("TooEarly", settle_while_the_funder_may_dispute),
    "a settlement while the referee decides": ("TooEarly", settle_while_the_referee_may_rule),
    "a settlement of what is only locked": ("NotIn", settle_what_is_only_locked),
    "a second settlement": ("NotIn", settle_twice),
    "a dispute by another than the funder": ("NotTheFunder", dispute_of_another),
    "a dispute after the window": ("TooLate", dispute_too_late),
    "a dispute of what is not shown": ("NotIn", dispute_before_anything_is_shown),
    "a ruling by another than the referee": ("NotTheReferee", rule_of_another),
    "a ruling after its time": ("TooLate", rule_too_late),
    "a ruling without a dispute": ("NotIn", rule_without_a_dispute),
    "a refund on the last second": ("TooEarly", refund_on_the_last_second),
    "a refund of what is shown": ("NotIn", refund_what_is_shown),
    "a refund of what is paid": ("NotIn", refund_what_is_paid),
    "a second refund": ("NotIn", refund_twice),
    "a withdrawal of nothing": ("NothingOwed", lambda scene: scene.pay(on.CUSTODIAN)),
    "a second withdrawal": ("NothingOwed", withdraw_twice),
    "a payee that takes nothing": ("NotTaken", a_payee_that_takes_nothing),
}
