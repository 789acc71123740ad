"""A safetensors reader that believes nothing, and one way to write.

The format (huggingface/safetensors, "Format"): 8 bytes little endian N, N bytes of JSON header, then the elements,
little endian, row major. What a study declares decides what is read; the file only has to agree.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapha.errors import EgressRefused
from rapha.records.tensors import TensorSpec
from rapha.strict_json import NotStrict, strict_json

MAX_HEADER_BYTES = 1 << 20
LARGEST_WEIGHT = 1e6
BLOCK_BYTES = 4 << 20
NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "BF16": np.dtype("<u2"), "I8": np.dtype("i1"),
}  # fmt: skip
"""How the bytes of a type are held; of a BF16, which numpy has not, its bits."""
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}


Read = Callable[[int, memoryview], None]
"""Fill the view with the file's bytes from that place on, or raise."""
Block = bytes | memoryview


class Placed(NamedTuple):
    """A declared tensor, and where its bytes are in the file."""

    spec: TensorSpec
    begin: int
    end: int


def limit_bytes(declared: Mapping[str, TensorSpec]) -> int:
    """No well-formed file of these tensors is larger."""
    return 8 + MAX_HEADER_BYTES + sum(spec.size_bytes for spec in declared.values())


def canonical_weights(data: bytes, declared: Mapping[str, TensorSpec], largest: float = LARGEST_WEIGHT) -> bytes:
    """The declared tensors, checked, in the one form that leaves: same tensors, same bytes, nothing else.

    `largest`: the greatest magnitude an element may have.

    Raises:
        EgressRefused: weights-unreadable, missing-tensor, extra-tensor, wrong-shape, wrong-dtype, not-finite,
            output-too-large.
    """
    whole = bytearray()
    for block in canonical_blocks(_reading(data), len(data), declared, largest):
        whole += block
    return bytes(whole)


def canonical_blocks(
    read: Read, size_bytes: int, declared: Mapping[str, TensorSpec], largest: float = LARGEST_WEIGHT
) -> Iterator[Block]:
    """The same of a file of that size, a block at a time: a block is gone when the next is asked for, and none counts
    before the last has passed. Each is read once, and is what was checked, whatever becomes of the file meanwhile.

    Raises:
        EgressRefused: as `canonical_weights`.
    """
    placed = _layout(_head(read, size_bytes, declared), size_bytes, declared)
    yield canonical_header(declared)
    buffer = memoryview(bytearray(min(BLOCK_BYTES, max((t.end - t.begin for t in placed.values()), default=0))))
    for name, _ in _offsets(declared):
        tensor = placed[name]
        for at in range(tensor.begin, tensor.end, BLOCK_BYTES):
            block = buffer[: min(BLOCK_BYTES, tensor.end - at)]
            read(at, block)
            _check_elements(block, name, tensor.spec, largest)
            yield block


def _reading(data: bytes) -> Read:
    def read(begin: int, into: memoryview) -> None:
        into[:] = data[begin : begin + len(into)]

    return read


def write_canonical(arrays: Mapping[str, NDArray[Any]], declared: Mapping[str, TensorSpec]) -> bytes:
    """The one form, from arrays that have the declared shapes."""
    body = (
        np.ascontiguousarray(arrays[n], dtype=NUMPY_DTYPES[declared[n].dtype]).tobytes() for n, _ in _offsets(declared)
    )
    return b"".join([canonical_header(declared), *body])


def read_array(data: bytes, tensor: Placed) -> NDArray[Any]:
    """The elements, as a read-only view in the declared shape."""
    count = math.prod(tensor.spec.shape)
    flat = np.frombuffer(data, NUMPY_DTYPES[tensor.spec.dtype], count, tensor.begin)
    return flat.reshape(tensor.spec.shape)


def canonical_header(declared: Mapping[str, TensorSpec]) -> bytes:
    """Length and header: wide elements first (so that all are aligned), then by name; no metadata; padded to 8."""
    entries = {
        name: {
            "dtype": declared[name].dtype,
            "shape": list(declared[name].shape),
            "data_offsets": [at, at + declared[name].size_bytes],
        }
        for name, at in _offsets(declared)
    }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_layout(data: bytes, declared: Mapping[str, TensorSpec]) -> dict[str, Placed]:
    """Where each declared tensor is. See `canonical_weights` for what may be raised."""
    return _layout(_head(_reading(data), len(data), declared), len(data), declared)


