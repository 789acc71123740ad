"""Hub, agent and sandbox die by SIGKILL at every recorded step of a study, and are started again: the same bits, the
same rounds, the same claims in the receipts as of the study that nobody disturbed."""

import re
import shutil
from collections.abc import Callable, Iterator
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

import pytest
from mortal_town import NEVER, MortalTown, labels, mortal_town, outcome
from patience import until

from rapha.cli.demo.town import SITES

pytestmark = pytest.mark.exhaustive
HUB = (
    r"hub\.to-[^:]*:task.*#1",
    r"hub\.to-[^:]*:(?!task).*#1",
    r"hub\.(?!to-)[^:]*:task.*#1",
    r"hub\.(?!to-)[^:]*:(?!task).*#1",
)
AGENT = (r"node\.to-.*#1", r"node\.(?!to-).*#1")
EVERY = ".*#1"
AFTER_SECONDS = 120.0
"""For several deaths, one after the other, on a busy machine: each agent starts in ten seconds there."""
AT_START = {(f"hub.{when}", f"site.profiled@{site}") for when in ("to-commit", "committed") for site in SITES}
"""An agent that starts says what its hospital has; the agents that nobody disturbs do not start again."""
ONCE = {(f"node.{when}", "public-log.pinned") for when in ("to-commit", "committed")}
"""A home takes the public log at the hub's word once in its life."""
Undisturbed = tuple[dict[str, object], dict[str, list[str]]]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalTown]:
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    with mortal_town(tmp_path_factory.mktemp("mortal") / "home") as town:
        yield town


