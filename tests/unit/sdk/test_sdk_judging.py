"""Many receipts are shared out over processes, and nothing about the verdicts tells."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from many_receipts import write_folder

from rapha.errors import Unproven
from rapha.proof.verify import ModelFolder, judge
from rapha.sdk import judging
from rapha.sdk.folder import read_folder
from rapha.sdk.judging import MANY, judge_folder

HOSPITALS = MANY + 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Seventy hospitals: one receipt was changed, another's figures are missing."""
    path = tmp_path_factory.mktemp("many") / "model"
    pinned = write_folder(path, HOSPITALS)
    changed = path / "receipts" / "hospital-0003.json"
    changed.write_bytes(changed.read_bytes().replace(b'"logIndex":"4"', b'"logIndex":"5"', 1))
    (path / "metrics" / "hospital-0041.json").unlink()
    return read_folder(path, pinned)


def test_verdicts_and_their_order_are_those_of_one_process(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = judge(folder)
    named = [f"receipts/hospital-{number:04d}.json" for number in range(HOSPITALS)]
    assert [verdict.subject for verdict in alone] == [*named, "receipts/aggregation.json"]
    assert [verdict.subject for verdict in alone if not verdict.ok] == [
        "receipts/hospital-0003.json",
        "receipts/hospital-0041.json",
    ]
    monkeypatch.setattr(judging, "judge", unreachable)
    assert judge_folder(folder, processes=2) == alone


def test_few_are_judged_in_this_process(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ModelFolder(
        folder.digests, dict(list(folder.receipts.items())[:MANY]), folder.certified, folder.study, folder.keys, None
    )
    monkeypatch.setattr(judging, "ProcessPoolExecutor", unreachable)
    assert judge_folder(few, processes=2) == judge(few)
    assert judge_folder(folder, processes=1) == judge(folder)


def test_a_process_that_dies_leaves_no_verdict(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "judge_sites", lambda *_: os._exit(9))
    with pytest.raises(Unproven, match="ended before it was done"):
        judge_folder(folder, processes=2)


def test_where_no_more_processes_can_be_started_one_judges_and_says_so(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three cannot be; the first would wait for ever, and the command for it."""
    real, left = os.fork, [None]

    def fork() -> int:
        if not left:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        left.pop()
        return real()

    told: list[str] = []
    others = set(multiprocessing.active_children())
    monkeypatch.setattr(os, "fork", fork)
    try:
        assert judge_folder(folder, 3, told.append) == judge(folder)
        assert told == [
            "this machine starts no more processes (Resource temporarily unavailable): one judges all receipts"
        ]
        assert left == [] and set(multiprocessing.active_children()) == others
    finally:
        for stray in set(multiprocessing.active_children()) - others:
            stray.kill()


def test_no_more_processes_than_are_of_use(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def pool(processes: int, *_: object) -> None:
        asked.append(processes)
        raise Unproven("enough")

    monkeypatch.setattr(judging, "SHARE", 1)
    monkeypatch.setattr(judging, "ProcessPoolExecutor", pool)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(192)), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(Unproven, match="enough"):
        judge_folder(folder)
    assert asked == [judging.MOST]


WAITING = """
import os, signal
from rapha.sdk import judging
judging.MANY, judging.SHARE = 0, 1
judging.site_receipts = lambda folder: ["one", "two"]
judging.judge_sites = lambda *_: (os.write(1, b"%d\\n" % os.getpid()), signal.pause())
judging.judge_folder(None, 2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends them")
@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(ended: signal.Signals) -> None:
    """Whoever writes to the pipe is alive: its end is read when all are gone."""
    started = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    workers = [int(started.stdout.readline()) for _ in range(2)]
    started.send_signal(ended)
    try:
        assert started.communicate(timeout=60)[0] == ""
    except subprocess.TimeoutExpired:
        for one in workers:
            os.kill(one, signal.SIGKILL)
        started.communicate()
        raise


def unreachable(*_: object) -> None:
    raise AssertionError("not this way")
