"""A question goes to every hospital, and the answers come back: the study it is about is never trained."""

from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, bearer, running

from rapha.canonical import digest
from rapha.hub.app import API
from rapha.records.wire import Offer, Stop


def offered(site: FakeSite) -> Offer:
    offer = site.poll()
    assert isinstance(offer, Offer)
    return offer


def states(hub: HubAtHand, study_id: str, token: str) -> dict[str, str]:
    return {each.site: each.state for each in hub.status(study_id, token).dispatches}


def test_every_site_is_asked_and_its_answer_is_shown(hub, token, sites, study_of):
    question = hub.ask(study_of(at_least=3), token)
    north, south, west = sites
    assert {offered(site).dispatch.asks for site in sites} == {"feasibility"}
    assert north.say_how_many(offered(north)).status_code == 204
    assert hub.status(question, token).state == "asking"
    assert south.say_how_many(offered(south), patients={"below": 25}).status_code == 204
    assert west.deny(offered(west), "feasibility-not-offered").status_code == 204
    status = hub.wait_for(question, token, "answered")
    said = {d.site: (d.state, str(d.feasible), str(d.events), d.reason) for d in status.dispatches}
    assert status.asks == "feasibility"
    assert said == {
        "north": ("answered", "about 150", "below 25", None),
        "south": ("answered", "below 25", "below 25", None),
        "west": ("denied", "None", "None", "feasibility-not-offered"),
    }
    assert [event.event for event in hub.events(question, token)][-1] == "study.answered"
    assert [site.poll() for site in sites] == [None, None, None], "nothing is trained, and nothing is left to stop"


def test_fewer_sites_than_the_study_would_need_can_still_be_asked(hub, token, sites, study_of):
    question = hub.ask(study_of(at_least=9), token)
    assert set(states(hub, question, token).values()) == {"offered"}


def test_a_study_to_train_is_as_it_was(hub, token, sites, study_of):
    hub.submit(study_of(at_least=3), token)
    offer = offered(sites[0])
    assert offer.dispatch.asks == "training"
    assert b'"asks"' not in offer.dispatch.as_bytes(), "a node of an earlier version reads it"


@pytest.mark.parametrize("word", ["approval", "feasible", "pending"])
def test_a_question_is_not_answered_with_a_yes_to_a_study(hub, token, sites, study_of, word):
    question, north = hub.ask(study_of(), token), sites[0]
    offer = offered(north)
    north.approve(offer)
    north.wait_for_a_person(offer)
    answer = {
        "approval": lambda: north.approve(offer),
        "feasible": lambda: north.send("POST", f"/node/dispatches/{offer.dispatch.id}/feasible", north.feasible(offer)),
        "pending": lambda: north.wait_for_a_person(offer),
    }[word]()
    assert answer.status_code == 409 and "another question" in answer.json()["message"]
    assert states(hub, question, token)["north"] == "offered"


def test_a_study_to_train_is_not_answered_with_a_number(hub, token, sites, study_of):
    study_id = hub.submit(study_of(), token)
    assert sites[0].say_how_many(offered(sites[0])).status_code == 409
    assert states(hub, study_id, token)["north"] == "offered"


def test_the_same_answer_twice_is_once_and_another_one_is_refused(hub, token, sites, study_of):
    question, north = hub.ask(study_of(), token), sites[0]
    offer = offered(north)
    assert [north.say_how_many(offer).status_code for _ in range(2)] == [204, 204]
    assert north.say_how_many(offer, patients={"about": 155}).status_code == 409
    assert str(hub.status(question, token).dispatches[0].feasible) == "about 150"


@pytest.mark.parametrize(
    ("changes", "status"), [({"site": "south"}, 403), ({"study_digest": digest(b"another study")}, 409)]
)
def test_an_answer_of_another_site_or_to_another_study_is_refused(hub, token, sites, study_of, changes, status):
    question = hub.ask(study_of(), token)
    assert sites[0].say_how_many(offered(sites[0]), **changes).status_code == status
    assert states(hub, question, token)["north"] == "offered"


def test_a_site_answers_for_itself_alone(hub, token, sites, study_of):
    hub.ask(study_of(), token)
    assert sites[1].say_how_many(offered(sites[0]), site="south").status_code == 403


def test_what_was_answered_and_what_was_not_survives_the_hub(tmp_path: Path, study_of):
    clock, home = Clock(), tmp_path / "home"
    with running(home, clock) as hub:
        token = hub.token()
        sites = [FakeSite(hub, name).join() for name in ("north", "south")]
        question = hub.ask(study_of(), token)
        sites[0].say_how_many(offered(sites[0]))
    with running(home, clock) as hub:
        for site in sites:
            site.hub = hub
        assert states(hub, question, token) == {"north": "answered", "south": "offered"}
        assert sites[0].poll() is None
        sites[1].say_how_many(offered(sites[1]))
        hub.wait_for(question, token, "answered")


def test_a_question_that_is_taken_back_is_not_asked_any_more(hub, token, sites, study_of):
    question = hub.ask(study_of(), token)
    offer = offered(sites[0])
    assert hub.http.post(f"{API}/studies/{question}/cancel", headers=bearer(token)).status_code == 204
    assert isinstance(sites[0].poll(), Stop)
    assert sites[0].say_how_many(offer).status_code == 409


def test_a_question_and_a_study_do_not_share_a_key(hub, token, sites, study_of):
    headers = {**bearer(token), "Idempotency-Key": "k" * 20}
    content = study_of().as_bytes()
    first, again = (hub.http.post(f"{API}/feasibility", content=content, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert hub.http.post(f"{API}/studies", content=content, headers=headers).status_code == 409
