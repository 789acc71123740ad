"""Weights from and to files: the bytes of safetensors itself, and no copy of them in memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from made_up_site import make_study
from safetensors.numpy import save

from rapha.errors import TrainingFailed
from rapha.records.tensors import TensorSpec
from rapha.training.architectures import build
from rapha.training.weights import load_into, read_weights, views_of, weights_of, write_bytes, write_tensors

CHANCE = np.random.default_rng(1)
TENSORS = {
    "b.wide": CHANCE.normal(size=(3, 2)),
    "größe": CHANCE.normal(size=5).astype(np.float32),
    "a": CHANCE.normal(size=(2, 0)).astype(np.float32),
    "c": np.full((), 4.5, np.float32),
    "turned": CHANCE.normal(size=(4, 3)).astype(np.float32).T,
}
DECLARED = {
    "layer": TensorSpec(shape=(512, 512), dtype="F32"),
    "mean": TensorSpec(shape=(3,), dtype="F64"),
    "none": TensorSpec(shape=(0, 2), dtype="F32"),
}


def test_a_file_has_the_bytes_that_safetensors_gives(tmp_path: Path) -> None:
    write_tensors(tmp_path / "weights", TENSORS)
    assert (tmp_path / "weights").read_bytes() == save({n: np.ascontiguousarray(t) for n, t in TENSORS.items()})


def test_what_is_written_is_read_again_without_a_copy_and_stays_when_its_name_is_gone(tmp_path: Path) -> None:
    written = {
        name: CHANCE.normal(size=spec.shape).astype({"F32": "<f4", "F64": "<f8"}[spec.dtype])
        for name, spec in DECLARED.items()
    }
    file = tmp_path / "weights"
    tracemalloc.start()
    write_tensors(file, written)
    found = read_weights(file, DECLARED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < written["layer"].nbytes // 2
    file.unlink()
    assert found.keys() == written.keys()
    assert all(np.array_equal(found[name], values) for name, values in written.items())
    with pytest.raises(ValueError, match="read-only"):
        found["layer"][0, 0] = 1


def test_a_file_that_is_cut_is_not_readable(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    write_tensors(file, TENSORS)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TrainingFailed, match="not a readable safetensors file"):
        read_weights(file, DECLARED)


def test_views_change_with_the_network_and_copies_do_not() -> None:
    network = build(make_study("mlp"))
    views, copies = views_of(network), weights_of(network)
    load_into(network, {name: tensor + 1 for name, tensor in copies.items()})
    assert all(np.array_equal(views[name], tensor + 1) for name, tensor in copies.items())


@pytest.mark.parametrize("before", [None, b"", b"longer than what is written"])
def test_a_file_holds_what_was_written_whatever_it_held(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    write_bytes(path, b"written")
    assert path.read_bytes() == b"written"


def test_a_file_that_was_laid_is_not_cut_when_it_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was just cut ext4 takes to the disk when it is closed, and that is never read from there."""
    modes: list[str] = []
    opened = Path.open

    def spy(self: Path, mode: str = "r", *rest: object, **named: object) -> object:
        modes.append(mode)
        return opened(self, mode, *rest, **named)  # type: ignore[call-overload]

    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "open", spy)
    write_bytes(tmp_path / "file", b"written")
    assert modes == ["r+b"]
