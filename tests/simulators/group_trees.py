"""Trees of control groups for tests: one in a folder, which behaves as cgroup v2 does, and one over the kernel's version 1.

The second holds processes to their limits for real, on machines whose memory and pids are still of version 1; so the code that is
written for version 2 is tried on a kernel there too.
"""

import contextlib
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

LAID = {
    "cgroup.events": "populated 0\nfrozen 0\n", "cgroup.kill": "", "cgroup.procs": "", "cgroup.subtree_control": "",
    "memory.events": "oom 0\noom_kill 0\n", "memory.max": "max\n", "memory.oom.group": "0\n", "memory.swap.max": "max\n",
    "pids.max": "max\n",
}  # fmt: skip
OLD = Path("/sys/fs/cgroup")


class FolderTree:
    """Groups that are folders. No process is held to anything; the rest is as cgroup-v2.rst says. `lacks`: a file that an older kernel has not."""

    def __init__(
        self, root: Path, controllers: str = "cpu memory pids", alone: int | None = None, lacks: str = ""
    ) -> None:
        self.root, self.written, self._lacks = root, list[tuple[str, str]](), lacks
        root.mkdir()
        for name, content in LAID.items():
            (root / name).write_text(content)
        (root / "cgroup.controllers").write_text(controllers + "\n")
        (root / "cgroup.procs").write_text(f"{os.getpid() if alone is None else alone}\n")

    def read(self, file: Path) -> str:
        """As `Tree.read`."""
        if file.name == "cgroup.events":
            return f"populated {int(bool(self._processes(file.parent)))}\nfrozen 0\n"
        return file.read_text()

    def write(self, file: Path, text: str) -> None:
        """As `Tree.write`: also where a group with processes would hand something down."""
        if not file.exists():
            raise FileNotFoundError(2, "No such file", str(file))
        self.written.append((str(file.relative_to(self.root)), text))
        match file.name:
            case "cgroup.procs":
                self._move(file, text)
            case "cgroup.subtree_control" if self._processes(file.parent):
                raise OSError(16, "Device or resource busy")
            case "cgroup.kill":
                for process in self._processes(file.parent):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                (file.parent / "cgroup.procs").write_text("")
            case _:
                file.write_text(text + "\n")

    def make(self, group: Path) -> None:
        """As `Tree.make`."""
        group.mkdir()
        for name, content in LAID.items():
            if name != self._lacks:
                (group / name).write_text(content)

    def remove(self, group: Path) -> None:
        """As `Tree.remove`."""
        if self._processes(group):
            raise OSError(16, "Device or resource busy")
        shutil.rmtree(group)

    def doors(self, group: Path) -> list[Path]:
        """As `Tree.doors`."""
        return [group / "cgroup.procs"]

    def _processes(self, group: Path) -> list[int]:
        return [int(word) for word in (group / "cgroup.procs").read_text().split() if Path("/proc", word).exists()]

    def _move(self, file: Path, process: str) -> None:
        for other in self.root.rglob("cgroup.procs"):
            left = [word for word in other.read_text().split() if word != process]
            other.write_text("".join(f"{word}\n" for word in left))
        file.write_text(file.read_text() + f"{process}\n")


class OldTree:
    """Groups of the kernel's version 1, under the names of version 2. `folder` is the one that stands for the node's own."""

    NAMES = ("memory", "pids")

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, file: Path) -> str:
        """As `Tree.read`."""
        memory, pids = self._places(file.parent)
        match file.name:
            case "cgroup.procs":
                return (memory / "cgroup.procs").read_text()
            case "cgroup.events":
                return f"populated {int(bool((memory / 'cgroup.procs').read_text().strip()))}\n"
            case "memory.max":
                return (memory / "memory.limit_in_bytes").read_text()
            case "memory.events":
                return (memory / "memory.oom_control").read_text()
            case "pids.max":
                return (pids / "pids.max").read_text()
            case other:
                return (self.folder / f"{file.parent.name}.{other}").read_text()

    def write(self, file: Path, text: str) -> None:
        """As `Tree.write`. Swap has no file of its own in version 1, and no group is ended as a whole: both are only remembered."""
        memory, pids = self._places(file.parent)
        match file.name:
            case "memory.max":
                (memory / "memory.limit_in_bytes").write_text(text)
            case "pids.max":
                (pids / "pids.max").write_text(text)
            case "cgroup.kill":
                for process in (memory / "cgroup.procs").read_text().split():
                    os.kill(int(process), signal.SIGKILL)
            case other:
                (self.folder / f"{file.parent.name}.{other}").write_text(text)

    def make(self, group: Path) -> None:
        """As `Tree.make`."""
        for place in self._places(group):
            place.mkdir()

    def remove(self, group: Path) -> None:
        """As `Tree.remove`."""
        for place in self._places(group):
            place.rmdir()

    def doors(self, group: Path) -> list[Path]:
        """As `Tree.doors`: one for each controller."""
        return [place / "cgroup.procs" for place in self._places(group)]

    def _places(self, group: Path) -> list[Path]:
        below = group.relative_to(self.folder.parent)
        return [OLD / name / below for name in self.NAMES]


@contextlib.contextmanager
def old_tree(folder: Path) -> Iterator[OldTree | None]:
    """None where this machine's memory and pids are not of version 1, or not ours to make groups in. `folder` is for what it remembers."""
    tree = OldTree(folder / f"rapha-test-{uuid.uuid4().hex}")
    try:
        tree.folder.mkdir()
        tree.make(tree.folder)
    except OSError:
        yield None
        return
    try:
        yield tree
    finally:
        tree.remove(tree.folder)


@contextlib.contextmanager
def bare_group() -> Iterator[Path | None]:
    """A group of the kernel's version 2, without limits to set where its controllers are of version 1; None where none can be made."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    place = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    folder = place / f"rapha-test-{uuid.uuid4().hex}" if place else None
    try:
        if folder is not None:
            folder.mkdir()
    except OSError:
        folder = None
    yield folder
    if folder is not None and folder.exists():
        folder.rmdir()
