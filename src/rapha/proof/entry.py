"""What the public log holds of a receipt: Rekor's `hashedrekord/0.0.2` over the DSSE bytes that were signed.

The digest of those bytes, the signature and the key: nothing of the statement itself, which its nonce keeps from being
guessed. This is the one form of a DSSE signature in a log that Sigstore's current clients accept.
"""

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization

from rapha.canonical import base64_text, canonical_bytes
from rapha.proof import keys
from rapha.proof.envelope import pae, unverified_payload
from rapha.records.receipt import Receipt

KIND, VERSION = "hashedrekord", "0.0.2"


def log_entry(receipt: Receipt, public: keys.PublicKey) -> bytes:
    """The entry for a receipt signed with this key.

    Raises:
        Unproven: the payload of the receipt is not base64 in its one form.
    """
    return log_entry_of(_digest(receipt), receipt.signatures[0].sig, public)


def log_entry_of(digest: bytes, signature: str, public: keys.PublicKey) -> bytes:
    """The same, of the SHA-256 of the DSSE bytes and the signature in base64."""
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _entry(digest, signature, {"publicKey": {"rawBytes": base64_text(der)}})


def certified_entry(receipt: Receipt, certificate: bytes) -> bytes:
    """The entry for the same receipt with its signer shown by a certificate (DER). Raises as `log_entry`."""
    signer = {"x509Certificate": {"rawBytes": base64_text(certificate)}}
    return _entry(_digest(receipt), receipt.signatures[0].sig, signer)


def _digest(receipt: Receipt) -> bytes:
    return hashlib.sha256(pae(unverified_payload(receipt), receipt.payloadType)).digest()


def _entry(digest: bytes, signature: str, signer: Mapping[str, object]) -> bytes:
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", **signer}
    body = {
        "data": {"algorithm": "SHA2_256", "digest": base64_text(digest)},
        "signature": {"content": signature, "verifier": verifier},
    }
    return canonical_bytes({"apiVersion": VERSION, "kind": KIND, "spec": {"hashedRekordV002": body}})
