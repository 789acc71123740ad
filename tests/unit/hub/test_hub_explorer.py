"""The log for people: what the pages say, what they link to, and how little of a long log each of them reads."""

import base64
from html.parser import HTMLParser

import pytest
from hub_at_hand import HubAtHand
from test_hub_life import offered, run_round

from rapha.hub.explorer.entries import PAGE_ENTRIES, entry_view, newest_first
from rapha.hub.explorer.pages import explorer_policy
from rapha.proof.checkpoint import check_log, read_checkpoint
from rapha.proof.merkle import leaf_hash, root_of_inclusion


class Links(HTMLParser):
    """Every address of a page, and every element that could run or load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.active: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag == "a":
            self.found.append(named["href"] or "")
        if tag in ("script", "img", "iframe", "form", "object", "link") or any(n.startswith("on") for n in named):
            self.active.append(tag)


@pytest.fixture
def explored(hub: HubAtHand, token, sites, study_of) -> HubAtHand:
    """A hub with one completed study, that south refused."""
    north, south, west = sites
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    assert south.deny(offered(south), "too-few-events").status_code == 204
    for site in (north, west):
        site.approve(offered(site))
    for _ in range(3):
        run_round([north, west])
    hub.wait_for(study_id, token, "completed")
    return hub


def page(hub: HubAtHand, address: str) -> str:
    answer = hub.http.get(address)
    assert answer.status_code == 200, (address, answer.text)
    assert answer.headers["content-security-policy"] == explorer_policy()
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.text


def test_every_link_leads_somewhere_and_nothing_runs(explored: HubAtHand) -> None:
    seen, waiting = set(), ["/explore"]
    while waiting:
        address = waiting.pop()
        seen.add(address)
        answer = explored.http.get(address)
        assert answer.status_code == 200, address
        if address.startswith("/explore") and "text/html" in answer.headers["content-type"]:
            links = Links(page(explored, address))
            assert links.active == [], address
            inside = (link for link in links.found if link.startswith("/"))
            waiting += [link for link in inside if link not in seen]
            assert all(link.startswith(("/", "?", "https://c2sp.org/")) for link in links.found)
    assert len([address for address in seen if address.endswith("/proof") and "entry" in address]) == 8


def test_a_study_shows_tiers_refusals_and_places(explored: HubAtHand) -> None:
    (link,) = [one for one in Links(page(explored, "/explore/studies")).found if "/study/" in one]
    text = page(explored, link)
    assert "policy: cohort-not-answerable" in text and "too-few-events" not in text
    assert [who in text for who in ("north", "south", "west", explored.hub.signer.name)] == [True] * 4
    assert text.count(">T0<") == 3, "two receipts and the aggregation"


def test_the_proof_that_is_given_leads_to_the_signed_root(explored: HubAtHand) -> None:
    for index in range(8):
        body = explored.http.get(f"/explore/entry/{index}/body")
        proof = explored.http.get(f"/explore/entry/{index}/proof")
        assert body.headers["content-disposition"].startswith("attachment")
        head, note = proof.content.split(b"\n\n", 1)
        version, place, *hashes = head.decode().split("\n")
        assert (version, place) == ("c2sp.org/tlog-proof@v1", f"index {index}")
        checkpoint = read_checkpoint(note)
        check_log(checkpoint, explored.hub.desk.log.public)
        path = [base64.b64decode(one) for one in hashes]
        assert root_of_inclusion(index, checkpoint.size, leaf_hash(body.content), path) == checkpoint.root


@pytest.mark.parametrize("address", ["/explore/entry/8", "/explore/entry/8/proof", "/explore/entry/8/body", "/explore/study/s-none"])  # fmt: skip
def test_what_is_not_there_is_said(explored: HubAtHand, address: str) -> None:
    answer = explored.http.get(address)
    assert answer.status_code == 404 and "Not here" in answer.text


def test_a_study_that_is_not_completed_is_not_shown(hub: HubAtHand, token, sites, study_of) -> None:
    study_id = hub.submit(study_of(rounds=1, at_least=2), token)
    assert hub.http.get(f"/explore/study/{study_id}").status_code == 404
    assert "None yet" in page(hub, "/explore/studies")


@pytest.mark.parametrize("address", ["/explore?before=0", "/explore?before=x", "/explore/studies?page=-1", "/explore/entry/-1"])  # fmt: skip
def test_an_address_that_makes_no_sense_is_refused(hub: HubAtHand, address: str) -> None:
    assert hub.http.get(address).status_code in (400, 422)


def test_a_page_of_a_long_log_reads_a_few_tiles(hub: HubAtHand) -> None:
    log = hub.hub.desk.log
    log.append([b"%d" % n for n in range(70_000)])
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return log.read(path)

    for before in (70_000, 35_000, 256 + 3, 1):
        asked.clear()
        entries = newest_first(read, 70_000, before)
        assert [entry.index for entry in entries] == list(range(before - 1, max(before - PAGE_ENTRIES, 0) - 1, -1))
        assert len(set(asked)) <= 4, asked
    assert "older" in page(hub, "/explore") and "newer" in page(hub, "/explore?before=35000")
    assert hub.http.get("/explore?before=99999999").status_code == 200


@pytest.mark.parametrize(
    "body", [b"<script>alert(1)</script>", b"\xff\x00", b"{}", b"[" * 5000, b'{"spec":{"hashedRekordV002":5}}']
)
def test_an_entry_of_another_form_is_shown_as_text(hub: HubAtHand, body: bytes) -> None:
    assert not entry_view(0, body).readable
    hub.hub.desk.log.append([body])
    text = page(hub, "/explore/entry/0")
    assert Links(text).active == [] and "<script>" not in text
    assert "unknown" in page(hub, "/explore")
