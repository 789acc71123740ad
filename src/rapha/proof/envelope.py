"""DSSE: a signature over exact bytes and over what they are (github.com/secure-systems-lab/dsse, protocol v1).

The payload that is signed is the payload that is kept and the payload that is read: nothing is written again to be
checked.
"""

from functools import lru_cache

from rapha.canonical import base64_bytes, base64_text, check_names_once
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.records.receipt import Receipt, Signature

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_PAYLOAD_BYTES = 24 << 20
MAX_RECEIPT_BYTES = 33 << 20
"""A receipt file: its payload in base64, and the signature."""


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, private: keys.PrivateKey) -> Receipt:
    """Sign `payload` with one key.

    Raises:
        Unproven: the payload is larger than MAX_PAYLOAD_BYTES, which no verifier would read.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unproven(f"a statement of {len(payload)} bytes is too long to sign: at most {MAX_PAYLOAD_BYTES}")
    signature = Signature(keyid=keys.keyid(private.public_key()), sig=base64_text(keys.sign(private, pae(payload))))
    return Receipt(payloadType=PAYLOAD_TYPE, payload=base64_text(payload), signatures=(signature,))


def read_receipt(data: bytes) -> Receipt:
    """A receipt file's bytes as a record: one signature, strict base64. Nothing is verified yet.

    Raises:
        Unproven: it is no such envelope, or is too large.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise Unproven(f"the receipt has {len(data)} bytes: at most {MAX_RECEIPT_BYTES}")
    try:
        check_names_once(data)
        receipt = Receipt.from_bytes(data)
    except ValueError:
        raise Unproven("this is not a DSSE envelope of an in-toto statement") from None
    check_form(receipt)
    return receipt


def check_form(receipt: Receipt) -> None:
    """One signature, strict base64, a payload within limits: of an envelope that came inside something else. Raises Unproven."""
    if len(receipt.signatures) != 1:
        raise Unproven(f"the envelope has {len(receipt.signatures)} signatures: a receipt has exactly one")
    unverified_payload(receipt)
    _decode(receipt.signatures[0].sig, "signature")


def unverified_payload(receipt: Receipt) -> bytes:
    """The payload of an envelope that nobody has verified: to look at, not to rely on.

    Raises:
        Unproven: it is not strict base64, or is too large.
    """
    payload = _payload(receipt.payload)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unproven(f"the payload has {len(payload)} bytes: at most {MAX_PAYLOAD_BYTES}")
    return payload


def open_envelope(receipt: Receipt, key: keys.PublicKey) -> bytes:
    """The exact payload bytes, once the owner of `key` is seen to have signed them.

    Raises:
        Unproven: the envelope is malformed, names another key, or its signature does not fit.
    """
    payload = unverified_payload(receipt)
    mine = [signature for signature in receipt.signatures if signature.keyid == keys.keyid(key)]
    if len(mine) != 1:
        raise Unproven("the envelope does not hold exactly one signature by this key")
    keys.verify(key, _decode(mine[0].sig, "signature"), pae(payload, receipt.payloadType))
    return payload


@lru_cache(2)
def _payload(text: str) -> bytes:
    """Of one receipt these bytes are asked for at several steps."""
    return _decode(text, "payload")


def _decode(text: str, what: str) -> bytes:
    try:
        return base64_bytes(text)
    except ValueError:
        raise Unproven(f"the {what} is not base64 in its one form") from None
