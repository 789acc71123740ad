"""Landlock: what this process may still open, whatever its mounts say. Loaded inside, and never lifted.

Everything the kernel's version knows is handled, and what no rule grants is refused: no program can be started, in
`/out` only the files that the node laid there can be written, `/proc` cannot be read at all. From version 4 also no TCP,
from 6 no signal and no abstract socket across. Source: landlock(7), linux/landlock.h. Standard library only.
"""

import ctypes
import os
import struct
from collections.abc import Mapping

from rapha.node.sandbox import syscalls

LEAST_VERSION = 3  # before it, a file that may only be read could still be cut to nothing
EXECUTE, WRITE, READ, READ_FOLDER, REMOVE_FOLDER, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_FOLDER, MAKE_FILE, REFER, TRUNCATE, DEVICE_CONTROL = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
TCP, SCOPES = 0b11, 0b11
ADD_PATH, ASK_VERSION, O_PATH = 1, 1, 0o10000000

GRANTS = {
    "read": READ | READ_FOLDER,
    "lay into": READ | READ_FOLDER | WRITE | TRUNCATE,
    "work in": READ | READ_FOLDER | WRITE | TRUNCATE | MAKE_FOLDER | MAKE_FILE | REMOVE_FOLDER | REMOVE_FILE,
    "use": READ | WRITE,
}
"""What a place may be granted. `lay into` writes files that are there; only `work in` makes new ones; `use` is of a device."""


def version() -> int:
    """The kernel's Landlock version; 0 where it has none, or where we do not know the processor."""
    if not syscalls.is_known():
        return 0
    try:
        return syscalls.call("landlock_create_ruleset", None, 0, ASK_VERSION)
    except OSError:
        return 0


def is_given() -> bool:
    """Whether this machine's kernel has what we need of it."""
    return version() >= LEAST_VERSION


def restrict(places: Mapping[str, str]) -> None:
    """Shut everything but these places (path -> a key of `GRANTS`) for this thread and all it starts.

    Raises:
        OSError: the kernel refused, or a place is not there.
    """
    handled = _handled(version())
    attributes = struct.pack("=QQQ", *handled)
    ruleset = syscalls.call("landlock_create_ruleset", attributes, len(attributes), 0)
    for place, grant in places.items():
        _add(ruleset, place, GRANTS[grant] & handled[0])
    if ctypes.CDLL(None, use_errno=True).prctl(38, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no new privileges")
    syscalls.call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)


def _handled(found: int) -> tuple[int, int, int]:
    """Files, network, scopes, as far as a version knows them. A version before 4 or 6 takes zeros for what it lacks."""
    files = (1 << 13) - 1
    files |= REFER if found >= 2 else 0
    files |= TRUNCATE if found >= 3 else 0
    files |= DEVICE_CONTROL if found >= 5 else 0
    return files, TCP if found >= 4 else 0, SCOPES if found >= 6 else 0


def _add(ruleset: int, place: str, rights: int) -> None:
    folder = os.open(place, O_PATH | os.O_CLOEXEC)
    try:
        syscalls.call("landlock_add_rule", ruleset, ADD_PATH, struct.pack("=Qi", rights, folder), 0)
    finally:
        os.close(folder)
