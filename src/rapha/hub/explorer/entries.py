"""An entry of the public log, for a person: which kind, whose, over which digest; and its proof as a file. Pure."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509

from rapha.canonical import base64_bytes, base64_text
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.certificate import read_certificate
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.merkle import leaf_hash
from rapha.proof.tiles import TileReader

PAGE_ENTRIES = 25


@dataclass(frozen=True)
class EntryView:
    """`form`: `key` or `certificate`. `keyid`: of the signer's key. `identity`: a certificate's name, else empty. `signed`:
    SHA-256 of what was signed, in hex. `leaf`: its hash in the tree, in hex. `readable`: it is a hashedrekord."""

    index: int
    form: str
    keyid: str
    identity: str
    signed: str
    leaf: str
    body: str
    readable: bool = True


def entry_view(index: int, body: bytes) -> EntryView:
    """What an entry says. One of another form is shown as it is: a log may hold what this version does not know."""
    leaf, text = leaf_hash(body).hex(), body.decode(errors="replace")
    try:
        spec = json.loads(body)["spec"]["hashedRekordV002"]
        signed, verifier = base64_bytes(spec["data"]["digest"]).hex(), spec["signature"]["verifier"]
        if "publicKey" in verifier:
            der = base64_bytes(verifier["publicKey"]["rawBytes"])
            return EntryView(index, "key", hashlib.sha256(der).hexdigest(), "", signed, leaf, text)
        certificate = read_certificate(base64_bytes(verifier["x509Certificate"]["rawBytes"]))
        return EntryView(index, "certificate", _keyid(certificate), _identity(certificate), signed, leaf, text)
    except (ValueError, KeyError, TypeError, Unproven, RecursionError):
        return EntryView(index, "unknown", "", "", "", leaf, text, readable=False)


def newest_first(read: Callable[[str], bytes], size: int, before: int) -> list[EntryView]:
    """At most PAGE_ENTRIES entries below index `before`, the newest first: one or two tiles are read, never the log."""
    reader, last = TileReader(read, size), min(before, size)
    return [entry_view(at, reader.entry(at)) for at in range(last - 1, max(last - PAGE_ENTRIES, 0) - 1, -1)]


def proof_file(index: int, proof: Sequence[bytes], checkpoint: Checkpoint) -> bytes:
    """The proof as C2SP tlog-proof v1 writes it: index, hashes from the leaf up, and the checkpoint that it leads to."""
    lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *map(base64_text, proof), "", ""]
    return "\n".join(lines).encode() + checkpoint.as_bytes()


def _keyid(certificate: x509.Certificate) -> str:
    public = certificate.public_key()
    return keys.keyid(public) if isinstance(public, keys.PublicKey) else ""


def _identity(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return ", ".join(names.get_values_for_type(x509.UniformResourceIdentifier))
