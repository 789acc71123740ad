"""RaphaAnchor and RaphaEscrow on a real chain (anvil), called without any client of ours: what the contract itself takes and refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anvil
import paid_site as site

from rapha.hub.anchors.bounded_web3 import Contract, Web3
from rapha.hub.anchors.chain import artefact
from rapha.hub.anchors.escrow import terms_of
from rapha.hub.anchors.whole import read_whole_log
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.verify import origin_id
from rapha.proof.escrow.deposit import bytes_of
from rapha.proof.merkle import leaf_hash
from rapha.records.payment import Voucher

DAY = 86_400
FUNDER, CUSTODIAN, HUB, REFEREE, STRANGER = site.FUNDER, site.CUSTODIAN, site.HUB, site.REFEREE, site.STRANGER
ACCOUNTS = (FUNDER, CUSTODIAN, HUB, REFEREE, STRANGER)
PUBLISHER = "0x" + "1b" * 20


class Refusal(Exception):
    """The contract's own word for its no."""


@dataclass
class Ground:
    """Every call is made as the account that is named first. `evidence`: of a voucher, as the contract takes it."""

    chain: anvil.Chain
    anchor: str
    escrow: str
    contract: Contract
    words: dict[str, str]
    code: str

    def deploy_over(self, anchor: str) -> None:
        """Try to make another escrow, over another anchor. Raises Refusal."""
        self._asked({"from": PUBLISHER, "data": self.code + anchor[2:].rjust(64, "0"), "gas": hex(8_000_000)})

    def call(self, sender: str, function: str, *arguments: Any, wei: int = 0) -> Any:
        """Carry it out; the transaction's receipt.

        Raises:
            Refusal: the contract says no.
        """
        data = self.contract.encode_abi(function, list(arguments))
        sent = {"from": sender, "to": self.escrow, "data": data, "value": hex(wei), "gas": hex(8_000_000)}
        self._asked(sent)
        return self.chain.carried_out(sent)

    def _asked(self, sent: dict[str, Any]) -> None:
        try:
            self.chain.ask("eth_call", sent, "latest")
        except RuntimeError as error:
            raise Refusal(next((word for code, word in self.words.items() if code in str(error)), str(error))) from None

    def ask(self, function: str, *arguments: Any) -> Any:
        return getattr(self.contract.functions, function)(*arguments).call()

    def state(self, voucher: Voucher) -> int:
        return int(self.ask("deposits", self.ask("idOf", terms_of(voucher.deposit)))[0])

    def owed(self, account: str) -> int:
        return int(self.ask("owed", Web3.to_checksum_address(account)))

    def balance(self, account: str) -> int:
        return int(self.chain.ask("eth_getBalance", account, "latest"), 16)

    def now(self) -> int:
        return int(self.chain.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def wait_until(self, second: int) -> None:
        """A block of that second, empty."""
        self.chain.ask("evm_setNextBlockTimestamp", second)
        self.chain.ask("evm_mine")

    def anchor_log(self, folder: Path, size: int | None = None) -> None:
        """Write the log's root to the anchor's contract."""
        log = read_whole_log(folder)
        size = size or log.size
        words = keccak256(b"anchor(bytes32,uint64,bytes32)")[:4] + origin_id(log.origin) + size.to_bytes(32, "big")
        self.chain.carried_out({"from": PUBLISHER, "to": self.anchor, "data": "0x" + (words + log.root_at(size)).hex()})

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What happens inside is taken back."""
        before = self.chain.ask("evm_snapshot")
        try:
            yield
        finally:
            self.chain.ask("evm_revert", before)


def evidence(voucher: Voucher, folder: Path, entry: bytes, size: int | None = None) -> tuple[Any, ...]:
    """What `present` takes: the voucher's signatures, and the entry's place in the log."""
    log = read_whole_log(folder)
    index = log.index_of(leaf_hash(entry))
    halves = (voucher.receipt, voucher.receipt_r, voucher.receipt_s, voucher.voucher_r, voucher.voucher_s)
    return (*map(bytes_of, halves), index, size or log.size, list(log.inclusion(index, size or log.size)))


def ground(chain: anvil.Chain, made: dict[str, Any] | None = None) -> Ground:
    """Both contracts, deployed; `made`: another artefact of the escrow."""
    for account in (*ACCOUNTS, PUBLISHER):
        chain.ask("anvil_impersonateAccount", account)
        chain.ask("anvil_setBalance", account, hex(10**21))
    made = made or artefact("RaphaEscrow")
    anchor = _made(chain, artefact("RaphaAnchor")["bytecode"] + PUBLISHER[2:].rjust(64, "0"))
    escrow = _made(chain, made["bytecode"] + anchor[2:].rjust(64, "0"))
    words = {keccak256(f"{each['name']}({_types(each)})".encode())[:4].hex(): each["name"] for each in _errors(made)}
    contract = Web3(Web3.HTTPProvider(chain.url)).eth.contract(Web3.to_checksum_address(escrow), abi=made["abi"])
    return Ground(chain, anchor, escrow, contract, words, made["bytecode"])


def _made(chain: anvil.Chain, code: str) -> str:
    found = chain.carried_out({"from": PUBLISHER, "data": code, "gas": hex(8_000_000)})
    return str(found["contractAddress"])


def _errors(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in made["abi"] if each["type"] == "error"]


def _types(error: dict[str, Any]) -> str:
    return ",".join(each["type"] for each in error["inputs"])
