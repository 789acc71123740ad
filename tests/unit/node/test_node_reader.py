"""The timeline is read beside the agent: what comes back, what is raised there, who ends with whom, and what the agent does not load."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from patience import until

from rapha.cli.node import run
from rapha.errors import CohortRefused, ConfigurationError, DiskFull, RaphaError
from rapha.node import reader
from rapha.node.reader import Reader, ReaderBeside, ReaderHere


class Told(NamedTuple):
    process: int
    digest: str


def doubled(number: int, by: int = 2) -> int:
    return number * by


def told(digest: str) -> Told:
    return Told(os.getpid(), digest)


def refused(reason: str) -> int:
    raise CohortRefused("fewer than 25 patients", reason)


def full(folder: Path) -> int:
    raise DiskFull(f"no space left in {folder}")


def broken() -> int:
    raise ValueError("a fault of ours")


def ended(record: Path) -> int:
    with record.open("a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def ended_once(record: Path) -> int:
    return 7 if record.exists() else ended(record)


def ended_politely() -> int:
    os.kill(os.getppid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    return 7


def no_more_processes() -> int:
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


def waiting(record: Path) -> int:
    record.write_text(str(os.getpid()))
    signal.pause()
    return 0


@pytest.fixture
def beside() -> Iterator[ReaderBeside]:
    with ReaderBeside() as reader:
        yield reader


def test_it_answers_as_it_would_here_from_another_process(beside: ReaderBeside) -> None:
    both: tuple[Reader, ...] = (ReaderHere(), beside)
    for one in both:
        assert one.ask(doubled, 21) == 42 and one.ask(doubled, 7, by=6) == 42
    first, second = beside.ask(told, "a" * 100_000), beside.ask(told, "b")
    assert first.digest == "a" * 100_000 and isinstance(second, Told)
    assert len({os.getpid(), first.process, second.process}) == 3


def test_what_is_raised_there_is_raised_here(beside: ReaderBeside) -> None:
    with pytest.raises(CohortRefused, match="fewer than 25") as found:
        beside.ask(refused, "too-few-events")
    assert found.value.reason == "too-few-events"
    with pytest.raises(DiskFull, match="no space left in /srv"):
        beside.ask(full, Path("/srv"))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        beside.ask(broken)


@pytest.mark.parametrize("said", [b'a"x"', b"a", b'a{"process": 1}', b'r["os", "x", null]', b"r[1]", b"\x80\x04N."])
def test_an_answer_of_another_form_is_none(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_answered", lambda *_: said)
    with ReaderBeside() as beside, pytest.raises((ValueError, TypeError, RuntimeError, RaphaError)):
        beside.ask(doubled, 1)


def test_one_that_is_ended_is_asked_again_once(beside: ReaderBeside, tmp_path: Path) -> None:
    assert beside.ask(ended_once, tmp_path / "once") == 7
    with pytest.raises(RaphaError, match="was there enough memory"):
        beside.ask(ended, tmp_path / "twice")
    assert (tmp_path / "twice").read_text() == "xx"


def test_a_long_question_keeps_no_other_waiting(beside: ReaderBeside, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(beside.ask, waiting, tmp_path / "long")
        until(lambda: (tmp_path / "long").exists() and (tmp_path / "long").read_text() != "")
        assert beside.ask(doubled, 4) == 8
        beside.close()
        with pytest.raises((RaphaError, OSError)):
            long.result()


def test_none_outlives_the_agent(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[2]]; import test_node_reader as tests\n"
        "tests.ReaderBeside().ask(tests.waiting, pathlib.Path(sys.argv[1]))"
    )
    record = tmp_path / "reading"
    command = [sys.executable, "-c", program, str(record), str(Path(__file__).parent)]
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths}) as agent:
        until(lambda: record.exists() and record.read_text() != "")
        agent.kill()
    until(lambda: not Path(f"/proc/{record.read_text()}").exists())


def test_a_service_manager_that_asks_all_of_them_at_once_ends_no_question(beside: ReaderBeside) -> None:
    assert beside.ask(ended_politely) == 7


def test_a_process_that_cannot_be_forked_is_one_question_s_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a limit of processes is met: the second fork of the copy that waits fails."""
    fork, forked = os.fork, iter(range(9))
    monkeypatch.setattr(os, "fork", lambda: no_more_processes() if next(forked) == 2 else fork())
    with ReaderBeside() as beside:
        assert [beside.ask(doubled, number) for number in (1, 2, 3)] == [2, 4, 6]


def test_the_agent_is_told_to_end_where_the_copy_that_waits_is_gone(beside: ReaderBeside) -> None:
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    try:
        os.kill(beside._waits, signal.SIGKILL)
        until(lambda: Path(f"/proc/{beside._waits}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
        for _ in range(2):
            with pytest.raises(RaphaError, match="was there enough memory"):
                beside.ask(doubled, 1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert asked == [signal.SIGTERM] and beside.lost


def test_closing_it_ends_what_it_still_reads(tmp_path: Path) -> None:
    record = tmp_path / "reading"
    beside = ReaderBeside()
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(beside.ask, waiting, record)
        until(lambda: record.exists() and record.read_text() != "")
        beside.close()
        assert not Path(f"/proc/{record.read_text()}").exists()
        with pytest.raises((RaphaError, OSError)):
            long.result()


def test_the_agent_loads_no_database() -> None:
    program = "import sys, rapha.node.agent, rapha.cli.node; print([m for m in ('duckdb', 'pyarrow', 'torch') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_a_home_without_a_timeline_says_so_through_it(beside: ReaderBeside, tmp_path: Path) -> None:
    from rapha.node import reading

    with pytest.raises(ConfigurationError, match="is not a node's home"):
        beside.ask(reading.timeline, tmp_path)


def test_the_copies_come_after_the_agent_has_its_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group is taken over where the agent is alone in it."""
    order: list[str] = []

    def begun() -> ReaderBeside:
        order.append("reader")
        raise KeyboardInterrupt

    home = SimpleNamespace(folder=tmp_path, rules=tmp_path, configuration=SimpleNamespace(site="north"))
    monkeypatch.setattr("rapha.node.configuration.Home", lambda _: home)
    monkeypatch.setattr("rapha.policy.rules_file.read_rules", lambda _: order.append("rules"))
    monkeypatch.setattr("rapha.cli.log.log_to_stderr", lambda **_: None)
    monkeypatch.setattr("rapha.cli.interrupted.interrupt_when_asked_to_end", lambda: None)
    monkeypatch.setattr("rapha.node.sandbox.choose.backend_of", lambda *_, **__: order.append("backend"))
    monkeypatch.setattr(reader, "ReaderBeside", begun)
    run(tmp_path)
    assert order == ["rules", "backend", "reader"]