@pytest.fixture(scope="module")
def undisturbed(town: MortalTown, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What comes of the study, and the points that the hub and the first hospital's agent pass."""
    folder = tmp_path_factory.mktemp("undisturbed")
    records = {name: folder / name for name in ("hub", town.sites[0])}
    for name, record in records.items():
        town.again(name, NEVER, record)
    result = outcome(town, folder)
    passed = {name: labels(record) for name, record in records.items()}
    for name, record in records.items():
        town.again(name, None, record)
    return result, passed


@pytest.fixture
def dies(
    town: MortalTown, undisturbed: Undisturbed, tmp_path: Path
) -> Iterator[Callable[[str, str], tuple[dict[str, object], int, list[str]]]]:
    """Run the study while a process dies where the pattern says: outcome, deaths, points passed."""
    disturbed: list[str] = []

    def run(name: str, pattern: str, **replacements: str) -> tuple[dict[str, object], int, list[str]]:
        before, folder = town.deaths[name], tmp_path / str(len(disturbed))
        folder.mkdir()
        disturbed.append(name)
        town.again(name, pattern, folder / "record")
        result = outcome(town, folder, **replacements)
        if pattern.endswith(EVERY):  # an agent that died with its release sent says the rest once the hub answers it
            until(lambda: not missing(undisturbed[1][name], labels(folder / "record")), lambda: folder, AFTER_SECONDS)
            until(
                lambda: town.deaths[name] - before == matching(pattern, labels(folder / "record")),
                lambda: folder,
                AFTER_SECONDS,
            )
        return result, town.deaths[name] - before, labels(folder / "record")

    yield run
    for name in set(disturbed):
        town.again(name, None, tmp_path)


def events(passed: list[str]) -> set[tuple[str, str]]:
    """Before or after, and what; a transaction that tells several events counts for each."""
    found = set()
    for label in passed:
        when, _, told = label.rpartition("#")[0].partition(":")
        found |= {(when, event) for event in told.split("+")}
    return found


def missing(expected: list[str], points: list[str]) -> set[tuple[str, str]]:
    """What is passed in an undisturbed study and was not here. What had left before a death is not said again."""
    gone = events(expected) - AT_START - ONCE - events(points)
    left = {(when, event) for when, event in gone if event.endswith(".sent")}
    return (gone - left) | {
        each for each in left if ("node.committed", each[1].replace(".sent", ".leaving")) not in events(points)
    }


def matching(pattern: str, points: list[str]) -> int:
    return len([label for label in points if re.fullmatch(pattern, label)])


def kinds() -> Iterator[Any]:
    for number, patterns in enumerate((HUB, AGENT)):
        for pattern in patterns:
            yield pytest.param(number, pattern, marks=() if ".to-" in pattern else pytest.mark.afterwards)


@pytest.mark.parametrize(("number", "pattern"), kinds())
def test_one_dies_at_every_recorded_step_of_one_study(
    town: MortalTown,
    undisturbed: Undisturbed,
    dies: Callable[[str, str], tuple[dict[str, object], int, list[str]]],
    number: int,
    pattern: str,
) -> None:
    """All steps of one kind in one study, death after death; the kinds together are every step."""
    name = ("hub", town.sites[0])[number]
    expected, passed = undisturbed
    found, deaths, points = dies(name, pattern)
    assert found == expected
    assert not missing(passed[name], points)
    assert deaths == matching(pattern, points) > 10


def test_the_kinds_together_are_every_step(undisturbed: Undisturbed) -> None:
    for kinds, labels_ in zip((HUB, AGENT), undisturbed[1].values(), strict=True):
        firsts = [label for label in labels_ if label.endswith("#1")]
        assert [sum(bool(re.fullmatch(kind, label)) for kind in kinds) for label in firsts] == [1] * len(firsts)


def blobs_of_the_delivery(passed: list[str]) -> tuple[int, int]:
    """How many blobs come into place before the hub makes a delivery, and how many as it does: from the first again, each time that it begins."""
    renamed = [number for number, label in enumerate(passed) if label.startswith("hub.renamed:blob#")]
    closed = next(number for number, label in enumerate(passed) if "hub.committed:round.closed@hub:3" in label)
    before = len([number for number in renamed if number < closed])
    return before, len(renamed) - before


def others(passed: list[str]) -> list[str]:
    """The renames that are not the first of their kind, nor a delivery's. But for the public log's: how often an agent keeps it depends on when
    it looks."""
    before, _ = blobs_of_the_delivery(passed) if any("blob#" in label for label in passed) else (0, 0)
    return [
        label
        for label in passed
        if "rename" in label and not label.endswith("#1") and "public-log" not in label
        if "blob#" not in label or int(label.rpartition("#")[2]) <= before
    ]


@pytest.mark.afterwards
@pytest.mark.parametrize("batch", range(4))
def test_both_die_at_each_other_file_rename(
    town: MortalTown,
    undisturbed: Undisturbed,
    dies: Callable[[str, str], tuple[dict[str, object], int, list[str]]],
    tmp_path: Path,
    batch: int,
) -> None:
    """Those that come first are among the steps above; here are the others, one of the hub's and one of the agent's in a study."""
    (expected, passed), site = undisturbed, town.sites[0]
    of_hub, of_agent = others(passed["hub"]), others(passed[site])
    assert len(of_hub) >= len(of_agent) >= 8
    for number, (label, beside) in list(enumerate(zip_longest(of_hub, of_agent)))[batch::4]:
        before = town.deaths[site]
        if beside:
            town.again(site, re.escape(beside), tmp_path / f"beside-{number}")
        found, deaths, _ = dies("hub", re.escape(label))
        died = town.deaths[site] - before
        assert (label, beside, found == expected, deaths, died) == (label, beside, True, 1, int(beside is not None))
    town.again(site, None, tmp_path)


@pytest.mark.afterwards
@pytest.mark.parametrize("half", range(2))
@pytest.mark.parametrize("when", ["to-rename", "renamed"])
def test_the_hub_dies_at_each_file_of_a_delivery(
    town: MortalTown,
    undisturbed: Undisturbed,
    dies: Callable[[str, str], tuple[dict[str, object], int, list[str]]],
    when: str,
    half: int,
) -> None:
    """Half of them in a study: in one life after another it makes the delivery from its first file on, and comes further each time."""
    expected, passed = undisturbed
    before, files = blobs_of_the_delivery(passed["hub"])
    assert files > 10
    at = range(1 + half, files + 1, 2)
    numbers = "|".join(str(before + passings) for passings in accumulate(at))
    found, deaths, points = dies("hub", rf"hub\.{when}:blob#({numbers})")
    assert found == expected
    assert deaths == len(at)
    assert len([point for point in points if f"hub.{when}:blob#" in point]) == before + sum(at) + files


LARGE = {"architecture: logistic": "architecture: mlp, hidden: [128, 128]"}
"""Updates of 70 KB: files of the hub's. Smaller ones lie in its database: then what is renamed is metrics and deliveries."""


@pytest.mark.afterwards
def test_the_hub_dies_while_updates_become_files(
    town: MortalTown, dies: Callable[..., tuple[dict[str, object], int, list[str]]], tmp_path: Path
) -> None:
    (tmp_path / "undisturbed").mkdir()
    expected = outcome(town, tmp_path / "undisturbed", **LARGE)
    pattern = r"hub\.(to-rename|renamed):blob#(1|3|5|7|9|11)"
    found, deaths, points = dies("hub", pattern, **LARGE)
    assert found == expected
    assert deaths == matching(pattern, points) == 12
    closed = next(number for number, label in enumerate(points) if "hub.committed:round.closed@hub:2" in label)
    assert len([label for label in points[:closed] if label.startswith("hub.renamed:blob")]) >= 6


PREPARED = (
    "to-say-ready#1",
    *(f"{when}:prepare:0#1" for when in ("to-do", "did")),
    *(f"{when}:{file}#1" for file in ("weights.safetensors", "figures.json") for when in ("to-write", "wrote")),
)
TRAINED = {
    number: (
        *(f"{when}:train:{number}#1" for when in ("to-do", "did")),
        *(f"{when}:{file}#2" for file in ("weights.safetensors", "figures.json") for when in ("to-write", "wrote")),
    )
    for number in (1, 2)
}
EVALUATED = (
    *(f"{when}:evaluate:3#1" for when in ("to-do", "did")),
    *(f"{when}:evaluation.json#1" for when in ("to-write", "wrote")),
)
"""The steps of each task, by how often each was passed in the life of the sandbox that does it: it did the task before that too, in the place
of one that died at it."""
DEATHS = list(zip_longest(PREPARED, TRAINED[1], TRAINED[2], EVALUATED))
"""Of one study each: a sandbox dies in its first task, the next in the second, and so on, for none may die twice at one."""


def sandboxes() -> Iterator[Any]:
    for steps in DEATHS:
        before = steps[1] is not None and steps[1].startswith("to-")
        yield pytest.param(steps, marks=() if before else pytest.mark.afterwards)


@pytest.mark.parametrize("steps", sandboxes(), ids=lambda steps: str(steps[0]))
def test_a_sandbox_dies_at_every_step_of_each_task(
    town: MortalTown,
    undisturbed: Undisturbed,
    dies: Callable[[str, str], tuple[dict[str, object], int, list[str]]],
    steps: tuple[str | None, ...],
) -> None:
    armed = [*(f"sandbox.{re.escape(step)}" for step in steps if step), f"sandbox.{NEVER}"]
    found, deaths, points = dies(town.sites[0], " ".join(armed))
    assert found == undisturbed[0] and deaths == 0
    assert f"sandbox-armed#{len(armed)}" in points, "one that was armed did not die: no other was started in its place"
