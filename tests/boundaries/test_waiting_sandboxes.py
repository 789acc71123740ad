"""A sandbox that was started before its dispatch, seen from inside by foreign code, and from outside when something is wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import rapha
from rapha.errors import SandboxError
from rapha.node.configuration import UGLY, SandboxLimits
from rapha.node.sandbox import started, waiting
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.choose import choose_backend
from rapha.node.sandbox.namespaces import Namespaces
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.node.sandbox.selftest import SelfTest
from rapha.node.sandbox.waiting import WaitingSandboxes
from rapha.records.outputs import OUTPUTS, Command

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from patience import until
from waiting_code import put_in_place

LIMITS = SandboxLimits(memory_mb=2048, file_mb=16)
LOOK = """return {
        'input': tried(lambda: os.listdir('/in')),
        'weights': tried(lambda: os.listdir('/weights')),
        'rows': tried(lambda: open('/in/rows.arrow').read()),
        'changed rows': tried(lambda: open('/in/rows.arrow', 'r+').write('forged')),
        'cut rows': tried(lambda: os.truncate('/in/rows.arrow', 0)),
        'lost rows': tried(lambda: os.unlink('/in/rows.arrow')),
        'new file': tried(lambda: open('/in/forged', 'w').write('forged')),
        'new weights': tried(lambda: open('/weights/forged', 'w').write('forged')),
        'above': tried(lambda: os.listdir('/in/..')),
        'others': tried(lambda: os.listdir('/in/../../../runs')),
        'output': tried(lambda: open('/out/evaluation.json').read()),
    }"""
MISCHIEF = """
for name in ('evaluation.json', 'weights.safetensors', 'other'):
    tried(lambda: open('/out/' + name, 'w').write('before anybody asked'))
"""


class Pool(WaitingSandboxes):
    """With a home of its own; `runs` beside what waits, as in a node's."""

    def __init__(self, home: Path, backend: Backend, wanted: int = 1) -> None:
        self.runs, self.rules = home / "runs", home / "rules.yaml"
        self.runs.mkdir(parents=True)
        self.rules.write_text("rules\n")
        self.given: list[Sandbox] = []
        super().__init__(backend, LIMITS, self.runs / ".waiting", self.rules, wanted, quiet_seconds=0.0)

    def full(self, count: int = 1) -> None:
        until(lambda: self.count() == count, seconds=120.0)  # torch is loaded, on a machine that may be busy

    def take(self, folder: Path) -> Sandbox | None:
        found = super().take(folder)
        self.given += [found] if found else []
        return found

    def taken(self, name: str, rows: str) -> tuple[Sandbox, RunFolder]:
        """One that was taken for the dispatch `name`, has rows, and has begun."""
        taken = self.take(self.runs / name)
        assert taken is not None
        run = RunFolder.under(self.runs / name)
        (run.input / "rows.arrow").write_text(rows)
        taken.begin()
        return taken, run


@pytest.fixture(params=[Bubblewrap, Namespaces], ids=["bubblewrap", "namespaces"])
def backend(request: pytest.FixtureRequest) -> Backend:
    made: Backend = request.param()
    try:
        made.check()
    except SandboxError as error:
        pytest.skip(str(error))
    return made


