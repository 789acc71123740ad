"""A study from file to verdict, through a real hub and real nodes; then the bad days."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_up_people import write_study

from rapha.cli.demo.town import Town
from rapha.proof.verify import judge
from rapha.records.ledger import LedgerEntry
from rapha.records.metrics import SiteMetrics
from rapha.records.wire import Event
from rapha.sdk.client import Client
from rapha.sdk.folder import read_folder

pytestmark = pytest.mark.slow
HOSPITALS = 3
SECONDS = 120.0
Typed = Callable[..., "subprocess.CompletedProcess[str]"]


def rapha(*words: str) -> "subprocess.CompletedProcess[str]":
    """The command line, as a user types it."""
    return subprocess.run([sys.executable, "-m", "rapha.cli.main", *words], capture_output=True, text=True, check=False)


def follow(
    client: Client, study_id: str, town: Town, *, decide: str = "approve", typed: Typed = rapha
) -> Iterator[Event]:
    """The events of a study; where a hospital waits for a person, one decides. `typed`: how they run a command."""
    for event in client.watch(study_id):
        yield event
        if event.event == "dispatch.pending":
            assert event.site
            decided(town, event.site, decide, typed)


def decided(town: Town, site: str, decide: str, typed: Typed) -> None:
    """A steward looks at what waits, and decides."""
    home = str(town.hospital(site))
    listed = typed("node", "pending", home)
    dispatch = next(word for word in listed.stdout.replace("│", " ").split() if word.startswith("d-"))
    signed = ["--steward", "eve"] if decide == "approve" else []
    answer = typed("node", decide, home, dispatch, *signed)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def town(founded: Town) -> Town:
    founded.start_agents()
    return founded


def test_a_study_goes_from_file_to_verdict(town: Town, client: Client, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", at_least=3)
    submitted = client.submit(study)
    events = list(follow(client, submitted.study_id, town))
    assert events[-1].event == "study.completed", events[-1]
    assert [e.round for e in events if e.event == "round.closed"] == [0, 1, 2, 3, 4]

    model = client.fetch(submitted.study_id, tmp_path / "model")
    names = {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "README.md", "metrics.json", "report.html"} <= names
    assert {f"receipts/{name}.json" for name in (*town.sites, "aggregation")} <= names
    verdicts = judge(read_folder(model, None))
    assert len(verdicts) == 4 and all(verdict.ok for verdict in verdicts)
    assert {f"freezes/{name}.json" for name in town.sites} <= names
    assert [any("Frozen before the run" in one for one in verdict.found) for verdict in verdicts] == [True] * 3 + [
        False
    ]

    shown = rapha("receipt", "verify", str(model))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    _patients_are_told(town, model, tmp_path)
    _a_run_is_repeated(town, model, tmp_path)
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert rapha("receipt", "verify", str(model)).returncode == 11


def _patients_are_told(town: Town, model: Path, folder: Path) -> None:
    """Somebody who was never here was in no run; of those who were here, some were in it."""
    home, source = str(town.hospital(town.sites[0])), ("--source", "county-record")
    proof = folder / "proof.json"
    assert rapha("node", "prove-use", home, "nobody", *source, "-o", str(proof)).returncode == 13
    assert not proof.exists()
    assert rapha("node", "prove-non-use", home, "nobody", *source, "-o", str(proof)).returncode == 0
    secret = rapha("node", "patient-secret", home, "nobody", *source).stdout.strip()
    told = rapha("receipt", "verify-patient", str(proof), str(model), "--secret", secret)
    assert told.returncode == 0 and "was NOT in" in told.stdout, told.stderr
    asked = (rapha("node", "prove-use", home, str(n), *source, "-o", str(proof)).returncode for n in range(1, 20))
    assert 0 in asked, "not one of twenty patients was in"
    told = rapha("receipt", "verify-patient", str(proof), str(model))
    assert told.returncode == 0 and "WAS in" in told.stdout, told.stderr


def _a_run_is_repeated(town: Town, model: Path, folder: Path) -> None:
    """From a copy of the run's folder, as on a second machine; the same bits, and the referee sees no dispute."""
    site = town.sites[0]
    home = town.hospital(site)
    (facts,) = home.glob("runs/*/transcript/run.json")
    run = shutil.copytree(facts.parents[1], folder / "copied")
    receipt, second = str(model / "receipts" / f"{site}.json"), str(folder / "second")
    again = rapha("node", "reexecute", receipt, "--run", str(run), "--home", str(home), "--keep", second)
    assert again.returncode == 0 and "SAME" in again.stdout, again.stdout + again.stderr
    ruled = rapha("node", "referee", str(facts.parent), second, "--run", str(run), "--home", str(home))
    assert ruled.returncode == 0 and "BOTH" in ruled.stdout, ruled.stdout + ruled.stderr
    other = str(model / "receipts" / f"{town.sites[1]}.json")
    assert rapha("node", "reexecute", other, "--run", str(run), "--home", str(home)).returncode == 11


def test_a_private_study_lets_out_weights_and_counts_and_is_in_every_ledger(
    town: Town, client: Client, tmp_path: Path
) -> None:
    terms = (
        "{min_cohort: 25, differential_privacy: {epsilon: 3, delta: 1.0e-5, "
        "ranges: {cholesterol: [100, 350], hdl: [20, 100], age: [18, 100], sex: [0, 1]}}}"
    )
    changes = {"{min_cohort: 25}": terms, ", batch_size: 64": "", "study: made-up": "study: made-up-private"}
    submitted = client.submit(write_study(tmp_path / "study.yaml", at_least=3, **changes))
    events = list(follow(client, submitted.study_id, town))
    assert events[-1].event == "study.completed", events[-1]
    model = client.fetch(submitted.study_id, tmp_path / "model")
    assert all(verdict.ok for verdict in judge(read_folder(model, None)))
    for site in town.sites:
        metrics = SiteMetrics.from_bytes((model / "metrics" / f"{site}.json").read_bytes())
        assert [(one.scores, one.roc, one.calibration) for one in metrics.evaluations] == [((), (), ())]
        shown = rapha("receipt", "show", str(model / "receipts" / f"{site}.json")).stdout
        assert "dp-sgd: epsilon at most" in shown
        assert "it has no transcript" in shown
        listed = rapha("node", "ledger", str(town.hospital(site)), "--json").stdout
        mine = [LedgerEntry.from_bytes(line.encode()) for line in listed.splitlines() if "made-up-private" in line]
        assert [(entry.kind, entry.spend.epsilon) for entry in mine] == [("reserved", 3.0), ("settled", 3.0)]
        assert rapha("node", "ledger", str(town.hospital(site)), "--verify").returncode == 0
        assert rapha("node", "ledger", str(town.hospital(site)), "--has", "sha256:" + "1" * 64).returncode == 4


def test_nothing_is_left_running(town: Town) -> None:
    town.stop()
    deadline = time.monotonic() + SECONDS
    while subprocess.run(["pgrep", "-f", str(town.home)], capture_output=True, check=False).returncode == 0:
        assert time.monotonic() < deadline, "a process of the town outlived it"
