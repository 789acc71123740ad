"""Bad days, through a real hub and real hospitals: what is killed comes back, and the model has the same bits."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_people import write_study
from patience import until

from rapha.cli.demo.town import Town
from rapha.records.wire import StudyStatus
from rapha.sdk.client import connect

pytestmark = pytest.mark.slow
HOSPITALS = 3
SECONDS = 120.0
ROUNDS = 6


@pytest.fixture(scope="module")
def town(founded: Town) -> Town:
    """Every hospital approves by a rule. The agents are started while the hub is away: it comes later."""
    for site in founded.sites:
        founded.write_rules(site, person=False)
    founded.kill("hub")
    founded.start_agents()
    for site in founded.sites:
        until(lambda site=site: "hub.away" in log_of(founded, site), seconds=SECONDS, every=0.05)
    founded.start_hub()
    return founded


def weights(town: Town, folder: Path, disturb: Callable[[int], None]) -> bytes:
    """The weights of the same study; `disturb` is called with the number of each round that opens."""
    study = write_study(folder / "study.yaml", rounds=ROUNDS, at_least=3)
    with connect(town.hub_url, town.token) as client:
        study_id = client.submit(study).study_id
        for event in client.watch(study_id):
            if event.event == "round.opened" and event.round is not None:
                disturb(event.round)
        status = client.status(study_id)
        assert status.state == "completed", status
        model = client.fetch(study_id, folder / "model")
    verified = rapha("receipt", "verify", str(model))
    assert verified.returncode == 0, verified.stdout
    return (model / "model.safetensors").read_bytes()


def in_the_second(disturb: Callable[[], object]) -> Callable[[int], None]:
    """For `weights`: something that happens in the second round alone."""

    def happen(number: int) -> None:
        if number == 2:
            disturb()

    return happen


def test_node_hub_and_sandbox_killed_in_rounds_of_one_study_come_back_to_the_same_bits(
    town: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The first study starts though the hub was away, and nothing happens in it."""
    undisturbed = weights(town, tmp_path_factory.mktemp("undisturbed"), lambda number: None)
    happened: dict[int, list[int]] = {}

    def disturb(number: int) -> None:
        if number in happened or number not in HAPPENS:
            return
        happened[number] = HAPPENS[number](town)

    assert weights(town, tmp_path_factory.mktemp("disturbed"), disturb) == undisturbed
    assert sorted(happened) == sorted(HAPPENS)
    assert all(happened.values()), f"nothing was killed in a round: {happened}"


def kill_node(town: Town) -> list[int]:
    process = town.processes["riverside"]
    town.kill("riverside")
    town.start_agent("riverside")
    return [process]


def kill_hub(town: Town) -> list[int]:
    process = town.processes["hub"]
    town.kill("hub")
    town.start_hub()
    return [process]


def kill_sandbox(town: Town) -> list[int]:
    killed = sandboxes_of(town, "hillcrest")
    for process in killed:
        os.kill(process, signal.SIGKILL)
    return killed


HAPPENS = {2: kill_node, 4: kill_hub, 6: kill_sandbox}
"""What is killed, by the round in which it is."""


def test_one_hospital_denies_and_the_others_go_on(town: Town, tmp_path: Path) -> None:
    with denying(town, "lakeview"):
        status = ended(town, write_study(tmp_path / "study.yaml", rounds=1, at_least=2))
    assert status.state == "completed"
    assert {d.site: (d.state, d.reason) for d in status.dispatches}["lakeview"] == (
        "denied",
        "architecture-not-allowed",
    )


def test_one_hospital_denies_and_the_study_ends_with_the_reason(town: Town, tmp_path: Path) -> None:
    with denying(town, "lakeview"):
        status = ended(town, write_study(tmp_path / "study.yaml", rounds=1, at_least=3))
    assert (status.state, status.reason) == ("refused", "3 sites needed: lakeview denied (architecture-not-allowed)")


def test_a_concept_nobody_has_is_refused_in_words(town: Town, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", **{"codes: [diabetes]": "codes: [gout]"})
    status = ended(town, study)
    assert status.state == "refused"
    assert str(status.reason).startswith("unknown-concept: no site lists a code of the concept diabetes")


def test_a_cohort_that_is_too_small_is_denied_without_a_number(town: Town, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", **{"age: {at_least: 18}": "age: {at_least: 130}"})
    status = ended(town, study)
    assert status.state == "refused"
    assert {d.reason for d in status.dispatches if d.state == "denied"} == {"cohort-too-small"}
    assert not any(word.isdigit() and int(word) > 3 for word in str(status.reason).split())


def test_one_home_has_one_process(town: Town) -> None:
    second = rapha("node", "run", str(town.hospital("riverside")))
    assert second.returncode != 0 and "another agent already runs" in second.stderr
    second = rapha("hub", "run", str(town.home / "hub"))
    assert second.returncode != 0 and "Traceback" not in second.stderr


def test_no_log_holds_a_traceback(town: Town) -> None:
    for log in (town.home / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text(encoding="utf-8"), log


class denying:
    """While this lasts, the hospital admits no architecture."""

    def __init__(self, town: Town, site: str) -> None:
        self._town, self._site = town, site

    def __enter__(self) -> None:
        rules = self._town.hospital(self._site) / "rules.yaml"
        rules.write_text(re.sub(r"architectures: \[.*\]", "architectures: [cox]", rules.read_text()))

    def __exit__(self, *error: object) -> None:
        self._town.write_rules(self._site, person=False)


def ended(town: Town, study: Path) -> StudyStatus:
    with connect(town.hub_url, town.token) as client:
        study_id = client.submit(study).study_id
        for _ in client.watch(study_id):
            pass
        return client.status(study_id)


def sandboxes_of(town: Town, site: str) -> list[int]:
    """The processes inside the hospital's sandbox."""
    found = subprocess.run(
        ["pgrep", "-f", str(town.hospital(site) / "runs")], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def rapha(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "rapha.cli.main", *words], capture_output=True, text=True, check=False)


def log_of(town: Town, site: str) -> str:
    return (town.home / "logs" / f"{site}.log").read_text(encoding="utf-8")
