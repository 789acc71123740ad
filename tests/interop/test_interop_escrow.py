"""The escrow contract on a real chain (anvil), with the P-256 precompile and without: who is paid, what is refused, what it costs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anvil
import escrow_ground as on
import paid_site as site
import pytest
from escrow_life import LIVES, Life
from escrow_refusals import BEGUN, REFUSALS, Scene, scene_of, used_by_a_stranger
from eth_account.messages import encode_typed_data
from hypothesis import given, settings

from rapha.hub.anchors.bounded_web3 import Web3
from rapha.hub.anchors.escrow import terms_of
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.escrow.deposit import deposit_id, voucher_hash
from rapha.proof.escrow.voucher import entry_of

pytestmark = pytest.mark.slow
STEPS = ("lock", "present", "dispute", "rule", "settle", "refund", "withdraw")
RULES = {"osaka": "with the precompile", "cancun": "without it"}


@pytest.fixture(scope="module")
def program() -> Path:
    found = anvil.installed()
    if found is None:
        pytest.skip("npm could not install anvil here")
    return found


@pytest.fixture(scope="module", params=sorted(RULES), ids=sorted(RULES))
def scene(
    request: pytest.FixtureRequest, program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Scene]]:
    folder = tmp_path_factory.mktemp("anvil")
    with anvil.running(program, folder, "--hardfork", request.param, "--timestamp", str(BEGUN)) as chain:
        yield request.param, scene_of(on.ground(chain), folder)


def test_the_precompile_is_there_or_not_as_the_rules_say(scene: tuple[str, Scene]) -> None:
    rules, here = scene
    shown = here.evidence
    deposit = here.voucher.deposit
    words = "".join(part[2:] for part in (here.voucher.receipt, here.voucher.receipt_r, here.voucher.receipt_s))
    asked = {"to": "0x" + "100".rjust(40, "0"), "data": "0x" + words + deposit.key_x[2:] + deposit.key_y[2:]}
    answered = here.ground.chain.ask("eth_call", asked, "latest")
    assert int(answered, 16) == 1 if rules == "osaka" else answered == "0x"
    assert len(shown[0]) == 32


def test_names_hashes_and_entries_are_those_of_the_package(scene: tuple[str, Scene]) -> None:
    _, here = scene
    terms, deposit = terms_of(here.voucher.deposit), here.voucher.deposit
    assert here.ground.ask("idOf", terms) == deposit_id(deposit)
    assert here.ground.ask("voucherHash", deposit_id(deposit), here.evidence[0]) == voucher_hash(
        deposit, here.evidence[0]
    )
    assert here.ground.ask("entryOf", here.evidence, terms[10], terms[11]) == entry_of(here.voucher)


def test_another_implementation_of_eip_712_has_the_same_hash(scene: tuple[str, Scene]) -> None:
    _, here = scene
    deposit, receipt = here.voucher.deposit, here.evidence[0]
    domain = {"name": "RaphaEscrow", "version": "1", "chainId": deposit.chain, "verifyingContract": deposit.escrow}
    fields = {"Voucher": [{"name": "deposit", "type": "bytes32"}, {"name": "receipt", "type": "bytes32"}]}
    made = encode_typed_data(domain, fields, {"deposit": deposit_id(deposit), "receipt": receipt})
    assert keccak256(b"\x19\x01" + made.header + made.body) == voucher_hash(deposit, receipt)


def test_funded_shown_and_paid_to_whom_the_terms_name(scene: tuple[str, Scene]) -> None:
    rules, here = scene
    ground, terms = here.ground, terms_of(here.voucher.deposit)
    with ground.undone():
        before = {account: ground.balance(account) for account in (on.CUSTODIAN, on.HUB)}
        used = {"lock": ground.call(on.FUNDER, "lock", terms, wei=site.EACH)}
        assert ground.balance(ground.escrow) == site.EACH
        used["present"] = ground.call(on.STRANGER, "present", terms, here.evidence)
        assert ground.owed(on.CUSTODIAN) == 0, "the window is open"
        ground.wait_until(ground.now() + 3 * on.DAY)
        used["settle"] = ground.call(on.STRANGER, "settle", terms)
        hub = site.EACH * 5 // 100
        assert (ground.owed(on.CUSTODIAN), ground.owed(on.HUB)) == (site.EACH - hub, hub)
        for account in (on.CUSTODIAN, on.HUB):
            used["withdraw"] = ground.call(on.STRANGER, "withdraw", Web3.to_checksum_address(account))
        assert ground.balance(on.CUSTODIAN) - before[on.CUSTODIAN] == site.EACH - hub
        assert ground.balance(on.HUB) - before[on.HUB] == hub
        assert ground.balance(ground.escrow) == 0
        print(rules, "gas", {step: int(receipt["gasUsed"], 16) for step, receipt in used.items()})


def test_nothing_shown_and_the_funder_has_it_back(scene: tuple[str, Scene]) -> None:
    _, here = scene
    ground, terms = here.ground, terms_of(here.voucher.deposit)
    with ground.undone():
        ground.call(on.FUNDER, "lock", terms, wei=site.EACH)
        ground.wait_until(here.voucher.deposit.deadline + 1)
        ground.call(on.STRANGER, "refund", terms)
        assert ground.owed(on.FUNDER) == site.EACH
        ground.call(on.STRANGER, "withdraw", Web3.to_checksum_address(on.FUNDER))
        assert ground.balance(ground.escrow) == 0


def test_a_stranger_cannot_use_up_a_receipt(scene: tuple[str, Scene]) -> None:
    _, here = scene
    with here.ground.undone():
        used_by_a_stranger(here)
        here.shown()


@pytest.mark.parametrize("pays", [True, False])
def test_a_dispute_is_for_the_referee(scene: tuple[str, Scene], pays: bool) -> None:
    _, here = scene
    ground, terms = here.ground, terms_of(here.voucher.deposit)
    with ground.undone():
        ground.call(on.FUNDER, "lock", terms, wei=site.EACH)
        ground.call(on.STRANGER, "present", terms, here.evidence)
        ground.call(on.FUNDER, "dispute", terms)
        ground.call(on.REFEREE, "rule", terms, pays)
        assert (ground.owed(on.FUNDER) == site.EACH) is not pays
        assert (ground.owed(on.CUSTODIAN) > 0) is pays


def test_a_referee_who_says_nothing_pays_the_site(scene: tuple[str, Scene]) -> None:
    _, here = scene
    ground, terms = here.ground, terms_of(here.voucher.deposit)
    with ground.undone():
        ground.call(on.FUNDER, "lock", terms, wei=site.EACH)
        ground.call(on.STRANGER, "present", terms, here.evidence)
        ground.call(on.FUNDER, "dispute", terms)
        ground.wait_until(ground.now() + 5 * on.DAY)
        ground.call(on.STRANGER, "settle", terms)
        assert ground.owed(on.CUSTODIAN) > 0


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_what_the_contract_refuses(scene: tuple[str, Scene], name: str) -> None:
    _, here = scene
    word, steps = REFUSALS[name]
    with here.ground.undone(), pytest.raises(on.Refusal, match=f"^{word}$"):
        steps(here)


def test_any_steps_by_anybody_in_any_order(scene: tuple[str, Scene]) -> None:
    """Coin is neither made nor lost, goes to those whom the terms name, once, and never before its time."""
    rules, here = scene
    if rules != "osaka":
        pytest.skip("the same contract: once is enough")

    @settings(max_examples=30, deadline=None)
    @given(life=LIVES)
    def lived(life: Any) -> None:
        amounts, steps = life
        with here.ground.undone():
            lives = Life(here, amounts)
            for step in steps:
                lives.step(*step)

    lived()
    print(dict(Life.reached))
    assert all(Life.reached[step] > 2 for step in STEPS), Life.reached
