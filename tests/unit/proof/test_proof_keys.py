"""P-256 keys: PEM and back, one signature per statement and key, everything else refused."""

import hashlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from rapha.errors import ConfigurationError, Unproven
from rapha.proof import keys

PRIVATE = keys.generate()
PUBLIC = PRIVATE.public_key()


def private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_pem_reads_back_to_the_same_key() -> None:
    private = keys.private_from_pem(keys.private_to_pem(PRIVATE))
    assert private.private_numbers() == PRIVATE.private_numbers()
    assert keys.keyid(keys.public_from_pem(keys.public_to_pem(PUBLIC))) == keys.keyid(PUBLIC)


def test_keyid_is_the_hash_of_the_public_key_info() -> None:
    der = PUBLIC.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert keys.keyid(PUBLIC) == hashlib.sha256(der).hexdigest()


def test_a_signature_is_low_s_der_and_the_same_each_time() -> None:
    for number in range(40):
        message = b"message %d" % number
        signature = keys.sign(PRIVATE, message)
        assert decode_dss_signature(signature)[1] <= keys.GROUP_ORDER // 2
        assert signature == keys.sign(PRIVATE, message)
        keys.verify(PUBLIC, signature, message)


def test_the_signature_of_rfc_6979_for_sample() -> None:
    """Appendix A.2.5, P-256 with SHA-256, message "sample"; S taken to its lower half."""
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    signature = keys.sign(ec.derive_private_key(secret, ec.SECP256R1()), b"sample")
    assert decode_dss_signature(signature) == (r, min(s, keys.GROUP_ORDER - s))


def test_other_message_other_key_and_other_forms_are_refused() -> None:
    signature = keys.sign(PRIVATE, b"this")
    r, s = decode_dss_signature(signature)
    wrong = {
        "other message": (PUBLIC, signature, b"that"),
        "other key": (keys.generate().public_key(), signature, b"this"),
        "high S": (PUBLIC, encode_dss_signature(r, keys.GROUP_ORDER - s), b"this"),
        "trailing byte": (PUBLIC, signature + b"\x00", b"this"),
        "no DER": (PUBLIC, b"signed, a friend", b"this"),
        "empty": (PUBLIC, b"", b"this"),
        "zero": (PUBLIC, encode_dss_signature(0, 0), b"this"),
    }
    for name, (public, forged, message) in wrong.items():
        with pytest.raises(Unproven):
            keys.verify(public, forged, message)
            pytest.fail(name)


@pytest.mark.parametrize(
    "pem",
    [
        b"", b"not a key", keys.public_to_pem(PUBLIC).encode(), private_pem(PRIVATE, b"locked"),
        private_pem(ed25519.Ed25519PrivateKey.generate()), private_pem(ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=["empty", "text", "public", "encrypted", "ed25519", "p-384"],
)  # fmt: skip
def test_what_is_no_signing_key_is_refused(pem: bytes) -> None:
    with pytest.raises(ConfigurationError, match="signing key"):
        keys.private_from_pem(pem)


@pytest.mark.parametrize("pem", ["", "ключ", keys.private_to_pem(PRIVATE).decode()], ids=["empty", "text", "private"])
def test_what_is_no_public_key_is_refused(pem: str) -> None:
    with pytest.raises(Unproven, match="public key"):
        keys.public_from_pem(pem)
    other = ec.generate_private_key(ec.SECP256K1()).public_key()
    with pytest.raises(Unproven, match="P-256"):
        keys.public_from_pem(keys.public_to_pem(other))
