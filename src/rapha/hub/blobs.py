"""Bytes by their digest: weights, updates, files of a delivery. The port, a folder, and a memory for tests.

A draft shows nothing. `settle` makes sure of the bytes (digest, disk), `keep` makes them visible, whole, in one step;
keeping the same bytes twice is the same as once. A draft that is left without `keep`, or whose process dies, leaves no
blob. May raise Conflict (other bytes than announced) and DiskFull.
"""

import errno
import hashlib
import io
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from rapha import faults
from rapha.durable import Early, sync_folder
from rapha.errors import Conflict, DiskFull

Block = bytes | bytearray | memoryview
_BLOCK_BYTES = 1 << 20


class Draft(Protocol):
    """A blob being written. A context manager: leaving the block without `keep` drops it."""

    def write(self, block: Block) -> None:
        """Append. Raises DiskFull."""

    def settle(self, expected: str | None = None) -> str:
        """No more is written; the digest. Raises Conflict where it is not `expected`, DiskFull."""

    def keep(self) -> None:
        """Make it visible, after `settle`. Quick."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Blobs(Protocol):
    """See the page's head."""

    def draft(self) -> Draft:
        """Begin a blob. Raises DiskFull."""

    def size_bytes(self, digest: str) -> int | None:
        """Its size, or None where there is no such blob."""

    def open(self, digest: str) -> BinaryIO:
        """Its bytes, to read and seek in. Raises Conflict where there is no such blob."""

    def settled(self, file: Path, digest: str) -> Draft:
        """A whole, verified and synced file, as a draft that is settled; once kept, it is gone from its place. Quick
        where it is on the same disk. Raises DiskFull."""

    def drop(self, digest: str) -> None:
        """Forget it; no error where it is not there."""

    def digests(self) -> list[str]:
        """All that are kept. What else lies in the same place is none of them."""


def put(blobs: Blobs, data: bytes) -> str:
    """Keep these bytes; their digest."""
    with blobs.draft() as draft:
        draft.write(data)
        digest = draft.settle()
        draft.keep()
    return digest


def read(blobs: Blobs, digest: str) -> bytes:
    """The whole of a small blob."""
    with blobs.open(digest) as file:
        return file.read()


class BlobFolder:
    """<folder>/<hex of the digest>, drafts in a folder of it; written, synced, then renamed into place.

    Several hubs may keep their blobs in one folder: `drafts` is then another name for each.
    """

    def __init__(self, folder: Path, drafts: str = "drafts") -> None:
        self._folder = folder
        self._drafts = folder / drafts
        self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._drafts.iterdir():
            left.unlink()

    def draft(self) -> "FileDraft":
        return FileDraft(self._drafts / secrets.token_hex(16), self._folder)

    def size_bytes(self, digest: str) -> int | None:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, digest: str) -> BinaryIO:
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise absent(digest) from None

    def settled(self, file: Path, digest: str) -> "SettledFile":
        return SettledFile(file, self._path(digest), self._drafts)

    def drop(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def digests(self) -> list[str]:
        return ["sha256:" + path.name for path in self._folder.iterdir() if is_hex(path.name) and path.is_file()]

    def _path(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")


class FileDraft:
    """A draft in a file of its own."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._hash = hashlib.sha256()
        with disk(folder):
            self._file = path.open("xb", buffering=0)
        self._early = Early(self._file.fileno())

    def write(self, block: Block) -> None:
        self._hash.update(block)
        rest = memoryview(block).cast("B")
        size_bytes = len(rest)
        with disk(self._folder):
            while rest:
                rest = rest[self._file.write(rest) :]
        self._early.wrote(size_bytes)

    def settle(self, expected: str | None = None) -> str:
        digest = agreed(self._hash.hexdigest(), expected)
        with disk(self._folder):
            os.fsync(self._file.fileno())
        return digest

    def keep(self) -> None:
        with disk(self._folder):
            _rename(self._path, self._folder / self._hash.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class SettledFile:
    """A file that lies elsewhere; it stays there, where it is not kept."""

    def __init__(self, file: Path, blob: Path, drafts: Path) -> None:
        self._file, self._blob, self._drafts = file, blob, drafts

    def write(self, block: Block) -> None:
        raise Conflict("no more is written to what is settled")

    def settle(self, expected: str | None = None) -> str:
        return agreed(self._blob.name, expected)

    def keep(self) -> None:
        with disk(self._blob.parent):
            try:
                _rename(self._file, self._blob)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy()

    def _copy(self) -> None:
        """Of another disk: the name shows when the bytes are on this one."""
        draft = self._drafts / secrets.token_hex(16)
        try:
            with self._file.open("rb") as source, draft.open("xb") as target:
                shutil.copyfileobj(source, target, _BLOCK_BYTES)
                target.flush()
                os.fsync(target.fileno())
            _rename(draft, self._blob)
        finally:
            draft.unlink(missing_ok=True)
        self._file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """See the class."""


class BlobMemory:
    """The same in memory: for tests."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def draft(self) -> "MemoryDraft":
        return MemoryDraft(self._kept)

    def size_bytes(self, digest: str) -> int | None:
        return len(self._kept[digest]) if digest in self._kept else None

    def open(self, digest: str) -> BinaryIO:
        if digest not in self._kept:
            raise absent(digest)
        return io.BytesIO(self._kept[digest])

    def settled(self, file: Path, digest: str) -> "MemoryDraft":
        draft = self.draft()
        draft.write(file.read_bytes())
        file.unlink()
        return draft

    def drop(self, digest: str) -> None:
        self._kept.pop(digest, None)

    def digests(self) -> list[str]:
        return list(self._kept)


class MemoryDraft:
    """A draft in memory."""

    def __init__(self, kept: dict[str, bytes]) -> None:
        self._kept, self._data = kept, bytearray()

    def write(self, block: Block) -> None:
        self._data += block

    def settle(self, expected: str | None = None) -> str:
        return agreed(hashlib.sha256(self._data).hexdigest(), expected)

    def keep(self) -> None:
        self._kept[self.settle()] = bytes(self._data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._data = bytearray()


def _rename(draft: Path, blob: Path) -> None:
    faults.point("hub.to-rename:blob")
    draft.replace(blob)
    faults.point("hub.renamed:blob")
    sync_folder(blob.parent)


def is_hex(name: str) -> bool:
    """Whether a blob may have this name in its place."""
    return re.fullmatch(r"[0-9a-f]{64}", name) is not None


def absent(digest: str) -> Conflict:
    """The error for a blob that is not there."""
    return Conflict(f"there is no blob {digest} here: upload it first")


def agreed(found: str, expected: str | None) -> str:
    """The digest of that hex; Conflict where another one was expected."""
    digest = "sha256:" + found
    if expected is not None and digest != expected:
        raise Conflict(
            f"the upload is not what it was announced to be: expected {expected}, got {digest}; send it again"
        )
    return digest


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Translate a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left in {folder}: make room there and try again") from None
        raise
