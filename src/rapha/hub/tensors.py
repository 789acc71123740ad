"""Reads tensors that somebody else wrote: the header with limits, the data block by block, nothing unpacked.

safetensors (format of 0.8): 8 bytes little-endian length, that many bytes of JSON, then the data without holes.
"""

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from rapha.errors import TrainingFailed
from rapha.hub.blobs import Blobs, Draft
from rapha.records.release import ReasonCode
from rapha.records.tensors import Declared, Mismatch, TensorSpec, mismatch
from rapha.records.travel import MOST, SCALE

HEADER_LIMIT_BYTES = 4 << 20
BLOCK_ELEMENTS = 1 << 16
"""Elements read at a time: memory does not grow with the model, and a block of each of a few sites stays in a core's cache."""

DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "BF16": np.dtype("<u2"), "I8": np.dtype("i1"),
}  # fmt: skip
"""How the bytes of a type are held; of a BF16, which numpy has not, its bits."""
LARGEST_CHANGE = 1e30
"""So much and not more may a change be that travels in another form than float32, or the scale of one: no sum of it with weights is
beyond a float32."""


@dataclass(frozen=True)
class Layout:
    """What a header says: each tensor, and where in the file its bytes begin."""

    tensors: Declared
    starts: dict[str, int]


def read_layout(file: BinaryIO, size_bytes: int) -> Layout:
    """The header of an open safetensors file of that size, not believed until it fits the file exactly.

    Raises:
        TrainingFailed: reason `weights-unreadable`; the message says what is wrong with it.
    """
    header_bytes = int.from_bytes(file.read(8), "little") if size_bytes >= 8 else -1
    if not 2 <= header_bytes <= min(HEADER_LIMIT_BYTES, size_bytes - 8):
        raise _unreadable("it does not begin with a header of a sensible length")
    try:
        header = json.loads(file.read(header_bytes).decode())
    except (ValueError, RecursionError):
        raise _unreadable("its header is not JSON") from None
    if not isinstance(header, dict) or not _plain(header.pop("__metadata__", {})):
        raise _unreadable("its header is not a table of tensors")
    return _placed(header, 8 + header_bytes, size_bytes)


def check_declared(file: BinaryIO, size_bytes: int, declared: Declared) -> None:
    """Return if an open file of that size holds exactly the declared tensors and every element is finite.

    Raises:
        TrainingFailed: its reason says what is not as declared, its message which tensor, expected and got.
    """
    layout = read_layout(file, size_bytes)
    if found := mismatch(layout.tensors, declared):
        raise _refused(found)
    for name in declared:
        for block in blocks_of(file, layout, name):
            if not _finite(block, name, declared[name]):
                raise _refused(Mismatch("not-finite", name, "it holds a NaN or an infinity"))


def _finite(block: NDArray[Any], name: str, spec: TensorSpec) -> bool:
    """A NaN fails every comparison."""
    if spec.dtype == "BF16":
        return bool((np.abs(of_bf16(block)) <= LARGEST_CHANGE).all())
    if name.endswith(SCALE):
        return bool(((block >= 0) & (block <= LARGEST_CHANGE)).all())
    if spec.dtype == "I8":
        return bool((block >= -MOST).all())  # each number has one form
    return bool(np.isfinite(block).all())


def of_bf16(bits: NDArray[Any]) -> NDArray[np.float32]:
    """The numbers that these bits are."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def blocks_of(file: BinaryIO, layout: Layout, name: str) -> Iterator[NDArray[Any]]:
    """The elements of one tensor, flat, at most BLOCK_ELEMENTS at a time. A block is gone when the next is asked for."""
    spec = layout.tensors[name]
    left = math.prod(spec.shape)
    buffer = np.empty(min(left, BLOCK_ELEMENTS), DTYPES[spec.dtype])
    file.seek(layout.starts[name])
    while left:
        block = buffer[: min(left, BLOCK_ELEMENTS)]
        if file.readinto(block.view(np.uint8)) != block.nbytes:  # type: ignore[attr-defined]
            raise _unreadable("it ends too early")
        left -= block.size
        yield block


def read_tensors(blobs: Blobs, digest: str) -> dict[str, NDArray[Any]]:
    """A small blob's tensors, whole: for statistics, never for weights. Raises TrainingFailed, Conflict."""
    with blobs.open(digest) as file:
        return tensors_in(file, blobs.size_bytes(digest) or 0)


def tensors_in(file: BinaryIO, size_bytes: int) -> dict[str, NDArray[Any]]:
    """The same of an open file. Raises TrainingFailed."""
    layout = read_layout(file, size_bytes)
    return {
        name: np.concatenate([block.copy() for block in blocks_of(file, layout, name)] or [np.empty(0)])
        for name in layout.tensors
    }


def stored_order(declared: Declared) -> list[str]:
    """The order in which tensors are written: wide elements first, so that all lie aligned; then by name."""
    return sorted(declared, key=lambda name: (-DTYPES[declared[name].dtype].itemsize, name))


def write_header(draft: Draft, declared: Declared) -> None:
    """The header for these tensors; their data follows in `stored_order`. Same tensors, same bytes."""
    header: dict[str, Any] = {}
    at = 0
    for name in stored_order(declared):
        spec = declared[name]
        header[name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [at, at + spec.size_bytes]}
        at += spec.size_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    draft.write(struct.pack("<Q", len(text)) + text)


def _placed(header: dict[str, Any], data_start: int, size_bytes: int) -> Layout:
    tensors: Declared = {}
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise _unreadable(f"its header does not describe {name[:64]!r} as it should")
        if entry["dtype"] not in DTYPES:
            raise _refused(
                Mismatch(
                    "wrong-dtype", name[:64], f"expected one of {', '.join(DTYPES)}, got {str(entry['dtype'])[:16]!r}"
                )
            )
        try:
            spec = TensorSpec.model_validate({"shape": entry["shape"], "dtype": entry["dtype"]}, strict=False)
            begin, end = (int(offset) for offset in entry["data_offsets"])
        except (ValidationError, ValueError, TypeError):
            raise _unreadable(f"its header does not describe {name[:64]!r} as it should") from None
        if end - begin != spec.size_bytes:
            raise _unreadable(f"the place of {name[:64]!r} does not fit its shape")
        tensors[name] = spec
        spans.append((begin, end, name))
    spans.sort()
    ends = [0, *(end for _, end, _ in spans)]
    if [begin for begin, _, _ in spans] != ends[:-1] or data_start + ends[-1] != size_bytes:
        raise _unreadable("its tensors overlap, leave holes, or do not fill the file")
    return Layout(tensors, {name: data_start + begin for begin, _, name in spans})


def _plain(metadata: object) -> bool:
    return isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())


def _unreadable(why: str) -> TrainingFailed:
    return TrainingFailed(f"the file is not safetensors as it should be: {why}", "weights-unreadable")


def _refused(found: Mismatch) -> TrainingFailed:
    reason: ReasonCode = found.reason
    return TrainingFailed(f"{found.reason}: tensor {found.tensor}: {found.detail}", reason)
