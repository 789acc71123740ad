"""DSSE: the bytes that come out are the bytes that went in, or nothing comes out."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.envelope import MAX_PAYLOAD_BYTES, MAX_RECEIPT_BYTES, open_envelope, pae, read_receipt, seal
from rapha.records.receipt import Receipt, Signature

PRIVATE = keys.generate()
PUBLIC = PRIVATE.public_key()


def test_the_encoding_of_the_dsse_specification() -> None:
    assert pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_to_the_same_bytes(payload: bytes) -> None:
    receipt = read_receipt(seal(payload, PRIVATE).as_bytes())
    assert open_envelope(receipt, PUBLIC) == payload


@given(st.binary(min_size=1, max_size=60), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_of_the_payload_is_seen(payload: bytes, where: int, how: int) -> None:
    place = where % len(payload)
    changed = payload[:place] + bytes([payload[place] ^ how]) + payload[place + 1 :]
    borrowed = seal(payload, PRIVATE).signatures
    receipt = seal(changed, PRIVATE).model_copy(update={"signatures": borrowed})
    with pytest.raises(Unproven, match="does not fit"):
        open_envelope(receipt, PUBLIC)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(Unproven, match="exactly one signature by this key"):
        open_envelope(seal(b"x", PRIVATE), keys.generate().public_key())


def test_a_signature_twice_is_refused() -> None:
    receipt = seal(b"x", PRIVATE)
    twice = Receipt(payloadType=receipt.payloadType, payload=receipt.payload, signatures=receipt.signatures * 2)
    with pytest.raises(Unproven, match="exactly one"):
        read_receipt(twice.as_bytes())
    with pytest.raises(Unproven, match="exactly one"):
        open_envelope(twice, PUBLIC)


@pytest.mark.parametrize("payload", ["eA", "eA==\n", "eB==", "e A==", "eA===", "-_8=", "é"])
def test_base64_has_one_form(payload: str) -> None:
    receipt = seal(b"x", PRIVATE).model_copy(update={"payload": payload})
    with pytest.raises(Unproven, match="base64"):
        open_envelope(receipt, PUBLIC)


def test_a_signature_that_is_no_base64_is_refused() -> None:
    receipt = seal(b"x", PRIVATE).model_copy(update={"signatures": (Signature(keyid=keys.keyid(PUBLIC), sig="?"),)})
    with pytest.raises(Unproven, match="signature is not base64"):
        read_receipt(receipt.as_bytes())


def test_a_statement_too_long_to_read_is_not_signed() -> None:
    with pytest.raises(Unproven, match="too long"):
        seal(b"x" * (MAX_PAYLOAD_BYTES + 1), PRIVATE)


def test_what_is_too_long_is_not_read() -> None:
    with pytest.raises(Unproven, match="the receipt has"):
        read_receipt(b" " * (MAX_RECEIPT_BYTES + 1))
    long = base64.b64encode(b"x" * (MAX_PAYLOAD_BYTES + 1)).decode()
    with pytest.raises(Unproven, match="the payload has"):
        open_envelope(seal(b"x", PRIVATE).model_copy(update={"payload": long}), PUBLIC)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"payload":1}'])
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(Unproven, match="envelope"):
        read_receipt(data)
