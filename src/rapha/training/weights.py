"""Tensors from and to files: safetensors, with exactly the declared names, shapes and types."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from rapha import faults
from rapha.errors import TrainingFailed
from rapha.records.learning import STANDARDS
from rapha.records.tensors import Declared, TensorSpec, mismatch
from rapha.training.architectures.network import Network
from rapha.training.dataset import Dataset, Floats
from rapha.training.inputs import Weights

_DTYPES = {"F32": "<f4", "F64": "<f8"}
_NAMES = {"float32": "F32", "float64": "F64"}
_HEADER_BYTES = 1 << 20


def read_weights(path: Path, declared: Declared) -> Weights:
    """The tensors of a file, if they are as declared: read-only views of the file, which takes no memory of its own. It
    must stay as it is for as long as one of them is used; it may be unlinked.

    Raises:
        TrainingFailed: with the reason: `weights-unreadable` (no such file, larger than what is declared can be, not
            safetensors, a scale that is not above 0), `missing-tensor`, `extra-tensor`, `wrong-shape`, `wrong-dtype`,
            `not-finite`.
    """
    try:
        limit = sum(spec.size_bytes for spec in declared.values()) + _HEADER_BYTES
        if path.stat().st_size > limit:
            raise TrainingFailed(f"{path.name} is larger than the declared tensors", "weights-unreadable")
        with safetensors.safe_open(path, framework="numpy") as file:
            found = {name: file.get_slice(name) for name in file.offset_keys()}
            specs = {name: _spec(tensor.get_shape(), tensor.get_dtype()) for name, tensor in found.items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise TrainingFailed(f"{path.name} is not a readable safetensors file", "weights-unreadable") from error
    _check_declared(specs, declared)
    weights = dict(_mapped(path, specs))
    _check_values(weights)
    return weights


def read_scores(path: Path, dataset: Dataset) -> Floats:
    """A score of each row: training, validation and test rows, in this order. Raises TrainingFailed, as `read_weights`."""
    rows = len(dataset.train) + len(dataset.validation) + len(dataset.test)
    return read_weights(path, {"scores": TensorSpec(shape=(rows,), dtype="F64")})["scores"].astype(np.float64)


def check_weights(weights: Mapping[str, npt.NDArray[Any]], declared: Declared) -> None:
    """The same checks for tensors that are already in memory. Raises TrainingFailed."""
    found = {name: _spec(tensor.shape, _NAMES.get(tensor.dtype.name, "other")) for name, tensor in weights.items()}
    _check_declared(found, declared)
    _check_values(weights)


def write_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a safetensors file, tensor by tensor; the same tensors give the same bytes. Not over a file of which views
    are among them."""
    ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors, key=lambda n: _place(n, tensors))}
    _write(path, [_header(ordered), *(tensor.reshape(-1).view(np.uint8).data for tensor in ordered.values())])


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file. Not synced: it is read at once, and made again after a crash."""
    _write(path, [data])


def load_into(network: Network, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Put these tensors into the network; the others stay as they are."""
    state = network.state_dict()
    for name, values in weights.items():
        np.copyto(state[name].detach().numpy(), values, casting="unsafe")


def weights_of(network: Network) -> Weights:
    """A copy of all tensors of the network, by name."""
    return {name: tensor.copy() for name, tensor in views_of(network).items()}


def views_of(network: Network) -> Weights:
    """All tensors of the network themselves, by name: they change with it."""
    return {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}


def _write(path: Path, blocks: Iterable[bytes | memoryview]) -> None:
    faults.point(f"sandbox.to-write:{path.name}")
    # The node has laid it, empty. Not cut again: ext4 takes what is written to a file that was just cut to the disk when it is closed.
    with path.open("r+b" if path.exists() else "xb") as file:
        for block in blocks:
            file.write(block)
        if path.stat().st_size > file.tell():
            file.truncate()
    faults.point(f"sandbox.wrote:{path.name}")


def _place(name: str, tensors: Mapping[str, npt.NDArray[Any]]) -> tuple[int, str]:
    """Wide elements first, so that all lie aligned; then by name, as safetensors itself writes them."""
    return -tensors[name].dtype.itemsize, name


def _header(tensors: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Length and JSON, padded to 8 bytes (huggingface/safetensors, "Format")."""
    entries: dict[str, Any] = {}
    at = 0
    for name, tensor in tensors.items():
        end = at + tensor.nbytes
        entries[name] = {"dtype": _NAMES[tensor.dtype.name], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _mapped(path: Path, specs: Declared) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The tensors of a file whose header was read: they lie side by side, in this order, to its end."""
    whole = np.memmap(path, np.uint8, mode="r")
    at = len(whole) - sum(spec.size_bytes for spec in specs.values())
    for name, spec in specs.items():
        yield name, whole[at : at + spec.size_bytes].view(_DTYPES[spec.dtype]).reshape(spec.shape).view(np.ndarray)
        at += spec.size_bytes


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
