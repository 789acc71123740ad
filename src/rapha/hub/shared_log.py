"""The public log of several hubs on one database: its files are rows, written in the transaction that publishes them.

One writer at a time, whichever hub it is: an append is a change, and changes are alone. It reads the newest checkpoint
first, and its tiles and its checkpoint are kept together or not at all. A hub that was cut off from the database in the
middle has published nothing, and what it signed is gone with it: no two checkpoints of one size are ever seen.
"""

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from sqlalchemy.orm import Session

from rapha.errors import ConfigurationError, Unproven
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.store.database import Store
from rapha.hub.store.tables import LogFileRow
from rapha.proof.checkpoint import Checkpoint, check_log, read_checkpoint
from rapha.proof.merkle import EMPTY_ROOT
from rapha.proof.tiles import CHECKPOINT, PATH, Edge, edge_of, grow


class SharedLog(LogKeeper):
    """See the page's head. Safe to use from several threads and processes."""

    def __init__(
        self, store: Store, origin: str, private: Ed25519PrivateKey, second: MLDSA44PrivateKey | None = None
    ) -> None:
        """Open the log, or begin it.

        Raises:
            ConfigurationError: the database holds another log than this key's, or one whose tiles do not fit.
        """
        self.origin, self._private, self._also, self._second = origin, private, (), second
        self._store = store
        try:
            with store.changing() as change:
                if change.session.get(LogFileRow, CHECKPOINT) is None:
                    first = self._promised(0, EMPTY_ROOT)
                    change.session.add(LogFileRow(path=CHECKPOINT, content=first.as_bytes()))
                else:
                    self._newest(change.session)
        except Unproven as problem:
            raise ConfigurationError(f"the log in the hub's database: {problem}. Never edit a log") from None

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest one, of whichever hub."""
        return read_checkpoint(self.read(CHECKPOINT))

    def append(self, entries: Sequence[bytes]) -> int:
        """See `LogKeeper.append`. Raises Unreachable: it is not known whether they were appended."""
        with self._store.changing() as change:
            edge = self._newest(change.session)[1]
            if entries:
                grown = grow(edge, entries)
                checkpoint = self._promised(grown.edge.size, grown.edge.root)
                _write(change.session, grown.files, checkpoint)
            return edge.size

    def cosign(self, checkpoint: Checkpoint) -> None:
        """See `LogKeeper.cosign`."""
        with self._store.changing() as change:
            newest, _ = self._newest(change.session)
            if checkpoint.text == newest.text:
                _write(change.session, {}, newest.with_signatures(*checkpoint.signatures))

    def read(self, path: str) -> bytes:
        """See `LogKeeper.read`."""
        with self._store.reading() as session:
            return _file(session, path)

    def close(self) -> None:
        """The store is closed by who opened it."""

    def _newest(self, session: Session) -> tuple[Checkpoint, Edge]:
        """The newest checkpoint and the edge of its tree. Raises Unproven: they are not this log's, or do not fit."""
        checkpoint = read_checkpoint(_file(session, CHECKPOINT))
        if checkpoint.origin != self.origin:
            raise Unproven(f"this is the log {checkpoint.origin}, not {self.origin}")
        check_log(checkpoint, self.public)
        edge = edge_of(lambda path: _file(session, path), checkpoint.size)
        if edge.root != checkpoint.root:
            raise Unproven("the tiles do not lead to the checkpoint's root")
        return checkpoint, edge


def _file(session: Session, path: str) -> bytes:
    if not PATH.fullmatch(path):
        raise Unproven(f"{path[:100]!r} is not a path in a log")
    row = session.get(LogFileRow, path)
    if row is None:
        raise Unproven(f"the log has no file {path}")
    return row.content


def _write(session: Session, tiles: Mapping[str, bytes], checkpoint: Checkpoint) -> None:
    for path, content in tiles.items():
        known = session.get(LogFileRow, path)
        if known is None:
            session.add(LogFileRow(path=path, content=content))
        elif known.content != content:
            raise Unproven(f"the log's file {path} is there with another content")
    session.get_one(LogFileRow, CHECKPOINT).content = checkpoint.as_bytes()
