import subprocess
import sys

import pytest
import torch
from made_up_site import ARCHITECTURES, make_study

from rapha.errors import TrainingFailed
from rapha.records.tensors import (
    TensorSpec,
    declared_start,
    declared_statistics,
    declared_weights,
    feature_names,
    mismatch,
)
from rapha.training.architectures import TABLE, build
from rapha.training.weights import weights_of

NAMES = {"float32": "F32", "float64": "F64"}


def tensors_of(network):
    return {n: TensorSpec(shape=t.shape, dtype=NAMES[t.dtype.name]) for n, t in weights_of(network).items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_network_has_exactly_the_declared_tensors(architecture):
    study = make_study(architecture)
    assert tensors_of(build(study)) == declared_weights(study)
    assert list(declared_weights(study))[:2] == ["features.mean", "features.scale"]


def test_a_gru_without_other_features_has_exactly_the_declared_tensors():
    study = make_study("gru")
    alone = study.model_copy(update={"features": (study.features[1],)})
    assert feature_names(alone) == ()
    assert tensors_of(build(alone)) == declared_weights(alone)


@pytest.mark.parametrize("kept", [slice(3, 6), slice(3, 4), slice(0, 5)])
def test_a_fusion_of_fewer_features_has_exactly_the_declared_tensors(kept):
    study = make_study("late-fusion")
    fewer = study.model_copy(update={"features": study.features[kept]})
    assert tensors_of(build(fewer)) == declared_weights(fewer)


def test_features_keep_the_order_of_the_study_and_leave_the_sequence_out():
    assert feature_names(make_study("gru")) == ("last_hdl_until_2years", "age", "sex")


def test_statistics_are_declared_for_features_and_sequence():
    shapes = {name: (spec.shape, spec.dtype) for name, spec in declared_statistics(make_study("gru")).items()}
    assert shapes == {
        **{f"features.{figure}": ((3,), "F64") for figure in ("count", "mean", "variance")},
        **{f"sequence.{figure}": ((2,), "F64") for figure in ("count", "mean", "variance")},
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.pop("features.mean"), "missing-tensor"),
        (lambda t: t.update(extra=TensorSpec(shape=(1,), dtype="F32")), "extra-tensor"),
        (lambda t: t.update({"features.mean": TensorSpec(shape=(4,), dtype="F32")}), "wrong-shape"),
        (lambda t: t.update({"features.mean": TensorSpec(shape=(3,), dtype="F64")}), "wrong-dtype"),
        (lambda t: None, None),
    ],
)
def test_the_first_difference_is_named(change, reason):
    declared = declared_start(make_study("mlp"))
    found = dict(declared)
    change(found)
    wrong = mismatch(found, declared)
    assert (wrong and wrong.reason) == reason


def test_first_weights_come_from_the_seed_alone():
    def first(seed):
        torch.manual_seed(seed + 99)  # the process's own chance must not matter
        torch.rand(3)
        return weights_of(build(make_study("gru", seed=seed)))

    one, same, other = first(1), first(1), first(2)
    assert all((one[name] == same[name]).all() for name in one)
    assert not (one["gru.weight_hh_l0"] == other["gru.weight_hh_l0"]).any()


def test_an_architecture_without_an_entry_is_refused(monkeypatch):
    monkeypatch.delitem(TABLE, "mlp")
    with pytest.raises(TrainingFailed, match="mlp") as caught:
        build(make_study("mlp"))
    assert caught.value.reason == "not-yet-possible"


def test_declarations_and_profile_do_without_torch():
    code = "import sys, rapha.records.tensors, rapha.training.profile; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
