"""The layer `control group`: what all processes of a sandbox take together is bounded by the kernel (cgroup v2).

Given where the node lies in a group of its own that was handed to it with `memory` and `pids`; docs/security.md says how. In this
order, as an auditor may tick it off:

1. the node's own group is looked up; where other processes are in it, nothing is touched and the layer is not given
2. the node moves into a leaf below it, for a group that has processes of its own may hand nothing down; `memory` and `pids` are handed down
3. it is tried once: a program that takes more memory than its group may is killed, and one that stays is by the one write that ends a
   group, which is then gone; or the layer is not given
4. each sandbox gets a group of its own with its limits; its first program is a shell that enters it and becomes the sandbox
5. the limits are read back, and that the sandbox is in its group: before a row is read, or the run ends
6. at its end the whole group is killed by one write, and taken away

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rapha.errors import SandboxError

if TYPE_CHECKING:  # what is named here is read inside a sandbox as well, from a bare interpreter
    from rapha.node.configuration import SandboxLimits

LAYER = "control group"
NODE_LEAF, SANDBOX = "rapha-node", "rapha-sandbox-"
WANTED = ("memory", "pids")
MEGABYTE = 1024 * 1024
ENDS_SECONDS = 5.0
"""How long the dead of a group may take to be gone: as long as the kernel gives their memory back."""
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 71; shift; done; shift; exec "$@"'
_TRIAL_MB, _TRIAL = 64, f"b'x' * ({4 * 64} << 20)"
_STAYS = "echo; exec sleep 600"


class Tree(Protocol):
    """The files in which the kernel keeps groups."""

    def read(self, file: Path) -> str:
        """Raises OSError."""

    def write(self, file: Path, text: str) -> None:
        """Into a file that is there. Raises OSError: also where the kernel refuses."""

    def make(self, group: Path) -> None:
        """An empty group. Raises OSError."""

    def remove(self, group: Path) -> None:
        """Raises OSError: it has processes, or groups below it."""

    def doors(self, group: Path) -> list[Path]:
        """The files into which a process writes its number to enter the group."""


class KernelTree:
    """The kernel's own."""

    def read(self, file: Path) -> str:
        """See `Tree.read`."""
        return file.read_text(encoding="ascii")

    def write(self, file: Path, text: str) -> None:
        """See `Tree.write`."""
        opened = os.open(file, os.O_WRONLY)
        try:
            os.write(opened, text.encode("ascii"))
        finally:
            os.close(opened)

    def make(self, group: Path) -> None:
        """See `Tree.make`."""
        group.mkdir()

    def remove(self, group: Path) -> None:
        """See `Tree.remove`."""
        group.rmdir()

    def doors(self, group: Path) -> list[Path]:
        """See `Tree.doors`."""
        return [group / "cgroup.procs"]


class ControlGroup:
    """The group of one sandbox, with its limits; empty until a command enters it."""

    def __init__(self, tree: Tree, folder: Path, limits: dict[str, str]) -> None:
        self._tree, self._folder, self._limits = tree, folder, limits

    def entering(self, command: list[str]) -> list[str]:
        """The command that enters the group and then becomes `command`: nothing of it has run outside. Ends with 71 if it cannot."""
        return ["/bin/sh", "-c", _ENTER, "sh", *map(str, self._tree.doors(self._folder)), "--", *command]

    def check(self, process: int) -> None:
        """Return if the kernel says that the limits are these, and that this process is in the group.

        Raises:
            SandboxError: says what is otherwise.
        """
        try:
            other = [name for name, value in self._limits.items() if self._read(name) != value]
            inside = str(process) in self._read("cgroup.procs").split()
        except OSError as error:
            raise SandboxError(f"the sandbox's control group cannot be read ({error.strerror})") from error
        if other or not inside:
            found = f"has another {other[0]} than was set" if other else "does not hold the sandbox"
            raise SandboxError(f"the sandbox's walls did not hold, so nothing was run; its control group {found}")

    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process of the group because it took more memory than the group may."""
        counts = dict(line.split() for line in self._read("memory.events").splitlines())
        return int(counts.get("oom_kill", "0")) > 0

    def close(self) -> None:
        """Kill all that is in it and take it away, each as far as the kernel does it. What cannot be taken away yet is empty, and swept
        at the node's next start."""
        with contextlib.suppress(OSError):  # it is closed already
            self._tree.write(self._folder / "cgroup.kill", "1")
        with contextlib.suppress(OSError):
            end = time.monotonic() + ENDS_SECONDS
            while "populated 0" not in self._read("cgroup.events").splitlines() and time.monotonic() < end:
                time.sleep(0.005)
        with contextlib.suppress(OSError):
            self._tree.remove(self._folder)

    def ends_a_program(self) -> bool:
        """Whether closing it kills a program that is in it, and nothing of it is left, tried."""
        with subprocess.Popen(self.entering(["/bin/sh", "-c", _STAYS]), stdout=subprocess.PIPE) as stays:
            try:
                entered = stays.stdout is not None and stays.stdout.readline() == b"\n"
                self.close()
                return entered and stays.wait(ENDS_SECONDS) == -signal.SIGKILL and self._gone()
            finally:
                stays.kill()

    def _gone(self) -> bool:
        try:
            self._read("cgroup.procs")
        except FileNotFoundError:
            return True
        return False

    def _read(self, name: str) -> str:
        return self._tree.read(self._folder / name).strip()


