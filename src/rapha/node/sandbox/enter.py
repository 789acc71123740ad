"""Make the walls without any installed program: namespaces, mounts and capabilities by system calls, then the workload.

Usage: `enter.py PLACES COMMAND...`, started by `namespaces.py` as a process of its own, with the host's interpreter.
PLACES is JSON: {"read_only": [[host, inside], ...], "output": host, "links": [[target, path], ...], "tmp_bytes": n,
"environment": {...}}. In this order, as an auditor may tick it off:

1. die with the node
2. namespaces of every kind; this user becomes 65534 inside, and nobody else exists
3. a child becomes process 1 of the new pid namespace: it has no parent inside to attack
4. an empty root in memory; the old one moves below it
5. each place is bound, and made read-only with all that is mounted below it; only `/out` and `/tmp` can be written
6. the new root becomes the only root; the old one is let go
7. no further user namespace may be made; the bounding set is emptied; no new privileges
8. the workload's interpreter starts, with the environment of the plan and nothing else, and so without a capability

Standard library and system calls only. Source: namespaces(7), mount_setattr(2), pivot_root(2), capabilities(7).
"""

import ctypes
import json
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from rapha.node.sandbox import syscalls

NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x02000000
INSIDE_ID = 65534
NOSUID, NODEV, NOEXEC, READ_ONLY = 2, 4, 8, 1
REMOUNT, BIND, RECURSIVE, PRIVATE, DETACH = 32, 4096, 16384, 1 << 18, 2
AT_RECURSIVE, AT_FDCWD = 0x8000, -100
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, LAST_CAPABILITY = 1, 24, 38, 40
DEVICES = ("null", "zero", "full", "random", "urandom")
OLD, NEW = "/old", "/new"
MOST_FILES = 4096  # each takes a kilobyte of the kernel's memory, which no size of a disk counts

_libc = ctypes.CDLL(None, use_errno=True)


def main(places: dict[str, Any], command: list[str]) -> int:
    """Exit code of the workload; 71 where the walls could not be made."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        enter_namespaces()
    except OSError as error:
        sys.stderr.write(f"rapha: this machine allows no namespaces ({error.strerror})\n")
        return 71
    child = os.fork()
    if child == 0:
        become(places, command)
    status = os.waitpid(child, 0)[1]
    if os.WIFSTOPPED(status):  # it asked to be traced, by us: nothing honest does
        os.kill(child, signal.SIGKILL)
        return 71
    return os.waitstatus_to_exitcode(status) & 0xFF


def enter_namespaces() -> None:
    """New ones of every kind; this user, and no other, is 65534 inside."""
    user, group = os.getuid(), os.getgid()
    syscalls.call("unshare", NAMESPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INSIDE_ID} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{INSIDE_ID} {group} 1")


def become(places: dict[str, Any], command: list[str]) -> None:
    """Process 1: mounts, capabilities, the workload. Never returns."""
    try:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.sethostname(b"sandbox", 7)
        make_root(places)
        drop_privileges()
        os.execve(command[0], command, places["environment"])  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"rapha: the walls could not be made: {error.strerror}: {error.filename or ''}\n")
    finally:
        os._exit(71)


def make_root(places: dict[str, Any]) -> None:
    """Nothing of the host is there but the places named."""
    _mount(None, "/", None, RECURSIVE | PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", NOSUID | NODEV, "mode=755,size=1m")  # noqa: S108
    for name in (OLD, NEW):
        Path("/tmp" + name).mkdir()  # noqa: S108
    os.chdir("/tmp")  # noqa: S108
    syscalls.call("pivot_root", b".", b"old")
    os.chdir("/")
    _mount("tmpfs", NEW, "tmpfs", NOSUID | NODEV, "mode=755,size=1m")
    for host, inside in places["read_only"]:
        _bind(host, inside, READ_ONLY | NOSUID | NODEV)
    for target, link in places["links"]:
        Path(NEW + link).symlink_to(target)
    _bind(places["output"], "/out", NOSUID | NODEV | NOEXEC)
    make_memory_disk("/tmp", places["tmp_bytes"])  # noqa: S108
    make_devices()
    Path(NEW + "/proc").mkdir()
    _mount("proc", NEW + "/proc", "proc", NOSUID | NODEV | NOEXEC)
    _mount(None, NEW, None, REMOUNT | BIND | READ_ONLY | NOSUID | NODEV)
    _libc.umount2(OLD.encode(), DETACH)
    os.chdir(NEW)
    syscalls.call("pivot_root", b".", b".")
    if _libc.umount2(b".", DETACH) != 0:
        raise OSError(ctypes.get_errno(), "the old root could not be let go")
    os.chdir("/tmp")  # noqa: S108


def make_memory_disk(inside: str, size: int) -> None:
    Path(NEW + inside).mkdir()
    _mount("tmpfs", NEW + inside, "tmpfs", NOSUID | NODEV | NOEXEC, f"mode=700,size={size},nr_inodes={MOST_FILES}")


def make_devices() -> None:
    """Five devices that hold nothing, in a folder that cannot be written."""
    Path(NEW + "/dev").mkdir()
    _mount("tmpfs", NEW + "/dev", "tmpfs", NOSUID | NOEXEC, "mode=755,size=64k")
    for name in DEVICES:
        Path(f"{NEW}/dev/{name}").touch()
        _mount(f"{OLD}/dev/{name}", f"{NEW}/dev/{name}", None, BIND)
    _mount(None, NEW + "/dev", None, REMOUNT | BIND | READ_ONLY | NOSUID | NOEXEC)


def drop_privileges() -> None:
    """No namespace below this one, no capability to win back by any program, no new privileges."""
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    for capability in range(LAST_CAPABILITY + 1):
        if _prctl(PR_CAPBSET_DROP, capability) != 0:
            raise OSError(ctypes.get_errno(), "the bounding set could not be emptied")
    if _prctl(PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise OSError(ctypes.get_errno(), "no new privileges")


def _bind(host: str, inside: str, attributes: int) -> None:
    """Bind a folder with all below it; `attributes` are added to each mount in it, and none is taken away."""
    place = NEW + inside
    Path(place).mkdir(parents=True, exist_ok=True)
    _mount(OLD + host, place, None, BIND | RECURSIVE)
    wanted = struct.pack("=QQQQ", attributes, 0, PRIVATE, 0)
    syscalls.call("mount_setattr", AT_FDCWD, place.encode(), AT_RECURSIVE, wanted, len(wanted))


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [word.encode() if word else None for word in (source, target, kind, data)]
    if _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _prctl(option: int, value: int) -> int:
    return int(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
