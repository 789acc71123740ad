"""Of what custom code gives, eight bits of a number are left, the mean is kept, and asking again tells nothing more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.egress.rounding import low_bits_by_chance

SECRET = b"a secret of at least sixteen bytes"


def rounded(values: np.ndarray, secret: bytes = SECRET) -> np.ndarray:
    return low_bits_by_chance({"line": values}, secret)["line"]


@given(st.floats(-1e6, 1e6, width=32))
def test_a_number_becomes_one_of_the_two_next_to_it(value: float) -> None:
    found = rounded(np.array([value]))[0]
    assert np.float32(found).view(np.uint32) & 0xFFFF == 0
    assert abs(found - value) <= abs(value) / 128 + 1e-38
    assert np.sign(found) in (0.0, np.sign(value))


@pytest.mark.parametrize("value", [999_990.0, -999_990.0, 1e6, -1e6, 999_425.0])
def test_no_number_becomes_larger_than_a_weight_may_be(value: float) -> None:
    """The next above is 1,003,520, and the gate would refuse the whole round."""
    assert set(np.abs(rounded(np.full(500, value)))) == {999_424.0}


@pytest.mark.parametrize("value", [0.0, 1.0, -100.0, 0.5, 255.0, -(2.0**19)])
def test_what_has_eight_bits_stays(value: float) -> None:
    assert (rounded(np.full(50, value)) == value).all()


def test_the_mean_is_kept() -> None:
    values = np.full(20_000, 1.003)
    assert set(rounded(values)) == {1.0, 1.0078125}
    assert abs(rounded(values).mean() - 1.003) < 1e-4


def test_the_same_numbers_go_the_same_way_and_others_another() -> None:
    values = np.linspace(1.0, 2.0, 1000)
    assert (rounded(values) == rounded(values)).all()
    assert (rounded(values) != rounded(values, b"another secret, of another site")).mean() > 0.3
    other = values.copy()
    other[0] = 7.0
    assert (rounded(values)[1:] != rounded(other)[1:]).mean() > 0.3, "one number more must move the chance of all"


def test_a_byte_in_the_low_bits_is_gone() -> None:
    carrier = np.random.default_rng(1).normal(size=512).astype(np.float32)
    bytes_ = carrier.view(np.uint8).reshape(-1, 4)
    bytes_[:, 0] = 77
    left = rounded(carrier).astype(np.float32).view(np.uint8).reshape(-1, 4)
    assert not left[:, :2].any()


def test_shapes_stay() -> None:
    assert rounded(np.ones((3, 0, 2))).shape == (3, 0, 2) and rounded(np.float64(1.5)).shape == ()
