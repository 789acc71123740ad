"""The process of a script, called here without a sandbox: what it is given, and what is made of what it gives."""

from pathlib import Path

import numpy as np
import pytest
from made_up_site import make_dataset, make_study
from safetensors.numpy import load_file, save_file

from rapha.records.outputs import WEIGHTS, Command
from rapha.records.study import Study
from rapha.training.script_worker import NotLoaded, _names_torch, called

NAME = "0" * 64 + ".safetensors"


def own_study(kind: str = "logistic", **tensors: list[int]) -> Study:
    model = {"architecture": "script", "mode": "C", "script": "sha256:" + "1" * 64, "size_bytes": 10}
    stated = make_study(kind).as_json()
    return Study.model_validate({**stated, "model": {**model, "tensors": tensors or {"line": [2]}}})


def outcome(tmp_path: Path, script: str, study: Study | None = None, do: str = "train", number: int = 1):
    study = study or own_study()
    save_file({"features.mean": np.float32([1, 2, 3]), "other": np.float32([9])}, tmp_path / NAME)
    command = Command(do=do, round=number, weights=NAME)
    called(study, script.encode(), make_dataset(study, tmp_path).train, tmp_path, tmp_path, command)
    return load_file(tmp_path / WEIGHTS)


def test_a_script_gets_rows_outcomes_standards_and_the_study_s_own_words(tmp_path: Path) -> None:
    script = """
import numpy as np
def train(data, weights, settings):
    n = len(data["features"])
    assert data["features"].shape == (n, 3) and len(data["names"]) == 3 and set(data["label"]) == {0, 1}
    assert len(data["label"]) == n and np.isnan(data["features"]).any()
    assert sorted(weights) == ["features.mean", "line"] and not weights["line"].any() and weights["features.mean"][2] == 3
    assert settings["round"] == 1 and settings["shapes"] == {"line": (2,)} and settings["outcome"] == "binary"
    return {"line": [n, settings["seed"]]}
"""
    study = own_study()
    found = outcome(tmp_path, script, study)
    assert found["line"].dtype == np.float32
    assert found["line"].tolist() == [len(make_dataset(study, tmp_path).train), study.training.seed]


def test_tensors_of_torch_come_back_too(tmp_path: Path) -> None:
    script = "import torch\ndef train(d, w, s): return {'line': torch.ones(2, requires_grad=True)}"
    assert outcome(tmp_path, script)["line"].tolist() == [1, 1]


def test_to_predict_it_gets_no_outcome(tmp_path: Path) -> None:
    script = "def train(d, w, s): ...\ndef predict(d, w, s): return [len(d)] * len(d['features'])"
    found = outcome(tmp_path, script, do="evaluate")
    assert found["scores"].dtype == np.float64 and set(found["scores"]) == {2.0}


@pytest.mark.parametrize("kind", ["cox", "linear"])
def test_other_outcomes_have_their_own_names(tmp_path: Path, kind: str) -> None:
    wanted = {"cox": {"event", "time"}, "linear": {"value"}}[kind]
    script = f"def train(d, w, s):\n assert set(d) - {{'features', 'names'}} == {wanted!r}\n return {{'line': [0, 0]}}"
    outcome(tmp_path, script, own_study(kind))


@pytest.mark.parametrize("script", ["def train(:", "1 / 0", "x = 1", "\0", "raise SystemError"])
def test_what_cannot_be_called_is_not_loaded(tmp_path: Path, script: str) -> None:
    with pytest.raises(NotLoaded):
        outcome(tmp_path, script)


@pytest.mark.parametrize("gives", ["None", "[1, 2]", "{'line': 'text'}", "{'line': [[1], [1, 2]]}"])
def test_what_is_no_table_of_arrays_fails(tmp_path: Path, gives: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        outcome(tmp_path, f"def train(d, w, s): return {gives}")


def test_torch_is_imported_beforehand_where_the_text_names_it() -> None:
    assert _names_torch(b"import torch.nn as nn") and _names_torch(b"def f():\n from torch import nn")
    assert not _names_torch(b"import numpy # torch") and not _names_torch(b"def (")
