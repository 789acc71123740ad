"""Groups of sandboxes, on a tree in a folder: what is looked up, taken over, set, read back, ended and swept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox import control_group
from rapha.node.sandbox.control_group import ControlGroups, own_group, taken_over

sys.path.insert(0, str(Path(__file__).parents[2] / "simulators"))
from group_trees import FolderTree

LIMITS = SandboxLimits(memory_mb=512, processes=9)
UNIFIED = "25 24 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
HYBRID = "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" + UNIFIED.replace("/sys/fs/cgroup", "/u")


@pytest.fixture
def tree(tmp_path: Path) -> FolderTree:
    return FolderTree(tmp_path / "own")


@pytest.fixture
def groups(tree: FolderTree) -> ControlGroups:
    made = taken_over(tree.root, os.getpid(), tree)
    assert made is not None
    return made


def made_below(tree: FolderTree) -> list[Path]:
    return sorted(tree.root.glob("rapha-sandbox-*"))


@pytest.mark.parametrize(
    ("cgroup", "mounts", "place"),
    [
        ("0::/system.slice/rapha.service\n", UNIFIED, "/sys/fs/cgroup/system.slice/rapha.service"),
        ("4:memory:/x\n0::/\n", HYBRID, "/u"),
        ("0::/docker/a/b\n", UNIFIED.replace(" / ", " /docker/a "), "/sys/fs/cgroup/b"),
        ("0::/docker/a\n", UNIFIED.replace(" / ", " /docker/other "), None),
        ("0::/../elsewhere\n", UNIFIED, None),
        ("4:memory:/x\n", UNIFIED, None),
        ("0::/a\n", HYBRID.splitlines()[0], None),
    ],
    ids=["unified", "hybrid", "container", "other root", "above the namespace", "version 1 alone", "not mounted"],
)
def test_the_nodes_own_group_is_found_where_it_is_mounted(cgroup: str, mounts: str, place: str | None) -> None:
    assert own_group(cgroup, mounts) == (Path(place) if place else None)


def test_the_node_moves_into_a_leaf_before_limits_are_handed_down(tree: FolderTree, groups: ControlGroups) -> None:
    pid = str(os.getpid())
    assert tree.written == [("rapha-node/cgroup.procs", pid), ("cgroup.subtree_control", "+memory +pids")]


def test_who_is_in_its_leaf_already_takes_the_groups_over_again(tree: FolderTree, groups: ControlGroups) -> None:
    again = taken_over(tree.root / "rapha-node", os.getpid(), tree)
    assert again is not None
    again.open(LIMITS)
    assert len(made_below(tree)) == 1


@pytest.mark.parametrize("kept", ["cpu memory", "cpu pids", "hugetlb"])
def test_without_both_controllers_nothing_is_touched(tmp_path: Path, kept: str) -> None:
    tree = FolderTree(tmp_path / "own", controllers=kept)
    assert taken_over(tree.root, os.getpid(), tree) is None and tree.written == []


def test_other_peoples_processes_are_not_moved(tmp_path: Path) -> None:
    tree = FolderTree(tmp_path / "own", alone=1)
    assert taken_over(tree.root, os.getpid(), tree) is None and tree.written == []
    assert sorted(tree.root.glob("rapha-*")) == []


def test_a_group_has_the_limits_of_the_configuration(tree: FolderTree, groups: ControlGroups) -> None:
    groups.open(LIMITS)
    (folder,) = made_below(tree)
    set_ = {name: (folder / name).read_text().strip() for name in ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max")}  # fmt: skip
    assert set_ == {"memory.max": str(512 * 2**20), "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "9"}


def test_a_command_is_in_the_group_before_it_runs(tree: FolderTree, groups: ControlGroups) -> None:
    group = groups.open(LIMITS)
    (folder,) = made_below(tree)
    code = "import os, sys; print(os.getpid() in map(int, open(sys.argv[1]).read().split()), sys.argv[2])"
    command = group.entering([sys.executable, "-c", code, str(folder / "cgroup.procs"), "a b; $c"])
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True a b; $c\n"


def test_a_command_that_cannot_enter_does_not_run(tree: FolderTree, groups: ControlGroups, tmp_path: Path) -> None:
    group = groups.open(LIMITS)
    group.close()
    done = subprocess.run(group.entering(["/bin/touch", str(tmp_path / "ran")]), capture_output=True, check=False)
    assert done.returncode == 71 and not (tmp_path / "ran").exists()


def test_who_is_not_in_the_group_or_under_other_limits_is_found(tree: FolderTree, groups: ControlGroups) -> None:
    group = groups.open(LIMITS)
    (folder,) = made_below(tree)
    with pytest.raises(SandboxError, match="does not hold the sandbox"):
        group.check(os.getpid())
    (folder / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
    group.check(os.getpid())
    (folder / "pids.max").write_text("max\n")
    with pytest.raises(SandboxError, match=r"has another pids\.max than was set"):
        group.check(os.getpid())


def test_at_the_end_every_process_is_killed_and_the_group_is_gone(tree: FolderTree, groups: ControlGroups) -> None:
    group = groups.open(LIMITS)
    (folder,) = made_below(tree)
    with subprocess.Popen(group.entering(["/bin/sleep", "600"])) as one, subprocess.Popen(["/bin/sleep", "600"]) as two:
        while not (folder / "cgroup.procs").read_text():
            assert one.poll() is None
        tree.write(folder / "cgroup.procs", str(two.pid))
        try:
            group.close()
            assert (one.wait(10), two.wait(10)) == (-9, -9)
        finally:
            one.kill()
            two.kill()
    assert made_below(tree) == []
    group.close()


def test_a_limit_that_the_kernel_does_not_take_starts_nothing(tree: FolderTree, groups: ControlGroups) -> None:
    def refuses(file: Path, text: str) -> None:
        if file.name == "pids.max":
            raise OSError(22, "Invalid argument")
        FolderTree.write(tree, file, text)

    tree.write = refuses  # type: ignore[method-assign]
    with pytest.raises(SandboxError, match="Invalid argument"):
        groups.open(LIMITS)
    assert made_below(tree) == []


def test_what_a_killed_node_left_is_swept_and_what_still_runs_is_not(tree: FolderTree, groups: ControlGroups) -> None:
    groups.open(LIMITS)
    groups.open(LIMITS)
    empty, busy = made_below(tree)
    (busy / "cgroup.procs").write_text("1\n")
    taken_over(tree.root / "rapha-node", os.getpid(), tree)
    assert made_below(tree) == [busy]
    assert empty != busy


def test_a_tree_that_holds_nobody_is_not_believed(groups: ControlGroups, tree: FolderTree) -> None:
    assert not groups.hold()
    assert made_below(tree) == []


@pytest.mark.parametrize(
    ("lacks", "holds"), [("", True), ("cgroup.kill", False)], ids=["a kernel of today", "before 5.14"]
)
def test_a_kernel_that_does_not_end_a_group_as_a_whole_gives_no_layer_and_nothing_is_left(
    lacks: str, holds: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that takes too much memory ends itself here, as the kernel would end it; the tree says that the kernel did."""
    monkeypatch.setattr(control_group, "_TRIAL", "import os; os.kill(os.getpid(), 9)")
    monkeypatch.setattr(control_group, "ENDS_SECONDS", 0.2)
    monkeypatch.setattr(control_group.ControlGroup, "out_of_memory", lambda _: True)
    tree = FolderTree(tmp_path / "own", lacks=lacks)
    groups = taken_over(tree.root, os.getpid(), tree)
    assert groups is not None
    assert groups.hold() is holds
    assert made_below(tree) == []


def test_a_group_that_cannot_be_killed_is_taken_away_once_it_is_empty(tmp_path: Path) -> None:
    tree = FolderTree(tmp_path / "own", lacks="cgroup.kill")
    groups = taken_over(tree.root, os.getpid(), tree)
    assert groups is not None
    groups.open(LIMITS).close()
    assert made_below(tree) == []
