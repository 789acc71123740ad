"""A node's voucher: its receipt is for this deposit. Signed with the key of its receipts, read by the contract. Pure.

The contract checks all of it again; a voucher that does not hold here would only cost its presenter gas.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from rapha.canonical import base64_bytes, base64_text
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.claim import SiteClaim
from rapha.proof.entry import log_entry_of
from rapha.proof.envelope import open_envelope, pae
from rapha.proof.escrow.deposit import MAX_BYTES, bytes_of, check_deposit, voucher_hash
from rapha.proof.statement import parse_statement
from rapha.records.payment import Account, Deposit, Voucher
from rapha.records.receipt import Receipt
from rapha.records.study import Study

_HASHED = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)


def vouch(deposit: Deposit, study: Study, custodian: Account, receipt: Receipt, private: keys.PrivateKey) -> Voucher:
    """The voucher for one's own receipt of this study.

    Raises:
        Unproven: 1. the deposit is not what the study offers this node and custodian; 2. the receipt is another key's, or was
            changed; 3. it is of another study, or of none.
        ConfigurationError: the study offers no payment.
    """
    public = private.public_key()
    check_deposit(deposit, study, custodian, public)
    claim = parse_statement(open_envelope(receipt, public))
    if not isinstance(claim, SiteClaim) or claim.release.study_digest != study.digest:
        raise Unproven("the receipt is not of this study at this site")
    return signed_voucher(deposit, receipt, private)


def signed_voucher(deposit: Deposit, receipt: Receipt, private: keys.PrivateKey) -> Voucher:
    """The voucher itself. Looks neither at the terms nor at the statement: `vouch` does."""
    digest = hashlib.sha256(pae(base64_bytes(receipt.payload), receipt.payloadType)).digest()
    receipt_r, receipt_s = decode_dss_signature(base64_bytes(receipt.signatures[0].sig))
    r, s = decode_dss_signature(private.sign(voucher_hash(deposit, digest), _HASHED))
    halves = receipt_r, receipt_s, r, min(s, keys.GROUP_ORDER - s)
    first, second, third, fourth = (f"0x{half:064x}" for half in halves)
    return Voucher(
        deposit=deposit,
        receipt="0x" + digest.hex(),
        receipt_r=first,
        receipt_s=second,
        voucher_r=third,
        voucher_s=fourth,
    )


def check_voucher(voucher: Voucher) -> None:
    """Both signatures are by the deposit's key, in their one form. Raises Unproven."""
    public = key_of(voucher.deposit)
    receipt = bytes_of(voucher.receipt)
    said = voucher_hash(voucher.deposit, receipt)
    for what, hashed, r, s in (
        ("receipt", receipt, voucher.receipt_r, voucher.receipt_s),
        ("voucher", said, voucher.voucher_r, voucher.voucher_s),
    ):
        if int(s, 16) > keys.GROUP_ORDER // 2:
            raise Unproven(f"the signature of the {what} is not in its one form (low S)")
        try:
            public.verify(encode_dss_signature(int(r, 16), int(s, 16)), hashed, _HASHED)
        except InvalidSignature:
            raise Unproven(f"the signature of the {what} is not by the deposit's key") from None


def entry_of(voucher: Voucher) -> bytes:
    """The receipt's entry in the log."""
    signature = encode_dss_signature(int(voucher.receipt_r, 16), int(voucher.receipt_s, 16))
    return log_entry_of(bytes_of(voucher.receipt), base64_text(signature), key_of(voucher.deposit))


def key_of(deposit: Deposit) -> keys.PublicKey:
    """The node's key. Raises Unproven where it is no point of the curve."""
    try:
        return ec.EllipticCurvePublicNumbers(
            int(deposit.key_x, 16), int(deposit.key_y, 16), ec.SECP256R1()
        ).public_key()
    except ValueError:
        raise Unproven("the deposit's key is not one on P-256") from None


def read_voucher(data: bytes) -> Voucher:
    """A voucher's file. Raises Unproven: it is no such record, or too long."""
    try:
        if len(data) > MAX_BYTES:
            raise ValueError
        return Voucher.from_bytes(data)
    except ValueError:
        raise Unproven("this is not a voucher in the form rapha-voucher-v1") from None
