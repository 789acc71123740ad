"""What the public log holds of a receipt: Rekor's `hashedrekord/0.0.2` over the DSSE bytes that were signed.

The digest of those bytes, the signature and the key: nothing of the statement itself, which its nonce keeps from being
guessed. This is the one form of a DSSE signature in a log that Sigstore's current clients accept.
"""

import hashlib
import json

from cryptography.hazmat.primitives import serialization

from rapha.canonical import base64_bytes, base64_text, canonical_bytes
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
    return _entry(digest, signature, "publicKey", der)


def certified_entry(receipt: Receipt, certificate: bytes) -> bytes:
    """The entry for the same receipt with its signer shown by a certificate (DER). Raises as `log_entry`."""
    return _entry(_digest(receipt), receipt.signatures[0].sig, "x509Certificate", certificate)


def certificate_of(entry: bytes) -> bytes | None:
    """The certificate (DER) that an entry of this kind shows its signer by; None where it shows a key, or is of another kind."""
    try:
        return base64_bytes(
            json.loads(entry)["spec"]["hashedRekordV002"]["signature"]["verifier"]["x509Certificate"]["rawBytes"]
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _digest(receipt: Receipt) -> bytes:
    return hashlib.sha256(pae(unverified_payload(receipt), receipt.payloadType)).digest()


def _entry(digest: bytes, signature: str, signer: str, der: bytes) -> bytes:
    """In its RFC 8785 form, written out: names in their order, and of all values the signature alone is not made here."""
    content = canonical_bytes(signature).decode()
    return (
        f'{{"apiVersion":"{VERSION}","kind":"{KIND}","spec":{{"hashedRekordV002":{{'
        f'"data":{{"algorithm":"SHA2_256","digest":"{base64_text(digest)}"}},'
        f'"signature":{{"content":{content},"verifier":{{"keyDetails":"PKIX_ECDSA_P256_SHA_256",'
        f'"{signer}":{{"rawBytes":"{base64_text(der)}"}}}}}}}}}}}}'
    ).encode()
