"""A small made-up log that receipts are in, and a witness that has seen it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import small_authority
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rapha.canonical import base64_bytes, canonical_bytes, digest
from rapha.hub.authority import Authority
from rapha.proof import checkpoint as notes
from rapha.proof import keys
from rapha.proof.bundle import bundled, placed
from rapha.proof.certified import certified_bundle
from rapha.proof.entry import certified_entry, log_entry
from rapha.proof.envelope import seal
from rapha.proof.merkle import inclusion_proof, leaf_hash, node_hash, root
from rapha.records.bundle import Bundle, LogEntry
from rapha.records.certified import CertifiedBundle
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ORIGIN, WITNESS = "rapha.dev/log/example-hub", "witness.example/east"
OTHERS = tuple(b"entry %d of somebody else" % n for n in range(6))
PLACE = 4


def private_key(name: str) -> Ed25519PrivateKey:
    """TEST ONLY: a key that anybody can make again."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(digest(b"test only " + name.encode())[7:]))


def logged(receipt: Receipt, public: keys.PublicKey, place: int = PLACE) -> Bundle:
    """The receipt as entry 4, or another, of 7, under a checkpoint that one witness has seen."""
    return bundled(receipt, placed_here(log_entry(receipt, public), place))


def logged_freeze(receipt: Receipt, public: keys.PublicKey, owner: str = "north") -> LoggedReceipt:
    """As a hub gives it back."""
    said = {"owner": owner, "role": "node", "keyid": keys.keyid(public), "public_key": keys.public_to_pem(public)}
    second = certified(receipt, TrustedKey.model_validate(said), small_authority.authority())
    files = {"first": logged(receipt, public).as_bytes(), "second": second}
    in_one_tree(files, [*files])
    return LoggedReceipt(
        bundle=Bundle.from_bytes(files["first"]), certified=CertifiedBundle.from_bytes(files["second"])
    )


def in_one_tree(files: dict[str, bytes], order: Sequence[str]) -> None:
    """Have these receipt files, those of them that there are, proven in one tree of 16: from its second entry on, in this order."""
    there = [path for path in order if path in files]
    values = {path: json.loads(files[path]) for path in there}
    bodies = {path: base64_bytes(value["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"]) for path, value in values.items()}  # fmt: skip
    entries = [OTHERS[0], *bodies.values()]
    entries += [b"a later entry %d" % n for n in range(16 - len(entries))]
    for place, path in enumerate(there, 1):
        values[path]["verificationMaterial"]["tlogEntries"] = [_placed_among(entries, place, ORIGIN).as_json()]
        files[path] = canonical_bytes(values[path])


def certified(
    receipt: Receipt, signer: TrustedKey, authority: Authority, place: int = PLACE, log: str = ORIGIN
) -> bytes:
    """Its second form, as entry 4, or another, of another 7."""
    certificate, stamp = authority.certify(receipt, signer)
    return certified_bundle(
        receipt, certificate, stamp, placed_here(certified_entry(receipt, certificate), place, log)
    ).as_bytes()


def placed_here(entry: bytes, place: int = PLACE, log: str = ORIGIN) -> LogEntry:
    """`log`: whose key signs the checkpoint; its own where nothing is said."""
    return _placed_among([*OTHERS[:place], entry, *OTHERS[place:]], place, log)


def _placed_among(entries: Sequence[bytes], place: int, log: str) -> LogEntry:
    leaves = [leaf_hash(one) for one in entries]

    def node(level: int, index: int) -> bytes:
        return leaves[index] if level == 0 else node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    signed = notes.signed(ORIGIN, len(leaves), root(len(leaves), node), private_key(log))
    seen = signed.with_signatures(notes.cosigned(signed, WITNESS, private_key(WITNESS), AT))
    log_id = notes.note_key_hash(ORIGIN, private_key(log).public_key())
    return placed(entries[place], place, inclusion_proof(place, len(leaves), node), seen, log_id)


def signed_and_logged(payload: bytes, private: keys.PrivateKey, place: int = PLACE) -> bytes:
    """A receipt file."""
    return logged(seal(payload, private), private.public_key(), place).as_bytes()


def trusted_log(name: str = ORIGIN) -> TrustedKey:
    return _trusted(name, "log")


def trusted_witness(name: str = WITNESS) -> TrustedKey:
    return _trusted(name, "witness")


def _trusted(owner: str, role: str) -> TrustedKey:
    public = private_key(owner).public_key()
    return TrustedKey.model_validate(
        {"owner": owner, "role": role, "keyid": notes.keyid(public), "public_key": notes.public_to_pem(public)}
    )
