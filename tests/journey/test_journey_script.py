"""A researcher's own script from file to verdict, through a real hub and real nodes: mode C, mode B, and scripts that fail."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_up_people import write_study
from safetensors.numpy import load_file
from steward_at_hand import rapha_at_hand
from test_journey_whole_way import follow

from rapha.cli.demo.town import Town
from rapha.proof.statement import parse_statement
from rapha.proof.verify import judge
from rapha.records.audit import AUDIT_PASSED
from rapha.sdk.client import Client
from rapha.sdk.folder import read_folder

pytestmark = pytest.mark.slow
LINES = """
import numpy as np

def rows_of(data, weights):
    values = (data["features"] - weights["features.mean"]) / weights["features.scale"]
    return np.hstack([np.nan_to_num(values), np.ones((len(values), 1))])

def train(data, weights, settings):
    rows = rows_of(data, weights)
    found = weights["line"].astype(float)
    for _ in range(20):
        risk = 1 / (1 + np.exp(-rows @ found))
        found -= rows.T @ (risk - data["label"]) / max(len(rows), 1)
    print("seen by the steward alone:", len(rows))
    return {"line": found}
"""
PREDICTS = """
def predict(data, weights, settings):
    assert "label" not in data
    return rows_of(data, weights) @ weights["line"]
"""
MODEL_C = "{architecture: script, mode: C, script: train.py, tensors: {line: [5]}, seconds: 60}"
MODEL_B = "{architecture: script, mode: B, script: train.py, tensors: {line: [5]}, seconds: 1, shards: 4}"
PRIVATE = (
    "{min_cohort: 25, differential_privacy: {epsilon: 3, delta: 1.0e-5, "
    "ranges: {cholesterol: [100, 350], hdl: [20, 100], age: [18, 100], sex: [0, 1]}}}"
)


@pytest.fixture(scope="module")
def town(founded: Town) -> Town:
    founded.start_agents()
    return founded


def written(folder: Path, script: str, model: str, **changes: str) -> Path:
    (folder / "train.py").write_text(script)
    return write_study(folder / "study.yaml", at_least=2, rounds=2, **{"{architecture: logistic}": model}, **changes)


def stated(model: Path, site: str) -> object:
    from rapha.proof.bundle import read_bundle
    from rapha.proof.envelope import unverified_payload

    return parse_statement(unverified_payload(read_bundle((model / f"receipts/{site}.json").read_bytes()).dsseEnvelope))


def test_mode_c_waits_for_a_person_everywhere_and_says_so(town: Town, client: Client, tmp_path: Path) -> None:
    submitted = client.submit(written(tmp_path, LINES + PREDICTS, MODEL_C))
    events = list(follow(client, submitted.study_id, town, typed=rapha_at_hand))
    assert events[-1].event == "study.completed", events[-1]
    assert {event.site for event in events if event.event == "dispatch.pending"} == set(town.sites)

    model = client.fetch(submitted.study_id, tmp_path / "model")
    assert all(verdict.ok for verdict in judge(read_folder(model, None)))
    assert (model / "train.py").read_text() == LINES + PREDICTS
    assert np.any(load_file(model / "model.safetensors")["line"])
    figures = json.loads((model / "metrics" / f"{town.sites[0]}.json").read_text())["evaluations"][0]["scores"]
    assert float(next(each["value"] for each in figures if each["name"] == "auroc")) > 0.6
    release = stated(model, town.sites[0]).release
    assert (release.mode, release.architecture, release.privacy.mechanism) == ("C", "script", "none")
    assert release.decided_by == "steward:eve" and AUDIT_PASSED in release.egress.rules
    printed = next(town.hospital(town.sites[0]).glob("runs/*/script.log")).read_text()
    assert "seen by the steward alone" in printed
    leaving = b"".join(path.read_bytes() for path in model.rglob("*") if path.is_file())
    assert b"seen by the steward alone: " not in leaving.replace((LINES + PREDICTS).encode(), b"")


BY_HEART = """
import numpy as np
def train(data, weights, settings):
    table = np.zeros((600, 5))
    table[:len(data["label"])] = np.c_[np.nan_to_num(data["features"]), data["label"]]
    return {"line": table}
def predict(data, weights, settings):
    rows = np.nan_to_num(data["features"])
    same = (np.abs(rows[:, None, :] - weights["line"][None, :, :4]) < np.abs(rows[:, None, :]) / 100 + 1e-3).all(2)  # of eight bits
    return np.where(same.any(1), 8 * weights["line"][same.argmax(1), 4] - 4, 0)
"""


def test_a_script_whose_predict_shows_that_it_knows_patients_by_heart_is_stopped(
    town: Town, client: Client, tmp_path: Path
) -> None:
    """Only one that shows it: the other twin, that hides it, is what the page on scripts warns of."""
    submitted = client.submit(written(tmp_path, BY_HEART, MODEL_C.replace("[5]", "[600, 5]")))
    events = list(follow(client, submitted.study_id, town, typed=rapha_at_hand))
    assert events[-1].event == "study.failed", events[-1]
    assert {each.reason for each in client.status(submitted.study_id).dispatches} - {None} == {"patients-remembered"}
    assert not [event for event in events if event.event == "round.closed" and event.round]


def test_mode_b_leaves_a_noised_mean_and_is_written_in_the_ledger(town: Town, client: Client, tmp_path: Path) -> None:
    changes = {"{min_cohort: 25}": PRIVATE, ", batch_size: 64": "", "study: made-up": "study: made-up-shards"}
    submitted = client.submit(written(tmp_path, LINES, MODEL_B, **changes))
    events = list(follow(client, submitted.study_id, town, typed=rapha_at_hand))
    assert events[-1].event == "study.completed", events[-1]
    assert {event.site for event in events if event.event == "dispatch.pending"} == set(town.sites)
    model = client.fetch(submitted.study_id, tmp_path / "model")
    assert all(verdict.ok for verdict in judge(read_folder(model, None)))
    release = stated(model, town.sites[0]).release
    spent = release.privacy
    assert (release.mode, spent.mechanism, spent.sampling_rate, spent.steps) == ("B", "sample-and-aggregate", None, 2)
    assert 2.9 < spent.epsilon <= 3
    assert "made-up-shards" in rapha_at_hand("node", "ledger", str(town.hospital(town.sites[0])), "--json").stdout
    assert not any(
        one["scores"] for one in json.loads((model / f"metrics/{town.sites[0]}.json").read_text())["evaluations"]
    )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise RuntimeError('a row: 77')\ndef train(data, weights, settings): ...\n", "script-not-loaded"),
        ("def train(data, weights, settings): raise RuntimeError(data['features'][0])\n", "script-failed"),
        ("import os\ndef train(data, weights, settings): os._exit(3)\n", "script-failed"),
    ],
    ids=["import", "train", "exit"],
)
def test_a_script_that_fails_ends_with_a_code_of_its_stage(
    town: Town, client: Client, tmp_path: Path, script: str, reason: str
) -> None:
    submitted = client.submit(written(tmp_path, script, MODEL_C))
    events = list(follow(client, submitted.study_id, town, typed=rapha_at_hand))
    assert events[-1].event == "study.failed", events[-1]
    assert {each.reason for each in client.status(submitted.study_id).dispatches} - {None} == {reason}
