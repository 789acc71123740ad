"""A sum that is seen, of parts that are not."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from rapha.canonical import digest
from rapha.proof.masked_sum import (
    fixed_point,
    masked,
    neighbours,
    real_numbers,
    round_context,
    stream,
    summed,
)

CONTEXT = round_context(digest(b"study"), 3, 0)


def phones(count: int) -> tuple[dict[str, X25519PrivateKey], dict[str, bytes]]:
    secrets = {f"{n:064x}": X25519PrivateKey.generate() for n in range(count)}
    return secrets, {name: secret.public_key().public_bytes_raw() for name, secret in secrets.items()}


@pytest.mark.parametrize("count", [10, 11, 12, 40])
def test_the_sum_is_that_of_the_parts_and_no_part_is_its_own(count):
    secrets, public = phones(count)
    dice = random.Random(count)
    parts = {name: fixed_point([dice.uniform(-1, 1) for _ in range(20)]) for name in secrets}
    sent = {name: masked(parts[name], name, secrets[name], public, CONTEXT) for name in secrets}
    assert summed(list(sent.values())) == summed(list(parts.values()))
    assert all(not set(sent[name]) & set(parts[name]) for name in secrets)
    assert summed(list(sent.values())[1:]) != summed(list(parts.values())[1:])


@settings(max_examples=50)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=5))
def test_fixed_point_is_true_to_a_65536th(values):
    assert real_numbers(fixed_point(values)) == pytest.approx(values, abs=2**-17 + 1e-12)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 32768.0, -40000.0])
def test_what_cannot_be_part_of_a_sum_is_refused(value):
    with pytest.raises(ValueError, match="masked sum"):
        fixed_point([value])


def test_neighbours_are_so_of_one_another_and_ten():
    names = [f"{n:064x}" for n in range(30)]
    of = {name: set(neighbours(names, name, CONTEXT)) for name in names}
    assert all(len(found) == 10 and name not in found for name, found in of.items())
    assert all(name in of[other] for name in names for other in of[name])
    assert of[names[0]] != set(neighbours(names, names[0], round_context(digest(b"study"), 4, 0)))


def test_a_device_that_is_not_in_its_round_is_refused():
    with pytest.raises(ValueError, match="missing from its own round"):
        neighbours(["a", "b"], "c", CONTEXT)
    with pytest.raises(ValueError, match="there twice"):
        neighbours(["a", "b", "b"], "a", CONTEXT)


def test_two_share_a_stream_that_no_other_round_has():
    secrets, public = phones(2)
    (one, mine), (two, other) = secrets.items()
    assert stream(mine, public[two], CONTEXT, 20) == stream(other, public[one], CONTEXT, 20)
    assert stream(mine, public[two], CONTEXT, 20)[:5] == stream(mine, public[two], CONTEXT, 5)
    assert stream(mine, public[two], round_context(digest(b"study"), 3, 1), 20) != stream(
        mine, public[two], CONTEXT, 20
    )
