"""Presence and absence of one token under one root: never both, whatever the one who built the tree wants."""

import hashlib
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.errors import Unproven
from rapha.proof import patient_tree as trees
from rapha.proof.patient_tree import Path

tokens = st.binary(min_size=32, max_size=32)
close = st.integers(0, 255).map(lambda low: bytes(31) + bytes([low]))
"""Tokens that share all but their last bits: the deepest trees there are."""
sets = st.lists(st.one_of(tokens, close), unique=True, max_size=40)


def leaves_of(wanted: list[bytes]) -> list[trees.Leaf]:
    return trees.sorted_leaves([(token, hashlib.sha256(b"rows of " + token).digest()) for token in wanted])


@given(sets, st.one_of(tokens, close))
def test_who_is_in_is_shown_to_be_in_and_who_is_not_is_shown_not_to_be(present: list[bytes], other: bytes) -> None:
    leaves = leaves_of(present)
    root = trees.root(leaves)
    for token, committed in leaves:
        assert trees.check_path(root, token, trees.path(leaves, token)) == committed
    if other not in present:
        assert trees.check_path(root, other, trees.path(leaves, other)) is None


@given(sets.filter(bool), st.data())
def test_nothing_else_leads_to_the_root(present: list[bytes], data: st.DataObject) -> None:
    leaves = leaves_of(present)
    root, token = trees.root(leaves), data.draw(st.sampled_from(present))
    shown = trees.path(leaves, token)
    forged = [
        Path(None, shown.siblings),
        Path((token, bytes(32)), shown.siblings),
        Path((bytes([token[0] ^ 0x80]) + token[1:], bytes(32)), shown.siblings),
        Path(shown.found, (*shown.siblings, bytes(32))),
        *(
            [Path(shown.found, shown.siblings[:-1]), Path(shown.found, (bytes([1]) * 32, *shown.siblings[1:]))]
            if shown.siblings
            else []
        ),
    ]
    for path in forged:
        with pytest.raises(Unproven):
            trees.check_path(root, token, path)


def test_a_leaf_in_another_place_proves_nothing() -> None:
    """Who builds the tree may put a token where it does not belong, so that its own place stays empty: then absence can be
    proven, and presence cannot."""
    here = bytes(32)
    misplaced = trees._parent(trees.NOTHING, trees._leaf((here, bytes(32))))  # `here` begins with a 0, and lies right
    assert trees.check_path(misplaced, here, Path(None, (trees._leaf((here, bytes(32))),))) is None
    for siblings in ((trees.NOTHING,), (trees.NOTHING, trees.NOTHING), ()):
        with pytest.raises(Unproven):
            trees.check_path(misplaced, here, Path((here, bytes(32)), siblings))


def test_somebody_elses_leaf_shows_absence_only_where_the_token_would_be() -> None:
    there, other = bytes([0x80]) + bytes(31), bytes([0xC0]) + bytes(31)
    leaves = leaves_of([bytes(32), there])
    shown = trees.path(leaves, there)
    assert trees.check_path(trees.root(leaves), other, shown) is None
    with pytest.raises(Unproven, match="another place"):
        trees.check_path(trees.root(leaves), bytes([1]) + bytes(31), shown)


def test_neighbours_in_a_list_would_prove_both() -> None:
    """Why this is a tree and not a sorted list: one root, under which a token is shown to be in and not to be in."""
    token, low, high = (bytes([first]) * 32 for first in (5, 4, 6))
    listed = [low, high, token]  # not sorted, which no proof of two neighbours shows
    at = listed.index(token)
    assert listed[at] == token, "presence: it is in the list"
    neighbours = listed[0], listed[1]
    assert neighbours[0] < token < neighbours[1], "absence: its neighbours are next to one another"
    leaves = leaves_of(listed)
    assert bisect_left([leaf[0] for leaf in leaves], token) == 1
    with pytest.raises(Unproven):
        trees.check_path(trees.root(leaves), token, Path(None, trees.path(leaves, token).siblings))


def test_a_token_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        trees.sorted_leaves([(bytes(32), bytes(32)), (bytes(32), bytes([1]) * 32)])


@pytest.mark.parametrize(
    "path",
    [
        Path(None, (bytes(31),)),
        Path(None, (bytes(32),) * 257),
        Path((bytes(31), bytes(32)), ()),
        Path((bytes(32), bytes(33)), ()),
    ],
)
def test_odd_forms_are_refused(path: Path) -> None:
    with pytest.raises(Unproven, match="form"):
        trees.check_path(bytes(32), bytes(32), path)


def test_nobody_at_all_and_one_alone() -> None:
    assert trees.root([]) == trees.NOTHING
    [leaf] = leaves_of([bytes([7]) * 32])
    assert trees.root([leaf]) == hashlib.sha256(b"\x02" + leaf[0] + leaf[1]).digest()
