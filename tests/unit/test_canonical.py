"""One way to write a thing: whatever it holds, the bytes are those of RFC 8785."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from rapha.canonical import canonical_bytes

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
