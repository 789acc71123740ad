"""The client against a real chain (anvil): deploy, anchor, wait, replace, prove; only its words are compared with the fake's."""

from collections.abc import Iterator

import anvil
import pytest

from rapha.errors import Conflict, NotPermitted, Unreachable
from rapha.hub.anchors.chain import Chain, address_of
from rapha.hub.anchors.client import AnchorClient, deploy
from rapha.hub.anchors.settings import ChainKey, ChainSettings
from rapha.proof.anchor.verify import check_anchor

pytestmark = pytest.mark.slow
ORIGIN, ROOT, OTHER = "rapha.dev/log/example-hub", b"\x01" * 32, b"\x02" * 32
KEY, STRANGER = ChainKey(b"\x11" * 32), ChainKey(b"\x22" * 32)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[anvil.Chain]:
    folder = tmp_path_factory.mktemp("anvil")
    program = anvil.installed()
    if program is None:
        pytest.skip("npm could not install anvil here")
    with anvil.running(program, folder) as started:
        for key in (KEY, STRANGER):
            started.ask("anvil_setBalance", address_of(key), hex(10**20))
        yield started


@pytest.fixture
def chain(real: anvil.Chain) -> Iterator[Chain]:
    """The chain, as our client sees it, with a contract of its own for each test."""
    bare = ChainSettings(url=real.url, chain_id=31337, max_fee_gwei=50, wait_seconds=6)
    bare_chain = Chain(bare)
    address, outcome = deploy(
        bare_chain, KEY, "RaphaAnchor", bytes.fromhex(address_of(KEY)[2:]), pause=lambda seconds: None
    )
    print("gas", outcome.gas_used)
    bare_chain.close()
    chain = Chain(bare.model_copy(update={"contract": address}))
    yield chain
    chain.close()
    real.ask("evm_setAutomine", True)


def client(real: anvil.Chain, chain: Chain, mines: bool = True) -> AnchorClient:
    return AnchorClient(chain, lambda seconds: real.ask("evm_mine") if mines else None)


def test_anchored_once_and_proven_when_final(real: anvil.Chain, chain: Chain) -> None:
    done = client(real, chain).publish(KEY, ORIGIN, 5, ROOT)
    assert done.outcome
    print("gas", done.outcome.gas_used)
    nonces = chain.nonces(address_of(KEY))
    assert client(real, chain).publish(KEY, ORIGIN, 5, ROOT).transaction is None
    assert chain.nonces(address_of(KEY)) == nonces
    for _ in range(3):
        real.ask("evm_mine")
    assert client(real, chain).show(ORIGIN).final_size == 5
    proof, block_hash = client(real, chain).prove(ORIGIN, 5, ROOT)
    assert check_anchor(proof, bytes.fromhex(block_hash[2:]), chain.settings.contract or "").root == ROOT
    with pytest.raises(NotPermitted):
        client(real, chain).publish(STRANGER, ORIGIN, 6, ROOT)
    with pytest.raises(Conflict, match="another root"):
        client(real, chain).publish(KEY, ORIGIN, 5, OTHER)


def test_one_that_waits_is_waited_for_and_replaced_on_purpose_only(real: anvil.Chain, chain: Chain) -> None:
    real.ask("evm_setAutomine", False)
    with pytest.raises(Unreachable, match="sent as 0x"):
        client(real, chain, mines=False).publish(KEY, ORIGIN, 5, ROOT)
    mined, sent = chain.nonces(address_of(KEY))
    assert sent == mined + 1
    with pytest.raises(Unreachable, match="nothing was sent"):
        client(real, chain, mines=False).publish(KEY, ORIGIN, 6, OTHER)
    assert client(real, chain).publish(KEY, ORIGIN, 6, OTHER, replace=True).outcome
    assert chain.nonces(address_of(KEY)) == (sent, sent)
    shown = client(real, chain).show(ORIGIN)
    assert (shown.size, shown.root) == (6, OTHER)


def test_an_anchor_that_is_taken_back_with_its_block_is_made_again(real: anvil.Chain, chain: Chain) -> None:
    before = real.ask("evm_snapshot")
    client(real, chain).publish(KEY, ORIGIN, 5, ROOT)
    real.ask("evm_revert", before)
    assert client(real, chain).show(ORIGIN).size == 0
    assert client(real, chain).publish(KEY, ORIGIN, 5, ROOT).outcome
    assert client(real, chain).show(ORIGIN).size == 5
