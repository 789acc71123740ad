"""The Merkle rules against the definitions of RFC 9162 written out plainly, and against every wrong proof."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.errors import Unproven
from rapha.proof.merkle import (
    EMPTY_ROOT,
    check_consistency,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    root_of_inclusion,
)

LEAVES = [leaf_hash(b"leaf %d" % n) for n in range(600)]


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


ROOTS = [plain_root(LEAVES[:size]) for size in range(80)]


def node(level: int, index: int) -> bytes:
    return plain_root(LEAVES[index << level : (index + 1) << level])


def test_a_leaf_and_a_node_are_told_apart() -> None:
    assert leaf_hash(b"") == hashlib.sha256(b"\x00").digest()
    assert node_hash(b"a" * 32, b"b" * 32) == hashlib.sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()


def test_roots_are_those_of_the_definition() -> None:
    assert [root(size, node) for size in range(80)] == ROOTS
    assert ROOTS[0] == EMPTY_ROOT


@given(st.data())
def test_every_leaf_is_shown_to_be_in_and_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    proof, whole = inclusion_proof(index, size, node), plain_root(LEAVES[:size])
    assert root_of_inclusion(index, size, LEAVES[index], proof) == whole
    if other != index:
        assert root_of_inclusion(index, size, LEAVES[other], proof) != whole


@given(st.data())
def test_a_proof_changed_anywhere_leads_elsewhere(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 79))
    index = data.draw(st.integers(0, size - 1))
    proof = list(inclusion_proof(index, size, node))
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    proof[at] = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
    assert root_of_inclusion(index, size, LEAVES[index], proof) != ROOTS[size]


@pytest.mark.parametrize("size", range(1, 40))
def test_a_proof_of_another_length_is_refused(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, node)
        with pytest.raises(Unproven, match="too many"):
            root_of_inclusion(index, size, LEAVES[index], [*proof, LEAVES[0]])
        if proof:
            with pytest.raises(Unproven, match="too few"):
                root_of_inclusion(index, size, LEAVES[index], proof[:-1])


@given(st.data())
def test_a_tree_continues_each_before_it(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 600))
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(old, new, node)
    check_consistency(old, plain_root(LEAVES[:old]), new, plain_root(LEAVES[:new]), proof)
    check_consistency(0, EMPTY_ROOT, new, plain_root(LEAVES[:new]), ())


@pytest.mark.parametrize("new", range(2, 34))
def test_no_other_tree_is_continued(new: int) -> None:
    for old in range(1, new + 1):
        proof = list(consistency_proof(old, new, node))
        false = node_hash(ROOTS[old], ROOTS[old])
        with pytest.raises(Unproven):
            check_consistency(old, false, new, ROOTS[new], proof)
        with pytest.raises(Unproven):
            check_consistency(old, ROOTS[old], new, false, proof)
        with pytest.raises(Unproven):
            check_consistency(old, ROOTS[old], new, ROOTS[new], [*proof, LEAVES[0]])
        for at in range(len(proof)):
            with pytest.raises(Unproven):
                check_consistency(old, ROOTS[old], new, ROOTS[new], [*proof[:at], false, *proof[at + 1 :]])
        if proof:
            with pytest.raises(Unproven):
                check_consistency(old, ROOTS[old], new, ROOTS[new], proof[:-1])


def test_what_cannot_be_is_refused() -> None:
    for index, size in ((1, 1), (-1, 5), (0, 0)):
        with pytest.raises(Unproven, match="cannot be in"):
            root_of_inclusion(index, size, LEAVES[0], ())
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_proof(index, size, node)
    with pytest.raises(Unproven, match="cannot follow"):
        check_consistency(3, ROOTS[3], 2, ROOTS[2], ())
    with pytest.raises(ValueError, match="cannot follow"):
        consistency_proof(3, 2, node)
    with pytest.raises(Unproven, match="at most 63"):
        root_of_inclusion(0, 2, LEAVES[0], [b"short"])
