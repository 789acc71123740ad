"""A root is anchored once, whatever is lost on the way; within the limits; and proven when it is final."""

from collections.abc import Callable
from typing import Any

import pytest
from fake_chain import GWEI, FakeChain

from rapha.errors import ConfigurationError, Conflict, NotPermitted, RaphaError, Unproven, Unreachable
from rapha.hub.anchors.chain import Chain, address_of
from rapha.hub.anchors.client import AnchorClient, deploy
from rapha.hub.anchors.settings import ChainKey, ChainSettings
from rapha.proof.anchor.verify import check_anchor

ORIGIN, ROOT, OTHER_ROOT = "rapha.dev/log/example-hub", b"\x01" * 32, b"\x02" * 32
KEY, STRANGER = ChainKey(b"\x11" * 32), ChainKey(b"\x22" * 32)
SETTINGS = ChainSettings(url="http://chain.test/very-secret", chain_id=31337, max_fee_gwei=50, wait_seconds=10)


class Anchoring:
    """A chain with the contract on it, and a client; a pause is a block."""

    def __init__(self, **changes: Any) -> None:
        self.fake = FakeChain()
        self.address, _ = deploy(
            self.opened(), KEY, "RaphaAnchor", bytes.fromhex(address_of(KEY)[2:]), pause=self.pause
        )
        self.changes = {"contract": self.address, **changes}
        self.pauses = 0

    def pause(self, seconds: float) -> None:
        self.pauses += 1
        self.fake.mine()

    def opened(self, **changes: Any) -> Chain:
        return Chain(ChainSettings.model_validate({**SETTINGS.as_json(), **changes}), self.fake.transport)

    def client(self, pause: Callable[[float], None] | None = None, **changes: Any) -> AnchorClient:
        return AnchorClient(self.opened(**{**self.changes, **changes}), pause or self.pause)

    def sent(self) -> int:
        """Transactions that the chain took since the deployment."""
        return len(self.fake.taken) - 1


@pytest.fixture
def at() -> Anchoring:
    return Anchoring()


def test_a_root_is_anchored_once_and_proven_when_final(at: Anchoring) -> None:
    done = at.client().publish(KEY, ORIGIN, 5, ROOT)
    assert done.outcome and done.outcome.succeeded
    assert at.client().publish(KEY, ORIGIN, 5, ROOT).transaction is None
    assert at.sent() == 1
    shown = at.client().show(ORIGIN)
    assert (shown.size, shown.root, shown.final_size) == (5, ROOT, 0)
    with pytest.raises(Conflict, match="not anchored in a block that is final"):
        at.client().prove(ORIGIN, 5, ROOT)
    at.fake.mine()
    at.fake.mine()
    assert at.client().show(ORIGIN).final_size == 5
    proof, block_hash = at.client().prove(ORIGIN, 5, ROOT)
    assert check_anchor(proof, bytes.fromhex(block_hash[2:]), at.address).root == ROOT
    assert at.client().prove(ORIGIN, 5, ROOT, block=done.outcome.block) == (proof, block_hash)
    with pytest.raises(Unproven, match="another root"):
        at.client().prove(ORIGIN, 5, OTHER_ROOT)


