"""What a study that carries a script has to say, and what it cannot ask for besides."""

import pytest
from pydantic import ValidationError

from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.sdk.study_file import parse_study

TERMS = {"epsilon": 3, "delta": 1e-5, "ranges": {"age": [18, 100]}}
MODEL = {
    "architecture": "script",
    "mode": "C",
    "script": "sha256:" + "1" * 64,
    "size_bytes": 10,
    "tensors": {"line": [3, 2]},
}
FILE = """
study: own-script
purpose: {sentence: Try a script., data_use: [DUO:0000006]}
data: {modalities: [ehr]}
concepts: {stroke: {system: local, codes: [stroke]}}
cohort: {index: {first: [stroke]}}
outcome: {event: stroke, during: {from: index, for: 1 year}, unobserved: exclude}
features: [{demographic: age}]
model: {architecture: logistic}
"""


def study(private: bool = False, training: dict | None = None, **model) -> Study:
    stated = parse_study(FILE).as_json()
    stated |= {"model": {**MODEL, **model}, "training": training or {}}
    if private:
        stated["privacy"] = {"differential_privacy": TERMS}
    return Study.model_validate(stated)


def test_the_mode_is_named_and_the_tensors_are_what_travels():
    own = study()
    assert own.mode == "C" and parse_study(FILE).mode == "A"
    assert declared_weights(own)["line"].shape == (3, 2) and "features.mean" in declared_weights(own)
    assert study(private=True, mode="B", shards=8).mode == "B"
    assert study(size_bytes=11).digest != own.digest != study(script="sha256:" + "2" * 64).digest


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mode": "A"}, "B|C"),
        ({"mode": "B", "shards": 8}, "mode B needs `differential_privacy`"),
        ({"private": True}, "mode C has no differential privacy"),
        ({"private": True, "mode": "B"}, "mode B needs `shards`"),
        ({"shards": 8}, "`shards` are of mode B"),
        ({"private": True, "mode": "B", "shards": 8, "tensors": {"big": [20_001]}}, "at most 20000 numbers"),
        ({"tensors": {"features.mean": [1]}}, "one of ours"),
        ({"size_bytes": 256 * 1024 + 1}, "less than or equal"),
        ({"training": {"early_stopping": {"metric": "auroc"}}}, "no figures to stop by"),
        ({"training": {"aggregation": {"kind": "fedprox"}}}, "`fedprox`"),
        ({"training": {"aggregation": {"kind": "scaffold"}, "optimizer": "sgd"}}, "`scaffold`"),
        ({"training": {"keep": {"best": "auroc"}}}, "figures to be the best by"),
        (
            {"private": True, "mode": "B", "shards": 100, "seconds": 60, "training": {"deadline_minutes": 60}},
            "deadline_minutes",
        ),
    ],
)
def test_what_cannot_be_had_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        study(**wrong)


def test_a_rate_of_sampling_means_nothing_for_shards():
    stated = study(private=True, mode="B", shards=8).as_json()
    stated["privacy"]["differential_privacy"]["sampling_rate"] = 0.2
    with pytest.raises(ValidationError, match="sees each shard whole"):
        Study.model_validate(stated)
