"""A question through a real hub and real hospitals, on the command line: one is off, the hub is killed, nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_people import write_study
from patience import until

from rapha.cli.demo.town import Town
from rapha.cohort.engine import size
from rapha.node.configuration import Home
from rapha.sdk.client import connect
from rapha.sdk.study_file import read_study
from rapha.timeline.reader import open_timeline

pytestmark = pytest.mark.slow
HOSPITALS = 3
SECONDS = 120.0
OFFERED = "feasibility: {researchers: [Demo Researcher], a_day: 5, in_all: 20}\n"


@pytest.fixture(scope="module")
def town(founded: Town) -> Town:
    """The first two answer the demonstration's researcher, the third nobody; the second is switched off."""
    for site in founded.sites[:2]:
        rules = founded.hospital(site) / "rules.yaml"
        rules.write_text(rules.read_text(encoding="utf-8") + OFFERED, encoding="utf-8")
    for site in (founded.sites[0], founded.sites[2]):
        founded.start_agent(site)
    return founded


def ask(town: Town, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "rapha.cli.main", "study", "feasibility", *words]
    command += ["--hub", town.hub_url, "--token", town.token]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def answers(town: Town, question: str) -> dict[str, tuple[str, object]]:
    said = json.loads(ask(town, question, "--json", "--no-wait").stdout)
    return {site["site"]: (site["state"], site["patients"]) for site in said["sites"]}


def test_a_question_outlives_a_hub_and_waits_for_a_hospital_that_is_off(town: Town, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", at_least=9)
    answering, off, denying = town.sites
    asked = ask(town, str(study), "--no-wait")
    question = asked.stdout.split()[0]
    with connect(town.hub_url, town.token) as client:
        undecided = lambda: {d.site for d in client.status(question).dispatches if d.state == "offered"}  # noqa: E731
        until(lambda: undecided() == {off}, seconds=SECONDS, every=0.05)

    town.kill("hub")
    town.start_hub()
    before = answers(town, question)
    assert before[off] == ("offered", None) and before[denying] == ("denied", None)

    town.start_agent(off)
    shown = ask(town, question)
    assert "in all:" in shown.stdout and "have not answered" not in shown.stdout
    assert "let nobody ask" in shown.stdout and "would have" in shown.stderr
    after = answers(town, question)
    assert {site: state for site, (state, _) in after.items()} == {
        answering: "answered", off: "answered", denying: "denied",
    }  # fmt: skip
    assert after[answering] == before[answering], "the answer of before the hub's end stands"
    again = ask(town, str(study), "--json")
    said = {site["site"]: site["patients"] for site in json.loads(again.stdout)["sites"]}
    assert said == {site: patients for site, (_, patients) in after.items()}, "asked again, it has the same answer"
    _near_the_truth(town, answering, study, said[answering])


def _near_the_truth(town: Town, site: str, study: Path, patients: dict[str, int]) -> None:
    home = Home(town.hospital(site))
    exact = size(open_timeline(home.timeline), read_study(study), home.secret)
    assert abs(patients["about"] - exact.events - exact.others) < 6 * 29
