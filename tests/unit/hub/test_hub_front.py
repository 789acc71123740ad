"""The short way of the two requests of a round: what takes it, what goes on as it came, and that the token counts on it."""

import pytest
from hub_at_hand import HubAtHand
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from rapha.hub.api.front import Front
from rapha.hub.app import API
from rapha.proof import token as tokens
from rapha.records.wire import Poll

WORK, UPDATE = f"{API}/node/work", f"{API}/node/tasks/t-0123456789abcdef/update"
POLL = Poll(wait_seconds=0).as_bytes()
WENT_ON = 299


async def routes(scope, receive, send):
    """Says that a request went on, and what its body is there."""
    body = await Request(scope, receive).body()
    await Response(body, WENT_ON)(scope, receive, send)


@pytest.fixture
def front(hub: HubAtHand) -> TestClient:
    return TestClient(Front(routes, hub.hub, API))


def headers(hub, site, path=WORK, **changes):
    signed = tokens.issue(site.key, site=site.name, audience="test-hub", now=hub.clock(), method="POST", path=path)
    return {"authorization": f"Bearer {signed}", "content-type": "application/json", **changes}


def test_a_poll_is_answered_at_once(hub, sites, front):
    assert front.post(WORK, content=POLL, headers=headers(hub, sites[0])).status_code == 204


def test_a_token_counts_once_on_either_way(hub, sites, front):
    said = headers(hub, sites[0])
    assert front.post(WORK, content=POLL, headers=said).status_code == 204
    for way in (front, hub.http):
        again = way.post(WORK, content=POLL, headers=said)
        assert again.status_code == 401 and "used before" in again.text
        assert again.headers["www-authenticate"] == "Bearer"


def test_a_token_for_another_path_opens_nothing(hub, sites, front):
    answer = front.post(WORK, content=POLL, headers=headers(hub, sites[0], UPDATE))
    assert answer.status_code == 401 and "another request" in answer.text


@pytest.mark.parametrize(
    ("path", "content", "changes"),
    [
        (WORK, b"{}{", {}),
        (WORK, b'{"wait_seconds": 1, "and": 2}', {}),
        (WORK, POLL, {"content-type": "text/plain"}),
        (WORK, POLL, {"authorization": "Basic abc"}),
        (UPDATE, POLL, {}),
        (f"{API}/node/tasks/t-0123456789abcde%66/updates", POLL, {}),
        (f"{API}/node/tasks/../work/update", POLL, {}),
        (f"{API}/node/work/", POLL, {}),
        (f"/elsewhere{WORK}", POLL, {}),
    ],
    ids=["no-json", "unknown-key", "other-type", "other-scheme", "no-update", "other-task", "up", "slash", "prefix"],
)
def test_what_is_not_exactly_such_a_request_goes_on_as_it_came(hub, sites, front, path, content, changes):
    answer = front.post(path, content=content, headers=headers(hub, sites[0], path, **changes))
    assert (answer.status_code, answer.content) == (WENT_ON, content)


def test_two_tokens_are_not_chosen_between(hub, sites, front):
    said = [*headers(hub, sites[0]).items(), ("authorization", "Bearer x")]
    assert front.post(WORK, content=POLL, headers=said).status_code == WENT_ON


def test_without_a_token_it_goes_on(front):
    assert front.post(WORK, content=POLL, headers={"content-type": "application/json"}).status_code == WENT_ON


def test_another_method_goes_on(hub, sites, front):
    assert front.put(WORK, content=POLL, headers=headers(hub, sites[0])).status_code == WENT_ON


def test_what_is_too_long_is_told_on_the_short_way_too(hub, sites):
    longer = POLL + b" " * (hub.configuration.body_limit_bytes + 1)
    blocks = (longer[at : at + 65536] for at in range(0, len(longer), 65536))  # no length is said beforehand
    answer = hub.http.post(WORK, content=blocks, headers=headers(hub, sites[0]))
    assert answer.status_code == 413 and answer.json()["code"] == "too-large"


def test_a_site_that_enrols_anew_has_its_new_key_at_once(hub, sites, front):
    old = sites[0].key
    assert front.post(WORK, content=POLL, headers=headers(hub, sites[0])).status_code == 204
    sites[0].key = tokens.keys.generate()
    sites[0].join()
    assert front.post(WORK, content=POLL, headers=headers(hub, sites[0])).status_code == 204
    sites[0].key = old
    assert "forged" in front.post(WORK, content=POLL, headers=headers(hub, sites[0])).text
