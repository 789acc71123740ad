"""Bytes that outlive a power cut. A file that is to be there whole or not at all is written beside its place and renamed; between the two
may lie a fault point, so the rename is the caller's."""

import os
from pathlib import Path

PRIVATE, READABLE = 0o600, 0o644
"""Modes of a file: for its owner alone; for everybody, as far as the umask lets."""


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
