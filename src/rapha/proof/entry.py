"""What the public log holds of a receipt: Rekor's `hashedrekord/0.0.2` over the DSSE bytes that were signed.

The digest of those bytes, the signature and the key: nothing of the statement itself, which its nonce keeps from being
guessed. This is the one form of a DSSE signature in a log that Sigstore's current clients accept.
"""

import hashlib

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
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _entry(receipt, {"publicKey": {"rawBytes": base64_text(der)}})


def certified_entry(receipt: Receipt, certificate: bytes) -> bytes:
    """The entry for the same receipt with its signer shown by a certificate (DER). Raises as `log_entry`."""
    return _entry(receipt, {"x509Certificate": {"rawBytes": base64_text(certificate)}})


def _entry(receipt: Receipt, signer: dict[str, object]) -> bytes:
    signed = pae(unverified_payload(receipt), receipt.payloadType)
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", **signer}
    body = {
        "data": {"algorithm": "SHA2_256", "digest": base64_text(hashlib.sha256(signed).digest())},
        "signature": {"content": receipt.signatures[0].sig, "verifier": verifier},
    }
    return canonical_bytes({"apiVersion": VERSION, "kind": KIND, "spec": {"hashedRekordV002": body}})
