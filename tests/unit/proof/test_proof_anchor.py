"""An anchor holds under its block's hash and its contract, and nothing that was changed does."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import Path_, changed, leaves, other
from small_chain import BLOCK, CONTRACT, anchored

from rapha.errors import Unproven
from rapha.proof.anchor.files import read_proof
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import MAX_DEPTH, decode, encode
from rapha.proof.anchor.trie import Trie, value_at
from rapha.proof.anchor.verify import check_anchor

ORIGIN, ROOT = "rapha.dev/log/example-hub", bytes(range(32))
Items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"Transfer(address,address,uint256)", "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    ],
)
def test_keccak_says_what_is_published(data: bytes, hashed: str) -> None:
    assert keccak256(data).hex() == hashed


@settings(max_examples=20)
@given(st.binary(max_size=300))
def test_the_permutation_is_that_of_sha3(data: bytes) -> None:
    """Told apart from the standard's by the padding alone: with its byte it gives what `hashlib` gives."""
    import hashlib

    from rapha.proof.anchor import keccak

    padded = bytearray(data + b"\x06" + bytes(-(len(data) + 1) % 136))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for at in range(0, len(padded), 136):
        for place in range(17):
            lanes[place] ^= int.from_bytes(padded[at + 8 * place : at + 8 * place + 8], "little")
        keccak._permute(lanes)
    assert b"".join(lane.to_bytes(8, "little") for lane in lanes[:4]) == hashlib.sha3_256(data).digest()


@pytest.mark.parametrize("done", [1, 2, 20, 130])
@pytest.mark.parametrize("place", [0, 1])
def test_an_anchor_holds(done: int, place: int) -> None:
    at = place * (done - 1)
    proof, block_hash = anchored(ORIGIN, 4711, ROOT, transactions=done, place=at)
    shown = check_anchor(read_proof(proof.as_bytes()), block_hash, CONTRACT)
    assert (shown.origin, shown.size, shown.root, shown.block) == (ORIGIN, 4711, ROOT, BLOCK)


def test_no_changed_field_is_accepted() -> None:
    proof, block_hash = anchored(ORIGIN, 4711, ROOT)
    whole = json.loads(proof.as_bytes())
    cases: list[tuple[Path_, Any]] = []
    for path, value in leaves(whole):
        many = [value + 1, value - 1, -value, str(value)] if isinstance(value, int) else edits(value)
        cases += [(path, changed(whole, path, new)) for new in many]
    assert {path[0] for path, _ in cases} == set(whole)
    cases = [(path, edited) for path, edited in cases if edited != whole]
    for where, edited in [*cases, (("more",), {**whole, "more": 1})]:
        accepted = True
        try:
            check_anchor(read_proof(json.dumps(edited).encode()), block_hash, CONTRACT)
        except Unproven:
            accepted = False
        assert not accepted, f"accepted with {where} changed"


def edits(text: str) -> list[str]:
    """Changed at four places, in capitals, longer and shorter."""
    places = {0, len(text) // 3, len(text) // 2, len(text) - 1}
    return [*(other(text, at) for at in places), text[:2] + text[2:].upper(), text + "00", text[:-2], text + "\n", ""]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transaction": 8}, "another place|no value|before its place|not the one"),
        ({"event": 0}, "not the contract's word"),
        ({"event": 2}, "not the contract's word"),
        ({"size": 4712}, "not the contract's word"),
        ({"branch": "one more"}, "nothing leads to"),
        ({"branch": "one less"}, "not the one that the node above names"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, int | str], words: str) -> None:
    proof, block_hash = anchored(ORIGIN, 4711, ROOT)
    edited = {"one more": (*proof.branch, proof.branch[0]), "one less": proof.branch[:-1]}
    values = {key: edited.get(str(value), value) for key, value in change.items()}
    with pytest.raises(Unproven, match=words):
        check_anchor(proof.model_copy(update=values), block_hash, CONTRACT)


def test_another_block_another_contract_and_a_transaction_that_failed_show_nothing() -> None:
    proof, block_hash = anchored(ORIGIN, 4711, ROOT)
    with pytest.raises(Unproven, match="not that of the block"):
        check_anchor(proof, bytes(32), CONTRACT)
    with pytest.raises(Unproven, match="not in 0x0000"):
        check_anchor(proof, block_hash, "0x" + "00" * 20)
    failed, its_hash = anchored(ORIGIN, 4711, ROOT, done=False)
    with pytest.raises(Unproven, match="not carried out"):
        check_anchor(failed, its_hash, CONTRACT)


@given(Items)
def test_rlp_reads_what_it_wrote(item: list[bytes]) -> None:
    assert decode(encode(item)) == item


@pytest.mark.parametrize(
    "data",
    ["", "8100", "b800", "b90001aa", "c1", "c281", "83aabb", "00ff", "f800", "bfffffffffffffffff", "c0" * 2],
)
def test_rlp_has_one_form(data: str) -> None:
    with pytest.raises(Unproven):
        decode(bytes.fromhex(data))


def test_rlp_is_not_nested_without_end() -> None:
    nested: list[object] = []
    for _ in range(MAX_DEPTH + 1):
        nested = [nested]
    with pytest.raises(Unproven, match="nested too deep"):
        decode(encode(nested))  # type: ignore[arg-type]


@settings(max_examples=25)
@given(st.dictionaries(st.binary(min_size=1, max_size=3), st.binary(min_size=1, max_size=50), min_size=1, max_size=12))
def test_a_trie_shows_each_of_its_values_and_no_other(values: dict[bytes, bytes]) -> None:
    trie = Trie(values)
    for key, value in values.items():
        branch = trie.branch(key)
        assert value_at(trie.root, key, branch) == value
        with pytest.raises(Unproven):
            value_at(trie.root, key, (*branch[:-1], branch[-1] + b"\x00"))
        for another in set(values) - {key}:
            try:
                assert value_at(trie.root, another, branch) == values[another]
            except Unproven:
                continue


@pytest.mark.parametrize(
    "values", [{b"\x12\x34": b"one"}, {b"\x12\x34": b"one", b"\x12\x35": b"two" * 20, b"\x12\x35\x77": b"3"}]
)
def test_the_branch_to_one_key_shows_nothing_of_another(values: dict[bytes, bytes]) -> None:
    trie = Trie(values)
    for key in values:
        for absent in (b"\x12", b"\x02\x34", b"\x13\x34", b"\x12\x36", key + b"\x00", b"", key[:1] + b"\x44"):
            with pytest.raises(Unproven):
                value_at(trie.root, absent, trie.branch(key))
            with pytest.raises(Unproven):
                trie.branch(absent)


@pytest.mark.parametrize("packed", ["2512", "4012", ""])
def test_a_path_has_one_form(packed: str) -> None:
    node = encode([bytes.fromhex(packed), b"value"])
    with pytest.raises(Unproven, match="no path in its one form"):
        value_at(keccak256(node), b"\x12", [node])
