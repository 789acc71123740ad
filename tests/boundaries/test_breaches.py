"""Each row of docs/boundaries.md can fail: its protection is taken away in a copy of the tree, and its test goes red.

A row whose test stays green is a row that nobody tests.
"""

import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from breaches import BREACHES, ELSEWHERE, Breach

COPIED = ("src", "tests", "checks", "docs", "examples", "contracts", "bench", "bridge", "pyproject.toml", ".importlinter",
          "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "bootstrap.py")  # fmt: skip
SECONDS = 300
_noticed: set[str] = set()
_moments = itertools.count(1_000_000_000, 10)
"""Times of change: Python takes what it compiled for new where size and second are the same."""


@pytest.fixture(scope="session")
def copy(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tree, once for each process that tests: no edit ever touches the one that is worked on. At the end every test that went red
    passes in it, unbreached: it was the breach that it noticed."""
    folder = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in COPIED:
        if (checkout / name).is_dir():
            shutil.copytree(checkout / name, folder / name, ignore=ignored, symlinks=True)
        else:
            shutil.copy2(checkout / name, folder / name)
    yield folder
    if _noticed:
        done = run(folder, [*sorted(_noticed), "--maxfail=100"])
        assert done.code == 0, f"red without a breach too: {done.failed}"


@pytest.fixture
def breached(copy: Path, request: pytest.FixtureRequest) -> Iterator[Breach]:
    breach: Breach = request.param
    file = copy / breach.file
    before = file.read_text()
    try:
        write(file, before.replace(breach.gone, breach.instead))
        yield breach
    finally:
        write(file, before)


def write(file: Path, text: str) -> None:
    file.write_text(text)
    moment = next(_moments)
    os.utime(file, (moment, moment))


class Done(NamedTuple):
    """How a run of pytest ended: its exit code, which tests failed, its last words."""

    code: int
    failed: list[str]
    words: str


def run(copy: Path, tests: list[str]) -> Done:
    """Run these tests in the copy, up to the first that fails."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "COLUMNS": "1000"}
    command = [sys.executable, "-m", "pytest", "-x", "--tb=no", *tests]
    with subprocess.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:  # fmt: skip
        try:
            words = process.communicate(timeout=SECONDS)[0].rstrip()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    failed = re.findall(r"^FAILED (.+?)(?: - .*)?$", words, re.MULTILINE)
    return Done(process.returncode, failed, words[-300:])


def rows(checkout: Path) -> list[str]:
    """The first cell of each row that says where it is tried."""
    page = (checkout / "docs" / "boundaries.md").read_text()
    tables = re.findall(r"\| boundary \| held by \| tried in \|\n\|(?:---\|)+\n((?:\|.*\n)+)", page)
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for table in tables for line in table.splitlines()]
    return [boundary for boundary, held_by, *_ in found if not held_by.startswith("**open**")]


def test_every_row_has_its_breach(checkout: Path) -> None:
    named = {breach.row for breach in BREACHES} | set(ELSEWHERE)
    found = rows(checkout)
    assert len(found) > 70
    assert [row for row in found if not any(row.startswith(name) for name in named)] == []
    assert [name for name in named if not any(row.startswith(name) for row in found)] == []


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: f"{breach.row}, {breach.file}")
def test_what_is_taken_away_stands_there_once(checkout: Path, breach: Breach) -> None:
    assert (checkout / breach.file).read_text().count(breach.gone) == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("breached", BREACHES, indirect=True, ids=lambda breach: f"{breach.row}, {breach.file}")
def test_it_is_noticed_that_it_is_gone(copy: Path, breached: Breach) -> None:
    done = run(copy, shlex.split(breached.tests))
    if done.code == 0 and "skipped" in done.words and "passed" not in done.words:
        pytest.skip(f"nothing of it can run here: {done.words}")
    assert done.code == 1 and done.failed, f"nobody noticed: {done.words}"
    _noticed.update(done.failed)