@pytest.fixture
def pool(tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool of foreign code."""
    put_in_place(monkeypatch, tmp_path / "code", LOOK, MISCHIEF)
    made = Pool(tmp_path / "home", backend)
    yield made
    made.close()
    for sandbox in made.given:
        sandbox.close()


def seen(sandbox: Sandbox, run: RunFolder) -> list[dict[str, object]]:
    """What the foreign code saw while it waited, and what it sees now."""
    assert sandbox.run(Command(do="prepare", round=0), 30.0).ok
    found: list[dict[str, object]] = json.loads((run.output / "figures.json").read_text())
    return found


def test_it_sees_nothing_before_its_run_and_then_that_run_alone_and_can_change_none_of_it(pool: Pool) -> None:
    other = RunFolder.under(pool.runs / "other")
    (other.input / "rows.arrow").write_text("rows of another")
    pool.open()
    pool.full()
    before, now = seen(*pool.taken("one", "rows of one"))
    assert before["input"] == before["weights"] == [] and before["rows"] == "FileNotFoundError"
    assert now["input"] == ["rows.arrow"] and now["rows"] == "rows of one"
    for look in (before, now):
        assert look["others"] in ("FileNotFoundError", "PermissionError")
        wrong = {"changed rows", "cut rows", "lost rows", "new file", "new weights", "above"}
        assert {name: look[name] for name in wrong if not str(look[name]).endswith("Error")} == {}
    assert (pool.runs / "one" / "input" / "rows.arrow").read_text() == "rows of one"


def test_what_it_wrote_before_its_run_is_gone_when_the_run_begins(pool: Pool) -> None:
    pool.open()
    pool.full()
    sandbox, run = pool.taken("one", "rows")
    assert {path.name: path.stat().st_size for path in run.output.iterdir()} == dict.fromkeys(OUTPUTS, 0)
    before, now = seen(sandbox, run)
    assert before["output"] == "before anybody asked" and now["output"] == ""


def test_each_serves_once_and_the_next_one_sees_nothing_of_it(pool: Pool) -> None:
    pool.open()
    pool.full()
    first, one = pool.taken("one", "rows of one")
    seen(first, one)
    pool.full()
    second, two = pool.taken("two", "rows of two")
    before, now = seen(second, two)
    assert first is not second and before["input"] == [] and now["rows"] == "rows of two"
    assert seen(first, one)[-1]["rows"] == "rows of one"
    digests = [SelfTest.from_bytes(run.self_test.read_bytes()).digest for run in (one, two)]
    assert digests == [first.report.self_test, second.report.self_test]
    for sandbox in (first, second):
        sandbox.close()
        assert not sandbox.alive()


def test_one_that_dies_is_noticed_and_another_waits_in_its_place(pool: Pool) -> None:
    pool.open()
    pool.full()
    dead = pool._waiting[0]
    os.kill(dead.sandbox._process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    until(lambda: pool.count() == 1 and pool._waiting[0] is not dead, seconds=60.0)
    assert not dead.folder.exists()
    assert seen(*pool.taken("one", "rows"))[-1]["rows"] == "rows"


def test_one_that_is_dead_when_it_is_asked_for_serves_nobody(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.open()
    pool.full()
    with pool.run_at_work():
        monkeypatch.setattr(pool, "_keep_those", lambda *_: None)
        process = pool._waiting[0].sandbox._process  # type: ignore[attr-defined]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert pool.take(pool.runs / "one") is None and not (pool.runs / "one").exists()


def test_other_rules_end_it_before_it_serves(pool: Pool) -> None:
    pool.open()
    pool.full()
    with pool.run_at_work():
        waits = pool._waiting[0].sandbox
        pool.rules.write_text("stricter rules\n")
        assert pool.take(pool.runs / "one") is None and not waits.alive()


def test_other_code_ends_it_before_it_serves(pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pool.open()
    pool.full()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__init__.py").touch()
    with pool.run_at_work():
        waits = pool._waiting[0].sandbox
        monkeypatch.setattr(rapha, "__file__", str(tmp_path / "other" / "__init__.py"))
        assert pool.take(pool.runs / "one") is None and not waits.alive()


def test_under_other_rules_another_one_waits_soon(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RENEWS_SECONDS", 0.0)
    pool.open()
    pool.full()
    old = pool._waiting[0]
    pool.rules.write_text("stricter rules\n")
    until(lambda: pool.count() == 1 and pool._waiting[0] is not old, seconds=60.0)
    assert not old.sandbox.alive() and pool._waiting[0].circumstances != old.circumstances


@pytest.mark.parametrize("place", ["input", "weights"])
def test_folders_that_somebody_wrote_to_serve_nobody(pool: Pool, place: str) -> None:
    pool.open()
    pool.full()
    with pool.run_at_work():
        waits = pool._waiting[0]
        (waits.folder / place / "planted").write_text("rows of another")
        assert pool.take(pool.runs / "one") is None and not waits.sandbox.alive() and not waits.folder.exists()


def test_a_run_that_has_its_folder_already_is_given_none(pool: Pool) -> None:
    pool.open()
    pool.full()
    RunFolder.under(pool.runs / "one")
    assert pool.take(pool.runs / "one") is None and pool.count() == 1


def test_none_is_started_while_a_run_works(pool: Pool) -> None:
    with pool.run_at_work():
        pool.open()
        assert pool.take(pool.runs / "one") is None
    pool.full()


def test_one_that_is_being_started_is_waited_for(pool: Pool) -> None:
    pool.open()
    until(lambda: pool._starting or pool.count() == 1, seconds=60.0)
    assert pool.take(pool.runs / "one") is not None


def test_what_an_earlier_agent_left_is_swept(pool: Pool) -> None:
    left = RunFolder.under(pool.runs / ".waiting" / "left")
    pool.open()
    pool.full()
    assert not left.input.exists()


def test_after_the_end_none_waits_and_nothing_of_them_stays(pool: Pool) -> None:
    pool.open()
    pool.full()
    waits = pool._waiting[0]
    pool.close()
    assert not waits.sandbox.alive() and not waits.folder.exists() and pool.count() == 0
    pool.close()


@pytest.mark.parametrize("before", ["Workload", "judged"])
def test_at_the_end_one_that_is_being_started_is_given_up(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    begun, as_it_is, made = threading.Event(), getattr(started, before), list[Sandbox]()

    def slow(*given: object, **named: object) -> object:
        begun.set()
        until(lambda: pool._ended, seconds=60.0)
        if before == "judged":
            until(lambda: not given[0].alive(), seconds=60.0)  # type: ignore[attr-defined]
        made.append(as_it_is(*given, **named))
        return made[-1]

    monkeypatch.setattr(started, before, slow)
    pool.open()
    assert begun.wait(60.0)
    pool.close()
    assert not any(one.alive() for one in made) and not list((pool.runs / ".waiting").iterdir())
    assert pool.count() == 0 and len(made) == (before == "Workload")


def test_a_backend_without_walls_has_none(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "home", choose_backend(UGLY))
    pool.open()
    assert pool.take(pool.runs / "one") is None
    pool.close()


NODE = """
import sys, time
from pathlib import Path
sys.path[:0] = [{simulators!r}, {boundaries!r}]
from patience import until
from test_waiting_sandboxes import Pool
from rapha.node.sandbox.choose import choose_backend
pool = Pool(Path({home!r}), choose_backend({backend!r}))
pool.open()
pool.full()
print("waits", flush=True)
sys.stdin.read()
"""


def test_a_node_that_is_killed_leaves_no_process_behind(backend: Backend, tmp_path: Path) -> None:
    here = Path(__file__).parent
    words = {"simulators": str(here.parent / "simulators"), "boundaries": str(here), "home": str(tmp_path / "home")}
    code = NODE.format(**words, backend=backend.name)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        assert node.stdout is not None and node.stdout.readline() == b"waits\n"
        below = descendants(node.pid)
        assert len(below) >= 2
        node.kill()
        node.wait()
        until(lambda: not [pid for pid in below if runs(pid)])


def descendants(pid: int) -> list[int]:
    """Of every thread of the process, and of theirs."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def runs(pid: int) -> bool:
    """Whether it is there and not merely awaiting its burial."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
