"""The layer `control group` on a real kernel: bombs of many processes, and a whole sandbox in a group of its own.

Limits are held by cgroup version 1 where the machine's memory and pids are still of it (`simulators/group_trees.py`); moving, killing and
taking away are tried on version 2 itself.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox import control_group, started
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.control_group import LAYER, ControlGroup, ControlGroups, KernelTree
from rapha.node.sandbox.namespaces import Namespaces
from rapha.node.sandbox.port import Backend, RunFolder
from rapha.node.sandbox.selftest import SelfTest
from rapha.records.release import SandboxReport

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from group_trees import OldTree, bare_group, old_tree
from patience import until
from small_run import make_run

LIMITS = SandboxLimits(memory_mb=2048, processes=40)
BOMB = """
import os, time
made = 0
try:
    while made < 200:
        if os.fork() == 0:
            time.sleep(600)
        made += 1
except OSError:
    pass
print(made, flush=True)
"""
FORKED_MEMORY = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = b'x' * (100 << 20)
        time.sleep(600)
time.sleep(600)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[OldTree]:
    with old_tree(tmp_path) as made:
        if made is None:
            pytest.skip("memory and pids of this machine are not of cgroup version 1, or not ours")
        yield made


@pytest.fixture
def groups(tree: OldTree) -> ControlGroups:
    return ControlGroups(tree.folder, tree)


@pytest.fixture(params=[Bubblewrap, Namespaces], ids=["bubblewrap", "namespaces"])
def backend(request: pytest.FixtureRequest, groups: ControlGroups, monkeypatch: pytest.MonkeyPatch) -> Backend:
    made: Backend = request.param()
    try:
        made.check()
    except SandboxError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(control_group, "groups_of_this_machine", lambda: groups)
    monkeypatch.setattr(started, "groups_of_this_machine", lambda: groups)
    return made


def left(tree: OldTree) -> list[Path]:
    return [*Path("/sys/fs/cgroup/memory", tree.folder.name).glob("rapha-sandbox-*")]


def runs(process: str) -> bool:
    """Not gone, nor dead and waiting to be buried."""
    status = Path("/proc", process, "status")
    return status.exists() and status.read_text().split("State:\t")[1][0] not in "ZX"


def test_a_group_that_holds_is_believed(groups: ControlGroups, tree: OldTree) -> None:
    assert groups.hold()
    assert left(tree) == []


def test_a_fork_bomb_stops_at_the_limit_and_ends_with_its_group(groups: ControlGroups, tree: OldTree) -> None:
    group = groups.open(SandboxLimits(processes=12))
    with subprocess.Popen(group.entering([sys.executable, "-c", BOMB]), stdout=subprocess.PIPE) as bomb:
        assert bomb.stdout is not None
        assert int(bomb.stdout.readline()) == 11
        group.close()
    assert left(tree) == []


def test_memory_is_of_all_processes_together(groups: ControlGroups) -> None:
    """Eight processes of 100 MB each: one by one far below the limit of an address space."""
    group = groups.open(SandboxLimits(memory_mb=512))
    with subprocess.Popen(group.entering([sys.executable, "-c", FORKED_MEMORY])):
        until(group.out_of_memory)
        group.close()


def test_a_sandbox_lives_in_its_group_says_so_and_leaves_nothing(
    backend: Backend, tree: OldTree, tmp_path: Path
) -> None:
    assert LAYER in backend.layers
    run, _ = make_run(tmp_path)
    sandbox = backend.start(run, LIMITS)
    report: SandboxReport = sandbox.report
    assert LAYER in report.layers and report.held == report.attempts
    assert SelfTest.from_bytes(run.self_test.read_bytes()).tried(LAYER) == 1
    (folder,) = left(tree)
    processes = (folder / "cgroup.procs").read_text().split()
    assert len(processes) >= 2  # the one that made the walls, and the one behind them
    sandbox.close()
    assert left(tree) == []
    until(lambda: not any(runs(process) for process in processes))


def test_a_group_that_lets_more_through_than_it_says_ends_the_run(
    backend: Backend, tree: OldTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says the limit that was set and does not keep to it: the attempt from inside finds out."""
    real = OldTree.write
    monkeypatch.setattr(
        OldTree, "write", lambda self, file, text: None if file.name == "pids.max" else real(self, file, text)
    )
    monkeypatch.setattr(ControlGroup, "check", lambda *_: None)
    with pytest.raises(SandboxError, match="start more threads than the group may"):
        backend.start(RunFolder.under(tmp_path / "run"), LIMITS)
    assert left(tree) == []


def test_a_sandbox_outside_of_its_group_ends_the_run(
    backend: Backend, tree: OldTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ControlGroup, "entering", lambda _, command: command)
    with pytest.raises(SandboxError, match="does not hold the sandbox"):
        backend.start(RunFolder.under(tmp_path / "run"), LIMITS)
    assert left(tree) == []


def test_version_2_takes_a_process_in_and_ends_all_of_them_by_one_write() -> None:
    with bare_group() as folder:
        if folder is None:
            pytest.skip("no group of cgroup version 2 can be made here")
        group = ControlGroup(KernelTree(), folder, {})
        code = "import os, time; os.fork(); os.setsid() if os.getpid() != os.getpgid(0) else None; time.sleep(600)"
        with subprocess.Popen(group.entering([sys.executable, "-c", code]), start_new_session=True) as process:
            until(lambda: len((folder / "cgroup.procs").read_text().split()) == 2)
            group.check(process.pid)
            with pytest.raises(SandboxError, match="does not hold"):
                group.check(os.getpid())
            try:
                group.close()
                assert process.wait(10) == -signal.SIGKILL
            finally:
                process.kill()
        assert not folder.exists()
