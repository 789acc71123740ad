"""A file is written beside its place, a full disk is said as one, and what is spilled lies beside the timeline and nowhere else."""

import contextlib
import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rapha.durable import sync_folder
from rapha.errors import DiskFull


def write_beside(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Fill a file beside `path`, sync it, and rename it: `path` has the old content or the new, never a part."""
    beside = path.with_name(path.name + ".part")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def space_watched(folder: Path) -> Iterator[None]:
    """A full disk, met in this block, is said as `DiskFull` with the folder."""
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        raise DiskFull(f"no space left in {folder}: free some and do it again; nothing was changed") from None


def _is_full(error: Exception) -> bool:
    """Also where DuckDB says it, which whoever writes no tables need not have loaded."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(error, duckdb.Error) and "No space" in str(error)


_SPILL = ".asked-"
"""Not that of an ingest, which holds none of its own."""


def spill_folder(timeline: Path) -> tuple[Path, int]:
    """A folder for rows that do not fit in memory, and a descriptor that holds it. Those of processes that were ended before they could take
    theirs away are taken away first: nobody holds them any more."""
    for left in timeline.glob(f"{_SPILL}*"):
        if (held := _hold(left)) is not None:
            drop_spill(left, held)
    while True:
        made = Path(tempfile.mkdtemp(prefix=_SPILL, dir=timeline))
        if (held := _hold(made)) is not None:
            return made, held


def drop_spill(folder: Path, held: int) -> None:
    """Take it away with what is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)


def _hold(folder: Path) -> int | None:
    """A descriptor that nobody else has while it is open; None where somebody has one, or the folder is gone by now."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.lstat().st_ino == os.fstat(held).st_ino:
            return held
    os.close(held)
    return None
