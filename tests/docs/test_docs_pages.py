"""What the pages say is so: links resolve, files are there, commands parse, snippets run, generated pages are current.

In a page, a fence marked `yaml` that begins with `study:` is a whole study and must be valid; a fence marked `python`
runs, in a folder of its own, unless it is marked `python (needs a hub)`: then its names must exist.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup

import rapha
from rapha.cli.main import LateCommand, command_tree

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "examples").rglob("*.md")])
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
FILE = re.compile(r"[\w.-]+(/[\w.-]+)*(\.(py|yaml|md|toml|sql)|/)")
WRITTEN_BY_A_COMMAND = {
    "config.json",
    "metrics.json",
    "report.html",
    "receipt.html",
    "keys.json",
    "receipts/",
    "receipts/keys.json",
    "self-test.json",
}
WRITTEN_BY_A_COMMAND |= {"node.yaml", "rules.yaml", "timeline/", "runs/", "outbox/", "blobs/", "metrics/", "study.yaml"}
WRITTEN_BY_A_COMMAND |= {"authority/", "policy-tests.yaml", "train.py", "copies/", "uploads/", "exports/"}
WRITTEN_BY_A_COMMAND |= {"log/", "log-key.pem", "seen/", "heads/", "authority-next/", "freezes/"}

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(CHECKOUT)))


def fences(path: Path, language: str) -> list[str]:
    return [body for said, body in FENCE.findall(path.read_text()) if said.strip() == language]


def spans(path: Path) -> list[str]:
    return SPAN.findall(FENCE.sub("", path.read_text()))


def heading_anchors(path: Path) -> set[str]:
    """As GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@page
def test_links_resolve(path: Path) -> None:
    for link in LINK.findall(FENCE.sub("", path.read_text())):
        if re.match(r"https?:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in heading_anchors(target), f"{link}: no such heading"


@page
def test_files_named_are_there(path: Path) -> None:
    roots = (CHECKOUT, CHECKOUT / "src" / "rapha", CHECKOUT / "tests", path.parent)
    for span in spans(path):
        if FILE.fullmatch(span) and span not in WRITTEN_BY_A_COMMAND:
            assert any((root / span).exists() for root in roots), f"{span} is not in the checkout"


def command_lines(path: Path) -> Iterator[list[str]]:
    """Every `rapha ...` of a span, of a shell fence or of an indented line, as words, also behind what starts it, such as a service's
    `ExecStart=`; of other lines, one that begins with it. What stands for something else ends it."""
    lines = FENCE.sub("", path.read_text()).splitlines()
    shown = [line for body in fences(path, "") + fences(path, "sh") for line in body.splitlines()]
    begun = [line.strip().removeprefix("Example: ") for line in lines]
    for line in [*spans(path), *shown, *begun]:
        if found := re.match(r"(?:\$ )?(?:\.venv/bin/)?rapha((?: [^\s#]+)+)", line.strip()):
            yield found[1].split()
    for line in [*spans(path), *shown, *(line for line in lines if line.startswith("    "))]:
        for found in re.finditer(r"(?:[\s=]|/bin/)rapha((?: [^\s#\\]+)+)", line):
            yield found[1].split()


@page
def test_commands_parse(path: Path) -> None:
    for words in command_lines(path):
        for command in alternatives(words):
            check_command(command)


def alternatives(words: list[str]) -> Iterator[list[str]]:
    """`study new|check` is two commands."""
    at = next((place for place, word in enumerate(words) if "|" in word), None)
    if at is None:
        yield words
        return
    for word in words[at].split("|"):
        yield [*words[:at], word, *words[at + 1 :]]


def check_command(words: list[str]) -> None:
    command: TyperCommand | TyperGroup = command_tree()
    for place, word in enumerate(words):
        if isinstance(command, TyperGroup) and not word.startswith("-"):
            if word.isupper():
                return
            found = command.commands.get(word)
            assert isinstance(found, TyperCommand | TyperGroup), (
                f"rapha {' '.join(words[: place + 1])}: no such command"
            )
            command = found.load() if isinstance(found, LateCommand) else found
        elif word.startswith("--"):
            known = [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
            assert word.partition("=")[0] in [*known, "--help"], f"rapha {' '.join(words)}: no option {word}"


@page
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for text in [*spans(path), *(line for body in fences(path, "") for line in body.splitlines())]:
        if found := re.match(r"(?:\$ )?make ([a-z-]+)", text.strip()):
            assert found[1] in targets, f"make {found[1]}: no such target"


@page
def test_studies_are_valid(path: Path) -> None:
    from rapha.sdk.study_file import parse_study

    for body in fences(path, "yaml"):
        if body.startswith("study:"):
            parse_study(body, str(path))


@page
def test_python_runs(path: Path, tmp_path: Path) -> None:
    for body in fences(path, "python"):
        command = [sys.executable, "-W", "error", "-c", body]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for body in fences(path, "python (needs a hub)"):
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rapha":
                assert hasattr(rapha, node.attr), f"rapha.{node.attr} does not exist"


def test_generated_pages_are_current() -> None:
    command = [sys.executable, str(CHECKOUT / "checks" / "pages.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_begins_with_its_two_commands() -> None:
    assert "make demo" in (CHECKOUT / "README.md").read_text()
    assert "make test" in (CHECKOUT / "README.md").read_text()
