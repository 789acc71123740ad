"""The safetensors reader: what the library writes is accepted bit for bit; whatever else is refused by name."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from rapha.egress import weights
from rapha.egress.weights import MAX_HEADER_BYTES, canonical_header, canonical_weights, limit_bytes
from rapha.errors import EgressRefused
from rapha.records.tensors import TensorSpec

DECLARED = {
    "layers.0.weight": TensorSpec(shape=(3, 2), dtype="F32"),
    "layers.0.bias": TensorSpec(shape=(3,), dtype="F32"),
    "scalar": TensorSpec(shape=(), dtype="F32"),
}
NUMPY = {"F32": np.float32, "F64": np.float64}


def tensors(declared: dict[str, TensorSpec] = DECLARED, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(size=s.shape).reshape(s.shape).astype(NUMPY[s.dtype]) for name, s in declared.items()}


def file(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entries(**changes: dict[str, Any]) -> dict[str, Any]:
    header = {
        "layers.0.bias": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]},
        "layers.0.weight": {"dtype": "F32", "shape": [3, 2], "data_offsets": [12, 36]},
        "scalar": {"dtype": "F32", "shape": [], "data_offsets": [36, 40]},
    }
    for name, change in changes.items():
        header[name] = {**header[name], **change}
    return header


BODY = bytes(40)
TEXT = json.dumps(entries()).encode()


def shifted(by: int) -> dict[str, Any]:
    return {n: {**e, "data_offsets": [at + by for at in e["data_offsets"]]} for n, e in entries().items()}


def refused(data: bytes) -> str:
    with pytest.raises(EgressRefused) as caught:
        canonical_weights(data, DECLARED)
    return caught.value.reason


def test_what_the_library_writes_is_the_canonical_form() -> None:
    data = save(tensors())
    assert canonical_weights(data, DECLARED) == data
    assert canonical_header(DECLARED) == data[: len(data) - 40]


names = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="._"), min_size=1, max_size=12)
specs = st.builds(
    TensorSpec, shape=st.lists(st.integers(0, 4), max_size=3).map(tuple), dtype=st.sampled_from(["F32", "F64"])
)


@given(st.dictionaries(names, specs, min_size=1, max_size=5), st.integers(0, 99))
def test_the_library_reads_what_leaves_and_finds_the_same(declared: dict[str, TensorSpec], seed: int) -> None:
    given_ = tensors(declared, seed)
    released = canonical_weights(save(given_), declared)
    assert released == weights.write_canonical(given_, declared) == canonical_weights(released, declared)
    found = load(released)
    assert set(found) == set(given_)
    assert all(
        found[name].tobytes() == given_[name].tobytes() and found[name].shape == given_[name].shape for name in found
    )


def test_another_order_and_another_header_become_the_canonical_form() -> None:
    values = tensors()
    order = ["scalar", "layers.0.weight", "layers.0.bias"]
    header, body = {}, b""
    for name in order:
        block = values[name].tobytes()
        header[name] = {
            "shape": list(values[name].shape),
            "data_offsets": [len(body), len(body) + len(block)],
            "dtype": "F32",
        }
        body += block
    strange = file(json.dumps(header, indent=3).encode() + b"   \n", body)
    assert canonical_weights(strange, DECLARED) == save(values)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("short", b"\x02\0\0"),
        ("no header", struct.pack("<Q", 0) + BODY),
        ("header past the end", struct.pack("<Q", 500) + b"{}"),
        ("header of 2^60 bytes", struct.pack("<Q", 1 << 60) + b"{}"),
        ("header of 2^64 - 1 bytes", b"\xff" * 8 + b"{}"),
        ("a list", file([1])),
        ("a number", file(b"12")),
        ("not JSON", file(b"{'a': 1}")),
        ("not UTF-8", file(b'{"\xff": 1}')),
        ("deeply nested", file(b"[" * 100_000)),
        ("a very long number", file(b'{"scalar":' + b"9" * 5000 + b"}")),
        ("NaN in the header", file(b'{"scalar": NaN}')),
        ("a key twice", file(TEXT[:-1] + b', "scalar": {}}', BODY)),
        ("a key twice, inside", file(TEXT.replace(b'"shape": []', b'"shape": [], "shape": []'), BODY)),
        ("an entry that is a list", file({**entries(), "scalar": []}, BODY)),
        ("an entry with one more key", file(entries(scalar={"note": "x"}), BODY)),
        ("three offsets", file(entries(scalar={"data_offsets": [36, 40, 40]}), BODY)),
        ("offsets that are truths", file(entries(scalar={"data_offsets": [False, 4]}), BODY)),
        ("offsets that are reals", file(entries(scalar={"data_offsets": [36.0, 40.0]}), BODY)),
        ("negative offsets", file(entries(scalar={"data_offsets": [-4, 0]}), BODY)),
        ("offsets the wrong way", file(entries(scalar={"data_offsets": [40, 36]}), BODY)),
        ("an overlap", file(entries(scalar={"data_offsets": [32, 36]}), BODY[:36])),
        ("a hole", file(entries(scalar={"data_offsets": [40, 44]}), bytes(44))),
        ("a hole in front", file(shifted(4), bytes(44))),
        ("too many bytes for the shape", file(entries(scalar={"data_offsets": [36, 44]}), bytes(44))),
        ("trailing bytes", file(entries(), bytes(41))),
        ("a missing end", file(entries(), bytes(39))),
        ("a zip", b"PK\x03\x04" + bytes(100)),
        ("a pickle", b"\x80\x04\x95" + bytes(100)),
    ],
)  # fmt: skip
def test_what_is_not_of_the_format_is_unreadable(name: str, data: bytes) -> None:
    assert refused(data) == "weights-unreadable", name


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (file({**entries(), "__metadata__": {"note": "x"}}, BODY), "extra-tensor"),
        (file({**entries(), "extra": {"dtype": "F32", "shape": [0], "data_offsets": [40, 40]}}, BODY), "extra-tensor"),
        (file({n: e for n, e in entries().items() if n != "scalar"}, BODY[:36]), "missing-tensor"),
        (file({("scalaR" if n == "scalar" else n): e for n, e in entries().items()}, BODY), "missing-tensor"),
        (file(entries(scalar={"shape": [1]}), BODY), "wrong-shape"),
        (file(entries(**{"layers.0.weight": {"shape": [2, 3]}}), BODY), "wrong-shape"),
        (file(entries(**{"layers.0.weight": {"shape": [6]}}), BODY), "wrong-shape"),
        (file(entries(**{"layers.0.bias": {"shape": [-3]}}), BODY), "wrong-shape"),
        (file(entries(**{"layers.0.bias": {"shape": [True]}}), BODY), "wrong-shape"),
        (file(entries(**{"layers.0.bias": {"shape": "3"}}), BODY), "wrong-shape"),
        (file(entries(scalar={"dtype": "I32"}), BODY), "wrong-dtype"),
        (file(entries(scalar={"dtype": "BF16"}), BODY), "wrong-dtype"),
        (file(entries(scalar={"dtype": ["F32"]}), BODY), "wrong-dtype"),
    ],
)
def test_what_is_not_as_declared_is_refused_by_its_name(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def test_a_metadata_text_is_called_so() -> None:
    with pytest.raises(EgressRefused, match="metadata text"):
        canonical_weights(save(tensors(), metadata={"note": "x"}), DECLARED)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.1e6, -1.1e6])
@pytest.mark.parametrize("place", [0, -1])
def test_values_are_finite_and_bounded(value: float, place: int) -> None:
    values = tensors()
    values["layers.0.weight"].reshape(-1)[place] = value
    assert refused(save(values)) == "not-finite"


def test_a_signalling_nan_is_refused() -> None:
    data = bytearray(save(tensors()))
    data[-4:] = struct.pack("<I", 0x7FA00001)
    assert refused(bytes(data)) == "not-finite"


def test_every_block_of_a_large_tensor_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BLOCK_BYTES", 16)
    for place in range(6):
        values = tensors()
        values["layers.0.weight"].reshape(-1)[place] = np.nan
        assert refused(save(values)) == "not-finite"


def test_more_bytes_than_any_file_of_these_tensors_are_not_read() -> None:
    assert refused(bytes(limit_bytes(DECLARED) + 1)) == "output-too-large"
    padded = TEXT + b" " * (MAX_HEADER_BYTES - len(TEXT))
    assert canonical_weights(file(padded, BODY), DECLARED) == save({n: np.zeros_like(t) for n, t in tensors().items()})
    assert refused(file(padded + b" ", BODY[:-1])) == "weights-unreadable"


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    refused(data)
    refused(file(data))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(entries())), st.sampled_from(["dtype", "shape", "data_offsets"]), json_values)
def test_a_mutated_header_is_refused_or_says_the_same(name: str, key: str, value: Any) -> None:
    if value == entries()[name][key] and type(value) is type(entries()[name][key]):
        return
    refused(file(entries(**{name: {key: value}}), BODY))


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_leaves_a_canonical_file(place: int, change: int) -> None:
    data = bytearray(save(tensors()))
    data[place % len(data)] ^= change
    try:
        released = canonical_weights(bytes(data), DECLARED)
    except EgressRefused:
        return
    assert released.startswith(canonical_header(DECLARED)) and len(released) == len(data)
    assert all(np.isfinite(tensor).all() for tensor in load(released).values())
