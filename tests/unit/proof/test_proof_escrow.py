"""Deposits and vouchers without a chain: what a node signs, and what it does not."""

from typing import Any

import paid_site as site
import pytest
from eth_account.messages import encode_typed_data

from rapha.errors import ConfigurationError, Conflict, NotPermitted, Unproven
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.escrow import deposit as deposits
from rapha.proof.escrow.deposit import check_deposit, deposit_id, read_deposit, voucher_hash
from rapha.proof.escrow.steps import Standing, State, Step, check_step, is_done
from rapha.proof.escrow.voucher import check_voucher, entry_of, read_voucher, vouch
from rapha.proof.keys import GROUP_ORDER
from rapha.records.payment import Deposit, Payee, Payment

STUDY = site.study()
DEPOSIT = site.deposit(STUDY)
CHANGES: dict[str, Any] = {
    "chain": 1, "escrow": "0x" + "66" * 20, "study": "sha256:" + "5a" * 32, "log": "another/log", "funder": "0x" + "66" * 20,
    "referee": None, "payees": (Payee(account=site.CUSTODIAN, parts=10_000),), "amount": "5", "deadline": 1_900_000_000,
    "window_seconds": 1, "ruling_seconds": 1, "key_x": "0x" + "11" * 32, "key_y": "0x" + "11" * 32, "salt": "0x" + "11" * 32,
}  # fmt: skip
NAMED = set(CHANGES) - {"chain", "escrow"}
"""Chain and contract are in what is signed, and not in the name."""


def changed(**what: Any) -> Deposit:
    return DEPOSIT.model_copy(update=what)


def test_every_field_is_in_what_the_node_signs() -> None:
    assert set(CHANGES) == set(Deposit.model_fields) - {"format"}
    hashes = [voucher_hash(changed(**{name: value}), bytes(32)) for name, value in CHANGES.items()]
    names = [deposit_id(changed(**{name: CHANGES[name]})) for name in NAMED]
    assert len({voucher_hash(DEPOSIT, bytes(32)), *hashes}) == len(CHANGES) + 1
    assert len({deposit_id(DEPOSIT), *names}) == len(NAMED) + 1


def test_the_name_and_the_hash_are_those_of_eip_712() -> None:
    fields = [part.split() for part in deposits.TERMS.decode()[6:-1].split(",")]
    values: dict[str, Any] = {
        "study": bytes.fromhex(DEPOSIT.study[7:]), "origin": deposits.hashlib.sha256(DEPOSIT.log.encode()).digest(),
        "funder": DEPOSIT.funder, "referee": DEPOSIT.referee, "payees": [payee.account for payee in DEPOSIT.payees],
        "shares": [payee.parts for payee in DEPOSIT.payees], "amount": int(DEPOSIT.amount), "deadline": DEPOSIT.deadline,
        "window": DEPOSIT.window_seconds, "ruling": DEPOSIT.ruling_seconds,
        **{name: bytes.fromhex(getattr(DEPOSIT, field)[2:]) for name, field in
           (("keyX", "key_x"), ("keyY", "key_y"), ("salt", "salt"))},
    }  # fmt: skip
    kinds = {"Terms": [{"name": name, "type": kind} for kind, name in fields]}
    assert encode_typed_data({"name": "x"}, kinds, values).body == deposit_id(DEPOSIT)
    said = {"Voucher": [{"name": "deposit", "type": "bytes32"}, {"name": "receipt", "type": "bytes32"}]}
    domain = {"name": "RaphaEscrow", "version": "1", "chainId": site.CHAIN, "verifyingContract": site.ESCROW}
    made = encode_typed_data(domain, said, {"deposit": deposit_id(DEPOSIT), "receipt": b"\x07" * 32})
    assert keccak256(b"\x19\x01" + made.header + made.body) == voucher_hash(DEPOSIT, b"\x07" * 32)


def test_a_voucher_holds_and_leads_to_the_entry_in_the_log() -> None:
    said = site.voucher(STUDY)
    check_voucher(said)
    assert entry_of(said) == site.entry(STUDY)
    assert read_voucher(said.as_bytes()) == said
    assert said == site.voucher(STUDY), "the same bytes each time"


@pytest.mark.parametrize("field", ["receipt", "receipt_r", "receipt_s", "voucher_r", "voucher_s"])
def test_a_voucher_with_one_field_changed_holds_no_more(field: str) -> None:
    said = site.voucher(STUDY)
    with pytest.raises(Unproven, match=r"is not by the deposit's key|one form"):
        check_voucher(said.model_copy(update={field: "0x" + "01" * 32}))


@pytest.mark.parametrize("field", ["receipt_s", "voucher_s"])
def test_the_second_form_of_a_signature_is_refused(field: str) -> None:
    said = site.voucher(STUDY)
    turned = GROUP_ORDER - int(getattr(said, field), 16)
    with pytest.raises(Unproven, match="one form"):
        check_voucher(said.model_copy(update={field: f"0x{turned:064x}"}))


@pytest.mark.parametrize("field", sorted(set(CHANGES) - {"funder", "salt"}))
def test_a_node_signs_for_what_the_study_offers_and_nothing_else(field: str) -> None:
    with pytest.raises(Unproven, match=f"not what the study offers this site: .*{field}.* differ"):
        vouch(changed(**{field: CHANGES[field]}), STUDY, site.CUSTODIAN, site.receipt(STUDY), site.NODE)


