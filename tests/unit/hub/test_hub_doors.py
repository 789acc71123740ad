"""Who gets in: enrolment codes, nodes' signed tokens, researchers' tokens."""

import pytest
from fake_site import FakeSite
from hub_at_hand import bearer, running

from rapha.hub.app import API
from rapha.proof import keys
from rapha.proof import token as tokens
from rapha.records.metrics import Count
from rapha.records.site import SiteProfile
from rapha.records.wire import Poll

WORK = f"{API}/node/work"
POLL = Poll(wait_seconds=0).as_bytes()


def ask(hub, credential):
    headers = {"authorization": f"Bearer {credential}", "content-type": "application/json"}
    return hub.http.post(WORK, content=POLL, headers=headers)


def signed(hub, site, /, **changes):
    """A token for WORK, as the site would sign it, but for the changes."""
    said = {"site": site.name, "audience": "test-hub", "now": hub.clock(), "method": "POST", "path": WORK, **changes}
    return tokens.issue(said.pop("key", site.key), **said)


def test_a_token_opens_its_door_once(hub, sites):
    credential = signed(hub, sites[0])
    assert ask(hub, credential).status_code == 204
    again = ask(hub, credential)
    assert again.status_code == 401 and "used before" in again.text


def test_a_token_that_was_used_before_the_hub_started_again_stays_used(tmp_path, clock):
    with running(tmp_path / "again", clock) as hub:
        site = FakeSite(hub, "north").join()
        credential = signed(hub, site)
        assert ask(hub, credential).status_code == 204
    with running(tmp_path / "again", clock) as hub:
        again = ask(hub, credential)
        assert again.status_code == 401 and "used before" in again.text
        assert ask(hub, signed(hub, site)).status_code == 204


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": keys.generate()}, "forged"),
        ({"site": "south"}, "forged"),
        ({"site": "nowhere"}, "not enrolled"),
        ({"audience": "another-hub"}, "another hub"),
        ({"path": f"{API}/node/profile"}, "another request"),
        ({"method": "PUT"}, "another request"),
    ],
    ids=["other-key", "other-site", "no-site", "other-hub", "other-path", "other-method"],
)
def test_a_token_for_something_else_opens_nothing(hub, sites, changes, said):
    answer = ask(hub, signed(hub, sites[0], **changes))
    assert answer.status_code == 401 and said in answer.text


def test_a_token_lives_a_minute_and_is_not_from_the_future(hub, sites):
    credential = signed(hub, sites[0])
    hub.clock.pass_(seconds=91)
    assert "expired" in ask(hub, credential).text
    early = signed(hub, sites[0])
    hub.clock.pass_(seconds=-31)
    assert "future" in ask(hub, early).text


@pytest.mark.parametrize("credential", ["", "x", "a.b.c", "rapha_000000000000_" + "0" * 48])
def test_what_is_no_token_is_not_known(hub, credential):
    answer = ask(hub, credential)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


def test_a_code_is_good_once_and_for_one_site(hub):
    code = hub.code("north")
    north, thief = FakeSite(hub, "north"), FakeSite(hub, "north")
    other = FakeSite(hub, "south").enrolment(code)
    assert enrol(hub, other).status_code == 403
    assert enrol(hub, north.enrolment(code)).status_code == 200
    assert enrol(hub, north.enrolment(code)).status_code == 200, "a lost answer may be asked for again"
    assert enrol(hub, thief.enrolment(code)).status_code == 403


def test_a_code_is_good_for_a_day(hub):
    code = hub.code("north")
    hub.clock.pass_(hours=25)
    answer = enrol(hub, FakeSite(hub, "north").enrolment(code))
    assert answer.status_code == 403 and "expired" in answer.text


def test_a_new_code_replaces_the_key(hub, sites):
    heir = FakeSite(hub, "north").join()
    assert ask(hub, signed(hub, sites[0])).status_code == 401
    assert ask(hub, signed(hub, heir)).status_code == 204


def enrol(hub, enrolment):
    headers = {"content-type": "application/json"}
    return hub.http.post(f"{API}/node/enrol", content=enrolment.as_bytes(), headers=headers)


def test_a_site_speaks_for_itself_alone(hub, sites):
    profile = SiteProfile(site="south", name="S", modalities=("ehr",), patients=Count(about=1), version="1")
    answer = sites[0].send("PUT", "/node/profile", profile)
    assert answer.status_code == 403 and "speaks for itself" in answer.text


def test_a_researcher_sees_their_own_studies_alone(hub, token, sites, study_of):
    study_id, other = hub.submit(study_of(), token), hub.token("bob")
    for path in (f"/studies/{study_id}", f"/studies/{study_id}/events", f"/studies/{study_id}/delivery"):
        assert hub.http.get(API + path, headers=bearer(other)).status_code == 403
    assert hub.http.post(f"{API}/studies/{study_id}/cancel", headers=bearer(other)).status_code == 403
    assert hub.http.get(f"{API}/studies", headers=bearer(other)).json() == []
    assert len(hub.http.get(f"{API}/studies", headers=bearer(token)).json()) == 1


def test_a_scope_that_is_missing_is_named(hub, study_of, sites):
    reader = hub.token("ada", ("study:read",))
    answer = hub.http.post(f"{API}/studies", content=study_of().as_bytes(), headers=bearer(reader))
    assert answer.status_code == 403 and "study:write" in answer.text


def test_a_revoked_token_never_comes_back(hub, token):
    hub.revoke(token)
    hub.revoke(token)
    assert hub.http.get(f"{API}/studies", headers=bearer(token)).status_code == 401


def test_the_database_holds_no_token_and_no_code(hub, token):
    code = hub.code("north")
    kept = b"".join(path.read_bytes() for path in hub.configuration.home.glob("hub.db*"))
    assert token.split("_")[2].encode() not in kept and code.encode() not in kept
