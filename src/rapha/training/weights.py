"""Tensors from and to files: safetensors, with exactly the declared names, shapes and types."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import torch
from safetensors.numpy import save

from rapha import faults
from rapha.errors import TrainingFailed
from rapha.records.learning import STANDARDS
from rapha.records.tensors import Declared, TensorSpec, mismatch
from rapha.training.architectures.network import Network
from rapha.training.dataset import Dataset, Floats
from rapha.training.inputs import Weights

_DTYPES = {"F32": "<f4", "F64": "<f8"}
_HEADER_BYTES = 1 << 20


def read_weights(path: Path, declared: Declared) -> Weights:
    """The tensors of a file, if they are as declared.

    Raises:
        TrainingFailed: with the reason: `weights-unreadable` (no such file, larger than what is declared can be, not
            safetensors, a scale that is not above 0), `missing-tensor`, `extra-tensor`, `wrong-shape`, `wrong-dtype`,
            `not-finite`.
    """
    try:
        limit = sum(spec.size_bytes for spec in declared.values()) + _HEADER_BYTES
        if path.stat().st_size > limit:
            raise TrainingFailed(f"{path.name} is larger than the declared tensors", "weights-unreadable")
        tensors = dict(safetensors.deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainingFailed(f"{path.name} is not a readable safetensors file", "weights-unreadable") from error
    _check_declared({name: _spec(tensor["shape"], tensor["dtype"]) for name, tensor in tensors.items()}, declared)
    weights = {
        name: np.frombuffer(tensors[name]["data"], dtype=_DTYPES[spec.dtype]).reshape(spec.shape)
        for name, spec in declared.items()
    }
    _check_values(weights)
    return weights


def read_scores(path: Path, dataset: Dataset) -> Floats:
    """A score of each row: training, validation and test rows, in this order. Raises TrainingFailed, as `read_weights`."""
    rows = len(dataset.train) + len(dataset.validation) + len(dataset.test)
    return read_weights(path, {"scores": TensorSpec(shape=(rows,), dtype="F64")})["scores"].astype(np.float64)


def check_weights(weights: Mapping[str, npt.NDArray[Any]], declared: Declared) -> None:
    """The same checks for tensors that are already in memory. Raises TrainingFailed."""
    names = {"float32": "F32", "float64": "F64"}
    found = {name: _spec(tensor.shape, names.get(tensor.dtype.name, "other")) for name, tensor in weights.items()}
    _check_declared(found, declared)
    _check_values(weights)


def write_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a safetensors file; the same tensors give the same bytes."""
    write_bytes(path, save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file. Not synced: it is read at once, and made again after a crash."""
    faults.point(f"sandbox.to-write:{path.name}")
    path.write_bytes(data)
    faults.point(f"sandbox.wrote:{path.name}")


def load_into(network: Network, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Put these tensors into the network; the others stay as they are."""
    state = network.state_dict()
    with torch.no_grad():
        for name, values in weights.items():
            state[name].copy_(torch.from_numpy(np.array(values)))


def weights_of(network: Network) -> Weights:
    """A copy of all tensors of the network, by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}


def _spec(shape: Any, dtype: Any) -> TensorSpec:
    # Not validated: a type that no study can declare is to be found by the comparison, with its name.
    return TensorSpec.model_construct(shape=tuple(shape), dtype=dtype)


def _check_declared(found: dict[str, TensorSpec], declared: Declared) -> None:
    if wrong := mismatch(found, declared):
        raise TrainingFailed(f"tensor {wrong.tensor!r}: {wrong.detail}", wrong.reason)


def _check_values(weights: Mapping[str, npt.NDArray[Any]]) -> None:
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise TrainingFailed(f"tensor {name!r} holds what is not a number", "not-finite")
        if name in STANDARDS and name.endswith(".scale") and not (values > 0).all():
            raise TrainingFailed(f"tensor {name!r} holds a scale that is not above 0", "weights-unreadable")
