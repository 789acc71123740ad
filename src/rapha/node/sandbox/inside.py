"""The first code that runs inside the sandbox, before any byte of the study: limits, the self-test, the workload.

Standard library only: it must run from a bare interpreter. Usage: `inside.py PLAN WORKLOAD_MODULE [ARGUMENT ...]`,
where PLAN is JSON: {"limits": {...}, "listener": port of a host socket that must be out of reach}. Writes one line,
the list of attempts with what held, then becomes the workload.
"""

import ctypes
import errno
import json
import os
import resource
import runpy
import socket
import sys
from collections.abc import Callable
from pathlib import Path

ENVIRONMENT = {
    "PATH", "HOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "LC_CTYPE", "PWD", "TMPDIR", "LANG",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR",
    "CUBLAS_WORKSPACE_CONFIG",
}  # fmt: skip
CLONE_NEWUSER = 0x10000000


def set_limits(limits: dict[str, int]) -> None:
    """Lower the limits of this process and its children; they cannot be raised again."""
    megabyte = 1024 * 1024
    wanted = {
        resource.RLIMIT_AS: limits["memory_mb"] * megabyte,
        resource.RLIMIT_FSIZE: limits["file_mb"] * megabyte,
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CORE: 0,
    }
    for what, value in wanted.items():
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def reaches(address: tuple[str, int], kind: int = socket.SOCK_STREAM) -> bool:
    """Whether anything can be sent there."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.settimeout(1.0)
        probe.connect(address)
        if kind == socket.SOCK_DGRAM:
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


def sees_other_processes() -> bool:
    """Whether a process is visible that is neither this one, nor its reaper, nor the launcher's own."""
    return sum(place.name.isdigit() for place in Path("/proc").iterdir()) > 3


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


def has_capabilities() -> bool:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return int(status["CapEff"], 16) != 0 or status["NoNewPrivs"] != "1"


def has_stray_environment() -> bool:
    return bool(set(os.environ) - ENVIRONMENT)


def is_unlimited() -> bool:
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)
    return any(resource.getrlimit(kind)[0] == resource.RLIM_INFINITY for kind in kinds)


def attempts(listener: int) -> dict[str, Callable[[], bool]]:
    """Name -> attempt. An attempt that returns True got through; False, or an OSError, means the wall held."""
    return {
        "connect to a socket of the host": lambda: reaches(("127.0.0.1", listener)),
        "send a datagram to the internet": lambda: reaches(("192.0.2.1", 53), socket.SOCK_DGRAM),
        "find a network interface": has_more_than_loopback,
        "read the host's password hashes": lambda: reads("/etc/shadow"),
        "list the host's home folders": lambda: reads("/root") or reads("/home"),
        "list the host's variable data": lambda: reads("/var"),
        "write to the dataset": lambda: writes("/in"),
        "write to the weights": lambda: writes("/weights"),
        "write to the program": lambda: writes("/code"),
        "write to the root": lambda: writes("/"),
        "see another process": sees_other_processes,
        "make a user namespace": gains_namespace,
        "mount a file system": mounts,
        "hold a capability": has_capabilities,
        "inherit the environment": has_stray_environment,
        "run without limits": is_unlimited,
    }


def holds(attempt: Callable[[], bool]) -> bool:
    """Whether the wall held."""
    try:
        return not attempt()
    except OSError:
        return True


def main() -> None:
    plan = json.loads(sys.argv[1])
    set_limits(plan["limits"])
    found = [{"attempt": name, "held": holds(attempt)} for name, attempt in attempts(plan["listener"]).items()]
    sys.stdout.write(json.dumps({"attempts": found}) + "\n")
    sys.stdout.flush()
    module, sys.argv = sys.argv[2], sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
