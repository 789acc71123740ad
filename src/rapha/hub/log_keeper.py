"""Keeps the public log: a folder of static files (proof/tiles.py) that any web server can serve, and its key.

The order of writing is the whole of crash safety. Everything is written under another name, flushed, and renamed; a
batch's tiles come first and its checkpoint last. Whoever dies in between leaves the old checkpoint, and tiles beyond it
that nobody was told of and that the next batch writes anew. An append returns once its checkpoint is on disk: from then
on its entries are there for good. A checkpoint that was signed and never published is gone with its draft.
"""

import fcntl
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from rapha import faults
from rapha.durable import READABLE, sync_folder, write_synced
from rapha.errors import ConfigurationError, DiskFull, Unproven
from rapha.proof import lasting
from rapha.proof.checkpoint import Checkpoint, check_log, note_key_hash, read_checkpoint, signed
from rapha.proof.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash
from rapha.proof.tiles import CHECKPOINT, PATH, Edge, TileReader, edge_of, grow

NO_SPACE = 28
FLUSHERS = 8


@dataclass(frozen=True)
class Logged:
    """Where an entry is, and the proof of it under that checkpoint."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint


class LogKeeper:
    """The one writer of a log's folder. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        origin: str,
        private: Ed25519PrivateKey,
        also: Sequence[Ed25519PrivateKey] = (),
        second: MLDSA44PrivateKey | None = None,
    ) -> None:
        """Open the log, or begin it. `also`: keys of before, that sign its checkpoints too. `second`: for a second line on each, on the
        newest one too where that has none yet.

        Raises:
            ConfigurationError: another process writes here, or the folder holds another log than this key's, or one
                whose tiles do not fit its checkpoint.
        """
        self.folder, self.origin, self._private, self._also, self._second = folder, origin, private, also, second
        self._lock = threading.Lock()
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._held = _hold(folder)
        self._flushers = ThreadPoolExecutor(FLUSHERS, thread_name_prefix="log")
        try:
            self._checkpoint, self._edge = self._opened()
            if second and not lasting.is_signed_by_log(self._checkpoint, second.public_key()):
                self.cosign(self._promised(self._checkpoint.size, self._checkpoint.root))
        except BaseException as problem:
            self.close()
            if not isinstance(problem, Unproven):
                raise
            raise ConfigurationError(f"{folder}: {problem}. Restore the folder from a copy; never edit a log") from None

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest one."""
        return self._checkpoint

    @property
    def public(self) -> Ed25519PublicKey:
        return self._private.public_key()

    @property
    def second_public(self) -> MLDSA44PublicKey | None:
        """Of the second line."""
        return self._second.public_key() if self._second else None

    @property
    def log_id(self) -> bytes:
        """signed-note's hash of the log's name and key."""
        return note_key_hash(self.origin, self.public)

    def append(self, entries: Sequence[bytes]) -> int:
        """Append a batch; the index of its first entry. When this returns they are on disk, under a checkpoint.

        Raises:
            ValueError: an entry is longer than the format can hold.
            DiskFull: no space; the log is as it was.
        """
        with self._lock:
            first = self._edge.size
            if entries:
                grown = grow(self._edge, entries)
                checkpoint = self._promised(grown.edge.size, grown.edge.root)
                self._publish(grown.files, checkpoint, grown.edge)
            return first

    def add(self, entries: Sequence[bytes]) -> list[Logged]:
        """Append a batch, and prove each of its entries, all under one checkpoint. Raises as `append`."""
        first = self.append(entries)
        checkpoint = self.checkpoint
        return self.prove(range(first, first + len(entries)), checkpoint)

    def place_since(self, entry: bytes, size: int) -> int | None:
        """Where an entry is among those that came after the log had `size`; None where it is not there."""
        checkpoint, leaf = self.checkpoint, leaf_hash(entry)
        reader = TileReader(self.read, checkpoint.size)
        return next((at for at in range(size, checkpoint.size) if reader.node(0, at) == leaf), None)

    def prove(self, indices: Iterable[int], checkpoint: Checkpoint) -> list[Logged]:
        """The proofs of these entries under a checkpoint of this log. Raises ValueError where it has no such entry."""
        reader = TileReader(self.read, checkpoint.size)
        return [Logged(at, inclusion_proof(at, checkpoint.size, reader.node), checkpoint) for at in indices]

    def cosign(self, checkpoint: Checkpoint) -> None:
        """Publish the newest checkpoint with the cosignatures that `checkpoint` has; nothing where it is older."""
        with self._lock:
            if checkpoint.text == self.checkpoint.text:
                self._publish({}, self.checkpoint.with_signatures(*checkpoint.signatures), self._edge)

    def read(self, path: str) -> bytes:
        """A file of the log, as a web server would give it.

        Raises:
            Unproven: it has no such file.
        """
        return read_log_file(self.folder, path)

    def close(self) -> None:
        """Let another process write here."""
        self._flushers.shutdown()
        self._held.close()

    def _promised(self, size: int, root: bytes) -> Checkpoint:
        made, *others = (signed(self.origin, size, root, one) for one in (self._private, *self._also))
        lines = [line for other in others for line in other.signatures]
        lasts = [lasting.signed_by_log(made, self._second)] if self._second else []
        return made.with_signatures(*lines, *lasts)

    def _publish(self, tiles: dict[str, bytes], checkpoint: Checkpoint, edge: Edge) -> None:
        """Write a batch. Where that fails, the disk says what holds: nothing else is ever signed for a published size."""
        try:
            self._write(tiles, checkpoint)
        except BaseException:
            self._checkpoint, self._edge = self._opened()
            raise
        self._checkpoint, self._edge = checkpoint, edge

    def _opened(self) -> tuple[Checkpoint, Edge]:
        if not (self.folder / CHECKPOINT).exists():
            if (self.folder / "tile").exists():
                raise Unproven("tiles are here, but their checkpoint is gone")
            first = self._promised(0, EMPTY_ROOT)
            self._write({}, first)
            return first, Edge(0)
        checkpoint = read_checkpoint(self.read(CHECKPOINT))
        if checkpoint.origin != self.origin:
            raise Unproven(f"this is the log {checkpoint.origin}, not {self.origin}")
        check_log(checkpoint, self.public)
        edge = edge_of(self.read, checkpoint.size)
        if edge.root != checkpoint.root:
            raise Unproven("the tiles do not lead to the checkpoint's root")
        return checkpoint, edge

    def _write(self, tiles: dict[str, bytes], checkpoint: Checkpoint) -> None:
        """Tiles, then the checkpoint; all of it on disk when this returns. What is flushed together is flushed at once:
        a file system then needs one turn for it."""
        files = {self.folder / name: data for name, data in {**tiles, CHECKPOINT: checkpoint.as_bytes()}.items()}
        *paths, last = files
        folders = {folder for path in paths for folder in _made_folders(path, self.folder)}
        try:
            # 1. Every file under another name, flushed.
            list(self._flushers.map(_write_draft, files, files.values()))
            # 2. The tiles by their names, and the folders that hold them, flushed.
            for path in paths:
                faults.point("hub.to-rename:log/tile")
                self._rename(_draft_of(path), path)
                faults.point("hub.renamed:log/tile")
            list(self._flushers.map(sync_folder, folders))
            # 3. The checkpoint by its name, flushed: from here on the batch is in the log.
            faults.point("hub.to-rename:log/checkpoint")
            self._rename(_draft_of(last), last)
            faults.point("hub.renamed:log/checkpoint")
            sync_folder(self.folder)
        except OSError as error:
            if error.errno == NO_SPACE:
                raise DiskFull(f"no space left for the log in {self.folder}: nothing was appended") from error
            raise

    def _rename(self, draft: Path, path: Path) -> None:
        draft.replace(path)


def read_log_file(folder: Path, path: str) -> bytes:
    """A file of a log's folder, by one of the paths that a log may have.

    Raises:
        Unproven: that is no such path, or there is no such file.
    """
    if not PATH.fullmatch(path):
        raise Unproven(f"{path[:100]!r} is not a path in a log")
    try:
        return (folder / path).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Unproven(f"the log has no file {path}") from None


def _draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.draft")


def _made_folders(path: Path, top: Path) -> set[Path]:
    """Make the folder of a file below `top`; the folders whose own entries change when the file is put there."""
    changed, parent = {path.parent}, path.parent
    while parent != top and not parent.exists():
        changed.add(parent.parent)
        parent = parent.parent
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return changed


def _write_draft(path: Path, data: bytes) -> None:
    write_synced(_draft_of(path), data, READABLE)


def _hold(folder: Path) -> IO[bytes]:
    file = (folder / ".writer").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigurationError(f"another process writes the log in {folder}: stop it first") from None
    return file