class ControlGroups:
    """The groups of this node's sandboxes: below `folder`, which hands down `memory` and `pids`."""

    def __init__(self, folder: Path, tree: Tree) -> None:
        self._folder, self._tree = folder, tree

    def open(self, limits: "SandboxLimits") -> ControlGroup:
        """A group for one sandbox.

        Raises:
            SandboxError: the kernel does not take it.
        """
        return self._made(limits.memory_mb * MEGABYTE, limits.processes)

    def hold(self) -> bool:
        """Whether the kernel keeps a group to its memory and ends it as a whole, tried."""
        group: ControlGroup | None = None
        try:
            group = self._made(_TRIAL_MB * MEGABYTE, 8)
            command = group.entering([sys.executable, "-I", "-S", "-c", _TRIAL])
            ended = subprocess.run(command, capture_output=True, check=False, timeout=60).returncode
            return ended == -signal.SIGKILL and group.out_of_memory() and group.ends_a_program()
        except (OSError, SandboxError, ValueError, subprocess.TimeoutExpired):
            return False
        finally:
            if group is not None:
                group.close()

    def sweep(self) -> None:
        """Take away what a node that was killed left; its sandboxes ended with it, and a group that has processes stays."""
        for left in self._folder.glob(f"{SANDBOX}*"):
            with contextlib.suppress(OSError):
                self._tree.remove(left)

    def _made(self, memory_bytes: int, processes: int) -> ControlGroup:
        folder = self._folder / f"{SANDBOX}{uuid.uuid4().hex}"
        limits = {
            "memory.max": str(memory_bytes),
            "memory.swap.max": "0",
            "memory.oom.group": "1",
            "pids.max": str(processes),
        }
        group = ControlGroup(self._tree, folder, limits)
        try:
            self._tree.make(folder)
            for name, value in limits.items():
                self._tree.write(folder / name, value)
        except OSError as error:
            group.close()
            raise SandboxError(f"a control group for the sandbox could not be made ({error.strerror})") from error
        return group


@cache
def groups_of_this_machine() -> ControlGroups | None:
    """Those of this process, tried; None where the machine gives none."""
    try:
        own = own_group(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    except OSError:
        return None
    groups = taken_over(own, os.getpid(), KernelTree()) if own is not None else None
    return groups if groups is not None and groups.hold() else None


def own_group(cgroup: str, mounts: str) -> Path | None:
    """Where the group of version 2 lies that these two files of /proc/self name; None where there is none, or it is out of sight."""
    path = next((line[3:] for line in cgroup.splitlines() if line.startswith("0::/")), None)
    for line in mounts.splitlines() if path is not None else ():
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] != "cgroup2":
            continue
        root, place = before.split(" ")[3:5]
        if path and ".." not in Path(path).parts and Path(path).is_relative_to(root):
            return Path(place) / Path(path).relative_to(root)
    return None


def taken_over(own: Path, process: int, tree: Tree) -> ControlGroups | None:
    """The groups below `own`, in which `process` was alone, or which it took over before; None where they cannot be had."""
    folder = own.parent if own.name == NODE_LEAF else own
    try:
        if not set(WANTED) <= set(tree.read(folder / "cgroup.controllers").split()):
            return None
        if own.name != NODE_LEAF:
            if tree.read(folder / "cgroup.procs").split() != [str(process)]:
                return None
            with contextlib.suppress(FileExistsError):
                tree.make(folder / NODE_LEAF)
            tree.write(folder / NODE_LEAF / "cgroup.procs", str(process))
        tree.write(folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in WANTED))
    except OSError:
        return None
    groups = ControlGroups(folder, tree)
    groups.sweep()
    return groups
