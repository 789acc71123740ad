"""A last layer of the hospital's own: tuned on its rows, the rest left as it is."""

from pathlib import Path

import numpy as np
import pytest
from made_up_site import ARCHITECTURES, make_dataset, make_study
from pydantic import ValidationError

from rapha.egress import gate
from rapha.errors import EgressRefused
from rapha.records.language import PROJECTIONS
from rapha.records.learning import LAST_LAYER_KNOWN, LEARNS
from rapha.records.outputs import EVALUATION, HEAD, Command, RawEvaluations
from rapha.records.study import Study
from rapha.records.tensors import declared_head
from rapha.training.architectures import build
from rapha.training.dataset import Dataset
from rapha.training.inputs import make_inputs
from rapha.training.learner import Learner
from rapha.training.personal import tune_head
from rapha.training.pooled import train_alone
from rapha.training.weights import load_into, read_weights, weights_of, write_tensors


def tuned(study, weights, dataset):
    network = build(study)
    load_into(network, weights)
    inputs = [make_inputs(rows, weights) for rows in (dataset.train, dataset.validation)]
    return tune_head(study, network, *inputs, dataset), weights_of(network)


@pytest.mark.parametrize(
    ("architecture", "head"),
    [("mlp", {"output.weight", "output.bias"}), ("gru", {"output.weight", "output.bias"}), ("deep-survival", {"output.weight"}),
     ("late-fusion", {"output.weight", "output.bias"}), ("logistic", {"linear.weight", "linear.bias"})],
)  # fmt: skip
def test_only_the_last_layer_is_another_and_the_same_bits_come_again(architecture, head, tmp_path):
    study = make_study(architecture, personal="head", learning_rate=0.01)
    here, elsewhere = (make_dataset(study, tmp_path, seed=seed) for seed in (1, 2))
    weights, _ = train_alone(study, [elsewhere])
    own, whole = tuned(study, weights, here)
    assert set(own) == set(declared_head(study)) == head
    assert all((whole[name] == own[name] if name in head else whole[name] == weights[name]).all() for name in whole)
    again, _ = tuned(study, weights, here)
    assert all((own[name] == again[name]).all() for name in own)


@pytest.mark.parametrize(
    "architecture", sorted(set(LEARNS) - {"segmenter"})
)  # whose head `test_training_segmenter.py` tunes
def test_an_architecture_has_a_last_layer_or_no_study_may_ask_for_a_head(architecture):
    if architecture in LAST_LAYER_KNOWN:
        assert declared_head(make_study(architecture, personal="head"))
    else:
        assert architecture in ("gwas", "exported", "script", "causal-lora") and architecture not in ARCHITECTURES


def test_a_head_of_an_adapter_is_refused_when_the_study_is_written():
    asked = make_study("text-classifier").as_json()
    asked["model"] = {"architecture": "causal-lora", "base": "sha256:" + "1" * 64, "size_bytes": 10, "layers": 1, "learns": "outcome",
                      "projections": {name: [4, 4] for name in PROJECTIONS}}  # fmt: skip
    asked["training"]["batch_size"] = 16
    asked["features"] = [one for one in asked["features"] if one["kind"] == "note"]
    assert not declared_head(Study.model_validate(asked))
    asked["training"]["personal"] = "head"
    with pytest.raises(ValidationError, match="of `causal-lora` no last layer can be a hospital's own"):
        Study.model_validate(asked)


def upside_down(dataset: Dataset) -> Dataset:
    """A hospital at which everything is the other way round."""
    for rows in (dataset.train, dataset.validation, dataset.test):
        rows.event[:] = 1 - rows.event
    return dataset


def test_a_hospital_unlike_the_others_is_better_off_with_its_own_head(tmp_path):
    study = make_study("mlp", personal="head", rounds=6)
    here, elsewhere = (make_dataset(study, tmp_path, seed=seed) for seed in (1, 2))
    weights, _ = train_alone(study, [elsewhere])
    write_tensors(tmp_path / f"{'0' * 64}.safetensors", weights)
    Learner(study, upside_down(here), tmp_path, tmp_path).do(
        Command(do="evaluate", round=7, weights=f"{'0' * 64}.safetensors")
    )
    measured = RawEvaluations.from_bytes((tmp_path / EVALUATION).read_bytes()).evaluations
    area = {each.model: next(f.value for f in each.figures if f.name == "auroc") for each in measured}
    assert area["federated"] < 0.4 and area["personal"] > 0.6
    assert (np.frombuffer(gate.read_head(tmp_path, study), np.uint8) >= 0).all()
    (tmp_path / HEAD).write_bytes((tmp_path / f"{'0' * 64}.safetensors").read_bytes())
    with pytest.raises(EgressRefused) as caught:  # the whole model is no head
        gate.read_head(tmp_path, study)
    assert caught.value.reason == "extra-tensor"


def test_without_rows_to_judge_by_the_shared_head_stands(tmp_path):
    study = make_study("mlp", personal="head")
    weights, _ = train_alone(study, [make_dataset(study, tmp_path, seed=2)])
    own, _ = tuned(study, weights, make_dataset(study, tmp_path, validation=False))
    assert all((own[name] == weights[name]).all() for name in own)


def test_a_head_that_is_not_better_on_the_validation_rows_is_not_taken(tmp_path):
    """What a hospital's validation rows say decides: here they say the contrary of what it would learn."""
    study = make_study("mlp", personal="head")
    dataset = make_dataset(study, tmp_path)
    weights, _ = train_alone(study, [dataset])
    dataset.train.event[:] = 1 - dataset.train.event
    own, _ = tuned(study, weights, dataset)
    assert all((own[name] == weights[name]).all() for name in own)


def test_under_differential_privacy_the_head_stays_and_no_figure_leaves(tmp_path: Path):
    terms = {"epsilon": 5, "delta": 1e-5, "ranges": {"hdl": [10, 120], "age": [18, 100], "sex": [0, 1]}}
    study = make_study("mlp", privacy={"differential_privacy": terms}, batch_size=256, personal="head")
    dataset = make_dataset(study, tmp_path)
    weights = weights_of(build(study))
    write_tensors(tmp_path / f"{'0' * 64}.safetensors", weights)
    Learner(study, dataset, tmp_path, tmp_path).do(Command(do="evaluate", round=4, weights=f"{'0' * 64}.safetensors"))
    (counted,) = RawEvaluations.from_bytes((tmp_path / EVALUATION).read_bytes()).evaluations
    assert counted.model == "federated" and not counted.figures
    assert set(read_weights(tmp_path / HEAD, declared_head(study))) == {"output.weight", "output.bias"}
