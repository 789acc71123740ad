"""Updates of fewer bytes: what arrives is what the hub takes them for, rounding never adds up, and the form is checked as weights are."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from rapha.egress import compression
from rapha.egress.compression import arrived, compressed
from rapha.egress.weights import canonical_weights
from rapha.errors import EgressRefused, TrainingFailed
from rapha.hub import tensors
from rapha.hub.aggregation import Part, combined
from rapha.hub.blobs import BlobMemory, put, read
from rapha.records.averaging import FedAdam, Median, NormClip
from rapha.records.learning import Mlp
from rapha.records.tensors import declared_weights
from rapha.records.travel import GROUP, SCALE, declared_update
from rapha.sdk.study_file import read_study

FORMS = ("bf16", "int8")


@pytest.fixture
def study_of(tmp_path):
    from made_up_people import write_study

    def make(form, hidden=(40, 30)):
        study = read_study(write_study(tmp_path / "study.yaml"))
        training = study.training.model_copy(update={"updates": form})
        return study.model_copy(update={"model": Mlp(hidden=hidden), "training": training})

    return make


def weights(study, seed, scale=1.0, near=None):
    dice = np.random.default_rng(seed)
    made = {}
    for name, spec in declared_weights(study).items():
        values = dice.normal(0, scale, spec.shape) + (near[name] if near is not None else 0)
        made[name] = values.astype(np.float32)
    return made


def plainly(form, change):
    """What a change becomes, in the plainest words: torch's own bf16; of int8 group by group."""
    if form == "bf16":
        return torch.from_numpy(change.astype(np.float32)).bfloat16().double().numpy()
    found = []
    for at in range(0, change.size, GROUP):
        group = change[at : at + GROUP]
        scale = float(np.float32(max(abs(group)) / 127))
        found += [scale * max(-127, min(127, round(x / scale))) if scale else 0.0 for x in group]
    return np.array(found)


@pytest.mark.parametrize("form", FORMS)
def test_what_the_hub_averages_is_start_and_rounded_change(form, study_of, monkeypatch):
    monkeypatch.setattr(tensors, "BLOCK_ELEMENTS", 700)
    monkeypatch.setattr(compression, "BLOCK_ELEMENTS", 2 * GROUP)
    study, blobs = study_of(form), BlobMemory()
    declared, start = declared_weights(study), weights(study, 0)
    sent, rows = {}, {"north": 300, "south": 100}
    for seed, site in enumerate(rows, 1):
        sent[site] = compressed(save(start), save(weights(study, seed, 0.01, start)), None, study)[0]
    parts = [Part(site, put(blobs, data), rows[site]) for site, data in sent.items()]
    given = put(blobs, save(start))
    made = {combined(blobs, order, declared, "fedavg", given, (), None, form).weights for order in (parts, parts[::-1])}
    found = load(read(blobs, made.pop()))
    assert not made
    for name in declared:
        ends = []
        for seed, site in enumerate(rows, 1):
            change = np.float64(weights(study, seed, 0.01, start)[name]).ravel() - start[name].ravel()
            end = start[name].ravel() + plainly(form, change)
            np.testing.assert_allclose(load(arrived(save(start), sent[site], study))[name].ravel(), end, rtol=1e-6)
            ends.append(end)
        np.testing.assert_allclose(
            found[name].ravel(), np.average(ends, axis=0, weights=[300, 100]), rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize("form", FORMS)
def test_a_tensor_of_no_elements_travels(form, study_of):
    """A study whose features are no numbers has them: their mean and scale."""
    study, blobs = study_of(form), BlobMemory()
    study = study.model_copy(update={"features": (), "model": Mlp(hidden=(8,))})
    declared, start = declared_weights(study), weights(study, 0)
    assert any(spec.elements == 0 for spec in declared.values())
    sent = compressed(save(start), save(weights(study, 1, 0.01, start)), None, study)[0]
    made = combined(
        blobs, [Part("north", put(blobs, sent), 9)], declared, "fedavg", put(blobs, save(start)), (), None, form
    )
    assert load(read(blobs, made.weights)).keys() == declared.keys()


@pytest.mark.parametrize("method", [FedAdam(), Median(), NormClip()], ids=str)
def test_every_way_of_averaging_sees_weights_and_not_changes(method, study_of):
    study, blobs = study_of("int8"), BlobMemory()
    declared, start = declared_weights(study), weights(study, 0)
    sent = [compressed(save(start), save(weights(study, seed, 0.01, start)), None, study)[0] for seed in range(1, 6)]
    given = put(blobs, save(start))
    short = [Part(f"s{n}", put(blobs, one), 10) for n, one in enumerate(sent)]
    whole = [Part(f"s{n}", put(blobs, arrived(save(start), one, study)), 10) for n, one in enumerate(sent)]
    kept = combined(blobs, whole, declared, method).kept
    one = combined(blobs, short, declared, method, given, kept, None, "int8")
    other = combined(blobs, whole, declared, method, given, kept)
    for name, values in load(read(blobs, other.weights)).items():
        np.testing.assert_allclose(load(read(blobs, one.weights))[name], values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("form", "fewer"), [("bf16", 1.99), ("int8", 3.9)])
def test_so_many_fewer_bytes(form, fewer, study_of):
    study = study_of(form, hidden=(300, 300))
    start = weights(study, 0)
    sent, left_over = compressed(save(start), save(weights(study, 1, 0.01, start)), None, study)
    assert len(save(start)) / len(sent) > fewer
    assert len(left_over) > 0.99 * len(save(start))


@pytest.mark.parametrize("form", FORMS)
def test_what_is_left_over_is_exactly_what_rounding_took_and_comes_with_the_next(form, study_of):
    study = study_of(form)
    start = weights(study, 0)
    total, said, rest = dict.fromkeys(start, 0.0), dict.fromkeys(start, 0.0), None
    for seed in range(1, 30):
        end = weights(study, seed, 0.001, start)
        sent, rest = compressed(save(start), save(end), rest, study)
        came = load(arrived(save(start), sent, study))
        for name in start:
            total[name] = total[name] + (end[name].astype(np.float64) - start[name])
            said[name] = said[name] + (came[name].astype(np.float64) - start[name])
    for name, left in load(rest).items():
        np.testing.assert_allclose(said[name] + left, total[name], atol=2e-5)
        assert np.abs(left).max(initial=0) <= 0.003 / 100, "what is left over does not add up"


def test_a_change_of_nothing_and_a_change_too_large(study_of):
    for form in FORMS:
        study = study_of(form)
        start = weights(study, 0)
        sent, rest = compressed(save(start), save(start), None, study)
        assert arrived(save(start), sent, study) == canonical_weights(save(start), declared_weights(study))
        assert all(not left.any() for left in load(rest).values())
        if form == "int8":
            continue  # a scale has room for any change of float32
        far = {name: np.full_like(values, 3e38) for name, values in start.items()}
        near = {name: np.full_like(values, -3e38) for name, values in start.items()}
        with pytest.raises(EgressRefused) as refused:
            compressed(save(near), save(far), None, study)
        assert refused.value.reason == "not-finite"


def bent(data, name, bend):
    """The file with one tensor's bytes changed."""
    size = int.from_bytes(data[:8], "little")
    begin, end = json.loads(data[8 : 8 + size])[name]["data_offsets"]
    at = 8 + size + begin
    return data[:at] + bend(data[at : 8 + size + end]) + data[8 + size + end :]


@pytest.mark.parametrize(
    ("form", "tensor", "bend"),
    [
        ("bf16", "output.weight", lambda b: b"\x80\x7f" + b[2:]),
        ("bf16", "output.weight", lambda b: b"\xc1\xff" + b[2:]),
        ("int8", "output.weight", lambda b: b"\x80" + b[1:]),
        ("int8", f"output.weight{SCALE}", lambda b: b"\x00\x00\x80\x7f" + b[4:]),
        ("int8", f"output.weight{SCALE}", lambda b: b"\x00\x00\xc0\x7f" + b[4:]),
        ("int8", f"output.weight{SCALE}", lambda b: b"\x00\x00\x80\xbf" + b[4:]),
        ("int8", f"output.weight{SCALE}", lambda b: b"\xff\xff\x7f\x7f" + b[4:]),
        ("bf16", "output.weight", lambda b: b"\x7f\x7f" + b[2:]),
    ],
)
def test_the_hub_takes_no_number_of_any_form_that_would_make_weights_infinite(form, tensor, bend, study_of):
    study, blobs = study_of(form), BlobMemory()
    declared = declared_update(study, 2)
    sent, _ = compressed(save(weights(study, 0)), save(weights(study, 1)), None, study)
    for data, fine in ((sent, True), (bent(sent, tensor, bend), False)):
        digest = put(blobs, data)
        with blobs.open(digest) as file:
            if fine:
                tensors.check_declared(file, len(data), declared)
                continue
            with pytest.raises(TrainingFailed) as refused:
                tensors.check_declared(file, len(data), declared)
            assert refused.value.reason == "not-finite"


@pytest.mark.parametrize("form", FORMS)
def test_the_first_round_and_any_round_of_another_study_travel_whole(form, study_of):
    study = study_of(form)
    assert declared_update(study, 1) == declared_weights(study) != declared_update(study, 2)
    assert declared_update(study_of("float32"), 7) == declared_weights(study)
    blobs, whole = BlobMemory(), save(weights(study, 0))
    digest = put(blobs, whole)
    with blobs.open(digest) as file, pytest.raises(TrainingFailed) as refused:
        tensors.check_declared(file, len(whole), declared_update(study, 2))
    assert refused.value.reason in ("wrong-dtype", "missing-tensor")
