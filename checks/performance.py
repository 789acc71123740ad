"""docs/performance.md, from the figures that `make bench` kept and from what was measured of other programs."""

import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

from figure import LINE  # noqa: E402

HEAD = """\
# Performance

<!-- Written by `make docs` from bench/figures.txt, bench/growth.txt and bench/peers.txt. -->

Each line is one claim: a program in `bench/`, run by `make bench NAME=...` at the size of the claim, real processes on loopback,
every check, signature, sandbox and fsync on. A figure is the median of at least five runs. Short of its target is said, not
hidden. `floor` is what the machine needs for the same at the very least, where that is known, `gap` how many times that ours is.

Run one claim with `make bench NAME=round_small`; it keeps its figure in `bench/figures.txt`, with the machine's cores and memory.
"""
OTHERS = """
## Other programs

The same work done by other programs, with their own defaults, on a machine of two cores and 24 GB. `same run`: beside ours, in one
run; `apart`: measured on another day, so a ratio of two such figures is a hint and no more.

| claim | program | theirs | ours | ours is | measured |
|---|---|---|---|---|---|
"""
GROWTH = """
## From 1 to 100 million events

`growth`: the cohort and label of `readmission`, over the MIMIC-III demo replicated with new patients; `make bench NAME=growth`. The
time is as it was met, with the `load` of the machine: how many programs wanted one of its cores in that minute. The processor time, of
all cores together, is what a busy machine hardly changes. What was not measured is left empty.

| machine | events | time | a million events | processor time | load |
|---|---|---|---|---|---|
"""
GROWN = re.compile(
    r"(?P<machine>.+) \| events (?P<events>\d+) seconds (?P<seconds>[0-9.]+)(?: processor (?P<processor>[0-9.]+))?"
    r"(?: load (?P<load>[0-9.]+))?"
)


class Kept(NamedTuple):
    """A figure that was kept: the machine it is of, and the parts of its line."""

    machine: str
    name: str
    value: float
    target: float
    verdict: str
    peak_mb: int
    floor: float | None
    peers: tuple[tuple[str, float], ...]


def page() -> str:
    """The page, from the files of `bench/`."""
    peers = [line.split() for line in _lines("peers.txt")]
    return written([kept(line) for line in _lines("figures.txt")], peers, claims(), _lines("growth.txt"))


def written(figures: list[Kept], peers: list[list[str]], said: dict[str, str], growth: Sequence[str] = ()) -> str:
    """`peers`: claim, program, seconds. `said`: what a claim says of itself, by name. `growth`: the lines of growth.txt."""
    text = HEAD
    for machine in sorted({figure.machine for figure in figures}):
        text += f"\n## {machine}\n\n| claim | what | figure | target | | largest process | floor | gap |\n"
        text += "|---|---|---|---|---|---|---|---|\n"
        text += "".join(_row(figure, said) for figure in figures if figure.machine == machine)
    missing = [name for name in said if name not in {figure.name for figure in figures}]
    if missing:
        text += "\nClaims without a figure yet: " + ", ".join(f"`{name}`" for name in sorted(missing)) + ".\n"
    if growth:
        text += GROWTH + "".join(_grown(line) for line in growth)
    rows = [_beside(figure, *peer, "same run") for figure in figures for peer in figure.peers]
    by_name = {figure.name: figure for figure in figures}
    rows += [_beside(by_name.get(name), program, float(value), "apart", name) for name, program, value in peers]
    return text + (OTHERS + "".join(rows) if rows else "")


def kept(line: str) -> Kept:
    """A line of figures.txt: `MACHINE | figure ...`. Raises ValueError where it is none."""
    machine, _, figure = line.partition(" | ")
    found = LINE.fullmatch(figure)
    if found is None:
        raise ValueError(f"bench/figures.txt: not a figure: {line}")
    words = figure.split()
    peers = tuple((words[at + 1], float(words[at + 2])) for at, word in enumerate(words) if word == "peer")
    floor = float(words[words.index("floor") + 1]) if "floor" in words else None
    peak = int(words[words.index("peak_mb") + 1])
    value, target = float(found["value"]), float(found["target"])
    return Kept(machine, found["name"], value, target, found["verdict"], peak, floor, peers)


def claims() -> dict[str, str]:
    """What each claim measures, by name: the first line of its file."""
    found = {}
    for path in sorted(BENCH.glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body) and path.stem != "run":
            found[path.stem] = (ast.get_docstring(tree) or "").splitlines()[0].split(". ")[0].rstrip(".")
    return found


def _lines(name: str) -> list[str]:
    path = BENCH / name
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def _row(figure: Kept, said: dict[str, str]) -> str:
    floor, gap = (f"{figure.floor:g} s", f"{figure.value / figure.floor:.1f}") if figure.floor else ("", "")
    verdict = "ok" if figure.verdict == "ok" else "**short**"
    return (
        f"| `{figure.name}` | {said.get(figure.name, '')} | {figure.value:g} s | {figure.target:g} s | {verdict} "
        f"| {figure.peak_mb} MB | {floor} | {gap} |\n"
    )


def _grown(line: str) -> str:
    found = GROWN.fullmatch(line)
    if found is None:
        raise ValueError(f"bench/growth.txt: not a size of the curve: {line}")
    events, each = int(found["events"]), float(found["seconds"]) / int(found["events"]) * 1e6
    processor = f"{found['processor']} s" if found["processor"] else ""
    return f"| {found['machine']} | {events:,} | {found['seconds']} s | {each:.2g} s | {processor} | {found['load'] or ''} |\n"


def _beside(figure: Kept | None, program: str, theirs: float, measured: str, name: str = "") -> str:
    ours = f"{figure.value:g} s" if figure else "not measured"
    ratio = f"{theirs / figure.value:.1f} times as fast" if figure else ""
    return f"| `{figure.name if figure else name}` | {program} | {theirs:g} s | {ours} | {ratio} | {measured} |\n"
