"""What a home's agent found of its sandbox's walls, and what a steward decides by in a shell that has no control group."""

import sys
from pathlib import Path

import pytest
from test_node_journey import RULES, FakeLine, Hospital, Isolating, private_task
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.clock import utc_now
from rapha.errors import Conflict, NotPermitted, SandboxError, TrainingFailed
from rapha.node import hub_line, journey
from rapha.node.configuration import Home
from rapha.node.journey import Journey
from rapha.node.sandbox import choose, selftest
from rapha.node.sandbox.choose import backend_of, stewards_backend
from rapha.node.sandbox.control_group import LAYER
from rapha.node.sandbox.found import Found
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.selftest import Attempt, SelfTest

sys.path.insert(0, str(Path(__file__).parents[2] / "simulators"))
from made_up_people import write_study

DEMANDS = RULES.replace("sandbox: required", "sandbox: {demand: [control group]}")


class Machine(Isolating):
    """A backend as a process finds it, which has a control group or has none."""

    name = "bubblewrap"
    works = True

    def check(self) -> None:
        if not self.works:
            raise SandboxError("no namespaces")


class Town:
    """A hospital whose rules demand a control group, and the processes on its machine."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hospital, self._monkeypatch = Hospital(folder), monkeypatch
        self.hospital.rules(DEMANDS)
        self.home: Home = self.hospital.home
        self.line = FakeLine(self.home)
        """Of who decides in a shell."""
        self.process(LAYER)

    def process(self, *layers: str) -> None:
        """From here on, a process that finds these layers."""
        self._monkeypatch.setattr(Machine, "layers", layers)
        self._monkeypatch.setattr(choose, "_BY_NAME", {"bubblewrap": Machine, "namespaces": Machine})

    def journey(self) -> Journey:
        return Journey(self.home, self.hospital.line, self.hospital.register, backend_of(self.home), utc_now)

    def agent_begins(self) -> None:
        backend = backend_of(self.home, afresh=True)
        self.hospital.journey = Journey(self.home, self.hospital.line, self.hospital.register, backend, utc_now)

    def state(self) -> str:
        entry = self.hospital.register.entry("d-1")
        assert entry is not None
        return entry.state

    def rapha(self, *words: object) -> tuple[Exception | None, str]:
        result = CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})
        return (result.exception if isinstance(result.exception, Exception) else None), result.stdout


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    made = Town(tmp_path, monkeypatch)
    monkeypatch.setattr(journey, "PERSON_WAITS_SECONDS", 0.0)
    monkeypatch.setattr(hub_line, "line_of", lambda *_: made.line)
    return made


@pytest.mark.parametrize(("words", "state"), [(("--steward", "maria-lopez"), "approved"), ((), "denied")])
def test_a_steward_decides_in_a_shell_by_the_walls_that_the_agent_has(
    town: Town, words: tuple[str, ...], state: str
) -> None:
    town.agent_begins()
    town.hospital.offer()
    town.process()
    error, said = town.rapha("approve" if words else "deny", town.home.folder, "d-1", *words)
    assert (error, said.split(" ", 1)[0], town.state()) == (None, state, state)
    assert town.line.closed


def test_a_refused_decision_leaves_no_line_open(town: Town) -> None:
    error, _ = town.rapha("deny", town.home.folder, "d-nowhere")
    assert isinstance(error, Conflict) and town.line.closed


def test_where_no_agent_began_a_shell_decides_by_what_it_finds(town: Town) -> None:
    town.hospital.journey = town.journey()
    town.hospital.offer()
    town.process()
    error, _ = town.rapha("approve", town.home.folder, "d-1", "--steward", "maria-lopez")
    assert isinstance(error, NotPermitted) and "sandbox-layer-missing" in str(error)
    assert town.state() == "pending"


def test_explain_asks_of_the_walls_that_the_agent_has(town: Town, tmp_path: Path) -> None:
    study = write_study(tmp_path / "asked.yaml")
    asked = ("policy", "explain", town.home.folder, study, "--researcher", "Ada")
    town.process()
    assert "Refused by sandbox" in town.rapha(*asked)[1]
    town.process(LAYER)
    town.agent_begins()
    town.process()
    assert "Permitted, once a steward has signed" in town.rapha(*asked)[1]


def test_a_run_begins_by_what_the_agent_itself_has(town: Town) -> None:
    town.agent_begins()
    town.hospital.offer()
    town.process()
    town.rapha("approve", town.home.folder, "d-1", "--steward", "maria-lopez")
    (town.home.folder / "sandbox.json").write_bytes(Found(backend="bubblewrap", layers=(LAYER,)).as_bytes())
    lacking = town.journey()
    with pytest.raises(TrainingFailed) as refused:
        lacking.work(private_task(town.hospital, 0, b"", "prepare"))
    assert refused.value.reason == "sandbox-layer-missing"


def test_an_agent_that_begins_anew_forgets_what_one_before_it_found(town: Town) -> None:
    town.agent_begins()
    town.process("rlimits")
    town.agent_begins()
    assert Found.from_bytes((town.home.folder / "sandbox.json").read_bytes()).layers == ("rlimits",)
    assert (town.home.folder / "sandbox.json").stat().st_mode & 0o777 == 0o600


def test_an_agent_that_cannot_begin_leaves_nothing_to_decide_by(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.agent_begins()
    monkeypatch.setattr(Machine, "works", False)
    with pytest.raises(SandboxError):
        town.agent_begins()
    monkeypatch.setattr(Machine, "works", True)
    town.process()
    assert stewards_backend(town.home).layers == ()


@pytest.mark.parametrize(
    "kept",
    [Found(backend="namespaces", layers=(LAYER,)).as_bytes(), b"{", b""],
    ids=["another backend", "broken", "empty"],
)
def test_what_is_of_another_backend_or_cannot_be_read_is_not_relied_on(town: Town, kept: bytes) -> None:
    (town.home.folder / "sandbox.json").write_bytes(kept)
    town.process()
    assert stewards_backend(town.home).layers == ()


def test_a_process_that_has_a_control_group_of_its_own_says_what_it_finds(town: Town) -> None:
    town.agent_begins()
    town.process(LAYER, "seccomp")
    assert stewards_backend(town.home).layers == (LAYER, "seccomp")


def test_a_command_of_a_steward_starts_nothing_by_walls_that_are_not_tried_there(town: Town, tmp_path: Path) -> None:
    town.agent_begins()
    town.process()
    backend = stewards_backend(town.home)
    with pytest.raises(SandboxError, match="starts no sandbox"):
        backend.start(RunFolder.under(tmp_path / "run"), town.home.configuration.limits)


def test_the_self_test_of_a_shell_says_what_it_does_not_try(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = Attempt(attempt="leave", layer="rlimits", held=True)
    monkeypatch.setattr(selftest, "run_self_test", lambda *_: SelfTest(attempts=(attempt,)))
    words = "the agent's control group is not tried from a shell"
    town.agent_begins()
    assert words not in town.rapha("selftest", town.home.folder)[1]
    town.process()
    error, said = town.rapha("selftest", town.home.folder)
    assert error is None and words in said
