"""A graph or a script at the hub: bytes that come before their study, go to its sites and to nobody else, and stay with it."""

import pytest
from fake_site import FakeSite
from hub_at_hand import HubAtHand, bearer
from own_model import Own, exported, with_graph
from test_hub_life import recruit

from rapha.canonical import digest
from rapha.hub.app import API
from rapha.proof import token as tokens
from rapha.records.study import Study


@pytest.fixture(params=["graph", "script"])
def graph(request, tmp_path) -> bytes:
    if request.param == "script":
        return b"def train(data, weights, settings): return weights"
    return exported(tmp_path / "model.pt2", Own(), (6,))


@pytest.fixture
def study(graph, study_of, tmp_path):
    found = study_of()
    if (tmp_path / "model.pt2").exists():
        return with_graph(found, tmp_path / "model.pt2")
    model = {
        "architecture": "script",
        "mode": "C",
        "script": digest(graph),
        "size_bytes": len(graph),
        "tensors": {"line": [2]},
    }
    return Study.model_validate({**found.as_json(), "model": model})


def upload(hub: HubAtHand, token: str, content: bytes, name: str | None = None) -> int:
    path = f"{API}/blobs/{name or digest(content)}/graph"
    return hub.http.put(path, content=content, headers=bearer(token)).status_code


def submit(hub: HubAtHand, token: str, study):
    headers = {**bearer(token), "content-type": "application/json"}
    return hub.http.post(f"{API}/studies", content=study.as_bytes(), headers=headers)


def fetched(hub: HubAtHand, site: FakeSite, blob: str):
    path = f"{API}/blobs/{blob}"
    signed = tokens.issue(site.key, site=site.name, audience="test-hub", now=hub.clock(), method="GET", path=path)
    return hub.http.get(path, headers={"authorization": f"Bearer {signed}"})


def test_a_study_whose_graph_is_not_here_is_not_taken(hub, token, sites, study) -> None:
    answer = submit(hub, token, study)
    assert answer.status_code == 409 and "upload it first" in answer.text
    assert not hub.http.get(f"{API}/studies", headers=bearer(token)).json()


def test_a_graph_of_another_size_than_the_study_says_is_not_taken(hub, token, sites, study, graph) -> None:
    assert upload(hub, token, graph) == 204
    larger = study.model_copy(update={"model": study.model.model_copy(update={"size_bytes": len(graph) + 1})})
    assert submit(hub, token, larger).status_code == 409


def test_it_goes_to_the_sites_of_its_study_alone(hub, token, sites, study, graph) -> None:
    assert upload(hub, token, graph) == 204
    assert fetched(hub, sites[0], digest(graph)).status_code == 403  # no study names it yet
    assert submit(hub, token, study.model_copy(update={"sites": study.sites.model_copy(update={"at_least": 1, "only": ("north",)})})).status_code == 201  # fmt: skip
    assert fetched(hub, sites[0], digest(graph)).content == graph
    assert fetched(hub, sites[1], digest(graph)).status_code == 403


def test_it_gives_no_site_what_else_the_study_delivers(hub, token, sites, study, graph) -> None:
    from rapha.hub.store.tables import DeliveredRow

    assert upload(hub, token, graph) == 204
    study_id = recruit(hub, study, token, sites)
    other = b"the final model of somebody"
    with hub.hub.blobs.draft() as draft, hub.hub.store.changing() as change:
        draft.write(other)
        draft.settle()
        draft.keep()
        change.session.add(DeliveredRow(digest=digest(other), study_id=study_id))
    assert fetched(hub, sites[0], digest(other)).status_code == 403


@pytest.mark.parametrize("scopes", [("study:read",), ("sites:read",)])
def test_who_may_not_hand_in_a_study_uploads_nothing(hub, scopes, graph) -> None:
    assert upload(hub, hub.token("bob", scopes), graph) == 403


def test_other_bytes_than_were_named_and_too_many_are_not_kept(hub, token, graph) -> None:
    assert upload(hub, token, graph, digest(b"other")) == 409
    assert upload(hub, token, b"\0" * ((1 << 20) + 1)) == 413
    assert not hub.hub.blobs.digests()


def test_of_graphs_that_no_study_names_the_newest_few_stay(hub, token, sites, study, graph) -> None:
    assert upload(hub, token, graph) == 204
    assert submit(hub, token, study).status_code == 201
    others = [bytes([n]) * 64 for n in range(6)]
    assert [upload(hub, token, other) for other in others] == [204] * 6
    assert set(hub.hub.blobs.digests()) == {digest(graph), *map(digest, others[-4:])}


def test_it_goes_when_its_study_ends_without_a_model(hub, token, sites, study, graph) -> None:
    assert upload(hub, token, graph) == 204
    kept, dropped = (submit(hub, token, study).json()["study_id"] for _ in range(2))
    hub.http.post(f"{API}/studies/{dropped}/cancel", headers=bearer(token))
    assert hub.hub.blobs.size_bytes(digest(graph)) == len(graph)
    hub.http.post(f"{API}/studies/{kept}/cancel", headers=bearer(token))
    assert hub.hub.blobs.size_bytes(digest(graph)) is None