def test_a_node_signs_for_its_own_account_receipt_and_study_only() -> None:
    other = site.study(site.payment(judged=False))
    with pytest.raises(Unproven, match="payees differ"):
        vouch(DEPOSIT, STUDY, site.STRANGER, site.receipt(STUDY), site.NODE)
    with pytest.raises(Unproven, match="does not hold exactly one signature by this key"):
        vouch(DEPOSIT, STUDY, site.CUSTODIAN, site.receipt(STUDY, site.OTHER_NODE), site.NODE)
    with pytest.raises(Unproven, match="not of this study at this site"):
        vouch(DEPOSIT, STUDY, site.CUSTODIAN, site.receipt(other), site.NODE)


@pytest.mark.parametrize("who", [site.REFEREE, site.CUSTODIAN])
def test_nobody_decides_in_their_own_cause(who: str) -> None:
    with pytest.raises(Unproven, match="nobody decides in their own cause"):
        check_deposit(changed(funder=who), STUDY, site.CUSTODIAN, site.NODE.public_key())


def test_a_study_without_payment_has_no_deposit() -> None:
    free = STUDY.model_copy(update={"payment": None})
    with pytest.raises(ConfigurationError, match="offers no payment"):
        check_deposit(DEPOSIT, free, site.CUSTODIAN, site.NODE.public_key())


def test_what_is_no_deposit_is_said_to_be_none() -> None:
    assert read_deposit(DEPOSIT.as_bytes()) == DEPOSIT
    for data in (b"{}", b"no json", DEPOSIT.as_bytes() + b" " * (64 << 10)):
        with pytest.raises(Unproven, match="rapha-deposit-v1"):
            read_deposit(data)
        with pytest.raises(Unproven, match="rapha-voucher-v1"):
            read_voucher(data)


NOW, END = 1_000, DEPOSIT.deadline
STEPS: list[tuple[Step, State, int, int, str, str]] = [
    # step, state, until, now, whose, what is said (nothing: it is allowed)
    ("lock", "none", 0, NOW, site.FUNDER, ""),
    ("lock", "none", 0, NOW, site.STRANGER, "only the funder"),
    ("lock", "none", 0, END, site.FUNDER, "too late"),
    ("present", "held", 0, END, site.STRANGER, ""),
    ("present", "held", 0, END + 1, site.STRANGER, "too late"),
    ("present", "none", 0, NOW, site.STRANGER, "the deposit is none"),
    ("dispute", "presented", 2_000, 1_999, site.FUNDER, ""),
    ("dispute", "presented", 2_000, 2_000, site.FUNDER, "too late"),
    ("dispute", "presented", 2_000, NOW, site.REFEREE, "only the funder"),
    ("dispute", "held", 0, NOW, site.FUNDER, "the deposit is held"),
    ("rule to pay", "disputed", 2_000, 1_999, site.REFEREE, ""),
    ("rule to pay", "disputed", 2_000, 2_000, site.REFEREE, "too late"),
    ("rule to give back", "disputed", 2_000, NOW, site.FUNDER, "only the referee"),
    ("rule to give back", "paid", 2_000, NOW, site.REFEREE, "the deposit is paid"),
    ("settle", "presented", 2_000, 2_000, site.STRANGER, ""),
    ("settle", "disputed", 2_000, 1_999, site.STRANGER, "too early"),
    ("settle", "held", 0, NOW, site.STRANGER, "the deposit is held"),
    ("refund", "held", 0, END + 1, site.STRANGER, ""),
    ("refund", "held", 0, END, site.STRANGER, "too early"),
    ("refund", "presented", 0, END + 1, site.STRANGER, "the deposit is presented"),
]


@pytest.mark.parametrize(("step", "state", "until", "now", "sender", "said"), STEPS)
def test_what_the_contract_would_refuse_is_said_before(
    step: Step, state: State, until: int, now: int, sender: str, said: str
) -> None:
    found = Standing(state, until, now)
    assert not is_done(step, found)
    if said:
        with pytest.raises((Conflict, NotPermitted), match=said):
            check_step(step, DEPOSIT, found, sender)
    else:
        check_step(step, DEPOSIT, found, sender)


def test_a_step_that_stands_is_not_taken_again() -> None:
    assert is_done("lock", Standing("held", 0, NOW))
    assert is_done("present", Standing("disputed", 0, NOW))
    assert is_done("rule to pay", Standing("paid", 0, NOW))
    assert not is_done("rule to pay", Standing("refunded", 0, NOW))


def test_shares_are_the_others_as_said_and_the_rest_the_custodians() -> None:
    assert [(payee.account, payee.parts) for payee in DEPOSIT.payees] == [(site.CUSTODIAN, 9_500), (site.HUB, 500)]
    assert DEPOSIT.deadline == 1_806_537_599, "2027-03-31 23:59:59 UTC"
    bare = site.deposit(site.study(site.payment(judged=False)))
    assert (bare.referee, bare.window_seconds, bare.ruling_seconds) == (None, 0, 0)


def test_shares_that_leave_nothing_are_refused() -> None:
    many = [{"account": f"0x{n:040x}", "percent": 50} for n in (1, 2)]
    with pytest.raises(ValueError, match="leave nothing for the site"):
        Payment.model_validate({**site.payment().model_dump(), "others": many})
