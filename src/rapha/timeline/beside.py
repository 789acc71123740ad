"""A file is written beside its place, and a full disk is said as one."""

import errno
import os
import sys
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
