"""Points at which a test may kill a process: harmless unless armed, and what each kind of kill leaves on the disk."""

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rapha import faults
from rapha.clock import utc_now
from rapha.hub.blobs import BlobFolder, put
from rapha.hub.notify import Bell
from rapha.hub.store.audit import events_of
from rapha.hub.store.database import open_store
from rapha.hub.store.tables import CodeRow
from rapha.node.outbox import Outbox
from rapha.node.register import Register
from rapha.node.transcripts import keep_whole
from rapha.node.transfer import stamp_of


def died(record: Path, pattern: str, work: Callable[[], object]) -> bool:
    """Whether a process that is armed with this, and does that work, is killed. It must not come to harm otherwise."""
    child = os.fork()
    if child == 0:
        try:
            faults.arm({faults.VARIABLE: f"{record}:{pattern}"})
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def test_unarmed_a_point_does_nothing(tmp_path: Path) -> None:
    faults.arm({})
    faults.arm({"RAPHA_HUB": "https://hub.example", faults.VARIABLE: ""})
    faults.point("hub.committed:anything")
    assert faults.workload_arguments() == ()
    assert faults._armed is None


def test_a_variable_alone_arms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever embeds the package, and does not call the command line, has no such points whatever the environment says."""
    monkeypatch.setenv(faults.VARIABLE, f"{tmp_path / 'record'}:nothing of this name")
    faults.point("hub.committed:anything")
    assert faults._armed is None and not (tmp_path / "record").exists()


def test_only_the_command_line_arms_and_the_variable_has_an_ugly_name(checkout: Path) -> None:
    source = {p.relative_to(checkout / "src/rapha"): p.read_text() for p in (checkout / "src/rapha").rglob("*.py")}
    armed = {str(path) for path, text in source.items() if "faults.arm" in text}
    assert armed == {"cli/main.py", "training/worker.py"}
    assert {str(path) for path, text in source.items() if faults.VARIABLE in text} == {"faults.py"}
    assert len(faults.VARIABLE) > 60


def test_an_armed_process_dies_at_the_passing_that_is_asked_for_and_never_again(tmp_path: Path) -> None:
    record = tmp_path / "record"

    def work() -> None:
        for name in ("a", "b", "a", "c"):
            faults.point(name)

    assert died(record, "a#2", work)
    assert record.read_text().split() == ["a#1", "b#1", "a#2"]
    assert not died(record, "a#2", work)
    assert record.read_text().split()[3:] == ["a#3", "b#2", "a#4", "c#1"]


def test_a_sandbox_is_armed_once_in_all_lives_of_its_agent(tmp_path: Path) -> None:
    def first() -> None:
        assert faults.workload_arguments() == ("--die-at-fault-point", "sandbox.did:train:1#1")
        assert faults.workload_arguments() == ()

    def later() -> None:
        assert faults.workload_arguments() == ()

    assert not died(tmp_path / "record", "sandbox.did:train:1#1", first)
    assert not died(tmp_path / "record", "sandbox.did:train:1#1", later)
    assert not died(tmp_path / "other", "hub.*", later)


def test_several_sandboxes_are_armed_one_after_another(tmp_path: Path) -> None:
    def arms(*expected: tuple[str, ...]) -> None:
        assert [faults.workload_arguments() for _ in expected] == list(expected)

    both = "sandbox.did:train:1#1 sandbox.to-do:train:2#1"
    first, second = (("--die-at-fault-point", pattern) for pattern in both.split(" "))
    assert not died(tmp_path / "record", both, lambda: arms(first))
    assert not died(tmp_path / "record", both, lambda: arms(second, (), ()))


@pytest.mark.parametrize(("point", "kept"), [("hub.to-commit", False), ("hub.committed", True)])
def test_a_hub_killed_around_a_commit_has_all_of_it_or_nothing(tmp_path: Path, point: str, kept: bool) -> None:
    def work() -> None:
        store = open_store(tmp_path / "hub.db", Bell(), utc_now)
        with store.changing() as change:
            change.session.add(CodeRow(code_hash="hash", site="north", expires_at=change.at))
            change.tell("code.made", "steward", study_id="s-1")

    assert died(tmp_path / "record", f"{point}:code.made@hub#1", work)
    store = open_store(tmp_path / "hub.db", Bell(), utc_now)
    with store.reading() as session:
        assert (session.get(CodeRow, "hash") is not None, len(events_of(session, "s-1", 0))) == (kept, int(kept))
    store.close()


@pytest.mark.parametrize(("point", "kept"), [("hub.to-rename", 0), ("hub.renamed", 1)])
def test_a_hub_killed_around_a_rename_has_the_whole_blob_or_none(tmp_path: Path, point: str, kept: int) -> None:
    assert died(tmp_path / "record", f"{point}:blob#1", lambda: put(BlobFolder(tmp_path / "blobs"), b"weights"))
    blobs = BlobFolder(tmp_path / "blobs")
    assert len(blobs.digests()) == kept and not list((tmp_path / "blobs" / "drafts").iterdir())


@pytest.mark.parametrize(("point", "kept"), [("node.to-commit", 0), ("node.committed", 1)])
def test_a_node_killed_around_a_commit_has_its_event_or_not(tmp_path: Path, point: str, kept: int) -> None:
    work = lambda: Register(tmp_path / "node.db", utc_now).note("profile.sent")  # noqa: E731
    assert died(tmp_path / "record", f"{point}:profile.sent#1", work)
    assert len(Register(tmp_path / "node.db", utc_now).events()) == kept


@pytest.mark.parametrize(("point", "kept"), [("node.to-rename", False), ("node.renamed", True)])
def test_a_node_killed_around_a_rename_has_the_whole_copy_or_none(tmp_path: Path, point: str, kept: bool) -> None:
    def work() -> None:
        Outbox(tmp_path / "outbox", None, Register(tmp_path / "node.db", utc_now), None)._keep(
            "d-1", "metrics.json", b"all"
        )  # type: ignore[arg-type]

    assert died(tmp_path / "record", f"{point}:outbox/metrics.json#1", work)
    copy = tmp_path / "outbox" / "d-1" / "metrics.json"
    assert copy.exists() == kept and (not kept or copy.read_bytes() == b"all")


@pytest.mark.parametrize(("point", "kept"), [("node.to-rename", False), ("node.renamed", True)])
def test_a_node_killed_around_the_keeping_of_weights_keeps_them_the_next_time(
    tmp_path: Path, point: str, kept: bool
) -> None:
    given = tmp_path / f"{hashlib.sha256(b'weights').hexdigest()}.safetensors"
    given.write_bytes(b"weights")
    verified, target = stamp_of(given), tmp_path / "kept"
    work = lambda: keep_whole(given, target, verified)  # noqa: E731
    assert died(tmp_path / "record", f"{point}:transcript-weights#1", work)
    assert target.exists() == kept
    work()
    assert target.read_bytes() == b"weights" and not list(tmp_path.glob("*.part"))
