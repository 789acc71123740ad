"""The attempts to get out, each made when the layer that it measures stands and the later ones do not yet.

So a layer is never credited with what another one stopped. An attempt returns True when it got through; False, or an
OSError, means that the wall held. Nothing here harms a machine on which it gets through: signals are numbered zero,
calls carry arguments that the kernel refuses by another error than a denial. Standard library only.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rapha.node.sandbox import syscalls
from rapha.node.sandbox.layers import NAMESPACES

ENVIRONMENT = {
    "PATH", "HOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "LC_CTYPE", "PWD", "TMPDIR", "LANG",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR",
    "CUBLAS_WORKSPACE_CONFIG", "THP_MEM_ALLOC_ENABLE", "MALLOC_MMAP_MAX_",
    "MALLOC_TRIM_THRESHOLD_",
}  # fmt: skip
CLONE_NEWUSER = 0x10000000
MEGABYTE = 1024 * 1024
DENIED = (errno.EPERM, errno.EACCES, errno.ENOSYS)


class Escape(NamedTuple):
    """One attempt, and the layer that has to stop it."""

    name: str
    layer: str
    attempt: Callable[[], bool]

    def held(self) -> bool:
        """Whether the wall held."""
        try:
            return not self.attempt()
        except OSError:
            return True


def in_the_group(plan: dict[str, Any]) -> list[Escape]:
    """With the control group, before any limit of the process itself."""
    processes = plan["limits"]["processes"]
    return [Escape("start more threads than the group may", "control group", lambda: starts_threads(processes))]


def before_the_locks(plan: dict[str, Any]) -> list[Escape]:
    """With namespaces, mounts and limits alone."""
    limits, outside = plan["limits"], plan.get("namespaces", {})
    shared = [Escape(f"share the host's {layer}", layer, _shares(kind, outside)) for layer, kind in NAMESPACES.items()]
    return [
        *shared,
        Escape(
            "connect to a socket of the host", "network namespace", lambda: reaches(("127.0.0.1", plan["listener"]))
        ),
        Escape("connect to an abstract socket of the host", "network namespace", lambda: reaches_abstract(plan)),
        Escape("send a datagram to the internet", "network namespace", sends_datagram),
        Escape("find a network interface", "network namespace", has_more_than_loopback),
        Escape("read the host's password hashes", "mount namespace", lambda: reads("/etc/shadow")),
        Escape("list the host's home folders", "mount namespace", lambda: reads("/root") or reads("/home")),
        Escape("list the host's variable data", "mount namespace", lambda: reads("/var")),
        Escape("climb out of the dataset", "mount namespace", lambda: reads("/in/../../var")),
        Escape("write to the dataset", "read-only mounts", lambda: writes("/in")),
        Escape("write to the weights", "read-only mounts", lambda: writes("/weights")),
        Escape("write to the program", "read-only mounts", lambda: writes("/code")),
        Escape("write to the interpreter", "read-only mounts", lambda: writes("/python")),
        Escape("write to the root", "read-only mounts", lambda: writes("/")),
        Escape("write among the devices", "read-only mounts", lambda: writes("/dev")),
        Escape("write to shared memory", "read-only mounts", lambda: writes("/dev/shm")),  # noqa: S108
        Escape("see another process", "pid namespace", sees_other_processes),
        Escape("signal every process", "pid namespace", signals_everyone),
        Escape("make a user namespace", "user namespace", gains_namespace),
        Escape("mount a file system", "no capabilities", mounts),
        Escape("hold a capability", "no capabilities", lambda: _status("CapEff") != 0 or _status("CapBnd") != 0),
        Escape("gain privileges by a program", "no new privileges", lambda: _status("NoNewPrivs") != 1),
        Escape("inherit the environment", "empty environment", lambda: bool(set(os.environ) - ENVIRONMENT)),
        Escape("fill the machine's memory through /tmp", "sized memory disk", lambda: has_more_room(plan["tmp_bytes"])),
        Escape("run without limits", "rlimits", is_unlimited),
        Escape("take more memory", "rlimits", lambda: takes_memory(limits["memory_mb"])),
        Escape("write a larger file", "rlimits", lambda: writes_larger(limits["file_mb"])),
        Escape("open more files", "rlimits", lambda: opens_more(limits["open_files"])),
        Escape("start more threads", "process limit", lambda: starts_threads(limits["processes"])),
    ]


def behind_landlock(_plan: dict[str, Any]) -> list[Escape]:
    """With Landlock on top, and no filter yet."""
    ways: dict[str, Callable[[], bool]] = {
        "make a folder in the output": lambda: makes(os.mkdir),
        "make a symbolic link in the output": lambda: makes(lambda name: Path(name).symlink_to("/etc/shadow")),
        "make a pipe in the output": lambda: makes(os.mkfifo),
        "make a file of another name in the output": lambda: makes(lambda name: Path(name).touch()),
        "make a file with a hostile name": lambda: makes(lambda name: Path(f"{name}\n\x1b[2J").touch()),
        "read another process's environment": lambda: reads("/proc/1/environ"),
        "read the list of mounts": lambda: reads("/proc/self/mountinfo"),
        "read the kernel's command line": lambda: reads("/proc/cmdline"),
        "list the processes": lambda: reads("/proc"),
        "run the interpreter again": runs_again,
        "run a program laid in /tmp": runs_dropped,
    }
    return [Escape(name, "landlock", attempt) for name, attempt in ways.items()]


def behind_the_filter(_plan: dict[str, Any]) -> list[Escape]:
    """With every layer on. The arguments are wrong on purpose: a call that is let in fails by another error."""
    families = {
        "internet": 2, "internet v6": 10, "local": 1, "netlink": 16, "packet": 17, "hypervisor": 40, "bluetooth": 31,
        "kernel cryptography": 38,
    }  # fmt: skip
    sockets = {f"open a socket ({name})": _asks("socket", family, 2, 0) for name, family in families.items()}
    ways: dict[str, Callable[[], bool]] = {
        **sockets,
        "start another process": forks,
        "trace a process": _asks("ptrace", 0x4206, 0, 0, 0),
        "read another process's memory": _asks("process_vm_readv", 0, None, 0, None, 0, 0),
        "open another process": _asks("pidfd_open", 0, 0),
        "compare with another process": _asks("kcmp", 0, 0, 99, 0, 0),
        "signal a process": _asks("kill", os.getpid(), 0),
        "leave for another namespace": _asks("setns", -1, 0),
        "make a namespace": _asks("unshare", 1),
        "mount": _asks("mount", None, None, None, 0, None),
        "clone a mount": _asks("open_tree", -1, None, 0),
        "open a file system": _asks("fsopen", None, 0),
        "change the root": _asks("pivot_root", None, None),
        "queue input and output past the filter": _asks("io_uring_setup", 0, None),
        "handle page faults": _asks("userfaultfd", -1),
        "load a program into the kernel": _asks("bpf", -1, None, 0),
        "measure the processor": _asks("perf_event_open", None, 0, -1, -1, 0),
        "use a keyring": _asks("keyctl", 0, -3, 0, 0, 0),
        "add a key": _asks("add_key", None, None, None, 0, -3),
        "make a file of memory to run": _asks("memfd_create", None, 0),
        "run a program": _asks("execve", None, None, None),
        "change the personality": _asks("personality", 0xFFFFFFFF),
        "mark a file": _asks("setxattr", None, None, None, 0, 0),
        "make a device": _asks("mknodat", -1, None, 0, 0),
        "type into a terminal": _asks("ioctl", 0, 0x5412, None),
        "type into a terminal (64-bit trick)": _asks("ioctl", 0, 0x100005412, None),
    }
    return [Escape(name, "seccomp", attempt) for name, attempt in ways.items()]


def reaches(address: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        probe.connect(address)
    return True


def reaches_abstract(plan: dict[str, Any]) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.connect(b"\0" + plan["abstract"].encode())
    return True


def sends_datagram() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 53))
        probe.send(b"rapha")
    return True


def reads(path: str) -> bool:
    """Whether a file can be opened, or a folder listed and found not empty."""
    place = Path(path)
    return any(place.iterdir()) if place.is_dir() else bool(place.read_bytes() or True)


def writes(folder: str) -> bool:
    """Whether a file can be made there."""
    probe = Path(folder) / "probe"
    probe.write_bytes(b"x")
    probe.unlink()
    return True


def makes(way: Callable[[str], None]) -> bool:
    """Whether something can be made in the output folder; it is taken away again."""
    name = "/out/probe"
    way(name)
    for made in Path("/out").glob("probe*"):
        made.rmdir() if made.is_dir() and not made.is_symlink() else made.unlink()
    return True


def sees_other_processes() -> bool:
    """Whether a process is visible that is neither this one, nor its reaper, nor the launcher's own."""
    return sum(place.name.isdigit() for place in Path("/proc").iterdir()) > 3


