"""Each refusal of RaphaEscrow is taken out in turn, the contract compiled again: one of the listed refusals must then not come.

A line that can go without any test noticing is a line that nobody tests.
"""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import anvil
import escrow_ground as on
import paid_site as site
import pytest
from escrow_refusals import BEGUN, REFUSALS, Scene, scene_of, used_by_a_stranger

pytestmark = pytest.mark.exhaustive
TWICE_HELD = ("if (last == 0) revert NotLogged();", "if (last != 0) revert NotLogged();")
"""RFC 9162 has them; a path that is too long or too short leads to another root, which is refused by the comparison as well."""
REVERT = re.compile(r"^ *if \(.*\) revert \w+\(.*\);$", re.MULTILINE)
EDITS = {
    "paid without a proof of inclusion": ("if (_rootOf(leaf, shown.index, shown.size, shown.path) != root) revert", "if (leaf == 0) revert"),
    "the receipt is not remembered": ("presented[once] = true;", ""),
    "a receipt of another key counts as used": ("abi.encode(shown.receipt, terms.keyX, terms.keyY)", "abi.encode(shown.receipt)"),
    "a state that does not change": ("deposits[id].state = to;", ""),
    "the rest is nobody's": ("owed[terms.payees[0]] += rest;", ""),
    "owed stays owed": ("owed[account] = 0;", ""),
    "paid out to the caller": ("account.call{value: amount}", "msg.sender.call{value: amount}"),
    "refunded to the caller": ("owed[terms.funder] += terms.amount;", "owed[msg.sender] += terms.amount;"),
    "no word of the chain in the voucher": ("block.chainid, address(this)", "uint256(1), address(this)"),
    "no window": ("uint64(block.timestamp) + terms.window", "uint64(block.timestamp)"),
    "no time for the referee": ("uint64(block.timestamp) + terms.ruling", "uint64(block.timestamp)"),
    "shares that are not in the name": ("keccak256(abi.encodePacked(terms.shares))", "keccak256(abi.encodePacked(terms.payees))"),
}  # fmt: skip


@pytest.fixture(scope="module")
def compiling(checkout: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location("compile_contracts", checkout / "contracts" / "compile.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def chain(compiling: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[anvil.Chain]:
    folder = tmp_path_factory.mktemp("anvil")
    program = anvil.installed()
    if program is None or not compiling.install(folder):
        pytest.skip("npm could not install anvil and solc here")
    with anvil.running(program, folder, "--hardfork", "osaka", "--timestamp", str(BEGUN)) as started:
        started.folder = folder  # type: ignore[attr-defined]
        yield started


def mutants(source: str) -> dict[str, str]:
    """Name -> the source with one thing taken out or changed."""
    found = {}
    for place, match in enumerate(REVERT.finditer(source)):
        if match[0].strip() in TWICE_HELD:
            continue
        found[f"{place}: {match[0].strip()}"] = source[: match.start()] + source[match.end() :]
    for name, (old, new) in EDITS.items():
        assert source.count(old) == 1, f"{old} is not in the contract once"
        found[name] = source.replace(old, new)
    return found


MUTANTS = mutants((Path(__file__).resolve().parents[2] / "contracts" / "RaphaEscrow.sol").read_text())


def test_there_are_as_many_as_the_contract_has_refusals() -> None:
    assert len(MUTANTS) - len(EDITS) == 33


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed_that(chain: anvil.Chain, compiling: ModuleType, tmp_path: Path, name: str) -> None:
    before = chain.ask("evm_snapshot")
    try:
        made = json.loads(compiling.artefact("RaphaEscrow", chain.folder, MUTANTS[name].encode()))  # type: ignore[attr-defined]
        scene = scene_of(on.ground(chain, made), tmp_path)
        likely = sorted(REFUSALS.values(), key=lambda refusal: f"{refusal[0]}(" not in name)
        assert any(wrong(scene, *refusal) for refusal in likely) or not pays(scene)
    finally:
        chain.ask("evm_revert", before)


def wrong(scene: Scene, word: str, steps: Any) -> bool:
    """Was it not refused, or with another word?"""
    with scene.ground.undone():
        try:
            steps(scene)
        except on.Refusal as refusal:
            return str(refusal) != word
        return True


def pays(scene: Scene) -> bool:
    """An honest life ends with the coin where it belongs, and so does that of another node's receipt over the same bytes."""
    ground, terms = scene.ground, scene.terms
    try:
        with ground.undone():
            used_by_a_stranger(scene)
            scene.shown()
            scene.after(3)
            ground.call(on.STRANGER, "settle", terms)
            before = ground.balance(on.CUSTODIAN), ground.balance(on.HUB)
            scene.pay(on.CUSTODIAN)
            scene.pay(on.HUB)
            hub = site.EACH * 5 // 100
            got = ground.balance(on.CUSTODIAN) - before[0], ground.balance(on.HUB) - before[1]
            if got != (site.EACH - hub, hub):
                return False
        with ground.undone():
            scene.lock()
            scene.too_late()
            ground.call(on.STRANGER, "refund", terms)
            before = ground.balance(on.FUNDER), 0
            scene.pay(on.FUNDER)
            if ground.balance(on.FUNDER) - before[0] != site.EACH:
                return False
        shares = edited_shares(terms)
        return bool(ground.ask("idOf", terms) != ground.ask("idOf", shares))
    except on.Refusal:
        return False


def edited_shares(terms: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*terms[:5], [9_400, 600], *terms[6:])
