"""`rapha study feasibility` and `rapha study profiles`, against a hub in this process with hospitals that hold no data."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, running
from made_up_people import write_study
from patience import until
from starlette.testclient import TestClient
from typer.testing import CliRunner

from rapha.cli.study import app
from rapha.errors import ConfigurationError, Conflict
from rapha.hub.app import API
from rapha.records.wire import Offer
from rapha.sdk import client as client_module
from rapha.sdk.client import Client


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubAtHand]:
    with running(tmp_path / "hub", Clock()) as at_hand:
        yield at_hand


@pytest.fixture
def sites(hub: HubAtHand) -> list[FakeSite]:
    return [FakeSite(hub, "north").join(), FakeSite(hub, "south").join(codes=("chol", "diabetes"))]


@pytest.fixture
def say(hub: HubAtHand, monkeypatch: pytest.MonkeyPatch):
    """`rapha study ...`, its client speaking to the hub at hand."""
    token = hub.token()

    def connect(*_: object, **__: object) -> Client:
        headers = {"authorization": f"Bearer {token}"}
        return Client(TestClient(hub.app, base_url=f"http://testserver{API}", headers=headers))

    monkeypatch.setattr(client_module, "connect", connect)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--hub", "http://hub", "--token", "t"])

    return run


def answer(site: FakeSite, **changes: object) -> None:
    offer = site.poll()
    assert isinstance(offer, Offer)
    assert site.say_how_many(offer, **changes).status_code == 204


def asked(result: Result) -> str:
    assert result.exit_code == 0, result.exception
    return result.stdout.split()[0]


def test_asked_and_left_then_looked_at_again(say, sites: list[FakeSite], tmp_path: Path) -> None:
    question = asked(say("feasibility", str(write_study(tmp_path / "study.yaml")), "--no-wait"))
    answer(sites[0])
    lines = say("feasibility", question, "--no-wait").stdout.splitlines()
    assert any(line.split()[:3] == ["north", "about", "150"] for line in lines)
    assert any("south" in line and "no answer yet" in line for line in lines)
    assert "in all: 91 to 209 patients, 0 to 64 with the outcome (95 times of 100)" in lines
    assert any("1 have not answered" in line for line in lines)


def test_it_waits_until_all_have_answered(say, sites: list[FakeSite], tmp_path: Path) -> None:
    question = asked(say("feasibility", str(write_study(tmp_path / "study.yaml")), "--no-wait"))
    answer(sites[0])
    offer = sites[1].poll()
    sites[1].deny(offer, "feasibility-not-offered")
    said = say("feasibility", question)
    assert "denied: feasibility-not-offered" in said.stdout and "let nobody ask" in said.stdout
    assert "have not answered" not in said.stdout
    assert "Every hospital has answered." in said.stderr


def test_of_a_number_no_case_is_counted(say, sites: list[FakeSite], tmp_path: Path) -> None:
    number = {"{event: diabetes,": "{kind: numeric, value: {last: hdl, unit: any},", "logistic": "linear"}
    study = write_study(tmp_path / "study.yaml", **number)
    told: list[Result] = []
    waiting = threading.Thread(target=lambda: told.append(say("feasibility", str(study), "--wait-minutes", "1")))
    waiting.start()
    for site in sites:
        offers: list[object] = []
        until(lambda site=site, offers=offers: bool(offers.append(site.poll()) or offers[-1]))
        assert site.say_how_many(offers[-1]).status_code == 204
    waiting.join()
    said = told[0]
    assert "in all: 215 to 385 patients (95 times of 100)" in said.stdout
    assert "outcome" not in said.stdout + said.stderr and "about 150" in said.stderr


def test_it_waits_no_longer_than_it_is_told(say, sites: list[FakeSite], tmp_path: Path) -> None:
    said = say("feasibility", str(write_study(tmp_path / "study.yaml")), "--wait-minutes", "0")
    assert said.exit_code == 0 and "2 have not answered" in said.stdout


def test_what_a_profile_lacks_stands_beside_the_answer(say, sites: list[FakeSite], tmp_path: Path) -> None:
    path = write_study(tmp_path / "study.yaml")
    said = say("feasibility", str(path), "--json", "--no-wait")
    by_site = {site["site"]: site["lacks"] for site in json.loads(said.stdout)["sites"]}
    assert by_site == {"north": [], "south": ["hdl"]}


def test_a_study_that_trains_is_shown_elsewhere(say, hub: HubAtHand, sites: list[FakeSite], tmp_path: Path) -> None:
    from rapha.sdk.study_file import read_study

    study_id = hub.submit(read_study(write_study(tmp_path / "study.yaml")), hub.token())
    assert isinstance(say("feasibility", study_id).exception, Conflict)


def test_a_question_that_nobody_can_be_asked_says_why(say, sites: list[FakeSite], tmp_path: Path) -> None:
    path = write_study(tmp_path / "study.yaml", **{"codes: [hdl]": "codes: [ldl]"})
    said = say("feasibility", str(path))
    assert "was not asked: unknown-concept: no site lists a code of the concept hdl" in said.stdout


def test_profiles_are_a_line_each_or_one_with_its_codes(say, sites: list[FakeSite]) -> None:
    lines = say("profiles").stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["hospital", "north", "south"]
    one = say("profiles", "south").stdout
    assert "South (south): about 500 patients" in one and "diabetes" in one and "hdl" not in one
    found = say("profiles", "--find", "HDL").stdout
    assert "North (north)" in found and "chol" not in found


def test_profiles_as_records_and_for_a_catalogue(say, sites: list[FakeSite]) -> None:
    assert [each["site"] for each in json.loads(say("profiles", "--json").stdout)] == ["north", "south"]
    assert json.loads(say("profiles", "south", "--croissant").stdout)["name"] == "south"
    assert isinstance(say("profiles", "--croissant").exception, ConfigurationError)
    assert isinstance(say("profiles", "west").exception, ConfigurationError)


def test_a_hub_without_hospitals_says_so(say) -> None:
    assert "No hospital has sent a profile yet." in say("profiles").stdout