def signals_everyone() -> bool:
    """Signal zero asks whether one could; it does nothing."""
    os.kill(-1, 0)
    return True


def has_more_than_loopback() -> bool:
    return [name for _, name in socket.if_nameindex() if name != "lo"] != []


def gains_namespace() -> bool:
    """Tried in a child, so that a success changes nothing here."""
    child = os.fork()
    if child == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def mounts() -> bool:
    """Whether the kernel would look for the file system at all: a permission is asked before the name is read."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount(b"none", b"/tmp", b"no-such-file-system", 0, None)
    return ctypes.get_errno() != errno.EPERM


def is_unlimited() -> bool:
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)
    return any(resource.getrlimit(kind)[0] == resource.RLIM_INFINITY for kind in kinds)


def takes_memory(limit_mb: int) -> bool:
    """Address space, untouched: what is refused here would be refused to use."""
    mmap.mmap(-1, (limit_mb + 1) * MEGABYTE).close()
    return True


def has_more_room(limit: int) -> bool:
    room = os.statvfs("/tmp")  # noqa: S108
    return room.f_blocks * room.f_frsize > limit


def writes_larger(limit_mb: int) -> bool:
    """A file with a hole: it takes no room where it is let through."""
    probe = Path(f"/tmp/rapha-probe-{os.getpid()}")  # noqa: S108
    try:
        with probe.open("wb") as file:
            file.truncate((limit_mb + 1) * MEGABYTE)
    finally:
        probe.unlink(missing_ok=True)
    return True


def opens_more(limit: int) -> bool:
    opened: list[int] = []
    try:
        for _ in range(limit + 1):
            opened.append(os.dup(0))
    finally:
        for number in opened:
            os.close(number)
    return True


def starts_threads(limit: int) -> bool:
    end, started = threading.Event(), []
    try:
        for _ in range(limit + 1):
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return False
    finally:
        end.set()
        for thread in started:
            thread.join()
    return True


def runs_again() -> bool:
    """Whether the interpreter, a real program, can be started."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            os.execv(sys.executable, [sys.executable, "-S", "-c", "0"])  # noqa: S606
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def runs_dropped() -> bool:
    """A file that is no program: where it may be run at all, the kernel says that it has no known format."""
    probe = Path(f"/tmp/rapha-probe-{os.getpid()}")  # noqa: S108
    probe.write_bytes(b"no program")
    probe.chmod(0o700)
    try:
        os.execv(probe, ["probe"])  # noqa: S606
    except OSError as error:
        return error.errno == errno.ENOEXEC
    finally:
        probe.unlink()


def forks() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def _shares(kind: str, outside: dict[str, str]) -> Callable[[], bool]:
    """What cannot be read counts as shared."""

    def shares() -> bool:
        try:
            here = str(Path(f"/proc/self/ns/{kind}").readlink())
            return here == outside.get(kind, here)
        except OSError:
            return True

    return shares


def _asks(name: str, *arguments: int | None) -> Callable[[], bool]:
    def asks() -> bool:
        try:
            made = syscalls.call(name, *arguments)
        except OSError as error:
            return error.errno not in DENIED
        if name in ("socket", "memfd_create", "userfaultfd", "pidfd_open"):
            os.close(made)
        return True

    return asks


def _status(field: str) -> int:
    """A hexadecimal or a plain number of this process's status, both of which fit base 16 here."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split(":")[1], 16)
    return -1
