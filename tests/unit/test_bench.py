"""The harness of the figures: their form, and that a claim which breaks is not passed over."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from performance import claims, kept, written


@pytest.fixture
def bench(checkout: Path, tmp_path: Path) -> Path:
    for name in ("run.py", "figure.py"):
        shutil.copy(checkout / "bench" / name, tmp_path)
    return tmp_path


def run(bench: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(bench / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def claim(bench: Path, name: str, body: str) -> None:
    (bench / f"{name}.py").write_text(f"from figure import Peer, figure_line\n{body}\n")


def test_a_figure_is_the_median_and_says_whether_it_suffices(bench: Path) -> None:
    claim(
        bench,
        "quick",
        "print('warming'); print(figure_line('quick', [9, 1, 2, 3, 0.5], 2, Peer('aces', 8), floor=0.25))",
    )
    done = run(bench, "quick")
    assert done.returncode == 0
    words = done.stdout.splitlines()[-1].split()
    assert words[:12] == ["figure", "quick", "2", "s", "target", "2", "ok", "peer", "aces", "8", "ratio", "0.25"]
    assert words[12] == "peak_mb" and int(words[13]) > 0
    assert words[14:] == ["floor", "0.25"]


def test_the_newest_figure_of_a_claim_is_kept_with_the_machine(bench: Path) -> None:
    for seconds in (3, 1):
        claim(bench, "quick", f"print(figure_line('quick', [{seconds}] * 5, 2))")
        run(bench, "quick")
    claim(bench, "quick", "raise SystemExit(3)")
    run(bench, "quick")
    (line,) = (bench / "figures.txt").read_text().splitlines()
    assert re.fullmatch(r"\d+ cores, \d+ GB \| figure quick 1 s target 2 ok peak_mb \d+", line)


def test_the_page_says_target_machine_floor_and_the_other_programs(checkout: Path) -> None:
    page = written(
        [
            kept("2 cores, 24 GB | figure quick 0.5 s target 1 ok peer aces 8 ratio 0.0625 peak_mb 60 floor 0.25"),
            kept("4 cores, 8 GB | figure slow 3 s target 2 short peak_mb 70"),
        ],
        [["slow", "others-1", "6"], ["later", "others-1", "9"]],
        {"quick": "Something quick", "slow": "Something slow", "later": "Not yet"},
    )
    for line in (
        "## 2 cores, 24 GB",
        "| `quick` | Something quick | 0.5 s | 1 s | ok | 60 MB | 0.25 s | 2.0 |",
        "| `slow` | Something slow | 3 s | 2 s | **short** | 70 MB |  |  |",
        "Claims without a figure yet: `later`.",
        "| `quick` | aces | 8 s | 0.5 s | 16.0 times as fast | same run |",
        "| `slow` | others-1 | 6 s | 3 s | 2.0 times as fast | apart |",
        "| `later` | others-1 | 9 s | not measured |  | apart |",
    ):
        assert line in page.splitlines()


def test_the_page_shows_how_time_grows_with_events() -> None:
    sizes = [
        "2 cores, 24 GB | events 2000000 seconds 0.4 processor 0.2 load 1.5",
        "2 cores, 24 GB | events 100 seconds 1",
    ]
    page = written([], [], {}, sizes).splitlines()
    assert "| 2 cores, 24 GB | 2,000,000 | 0.4 s | 0.2 s | 0.2 s | 1.5 |" in page
    assert "| 2 cores, 24 GB | 100 | 1 s | 1e+04 s |  |  |" in page
    assert "## From 1 to 100 million events" in page
    assert "## From 1 to 100 million events" not in written([], [], {}).splitlines()
    with pytest.raises(ValueError, match=r"growth.txt: not a size"):
        written([], [], {}, ["2 cores, 24 GB | events many seconds 0.4 processor 0.2"])


def test_every_claim_is_a_claim_of_the_harness(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(checkout / "bench" / "run.py"), "?"], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip().rpartition("there are: ")[2].split(", ") == sorted(claims())


def test_short_is_said_and_is_no_failure(bench: Path) -> None:
    claim(bench, "slow", "print(figure_line('slow', [3] * 5, 2))")
    done = run(bench)
    assert (done.returncode, "target 2 short" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    "body",
    ["raise SystemExit(3)", "print('done')", "print(figure_line('other', [1] * 5, 2))", "figure_line('a', [1], 2)"],
)
def test_a_claim_without_its_figure_fails(bench: Path, body: str) -> None:
    claim(bench, "a", body)
    done = run(bench)
    assert done.returncode == 1
    assert "error: a gave no figure" in done.stderr


def test_an_unknown_claim_is_named(bench: Path) -> None:
    claim(bench, "quick", "")
    done = run(bench, "quik")
    assert (done.returncode, done.stderr) == (2, "error: no claim is called quik; there are: quick\n")


def test_another_program_that_is_not_installed_is_left_out_and_said(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(checkout / "bench"))
    peer_rounds = importlib.import_module("peer_rounds")
    monkeypatch.setattr(importlib.import_module("peer_run"), "ENVIRONMENTS", tmp_path)
    assert peer_rounds.beside(3) == []
    said = capsys.readouterr().out
    assert "no other program beside it: flower is not installed" in said
    assert "no other program beside it: nvflare is not installed" in said


def test_figures_of_several_programs_are_kept_with_ours(
    bench: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(bench, "quick", "print(figure_line('quick', [1] * 5, 2, Peer('aces', 8), Peer('flower', 4), floor=0.25))")
    assert run(bench).returncode == 0
    monkeypatch.syspath_prepend(str(checkout / "checks"))
    [line] = (bench / "figures.txt").read_text().splitlines()
    assert importlib.import_module("performance").kept(line).peers == (("aces", 8.0), ("flower", 4.0))


def test_another_program_that_ends_at_once_is_left_out_with_its_last_words(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(checkout / "bench"))
    peer_rounds = importlib.import_module("peer_rounds")
    monkeypatch.setattr(importlib.import_module("peer_run"), "ENVIRONMENTS", tmp_path)
    program = tmp_path / "flower" / "bin" / "flower-superlink"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho no such option; exit 2\n")
    program.chmod(0o755)
    with pytest.raises(peer_rounds.LeftOut, match="it ended: no such option"):
        peer_rounds.flower(3)
