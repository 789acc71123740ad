"""A small made-up log that receipts are in, and a witness that has seen it."""

from datetime import UTC, datetime

import small_authority
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rapha.canonical import digest
from rapha.hub.authority import Authority
from rapha.proof import checkpoint as notes
from rapha.proof import keys
from rapha.proof.bundle import bundled, placed
from rapha.proof.certified import certified_bundle
from rapha.proof.entry import certified_entry, log_entry
from rapha.proof.envelope import seal
from rapha.proof.merkle import inclusion_proof, leaf_hash, node_hash
from rapha.records.bundle import Bundle, LogEntry
from rapha.records.certified import CertifiedBundle
from rapha.records.freeze import LoggedFreeze
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


def logged_freeze(receipt: Receipt, public: keys.PublicKey, owner: str = "north") -> LoggedFreeze:
    """As a hub gives it back."""
    said = {"owner": owner, "role": "node", "keyid": keys.keyid(public), "public_key": keys.public_to_pem(public)}
    second = certified(receipt, TrustedKey.model_validate(said), small_authority.authority())
    return LoggedFreeze(bundle=logged(receipt, public), certified=CertifiedBundle.from_bytes(second))


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
    leaves = [leaf_hash(other) for other in (*OTHERS[:place], entry, *OTHERS[place:])]

    def node(level: int, index: int) -> bytes:
        return leaves[index] if level == 0 else node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    root = node_hash(node(2, 0), node_hash(node(1, 2), node(0, 6)))
    signed = notes.signed(ORIGIN, len(leaves), root, private_key(log))
    seen = signed.with_signatures(notes.cosigned(signed, WITNESS, private_key(WITNESS), AT))
    log_id = notes.note_key_hash(ORIGIN, private_key(log).public_key())
    return placed(entry, place, inclusion_proof(place, len(leaves), node), seen, log_id)


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
