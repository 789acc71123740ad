"""The mean of what the sites send, against the plainest way to write it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from rapha.hub import tensors
from rapha.hub.aggregation import Part, combined, federated_average, merged_statistics, pooled_moments
from rapha.hub.blobs import BlobMemory, put, read
from rapha.records.averaging import Sum
from rapha.records.tensors import TensorSpec

DECLARED = {"a": TensorSpec(shape=(3, 2), dtype="F32"), "b": TensorSpec(shape=(), dtype="F32")}


def parts(blobs, models, rows):
    return [
        Part(f"s{n}", put(blobs, save(model)), size) for n, (model, size) in enumerate(zip(models, rows, strict=True))
    ]


def models(dice, count):
    return [
        {"a": dice.normal(size=(3, 2)).astype(np.float32), "b": np.array(dice.normal(), np.float32)}
        for _ in range(count)
    ]


@given(st.integers(0, 2**32), st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_it_is_the_mean_weighted_by_rows(seed, rows):
    blobs, sent = BlobMemory(), models(np.random.default_rng(seed), len(rows))
    found = load(read(blobs, federated_average(blobs, parts(blobs, sent, rows), DECLARED)))
    for name in DECLARED:
        plain = np.average([model[name].astype(np.float64) for model in sent], axis=0, weights=rows)
        np.testing.assert_allclose(found[name], plain.astype(np.float32), rtol=1e-6, atol=1e-7)
        assert found[name].dtype == np.float32 and found[name].shape == DECLARED[name].shape


def test_sums_are_added_up_whatever_the_rows_and_the_standards_beside_them_stay():
    blobs, dice = BlobMemory(), np.random.default_rng(5)
    declared = {"sums.a": TensorSpec(shape=(3, 2), dtype="F64"), "features.mean": TensorSpec(shape=(2,), dtype="F32")}
    mean = dice.normal(size=2).astype(np.float32)
    sent = [{"sums.a": dice.normal(size=(3, 2)), "features.mean": mean} for _ in range(3)]
    found = load(read(blobs, combined(blobs, parts(blobs, sent, [5, 90, 1]), declared, Sum()).weights))
    assert found["features.mean"].tobytes() == mean.tobytes()
    np.testing.assert_allclose(found["sums.a"], sum(each["sums.a"] for each in sent), rtol=1e-15)


def test_the_order_of_arrival_does_not_show():
    blobs = BlobMemory()
    sent = parts(blobs, models(np.random.default_rng(7), 4), [3, 70, 11, 9])
    digests = {federated_average(blobs, order, DECLARED) for order in itertools.permutations(sent)}
    assert len(digests) == 1


def test_a_tensor_larger_than_a_block_is_averaged_whole(monkeypatch):
    blobs = BlobMemory()
    sent = models(np.random.default_rng(1), 3)
    whole = federated_average(blobs, parts(blobs, sent, [1, 2, 3]), DECLARED)
    monkeypatch.setattr(tensors, "BLOCK_ELEMENTS", 4)
    assert federated_average(blobs, parts(blobs, sent, [1, 2, 3]), DECLARED) == whole


def test_moments_of_the_sites_are_those_of_all_rows_together():
    dice = np.random.default_rng(3)
    rows = [dice.normal(5, 2, size=(n, 2)) for n in (40, 7, 300)]
    counts = np.array([[len(r)] * 2 for r in rows], float)
    mean, scale = pooled_moments(counts, np.stack([r.mean(0) for r in rows]), np.stack([r.var(0) for r in rows]))
    together = np.concatenate(rows)
    np.testing.assert_allclose(mean, together.mean(0))
    np.testing.assert_allclose(scale, together.std(0))


def test_a_feature_that_nobody_has_or_that_never_varies_keeps_its_scale():
    counts, means, variances = np.array([[0.0, 5.0]]), np.array([[0.0, 3.0]]), np.zeros((1, 2))
    mean, scale = pooled_moments(counts, means, variances)
    np.testing.assert_array_equal(mean, [0.0, 3.0])
    np.testing.assert_array_equal(scale, [1.0, 1.0])


def test_merged_statistics_are_a_start():
    blobs = BlobMemory()
    one = {
        "features.count": np.array([10.0]), "features.mean": np.array([2.0]), "features.variance": np.array([4.0]),
    }  # fmt: skip
    start = {
        "features.mean": TensorSpec(shape=(1,), dtype="F32"),
        "features.scale": TensorSpec(shape=(1,), dtype="F32"),
    }
    found = load(read(blobs, merged_statistics(blobs, parts(blobs, [one, one], [1, 9]), start)))
    assert {name: values.tolist() for name, values in found.items()} == {
        "features.mean": [2.0],
        "features.scale": [2.0],
    }


@pytest.mark.parametrize("value", [1.0, 0.1, 1e-30, 3e38])
def test_equal_updates_average_to_themselves(value):
    blobs = BlobMemory()
    model = {"a": np.full((3, 2), value, np.float32), "b": np.array(value, np.float32)}
    found = load(read(blobs, federated_average(blobs, parts(blobs, [model] * 3, [1, 2, 4]), DECLARED)))
    np.testing.assert_array_equal(found["a"], model["a"])
