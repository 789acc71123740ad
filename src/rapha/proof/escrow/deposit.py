"""A deposit: made of a study's payment, compared with it, and its name on the chain. Pure.

The name is EIP-712's hash of the terms, so that a deposit cannot be changed without becoming another one.
"""

import hashlib

from rapha.errors import ConfigurationError, Unproven
from rapha.proof import keys
from rapha.proof.anchor.keccak import keccak256
from rapha.records.payment import DAY_SECONDS, PARTS, Account, Deposit, Payee, Payment
from rapha.records.study import Study

TERMS = (
    b"Terms(bytes32 study,bytes32 origin,address funder,address referee,address[] payees,uint16[] shares,uint256 amount,"
    b"uint64 deadline,uint32 window,uint32 ruling,bytes32 keyX,bytes32 keyY,bytes32 salt)"
)
VOUCHER = b"Voucher(bytes32 deposit,bytes32 receipt)"
DOMAIN = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
NAME, VERSION = b"RaphaEscrow", b"1"
NOBODY = "0x" + "00" * 20
MAX_BYTES = 64 << 10


def deposit_of(study: Study, funder: Account, custodian: Account, node: keys.PublicKey, salt: bytes) -> Deposit:
    """The deposit that the study's payment promises one site. `salt`: 32 bytes.

    Raises:
        ConfigurationError: the study offers no payment.
    """
    terms = payment_of(study)
    numbers = node.public_numbers()
    return Deposit(
        chain=terms.chain,
        escrow=terms.escrow,
        study=study.digest,
        log=terms.log,
        funder=funder,
        referee=terms.referee.account if terms.referee else None,
        payees=_payees(terms, custodian),
        amount=terms.each_site,
        deadline=terms.deadline,
        window_seconds=terms.referee.window_days * DAY_SECONDS if terms.referee else 0,
        ruling_seconds=terms.referee.ruling_days * DAY_SECONDS if terms.referee else 0,
        key_x=f"0x{numbers.x:064x}",
        key_y=f"0x{numbers.y:064x}",
        salt="0x" + salt.hex(),
    )


def check_deposit(deposit: Deposit, study: Study, custodian: Account, node: keys.PublicKey) -> None:
    """Nothing, where the deposit keeps every word of the study's payment to this custodian and this node.

    Raises:
        Unproven: it differs; says in what.
        ConfigurationError: the study offers no payment.
    """
    promised = deposit_of(study, deposit.funder, custodian, node, bytes_of(deposit.salt)).as_json()
    held = deposit.as_json()
    if other := [name for name in promised if promised[name] != held[name]]:
        raise Unproven(f"the deposit is not what the study offers this site: {', '.join(other)} differ")
    if deposit.funder in (deposit.referee, custodian):
        raise Unproven("the deposit's funder is its referee or its custodian too: nobody decides in their own cause")


def payment_of(study: Study) -> Payment:
    """What the study offers. Raises ConfigurationError where it offers nothing."""
    if study.payment is None:
        raise ConfigurationError(f"the study {study.study} offers no payment: it has no `payment`")
    return study.payment


def read_deposit(data: bytes) -> Deposit:
    """A deposit's file. Raises Unproven: it is no such record, or too long."""
    try:
        if len(data) > MAX_BYTES:
            raise ValueError
        return Deposit.from_bytes(data)
    except ValueError:
        raise Unproven("this is not a deposit in the form rapha-deposit-v1") from None


def deposit_id(deposit: Deposit) -> bytes:
    """The deposit's name on the chain, 32 bytes."""
    words = (
        keccak256(TERMS),
        bytes.fromhex(deposit.study.removeprefix("sha256:")),
        hashlib.sha256(deposit.log.encode()).digest(),
        _word(deposit.funder),
        _word(deposit.referee or NOBODY),
        keccak256(b"".join(_word(payee.account) for payee in deposit.payees)),
        keccak256(b"".join(_number(payee.parts) for payee in deposit.payees)),
        _number(int(deposit.amount)),
        _number(deposit.deadline),
        _number(deposit.window_seconds),
        _number(deposit.ruling_seconds),
        *map(bytes_of, (deposit.key_x, deposit.key_y, deposit.salt)),
    )
    return keccak256(b"".join(words))


def voucher_hash(deposit: Deposit, receipt: bytes) -> bytes:
    """What a node signs (EIP-712), for this deposit in this contract on this chain. `receipt`: SHA-256 of the DSSE bytes."""
    domain = (
        keccak256(DOMAIN),
        keccak256(NAME),
        keccak256(VERSION),
        _number(deposit.chain),
        _word(deposit.escrow),
    )
    said = keccak256(keccak256(VOUCHER) + deposit_id(deposit) + receipt)
    return keccak256(b"\x19\x01" + keccak256(b"".join(domain)) + said)


def bytes_of(text: str) -> bytes:
    """Of 0x and hex digits."""
    return bytes.fromhex(text[2:])


def _payees(terms: Payment, custodian: Account) -> tuple[Payee, ...]:
    others = tuple(Payee(account=other.account, parts=other.percent * (PARTS // 100)) for other in terms.others)
    return (Payee(account=custodian, parts=PARTS - sum(other.parts for other in others)), *others)


def _word(account: str) -> bytes:
    return bytes_of(account).rjust(32, b"\x00")


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")
