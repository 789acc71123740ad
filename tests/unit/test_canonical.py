"""One way to write a thing: whatever it holds, the bytes are those of RFC 8785."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from rapha.canonical import MAX_DEPTH, canonical_bytes, is_form_of, read_canonical_json, read_plain_json

INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.dictionaries(st.sampled_from("abc_Z"), inner)
    ),
)


@given(VALUES)
def test_it_is_what_the_reference_writes(value: object) -> None:
    written = canonical_bytes(value)
    assert written == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert json.loads(written) == value


def test_every_character_is_written_as_the_reference_does() -> None:
    text = "".join(map(chr, [*range(0x300), 0x2028, 0x2029, 0xFEFF, 0xFFFF, 0x1F600]))
    assert canonical_bytes({"k": text}) == rfc8785.dumps({"k": text})


def test_keys_are_in_the_order_of_utf_16() -> None:
    assert canonical_bytes({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "value",
    [1.5, [1.5], {"a": {"b": 0.0}}, {"\u20ac": 1, "a": 1.5}, [{"\u20ac": 1}, 1.0], 2**53, [-(2**53)], {1: "a"}, b"a",
     {"a": {1, 2}}, "\ud800", {"\ud800": 1}, float("nan")],
)  # fmt: skip
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical_bytes(value)


@pytest.mark.parametrize(
    "data",
    [b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1.0}', b'{"a":1e3}', b'{"a":9007199254740992}', b'{"a":-0}',
     b'{"a":NaN}', b'{"a":"\\u0041"}', b'{"a":1}\n', b"\xff", b"", b"[" * 100_000],
)  # fmt: skip
def test_other_ways_to_write_a_value_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, RecursionError)):
        read_canonical_json(data)


@pytest.mark.parametrize("value", [{"a": [1, None, True, "x"], "b": {}}, {"e\u0301": "\u20ac"}, {"a": '\n"\\'}, []])
def test_what_is_written_in_its_one_form_reads_back(value: object) -> None:
    data = canonical_bytes(value)
    assert read_canonical_json(data) == value
    assert is_form_of(data, value)


def test_another_value_of_the_same_look_is_no_form_of_it() -> None:
    data = canonical_bytes({"a": 1})
    assert not is_form_of(data, {"a": True})
    assert not is_form_of(data, {"a": "1"})
    assert not is_form_of(data, {"a": 2})


@pytest.mark.parametrize("inner", ["", '"a"', '"\u20ac"'])
def test_what_is_nested_deeper_than_the_limit_is_not_read(inner: str) -> None:
    """A list in a list is one level; what is in the innermost list lies one deeper than that list."""

    def nested(levels: int) -> bytes:
        return ("[" * levels + inner + "]" * levels).encode()

    most = MAX_DEPTH if inner else MAX_DEPTH + 1
    assert read_canonical_json(nested(most)) is not None
    for levels in (most + 1, 700, 100_000):
        with pytest.raises((ValueError, RecursionError)):
            read_canonical_json(nested(levels))
        if levels <= 700:
            with pytest.raises(ValueError, match=r"deeper than|not in ASCII"):
                read_plain_json(nested(levels))
