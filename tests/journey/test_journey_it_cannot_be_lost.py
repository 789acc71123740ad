"""Hub, agent and sandbox die by SIGKILL at every recorded step of a study, and are started again: the same bits, the
same rounds, the same claims in the receipts as of the study that nobody disturbed."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

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


@pytest.mark.parametrize(("number", "pattern"), [(0, each) for each in HUB] + [(1, each) for each in AGENT])
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


@pytest.mark.parametrize(("number", "batch", "batches"), [*((0, each, 5) for each in range(5)), (1, 0, 2), (1, 1, 2)])
def test_one_dies_at_each_file_rename(
    town: MortalTown,
    undisturbed: Undisturbed,
    dies: Callable[[str, str], tuple[dict[str, object], int, list[str]]],
    number: int,
    batch: int,
    batches: int,
) -> None:
    """Those that come first are among the steps above; here are all the others, each in a study of its own. But for the public log's: how often
    an agent keeps it depends on when it looks."""
    name = ("hub", town.sites[0])[number]
    expected, passed = undisturbed
    renames = [label for label in passed[name] if "rename" in label and not label.endswith("#1")]
    renames = [label for label in renames if "public-log" not in label][batch::batches]
    assert renames
    for label in renames:
        found, deaths, _ = dies(name, re.escape(label))
        assert (label, found == expected, deaths) == (label, True, 1)


LARGE = {"architecture: logistic": "architecture: mlp, hidden: [128, 128]"}
"""Updates of 70 KB: files of the hub's. Smaller ones lie in its database: then what is renamed is metrics and deliveries."""


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


WORK = ("prepare:0", "train:1", "train:2", "evaluate:3")
WRITTEN = (("weights.safetensors", 3), ("figures.json", 3), ("evaluation.json", 1))
STEPS = [
    "to-say-ready#1",
    *(f"{when}:{each}#1" for each in WORK for when in ("to-do", "did")),
    *(f"{when}:{f}#{n}" for f, times in WRITTEN for n in range(1, times + 1) for when in ("to-write", "wrote")),
]


@pytest.mark.parametrize("step", STEPS)
def test_the_sandbox_dies_at_every_step(
    town: MortalTown,
    undisturbed: Undisturbed,
    dies: Callable[[str, str], tuple[dict[str, object], int, list[str]]],
    step: str,
) -> None:
    found, deaths, points = dies(town.sites[0], f"sandbox.{re.escape(step)}")
    assert found == undisturbed[0] and deaths == 0
    assert "sandbox-armed#1" in points
