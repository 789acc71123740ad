"""A hub's public log as a node reads it: keys, checkpoint, tiles. It grows as a real one does, and lies where a test has it lie."""

import small_authority
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_log import ORIGIN, private_key, trusted_log

from rapha.canonical import digest
from rapha.errors import Unreachable
from rapha.proof import checkpoint as notes
from rapha.proof import keys
from rapha.proof.bundle import bundled, placed
from rapha.proof.certified import certified_bundle, trust_config
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.entry import certified_entry, log_entry
from rapha.proof.merkle import EMPTY_ROOT, inclusion_proof
from rapha.proof.tiles import Edge, TileReader, grow
from rapha.records.bundle import Bundle, LogEntry
from rapha.records.certified import CertifiedBundle
from rapha.records.key_change import KeyChanges
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey, TrustedKeys

HUB_KEY = small_authority.private_key("hub")
HUB_PEM = keys.public_to_pem(HUB_KEY.public_key())


class SmallPublicLog:
    """`instead`: what it answers in place of a path's content: bytes, or an error. `asked`: the paths."""

    def __init__(self, signer: Ed25519PrivateKey | None = None) -> None:
        self.signer = signer or private_key(ORIGIN)
        self.edge = Edge(0)
        self.files: dict[str, bytes] = {}
        self.instead: dict[str, bytes | Exception] = {}
        self.asked: list[str] = []

    @property
    def checkpoint(self) -> Checkpoint:
        return notes.signed(ORIGIN, self.edge.size, self.edge.root if self.edge.size else EMPTY_ROOT, self.signer)

    def append(self, *entries: bytes) -> int:
        """Where the first of them is."""
        first, grown = self.edge.size, grow(self.edge, entries)
        self.edge = grown.edge
        self.files.update(grown.files)
        return first

    def fill(self, count: int, of: str = "an") -> None:
        """So many entries, of that history."""
        self.append(*(f"{of} entry {self.edge.size + n}".encode() for n in range(count)))

    def public(self, path: str, limit_bytes: int) -> bytes:
        """See `node.public_log.Public`."""
        self.asked.append(path)
        said = self.instead.get(path) or self._said(path)
        if isinstance(said, Exception):
            raise said
        if len(said) > limit_bytes:
            raise Unreachable(f"more than {limit_bytes} bytes")
        return said

    def _said(self, path: str) -> bytes | Exception:
        if path == "/log/checkpoint":
            return self.checkpoint.as_bytes()
        if path == "/api/v1/keys":
            return TrustedKeys(keys=(trusted_hub(), trusted_log())).as_bytes()
        if path == "/api/v1/key-changes?of=hub":
            by = small_authority.authority()
            logs = ((private_key(ORIGIN).public_key(), None),)
            return KeyChanges(trust_config=trust_config((by.trust,), logs, ORIGIN, by.hub, by.uri)).as_bytes()
        return self.files.get(path.removeprefix("/log/"), Unreachable(f"there is no {path}"))

    def logged_freeze(self, receipt: Receipt, public: keys.PublicKey, owner: str = "north") -> LoggedReceipt:
        """As a hub gives it back: logged here, twice in one tree."""
        said = {"owner": owner, "role": "node", "keyid": keys.keyid(public), "public_key": keys.public_to_pem(public)}
        certificate, stamp = small_authority.authority().certify(receipt, TrustedKey.model_validate(said))
        entries = [log_entry(receipt, public), certified_entry(receipt, certificate)]
        first, second = self._places(self.append(*entries), entries)
        whole: Bundle = bundled(receipt, first)
        return LoggedReceipt(
            bundle=whole,
            certified=CertifiedBundle.from_bytes(certified_bundle(receipt, certificate, stamp, second).as_bytes()),
        )

    def _places(self, first: int, entries: list[bytes]) -> list[LogEntry]:
        tree = self.checkpoint
        node = TileReader(lambda path: self.files[path], tree.size).node
        log_id = notes.note_key_hash(ORIGIN, self.signer.public_key())
        return [
            placed(entry, at, inclusion_proof(at, tree.size, node), tree, log_id)
            for at, entry in enumerate(entries, first)
        ]


def trusted_hub(owner: str = "hub") -> TrustedKey:
    said = {"role": "hub", "keyid": keys.keyid(HUB_KEY.public_key()), "public_key": HUB_PEM}
    return TrustedKey.model_validate({"owner": owner, **said})


def other_key() -> Ed25519PrivateKey:
    """Of a log that is not the one."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(digest(b"test only, another")[7:]))
