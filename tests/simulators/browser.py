"""A real Chromium, found by name: what a page does in it, and what it asked of any network."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STEP = "[step.querySelector('.check').textContent, step.dataset.outcome, step.querySelector('.detail').textContent]"
SECTIONS = f"""() => Object.fromEntries([...document.querySelectorAll('section.receipt')].map((section) =>
    [section.dataset.subject, [section.dataset.outcome, [...section.querySelectorAll('li')].map((step) => {STEP})]]))"""
DONE = "#verdicts .outcome:not([data-outcome=busy])"


class CheckingPage:
    """The page with its verdicts. `asked`: every address that it, or its browser for it, asked for."""

    def __init__(self, page: Any, asked: list[str], faults: list[str]) -> None:
        self.page, self.asked, self.faults = page, asked, faults

    def judge(self, folder: Path, pinned: Path | None = None) -> dict[str, tuple[str, list[list[str]]]]:
        """Give it a folder; receipt -> outcome and steps of (check, outcome, detail)."""
        return self._given("#folder", folder, pinned)

    def judge_files(self, *files: Path) -> dict[str, tuple[str, list[list[str]]]]:
        """Give it single files."""
        return self._given("#files", list(files), None)

    def sentence(self) -> str:
        """What it says of all of it."""
        return str(self.page.inner_text("#verdicts .outcome"))

    def _given(self, field: str, files: Any, pinned: Path | None) -> dict[str, tuple[str, list[list[str]]]]:
        self.page.set_input_files("#pinned", pinned or [])
        self.page.wait_for_selector("#verdicts .outcome[data-outcome=busy]", state="detached")
        self.page.evaluate("document.getElementById('verdicts').replaceChildren()")
        self.page.set_input_files(field, files)
        self.page.wait_for_selector(DONE)
        return {subject: (outcome, steps) for subject, (outcome, steps) in self.page.evaluate(SECTIONS).items()}


@contextmanager
def chromium() -> Iterator[Any]:
    """A Chromium, started; skips the test where this machine has none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no {NAMES[0]} on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program)
        yield started
        started.close()


@contextmanager
def browser() -> Iterator[Callable[..., CheckingPage]]:
    """Opens pages from disk: `opened(html, before="")`; `before` runs first, to take something away from the browser."""
    with chromium() as started:

        def opened(html: Path, before: str = "") -> CheckingPage:
            asked: list[str] = []
            faults: list[str] = []
            page = started.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda fault: faults.append(str(fault)))
            page.on("console", lambda said: faults.append(said.text))
            if before:
                page.add_init_script(before)
            page.goto(html.as_uri())
            return CheckingPage(page, asked, faults)

        yield opened
