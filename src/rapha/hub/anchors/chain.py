"""A chain through one of its nodes: blocks, calls, transactions. Its id is pinned, and nothing that it says is taken unread.

Needs the extra `chain`. One transaction at a time: its nonce is the number of those in blocks, so that of two at most one is carried out.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import httpx2

from rapha.errors import ConfigurationError, Unreachable
from rapha.hub.anchors.bounded_web3 import Account, Contract, ContractFunction, Web3, Web3Exception
from rapha.hub.anchors.endpoint import Endpoint
from rapha.hub.anchors.rules import Fees, final_block
from rapha.hub.anchors.settings import ChainKey, ChainSettings
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import encode, number

QUANTITY = re.compile(r"0x[0-9a-f]{1,64}")


@dataclass(frozen=True)
class Outcome:
    """A transaction that is in a block."""

    block: int
    gas_used: int
    succeeded: bool
    contract: str | None


class Chain:
    """One chain. Close it when done."""

    def __init__(self, settings: ChainSettings, transport: httpx2.BaseTransport | None = None) -> None:
        """Ask which chain it is.

        Raises:
            ConfigurationError: another one than the settings say.
            Unreachable: no answer, or none that can be understood.
        """
        self.settings, self._endpoint = settings, Endpoint(settings.url, transport)
        self._web3 = Web3(self._endpoint, middleware=[])
        try:
            found = self._number("eth_chainId")
        except BaseException:
            self.close()
            raise
        if found != settings.chain_id:
            self.close()
            raise ConfigurationError(f"{self._endpoint.host} is a node of chain {found}, not of {settings.chain_id}")

    @property
    def host(self) -> str:
        return self._endpoint.host

    def close(self) -> None:
        self._endpoint.close()

    def ask(self, method: str, *params: Any) -> Any:
        """The bare answer to any method. Raises Unreachable, or Conflict where the node refuses."""
        return self._endpoint.ask(method, *params)

    def newest(self) -> int:
        """The newest block's number."""
        return self._number("eth_blockNumber")

    def final(self) -> int | None:
        """The newest final block's number, by the chain's own word or the depth in the settings; None where none is yet."""
        depth = self.settings.final_depth
        block = self.ask("eth_getBlockByNumber", "finalized", False) if depth is None else None
        return final_block(_field(block, "number", self.host) if block else None, self.newest(), depth)

    def contract(self, name: str, address: str | None, setting: str = "contract") -> Contract:
        """A contract of ours at an address. Raises ConfigurationError where none is given, or none is there."""
        if address is None:
            raise ConfigurationError(f"the chain's settings name no {setting}: deploy one, or ask who runs the log")
        if not self.has_code(address):
            raise ConfigurationError(f"chain {self.settings.chain_id} has no contract at {address}")
        return self._web3.eth.contract(address=Web3.to_checksum_address(address), abi=artefact(name)["abi"])

    def has_code(self, address: str, block: int | None = None) -> bool:
        """Is there a contract at a block, the newest by default? A young one is not in the final blocks yet."""
        return self.ask("eth_getCode", address, "latest" if block is None else hex(block)) not in ("0x", "", None)

    def creation(self, name: str, arguments: Sequence[Any]) -> str:
        """The input of the transaction that makes a contract of ours, as hex."""
        made = artefact(name)
        factory = self._web3.eth.contract(abi=made["abi"], bytecode=made["bytecode"])
        return str(factory.constructor(*arguments).data_in_transaction)

    def call(self, function: ContractFunction, block: int | None = None) -> Any:
        """What a contract answers at a block, the newest by default. Raises Unreachable, Conflict."""
        with self._understood():
            return function.call(block_identifier="latest" if block is None else block)

    def now(self) -> int:
        """The newest block's time, in seconds since 1970: the only clock that a contract has."""
        return _field(self.ask("eth_getBlockByNumber", "latest", False), "timestamp", self.host)

    def nonces(self, address: str) -> tuple[int, int]:
        """How many of the account's transactions are in blocks; and how many with those that wait."""
        counted = [self._number("eth_getTransactionCount", address, tag) for tag in ("latest", "pending")]
        return counted[0], max(counted)

    def prices(self) -> tuple[int, int]:
        """Base fee of the newest block, and the tip that the node thinks right; wei for each unit of gas."""
        base = _field(self.ask("eth_getBlockByNumber", "latest", False), "baseFeePerGas", self.host)
        return base, self._number("eth_maxPriorityFeePerGas")

    def estimate(self, sender: str, to: str | None, data: str, wei: int = 0) -> int:
        """Gas that this would use after the newest block. Raises Conflict where it would fail.

        Not after what waits, as some nodes reckon: one that takes the place of another runs without it.
        """
        asked = {"from": sender, "data": data, **({"to": to} if to else {}), **({"value": hex(wei)} if wei else {})}
        return self._number("eth_estimateGas", asked, "latest")

    def send(self, key: ChainKey, nonce: int, to: str | None, data: str, gas: int, fees: Fees, wei: int = 0) -> str:
        """Sign and hand in; the transaction's hash, worked out here. The same call again is the same transaction.

        Raises:
            Conflict: the node refuses it.
            Unreachable: no answer: it may have been taken all the same.
        """
        whole: dict[str, Any] = {
            "chainId": self.settings.chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": wei,
            "data": data,
        }
        whole |= {"maxFeePerGas": fees.most, "maxPriorityFeePerGas": fees.tip, "type": 2}
        if to:
            whole["to"] = Web3.to_checksum_address(to)
        signed = Account.sign_transaction(whole, key.secret)
        self.ask("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex().removeprefix("0x"))
        return "0x" + bytes(signed.hash).hex()

    def outcome(self, transaction: str) -> Outcome | None:
        """What became of it; None while it is in no block."""
        found = self.ask("eth_getTransactionReceipt", transaction)
        if found is None:
            return None
        block, used, status = (_field(found, name, self.host) for name in ("blockNumber", "gasUsed", "status"))
        address = found.get("contractAddress")
        return Outcome(block, used, status == 1, address.lower() if isinstance(address, str) else None)

    def _number(self, method: str, *params: Any) -> int:
        return _quantity(self.ask(method, *params), method, self.host)

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """web3 says in many ways that an answer has not the form it should have."""
        try:
            yield
        except (Web3Exception, ValueError, TypeError, KeyError, AttributeError, OverflowError):
            raise Unreachable(f"{self.host} answered for a contract with something that it cannot say") from None


def address_of(key: ChainKey) -> str:
    """The account of a key: 0x and 40 lower-case hex digits."""
    return str(Account.from_key(key.secret).address).lower()


def address_to_be(sender: str, nonce: int) -> str:
    """Where the contract will be that this transaction makes (Yellow Paper, 7)."""
    return "0x" + keccak256(encode([bytes.fromhex(sender[2:]), number(nonce)]))[12:].hex()


def artefact(name: str) -> dict[str, Any]:
    """A compiled contract: `abi`, `bytecode`, `compiler`, `source`."""
    found: dict[str, Any] = json.loads(files("rapha.hub.anchors").joinpath(f"{name}.json").read_bytes())
    return found


def _field(answer: Any, name: str, host: str) -> int:
    return _quantity(answer.get(name) if isinstance(answer, dict) else None, name, host)


def _quantity(answer: Any, what: str, host: str) -> int:
    if not isinstance(answer, str) or not QUANTITY.fullmatch(answer):
        raise Unreachable(f"{host} answered {what} with something that is no number")
    return int(answer, 16)
