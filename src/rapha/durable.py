"""Bytes that outlive a power cut. A file that is to be there whole or not at all is written beside its place and renamed; between the two
may lie a fault point, so the rename is the caller's."""

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

PRIVATE, READABLE = 0o600, 0o644
"""Modes of a file: for its owner alone; for everybody, as far as the umask lets."""

EARLY_BYTES = 8 << 20
"""Who writes a large file has it taken to the disk by so much at a time: its `fsync` then waits for the last of it alone."""
_SYNC_FILE_RANGE_WRITE = 2


def take_to_disk_early(descriptor: int, begin: int = 0, size_bytes: int = 0) -> None:
    """Have the system begin to write this part of a file, to its end where no size is said, and do not wait. It keeps nothing: whoever
    needs it on the disk calls `fsync` as before, and hears there of whatever went wrong. Nothing is done where the system has no such call."""
    if (start := _sync_file_range()) is not None:
        start(descriptor, begin, size_bytes, _SYNC_FILE_RANGE_WRITE)


class Early:
    """Of a file that is written from its beginning on: what was written goes to the disk meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._written, self._begun = descriptor, 0, 0

    def wrote(self, size_bytes: int) -> None:
        """So many bytes more."""
        self._written += size_bytes
        if self._written - self._begun >= EARLY_BYTES:
            take_to_disk_early(self._descriptor, self._begun, self._written - self._begun)
            self._begun = self._written


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Of Linux: sync_file_range(2)."""
    found = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        found.restype = ctypes.c_int
    return found


def write_synced(path: Path, data: bytes, mode: int = PRIVATE, *, new: bool = False) -> None:
    """The file's whole content, on disk when this returns; its name is only when its folder is synced. A link is not followed.

    Raises:
        FileExistsError: `new`, and there is one.
        OSError: a full disk, a link in its place.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_EXCL if new else os.O_TRUNC)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        if mode == PRIVATE:  # also of a draft that was left behind with another
            os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in it stays so."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
