"""The folder of a site's runs on a file system that others use too: it is this user's alone, and nobody can put another in its place.

Who may write in a folder can rename what lies in it, whatever the rights of that, unless its sticky bit is set. So every folder above is looked at as well,
by the path that was given and by the one that it leads to.
"""

import os
import stat
from pathlib import Path

from rapha.errors import SandboxError

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_shared(runs: Path) -> None:
    """Make the folder, where it is not there, and return if it can be trusted with rows.

    Raises:
        SandboxError: it is a link or no folder, others may look into it, or somebody could put another in its place.
    """
    try:
        _check_above(runs.parent)
        runs.mkdir(mode=0o700, exist_ok=True)
        found = runs.lstat()
    except OSError as error:
        why = f"cannot be made or looked at ({error.strerror})"
        raise SandboxError(
            f"{runs}: {why}: `placement: shared_folder` is a folder that this user may write to"
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise SandboxError(f"{runs}: it is a link, or no folder: find out who put it there, and take it away")
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise SandboxError(f"{runs}: others may look into it: make it this user's own, and `chmod 700` it")


def _check_above(parent: Path) -> None:
    by_name, by_truth = parent.absolute(), parent.resolve(strict=True)
    for place in {by_name, *by_name.parents, by_truth, *by_truth.parents}:
        found = place.stat()
        open_to_all = found.st_mode & OTHERS_MAY_WRITE and not found.st_mode & stat.S_ISVTX
        if open_to_all or found.st_uid not in (0, os.getuid()):
            why = "somebody else could put another folder in the place of the site's"
            raise SandboxError(f"{place}: {why}: it has to be root's or this user's, and `chmod go-w` or `chmod +t` it")
