# ruff: noqa: PTH101, PTH104, PTH108, PTH123
"""The foreign program: it stands where the workload would, behind every layer, and does its worst.

Runs inside the sandbox, alone. `/in/plan.json` is the plan that the self-test had; what each attack came to goes to
`/out/figures.json` as name -> "held" or "got through". Grows with every way out that somebody thinks of.
"""

import fcntl
import json
import mmap
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

from rapha.node.sandbox import escapes, syscalls

PLAN = json.loads(Path("/in/plan.json").read_text())


def fills(path: str, limit: int) -> bool:
    """Write up to one block past a limit, in blocks of 4 MB."""
    block = bytes(4 * 2**20)
    with open(path, "wb", buffering=0) as file:
        for _ in range(limit // len(block) + 2):
            if file.write(block) < len(block):
                return False
    return True


def forks_on() -> bool:
    for _ in range(3):
        if os.fork() == 0:
            os._exit(0)
    return True


def takes_memory_in_pieces() -> bool:
    kept = [mmap.mmap(-1, 64 * 2**20) for _ in range(PLAN["limits"]["memory_mb"] // 64 + 1)]
    return len(kept) > 0


def maps_and_runs() -> bool:
    """A program laid in memory, named by its descriptor."""
    number = syscalls.call("memfd_create", b"x", 0)
    os.execv(f"/proc/self/fd/{number}", ["x"])


def holds(path: str, kind: int) -> bool:
    """A lease: whoever opens the file waits for us, three quarters of a minute."""
    fcntl.fcntl(os.open(path, os.O_RDONLY), fcntl.F_SETLEASE, kind)
    return True


def calls(name: str, *arguments: int | bytes | None) -> Callable[[], bool]:
    def attack() -> bool:
        syscalls.call(name, *arguments)
        return True

    return attack


def does(what: Callable[[], object]) -> Callable[[], bool]:
    def attack() -> bool:
        what()
        return True

    return attack


ATTACKS: dict[str, Callable[[], bool]] = {
    "resolve a name": does(lambda: socket.getaddrinfo("example.org", 443)),
    "a pair of local sockets": does(socket.socketpair),
    "read another run": lambda: escapes.reads(PLAN["other_run"]),
    "read the node's key": lambda: escapes.reads(PLAN["key"]),
    "the host through process 1": lambda: escapes.reads("/proc/1/root/etc"),
    "memory of process 1": lambda: escapes.reads("/proc/1/mem"),
    "own memory map": lambda: escapes.reads("/proc/self/maps"),
    "the node's command line through process 1": lambda: escapes.reads("/proc/1/cmdline"),
    "seize process 1": calls("ptrace", 0x4206, 1, 0, 0),
    "let itself be traced": calls("ptrace", 0, 0, 0, 0),
    "kill process 1": does(lambda: os.kill(1, 0)),
    "kill everyone": does(lambda: os.kill(-1, 0)),
    "a new user": calls("setresuid", 0, 0, 0),
    "fork bomb": forks_on,
    "memory bomb, in pieces": takes_memory_in_pieces,
    "memory bomb, at once": lambda: escapes.takes_memory(PLAN["limits"]["memory_mb"]),
    "disk bomb in /out": lambda: fills("/out/weights.safetensors", PLAN["limits"]["file_mb"] * 2**20),
    "disk bomb in /tmp": lambda: fills("/tmp/bomb", PLAN["tmp_bytes"]),
    "cut the dataset": does(lambda: os.truncate("/in/plan.json", 0)),
    "link the dataset into the output": does(lambda: os.link("/in/plan.json", "/out/linked")),
    "move an output": does(lambda: os.rename("/out/evaluation.json", "/tmp/moved")),
    "replace an output by a link": does(lambda: os.unlink("/out/evaluation.json")),
    "make an output a program of another user": does(lambda: os.chmod("/out/evaluation.json", 0o4777)),
    "mark an output": does(lambda: os.setxattr("/out/evaluation.json", "user.x", b"x")),
    "a pipe in /tmp": does(lambda: os.mkfifo("/tmp/pipe")),
    "a device": does(lambda: os.mknod("/tmp/device", 0o60600, os.makedev(8, 0))),
    "run a file of memory": maps_and_runs,
    "a kernel queue of messages": calls("mq_open", b"x", 0o100, 0o600, None),
    "a kernel segment of memory": calls("shmget", 1, 4096, 0o1600),
    "watch files": calls("inotify_init1", 0),
    "a terminal of its own": does(lambda: os.open("/dev/ptmx", os.O_RDWR)),
    "list the devices": does(lambda: list(Path("/dev").iterdir())),
    "the limits of process 1": does(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE)),
    "watch a folder": does(lambda: fcntl.fcntl(os.open("/in", os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS)),
    "let the node wait at an output": lambda: holds("/out/weights.safetensors", fcntl.F_WRLCK),
    "let the node wait at the dataset": lambda: holds("/in/plan.json", fcntl.F_RDLCK),
    "lock the program's files": does(
        lambda: fcntl.flock(os.open("/code/rapha/__init__.py", os.O_RDONLY), fcntl.LOCK_EX)
    ),
    "lock an output": does(lambda: fcntl.lockf(os.open("/out/weights.safetensors", os.O_RDWR), fcntl.LOCK_EX)),
    "take the pipes of the node's user": does(lambda: fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)),
    "a signal by another road": does(lambda: fcntl.fcntl(0, fcntl.F_SETOWN, 1)),
    "restart the machine": calls("reboot", 0, 0, 0, None),
    "a thread with a namespace of its own": calls("clone", 0x00010000 | 0x10000000 | 0x900, None, 0, 0, 0),
    "clone by the newer call": calls("clone", 17, None, 0, 0, 0),
}


def outcome(attack: Callable[[], bool]) -> str:
    try:
        return "got through" if attack() else "held"
    except (OSError, MemoryError):
        return "held"


def main() -> None:
    found = {name: outcome(attack) for name, attack in ATTACKS.items()}
    # With every lock on, the attempts of the self-test are made once more: a later layer must not have opened an earlier.
    for stage in (escapes.in_the_group, escapes.before_the_locks, escapes.behind_landlock, escapes.behind_the_filter):
        again = [one for one in stage(PLAN) if one.layer in PLAN["layers"] and one.name not in UNREADABLE]
        found |= {f"again: {one.name}": "held" if one.held() else "got through" for one in again}
    Path("/out/figures.json").write_text(json.dumps(found))


UNREADABLE = {"run without limits"} | {f"share the host's {layer}" for layer in escapes.NAMESPACES}
"""Not attacks but looks: with /proc shut they see nothing, which the self-test counts as a fault."""

if __name__ == "__main__":
    main()