def _head(read: Read, size_bytes: int, declared: Mapping[str, TensorSpec]) -> bytes:
    """The header's JSON."""
    if size_bytes > limit_bytes(declared):
        raise EgressRefused("weights: larger than the study declares", "output-too-large")
    first = bytearray(min(8, size_bytes))
    read(0, memoryview(first))
    length = int.from_bytes(first, "little")
    if size_bytes < 10 or not 2 <= length <= MAX_HEADER_BYTES or 8 + length > size_bytes:
        raise EgressRefused("weights: no safetensors header of a sensible length", "weights-unreadable")
    head = bytearray(length)
    read(8, memoryview(head))
    return bytes(head)


def _layout(head: bytes, size_bytes: int, declared: Mapping[str, TensorSpec]) -> dict[str, Placed]:
    """Where each declared tensor is.

    1. no larger than declared; 2. a header of at most 1 MiB, inside the file; 3. strict JSON; 4. no metadata;
    5. exactly the declared names, number types and shapes; 6. the bytes side by side, from the first to the last one
    of the file: no hole, no overlap, nothing behind.

    Raises:
        EgressRefused: as `canonical_weights`, but for not-finite.
    """
    header, start = _header(head), 8 + len(head)
    if "__metadata__" in header:
        raise EgressRefused("weights: hold a metadata text, which no study declares", "extra-tensor")
    _check_names(header, declared)
    placed = {name: _place(header[name], name, spec, start) for name, spec in declared.items()}
    at = start
    for tensor in sorted(placed.values(), key=lambda t: (t.begin, t.end)):
        if tensor.begin != at:
            raise EgressRefused("weights: the tensors' bytes leave a hole, or overlap", "weights-unreadable")
        at = tensor.end
    if at != size_bytes:
        raise EgressRefused("weights: the file does not end where its last tensor does", "weights-unreadable")
    return placed


def _header(head: bytes) -> dict[str, object]:
    try:
        header = strict_json(head)
    except NotStrict:
        header = None
    if not isinstance(header, dict):
        raise EgressRefused("weights: the header is not a plain JSON object", "weights-unreadable")
    return header


def _check_names(header: Mapping[str, object], declared: Mapping[str, TensorSpec]) -> None:
    if missing := [name for name in declared if name not in header]:
        raise EgressRefused(f"weights: the declared tensor {missing[0]} is not there", "missing-tensor")
    if extra := len(header) - len(declared):
        raise EgressRefused(f"weights: {extra} more than the {len(declared)} tensors declared", "extra-tensor")


def _place(entry: object, name: str, spec: TensorSpec, start: int) -> Placed:
    if not isinstance(entry, dict) or set(entry) != _ENTRY_KEYS:
        raise EgressRefused(f"weights: the entry of {name} is not of the format", "weights-unreadable")
    if entry["dtype"] != spec.dtype:
        raise EgressRefused(f"weights: {name} is not {spec.dtype}", "wrong-dtype")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _is_integers(shape) or tuple(shape) != spec.shape:
        raise EgressRefused(f"weights: {name} has not the shape {list(spec.shape)}", "wrong-shape")
    if not _is_integers(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != spec.size_bytes:
        raise EgressRefused(f"weights: {name} has not the bytes of its shape", "weights-unreadable")
    return Placed(spec, start + offsets[0], start + offsets[1])


def _is_integers(value: object) -> bool:
    """A list of non-negative integers; `true` is not one."""
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_elements(block: memoryview, name: str, spec: TensorSpec, largest: float) -> None:
    """A NaN fails every comparison."""
    elements = np.frombuffer(block, NUMPY_DTYPES[spec.dtype])
    with np.errstate(invalid="ignore"):
        within = elements.min() >= -largest and elements.max() <= largest
    if not within:
        raise EgressRefused(f"weights: {name} is not finite, or beyond {largest:g}", "not-finite")


def _offsets(declared: Mapping[str, TensorSpec]) -> Iterator[tuple[str, int]]:
    """Names in the canonical order, with the place of their first byte after the header."""
    at = 0
    for name in sorted(declared, key=lambda n: (-NUMPY_DTYPES[declared[n].dtype].itemsize, n)):
        yield name, at
        at += declared[name].size_bytes
