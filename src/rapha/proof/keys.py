"""P-256 keys: the one kind of key that signs here, and the one way it signs.

ECDSA over SHA-256, nonces after RFC 6979 (the same bytes give the same signature), DER as in RFC 3279, S in the lower
half of the group order: one statement and one key have exactly one signature, so nobody can make a second from it.
"""

import base64
import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from rapha.errors import ConfigurationError, Unproven

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

GROUP_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n of P-256 (FIPS 186-5, SP 800-186)."""
KEYS_REMEMBERED = 256
_SHA256 = ec.ECDSA(hashes.SHA256())


def generate() -> PrivateKey:
    """A new key from the system's random source."""
    return ec.generate_private_key(ec.SECP256R1())


def private_to_pem(private: PrivateKey) -> bytes:
    """PKCS #8, not encrypted, for a file: whoever writes it sets the mode to 0600."""
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_from_pem(pem: str | bytes) -> PrivateKey:
    """Read back what `private_to_pem` wrote.

    Raises:
        ConfigurationError: it is no private key, is encrypted, or is not on P-256.
    """
    try:
        key = serialization.load_pem_private_key(_as_bytes(pem), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            "the signing key is not an unencrypted private key in PEM: restore it from a copy, or make a new one"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("the signing key is not a P-256 key: only P-256 signs receipts and tokens")
    return key


def public_to_pem(public: PublicKey) -> str:
    """SubjectPublicKeyInfo in PEM, for a record."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@lru_cache(KEYS_REMEMBERED)
def public_from_pem(pem: str | bytes) -> PublicKey:
    """Read a public key.

    Raises:
        Unproven: it is no public key, or not one on P-256.
    """
    try:
        key = serialization.load_pem_public_key(_as_bytes(pem))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unproven("this is not a public key in PEM: ask its owner for it again") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unproven("this public key is not on P-256: only P-256 signs receipts and tokens")
    return key


def public_from_der(der: bytes) -> PublicKey:
    """The same of its SubjectPublicKeyInfo in DER. Raises as `public_from_pem`."""
    return public_from_pem(f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(der).decode()}-----END PUBLIC KEY-----\n")


def keyid(public: PublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo in DER: 64 lower-case hex digits."""
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


@lru_cache(KEYS_REMEMBERED)
def keyid_of_pem(pem: str) -> str:
    """The same of a key in PEM. Raises as `public_from_pem`."""
    return keyid(public_from_pem(pem))


def sign(private: PrivateKey, message: bytes) -> bytes:
    """DER signature with low S over SHA-256 of `message`."""
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return encode_dss_signature(r, min(s, GROUP_ORDER - s))


def verify(public: PublicKey, signature: bytes, message: bytes) -> None:
    """Return if `signature` is the one that the owner of `public` makes over `message`.

    Raises:
        Unproven: it is another signature, another message, not DER, or has a high S.
    """
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        raise Unproven("the signature is not in DER form") from None
    if s > GROUP_ORDER // 2 or encode_dss_signature(r, s) != signature:
        raise Unproven("the signature is not in its one allowed form (DER, low S)")
    try:
        public.verify(signature, message, _SHA256)
    except InvalidSignature:
        raise Unproven("the signature does not fit: these bytes were changed, or another key signed them") from None


def _as_bytes(pem: str | bytes) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem
