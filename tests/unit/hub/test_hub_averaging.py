"""Each way of making one model, against the plainest numpy that says the same."""

import itertools

import numpy as np
import pytest
from safetensors.numpy import load, save

from rapha.hub import tensors
from rapha.hub.aggregation import Part, combined
from rapha.hub.averaging import kept_between_rounds
from rapha.hub.blobs import BlobMemory, put, read
from rapha.hub.likeness import unlike_others
from rapha.records.averaging import FedAdam, FedAvgM, FedProx, FedYogi, Median, NormClip, TrimmedMean
from rapha.records.tensors import TensorSpec

DECLARED = {"a": TensorSpec(shape=(3, 4), dtype="F32"), "b": TensorSpec(shape=(), dtype="F32")}
ROWS = [30, 7, 110, 51, 64]
METHODS = [
    "fedavg",
    FedProx(),
    FedAvgM(),
    FedAdam(),
    FedYogi(),
    Median(),
    TrimmedMean(),
    NormClip(),
    NormClip(at_most=0.5),
]


def model(dice):
    return {name: np.asarray(dice.normal(size=spec.shape), np.float32) for name, spec in DECLARED.items()}


def flat(one):
    return np.concatenate([np.ravel(one[name]).astype(np.float64) for name in DECLARED])


def plainly(method, sites, before, kept):
    """The same on whole models as vectors: weights, and what is kept."""
    average = np.average(sites, axis=0, weights=ROWS)
    if isinstance(method, Median):
        return np.median(sites, axis=0), {}
    if isinstance(method, TrimmedMean):
        return np.mean([sorted(column)[1:-1] for column in np.transpose(sites)], axis=1), {}
    if before is None or method == "fedavg" or isinstance(method, FedProx):
        return average, {"momentum": 0 * average, "second": np.full_like(average, getattr(method, "tau", 0) ** 2)}
    if isinstance(method, NormClip):
        lengths = [np.linalg.norm(site - before) for site in sites]
        limit = method.at_most or np.median(lengths)
        clipped = [(s - before) * min(1, limit / n) for s, n in zip(sites, lengths, strict=True)]
        return before + np.average(clipped, axis=0, weights=ROWS), {}
    change = average - before
    if isinstance(method, FedAvgM):
        momentum = 0.9 * kept["momentum"] + change
        return before + momentum, {"momentum": momentum}
    momentum, square = 0.9 * kept["momentum"] + 0.1 * change, change**2
    sign = np.sign(kept["second"] - square)
    second = (
        0.99 * kept["second"] + 0.01 * square if isinstance(method, FedAdam) else kept["second"] - 0.01 * square * sign
    )
    return before + 0.01 * momentum / (np.sqrt(second) + 0.001), {"momentum": momentum, "second": second}


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_it_is_what_the_paper_says_over_three_rounds(method, monkeypatch):
    monkeypatch.setattr(tensors, "BLOCK_ELEMENTS", 5)
    dice, blobs = np.random.default_rng(11), BlobMemory()
    before, kept, plain, plain_kept = None, (), None, {}
    for _ in range(3):
        sites = [model(dice) for _ in ROWS]
        parts = [
            Part(f"s{n}", put(blobs, save(site)), rows) for n, (site, rows) in enumerate(zip(sites, ROWS, strict=True))
        ]
        made = {combined(blobs, order, DECLARED, method, before, kept) for order in (parts, parts[::-1])}
        assert len(made) == 1
        (one,) = made
        plain, plain_kept = plainly(method, [flat(site) for site in sites], plain, plain_kept)
        np.testing.assert_allclose(flat(load(read(blobs, one.weights))), plain, rtol=2e-5, atol=2e-6)
        for name, digest in zip(kept_between_rounds(method), one.kept, strict=True):
            np.testing.assert_allclose(flat(load(read(blobs, digest))), plain_kept[name], rtol=2e-4, atol=2e-6)
        before, kept, plain = one.weights, one.kept, flat(load(read(blobs, one.weights)))


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_order_of_arrival_does_not_show(method):
    dice, blobs = np.random.default_rng(5), BlobMemory()
    before = put(blobs, save(model(dice)))
    parts = [Part(f"s{n}", put(blobs, save(model(dice))), n + 1) for n in range(4)]
    assert len({combined(blobs, order, DECLARED, method, before) for order in itertools.permutations(parts)}) == 1


@pytest.mark.parametrize("method", [Median(), TrimmedMean(), NormClip()], ids=str)
def test_one_hospital_gone_wild_moves_a_robust_model_little_and_is_named(method):
    dice, blobs = np.random.default_rng(2), BlobMemory()
    start = model(dice)
    near = [{name: value + 0.01 * dice.normal(size=value.shape) for name, value in start.items()} for _ in range(5)]
    wild = {name: value + 1000.0 for name, value in start.items()}
    sent = [{name: np.asarray(v, np.float32) for name, v in one.items()} for one in (*near, wild)]
    parts = [Part(f"s{n}", put(blobs, save(one)), 10) for n, one in enumerate(sent)]
    before = put(blobs, save(start))
    made = combined(blobs, parts, DECLARED, method, before)
    assert np.abs(flat(load(read(blobs, made.weights))) - flat(start)).max() < 0.1
    assert made.unlike == ("s5",)
    assert np.abs(flat(load(read(blobs, combined(blobs, parts, DECLARED, "fedavg").weights))) - flat(start)).min() > 100


def test_nobody_is_named_where_all_are_alike_or_too_few():
    dice = np.random.default_rng(1)
    points = dice.normal(size=(6, 40))
    apart = ((points[:, None] - points) ** 2).sum(-1)
    assert unlike_others([f"s{n}" for n in range(6)], apart) == []
    assert unlike_others(["a", "b", "c"], np.array([[0, 1, 9e9], [1, 0, 9e9], [9e9, 9e9, 0]])) == []


def test_trimming_leaves_the_middle_of_three():
    blobs = BlobMemory()
    spec = {"a": TensorSpec(shape=(2,), dtype="F32")}
    parts = [
        Part(site, put(blobs, save({"a": np.array(values, np.float32)})), 1)
        for site, values in (("x", [1, 9]), ("y", [2, 7]), ("z", [100, 8]))
    ]
    made = combined(blobs, parts, spec, TrimmedMean(trim_percent=34))
    np.testing.assert_array_equal(load(read(blobs, made.weights))["a"], [2, 8])
