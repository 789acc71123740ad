"""The log for people in a real Chromium with scripts switched off: it reads, links, fits a phone and has a dark side."""

from typing import Any

import pytest
from browser import chromium
from hub_at_hand import HubAtHand
from test_hub_explorer import explored as explored

pytestmark = pytest.mark.slow
HUB = "https://hub.example"
PAINT = "getComputedStyle(document.body).backgroundColor"
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def opened(started: Any, hub: HubAtHand, **settings: Any) -> tuple[Any, list[str]]:
    """A page whose requests this hub answers, and no network; what its console said."""
    faults: list[str] = []
    page = started.new_context(java_script_enabled=False, **settings).new_page()
    page.on("console", lambda said: faults.append(said.text))

    def answer(route: Any) -> None:
        found = hub.http.get(route.request.url.removeprefix(HUB))
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    page.route("**/*", answer)
    page.goto(f"{HUB}/explore")
    return page, faults


def test_it_is_read_without_a_script(explored: HubAtHand) -> None:
    with chromium() as started:
        page, faults = opened(started, explored)
        assert page.inner_text("h1") == "The public log"
        assert page.locator("tbody tr").count() == 8
        page.click("tbody tr:first-child a")
        assert page.inner_text("h1") == "Entry 7"
        page.click("nav >> text=Studies")
        page.click("tbody a")
        assert "cohort-not-answerable" in page.inner_text("td.refusal + td")
        with page.expect_download() as kept:
            page.click("tr:has(.refusal) a:has-text('proof')")
        assert kept.value.suggested_filename.endswith(".tlog-proof")
        page.click("nav >> text=Hospitals")
        assert page.locator("tbody tr").count() == 3
        assert faults == []


def test_the_style_applies_on_a_phone_and_in_the_dark(explored: HubAtHand) -> None:
    with chromium() as started:
        paints = set()
        for scheme in ("light", "dark"):
            page, faults = opened(started, explored, color_scheme=scheme, viewport={"width": 360, "height": 740})
            paints.add(page.evaluate(PAINT))
            for address in ("/explore", "/explore/entry/0", "/explore/studies", "/explore/sites"):
                page.goto(HUB + address)
                assert not page.evaluate(WIDER), address
            assert faults == []
        assert paints == {"rgb(251, 251, 249)", "rgb(20, 24, 29)"}