def test_an_old_anchor_is_found_in_steps_and_a_wrong_block_is_said(
    at: Anchoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapha.hub.anchors.client.LOOK_BACK_BLOCKS", 2)
    done = at.client().publish(KEY, ORIGIN, 5, ROOT)
    for _ in range(7):
        at.fake.mine()
    assert at.client().prove(ORIGIN, 5, ROOT)[0].size == 5
    assert at.fake.asked.count("eth_getLogs") == 3
    assert done.outcome
    with pytest.raises(Conflict, match="was not found"):
        at.client().prove(ORIGIN, 5, ROOT, block=done.outcome.block - 1)
    monkeypatch.setattr("rapha.hub.anchors.client.LOOK_BACK_TIMES", 2)
    with pytest.raises(Conflict, match="was not found"):
        at.client().prove(ORIGIN, 5, ROOT)


@pytest.mark.parametrize("lost", ["eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_call"])
def test_a_lost_answer_never_leads_to_a_second_transaction(at: Anchoring, lost: str) -> None:
    client = at.client()
    at.fake.deaf = {lost}
    with pytest.raises(Unreachable, match=r"^chain\.test did not answer \(ReadTimeout\)"):
        client.publish(KEY, ORIGIN, 5, ROOT)
    at.fake.deaf = set()
    at.client().publish(KEY, ORIGIN, 5, ROOT)
    assert at.sent() == 1
    assert at.client().show(ORIGIN).size == 5


def test_one_that_waits_is_waited_for(at: Anchoring) -> None:
    at.fake.automine = False
    with pytest.raises(
        Unreachable, match=r"sent as 0x[0-9a-f]{64}, and not in a block yet: run the same command again"
    ):
        at.client(lambda seconds: None).publish(KEY, ORIGIN, 5, ROOT)
    with pytest.raises(Unreachable, match="a transaction of this account waits, and nothing was sent"):
        at.client(lambda seconds: None).publish(KEY, ORIGIN, 5, ROOT)
    assert at.client().publish(KEY, ORIGIN, 5, ROOT).transaction is None
    assert at.sent() == 1


def test_replacing_is_deliberate_and_at_the_same_nonce(at: Anchoring) -> None:
    at.fake.automine = False
    with pytest.raises(Unreachable):
        at.client(lambda seconds: None).publish(KEY, ORIGIN, 5, ROOT)
    first = at.fake.pool[0]
    at.client().publish(KEY, ORIGIN, 6, OTHER_ROOT, replace=True)
    second = at.fake.taken[-1]
    assert second.fields["nonce"] == first.fields["nonce"]
    assert second.fields["maxFeePerGas"] == 50 * GWEI
    assert at.fake.eth_getTransactionReceipt(first.name) is None
    assert at.client().show(ORIGIN).size == 6


def test_a_node_that_hides_what_waits_still_leads_to_one(at: Anchoring, monkeypatch: pytest.MonkeyPatch) -> None:
    at.fake.automine = False
    monkeypatch.setattr(at.fake, "eth_getTransactionCount", lambda who, tag: hex(at.fake.mined.get(who, 0)))
    with pytest.raises(Unreachable):
        at.client(lambda seconds: None).publish(KEY, ORIGIN, 5, ROOT)
    with pytest.raises(Conflict, match="already known"):
        at.client().publish(KEY, ORIGIN, 5, ROOT)
    assert len(at.fake.pool) == 1


def test_sizes_and_roots_that_cannot_be(at: Anchoring) -> None:
    at.client().publish(KEY, ORIGIN, 5, ROOT)
    with pytest.raises(Conflict, match=f"the chain has another root for 5 entries: {ROOT.hex()}"):
        at.client().publish(KEY, ORIGIN, 5, OTHER_ROOT)
    with pytest.raises(Conflict, match="5 entries are anchored already"):
        at.client().publish(KEY, ORIGIN, 4, OTHER_ROOT)
    assert at.sent() == 1


def test_the_limits_hold(at: Anchoring) -> None:
    with pytest.raises(Conflict, match="would use 52000 gas and gas_limit is 51999"):
        at.client(gas_limit=51_999).publish(KEY, ORIGIN, 5, ROOT)
    at.fake.base_fee = 49 * GWEI + 1
    at.fake.mine()
    with pytest.raises(Conflict, match=r"costs 50 gwei now and max_fee_gwei is 50"):
        at.client().publish(KEY, ORIGIN, 5, ROOT)
    at.fake.base_fee = 48 * GWEI
    at.fake.mine()
    at.client(gas_limit=60_000).publish(KEY, ORIGIN, 5, ROOT)
    paid = at.fake.taken[-1].fields
    assert (paid["gas"], paid["maxFeePerGas"], paid["maxPriorityFeePerGas"]) == (60_000, 50 * GWEI, GWEI)
    with pytest.raises(Conflict, match="deploy_gas_limit is 100000"):
        deploy(at.opened(deploy_gas_limit=100_000), KEY, "RaphaAnchor", bytes(20))


def test_another_key_another_chain_and_no_contract_are_refused(at: Anchoring) -> None:
    with pytest.raises(NotPermitted, match=f"only {address_of(KEY)} may anchor"):
        at.client().publish(STRANGER, ORIGIN, 5, ROOT)
    with pytest.raises(ConfigurationError, match="a node of chain 31337, not of 137"):
        at.client(chain_id=137)
    with pytest.raises(ConfigurationError, match="no contract at 0x00"):
        at.client(contract="0x" + "00" * 20)
    with pytest.raises(ConfigurationError, match="name no contract"):
        at.client(contract=None)
    assert at.sent() == 0


def test_a_failed_transaction_is_said(at: Anchoring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at.fake, "_why_not", lambda *who: "anything")
    monkeypatch.setattr(at.fake, "eth_estimateGas", lambda sent, which: hex(52_000))
    with pytest.raises(Conflict, match="failed in block 2"):
        at.client().publish(KEY, ORIGIN, 5, ROOT)
    assert at.sent() == 1


def test_deploying_waits_and_says_where_it_will_be(at: Anchoring) -> None:
    at.fake.automine = False
    with pytest.raises(Unreachable, match=r"the contract is at 0x[0-9a-f]{40}\. Do not deploy again"):
        deploy(at.opened(), KEY, "RaphaAnchor", bytes(20), pause=lambda seconds: None)
    with pytest.raises(Conflict, match="waits: until it is in a block nothing is deployed"):
        deploy(at.opened(), KEY, "RaphaAnchor", bytes(20), pause=lambda seconds: None)


def test_a_chain_without_a_final_tag_goes_by_depth(at: Anchoring) -> None:
    at.fake.final_tag = False
    at.client().publish(KEY, ORIGIN, 5, ROOT)
    with pytest.raises(Conflict, match="unknown block tag"):
        at.client().show(ORIGIN)
    assert at.client(final_depth=2).show(ORIGIN).final_size == 0
    at.fake.mine()
    assert at.client(final_depth=2).show(ORIGIN).final_size == 0
    at.fake.mine()
    assert at.client(final_depth=2).show(ORIGIN).final_size == 5
    assert at.client(final_depth=9).show(ORIGIN).final_size == 0


def test_no_error_tells_the_key_or_the_address_of_the_node(at: Anchoring) -> None:
    said = [repr(KEY), repr([KEY]), str(KEY)]
    at.fake.deaf = {"eth_sendRawTransaction", "eth_chainId"}
    for attempt in (lambda: at.client(), lambda: at.client().publish(STRANGER, ORIGIN, 5, ROOT)):
        with pytest.raises(RaphaError) as raised:
            attempt()
        said += [repr(raised.value), repr(raised.value.__cause__)]
    assert not [text for text in said if "very-secret" in text or "11" * 8 in text or r"\x11" in text]
