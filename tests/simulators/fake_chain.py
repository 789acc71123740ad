"""A chain in memory that speaks JSON-RPC: accounts, a pool of waiting transactions, blocks on demand, RaphaAnchor by its rules.

Real transactions, headers, receipts and hashes; no machine that runs bytecode. What anvil shows is shown again in tests/interop.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx2

from rapha.hub.anchors.bounded_web3 import Account
from rapha.hub.anchors.chain import address_to_be
from rapha.hub.anchors.proving import header_of, receipt_of
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import decode, encode, number
from rapha.proof.anchor.trie import Trie
from rapha.proof.anchor.verify import ANCHORED

FINAL_AFTER = 2
GWEI = 10**9
FIELDS = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")
"""How a transaction of type 2 begins (EIP-1559)."""
ZERO = "0x" + "00" * 32


def selector(signature: str) -> str:
    return keccak256(signature.encode())[:4].hex()


PUBLISHER, LARGEST = selector("publisher()"), selector("largest(bytes32)")
ROOT_AT, ANCHOR = selector("rootAt(bytes32,uint64)"), selector("anchor(bytes32,uint64,bytes32)")


class Refused(Exception):
    """What the node says no to, in its words."""


@dataclass
class Waiting:
    sender: str
    fields: dict[str, Any]
    name: str


@dataclass
class FakeChain:
    """`automine`: a block for each transaction. `after`: what is done with an answer before it goes out."""

    chain_id: int = 31337
    base_fee: int = GWEI
    tip: int = GWEI
    automine: bool = True
    final_tag: bool = True
    publishers: dict[str, str] = field(default_factory=dict)
    roots: dict[tuple[str, str, int], str] = field(default_factory=dict)
    largest: dict[tuple[str, str], int] = field(default_factory=dict)
    pool: list[Waiting] = field(default_factory=list)
    taken: list[Waiting] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[list[dict[str, Any]]] = field(default_factory=list)
    states: list[tuple[dict[Any, Any], dict[Any, Any], set[str]]] = field(default_factory=list)
    mined: dict[str, int] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mine()

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.answer)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.read())
        said: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
        self.asked.append(asked["method"])
        try:
            said["result"] = getattr(self, asked["method"])(*asked["params"])
        except Refused as refusal:
            said["error"] = {"code": -32000, "message": str(refusal)}
        if asked["method"] in self.deaf:
            raise httpx2.ReadTimeout("the answer is lost", request=request)
        return httpx2.Response(200, content=json.dumps(said).encode())

    def mine(self) -> None:
        """A block of all that waits and is next in turn."""
        at, done = len(self.blocks), []
        for waiting in sorted(self.pool, key=lambda one: one.fields["nonce"]):
            done.append(self._carried_out(waiting, at, len(done)))
            self.mined[waiting.sender] = waiting.fields["nonce"] + 1
        self.pool.clear()
        trie_root = Trie({encode(number(i)): receipt_of(one) for i, one in enumerate(done)}).root if done else bytes(32)
        block: dict[str, Any] = dict.fromkeys(("parentHash", "sha3Uncles", "stateRoot", "transactionsRoot"), ZERO)
        block |= {"miner": "0x" + "00" * 20, "receiptsRoot": "0x" + trie_root.hex(), "logsBloom": "0x" + "00" * 256}
        block |= {"difficulty": "0x0", "number": hex(at), "gasLimit": "0x1c9c380", "gasUsed": hex(len(done))}
        block |= {"timestamp": hex(1_700_000_000 + at), "extraData": "0x" + "ee" * 97, "mixHash": ZERO}
        block |= {"nonce": "0x" + "00" * 8, "baseFeePerGas": hex(self.base_fee)}
        block["hash"] = "0x" + keccak256(header_of(block)).hex()
        self.blocks.append(block)
        self.receipts.append(done)
        self.states.append((dict(self.roots), dict(self.largest), set(self.publishers)))

    def _carried_out(self, waiting: Waiting, block: int, place: int) -> dict[str, Any]:
        to, data = waiting.fields.get("to"), waiting.fields["data"]
        made = None if to else address_to_be(waiting.sender, waiting.fields["nonce"])
        logs: list[dict[str, Any]] = []
        fails = False
        if made:
            self.publishers[made] = "0x" + data[-40:]
        elif data[:8] == ANCHOR:
            origin, size, root = data[8:72], int(data[72:136], 16), data[136:200]
            fails = self._why_not(waiting.sender, to, origin, size) is not None
            if not fails:
                self.roots[to, origin, size], self.largest[to, origin] = root, size
                topics = ["0x" + ANCHORED.hex(), "0x" + origin, "0x" + data[72:136]]
                logs.append({"address": to, "topics": topics, "data": "0x" + root})
        return {
            "type": "0x2",
            "status": "0x0" if fails else "0x1",
            "cumulativeGasUsed": hex(52_000 * (place + 1)),
            "gasUsed": hex(52_000),
            "logsBloom": "0x" + "00" * 256,
            "logs": logs,
            "blockNumber": hex(block),
            "transactionIndex": hex(place),
            "transactionHash": waiting.name,
            "contractAddress": made,
        }

    def _why_not(self, sender: str, to: str, origin: str, size: int) -> str | None:
        if self.publishers.get(to) != sender:
            return "NotThePublisher"
        return "NotLarger" if size <= self.largest.get((to, origin), 0) else None

    # The methods, by their names.

    def eth_chainId(self) -> str:
        return hex(self.chain_id)

    def eth_blockNumber(self) -> str:
        return hex(len(self.blocks) - 1)

    def eth_getBlockByNumber(self, which: str, whole: bool) -> dict[str, Any] | None:
        if which == "finalized":
            if not self.final_tag:
                raise Refused("unknown block tag")
            return self.blocks[len(self.blocks) - 1 - FINAL_AFTER] if len(self.blocks) > FINAL_AFTER else None
        return self.blocks[-1 if which == "latest" else int(which, 16)]

    def eth_getBlockReceipts(self, which: str) -> list[dict[str, Any]]:
        return self.receipts[int(which, 16)]

    def eth_getCode(self, address: str, which: str) -> str:
        return "0x60" if address in self.states[-1 if which == "latest" else int(which, 16)][2] else "0x"

    def eth_getTransactionCount(self, address: str, which: str) -> str:
        waiting = sum(one.sender == address.lower() for one in self.pool) if which == "pending" else 0
        return hex(self.mined.get(address.lower(), 0) + waiting)

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(self.tip)

    def eth_estimateGas(self, sent: dict[str, Any], which: str) -> str:
        assert which == "latest"
        data = sent["data"].removeprefix("0x")
        if "to" in sent and data[:8] == ANCHOR:
            why = self._why_not(sent["from"], sent["to"], data[8:72], int(data[72:136], 16))
            if why:
                raise Refused(f"execution reverted: {why}")
        return hex(52_000 if "to" in sent else 400_000)

    def eth_call(self, sent: dict[str, Any], which: str) -> str:
        to, data = sent["to"].lower(), sent["data"].removeprefix("0x")
        roots, largest, there = self.states[-1 if which == "latest" else int(which, 16)]
        if to not in there:
            return "0x"
        match data[:8]:
            case found if found == PUBLISHER:
                return "0x" + self.publishers[to][2:].rjust(64, "0")
            case found if found == LARGEST:
                return "0x" + f"{largest.get((to, data[8:72]), 0):064x}"
            case found if found == ROOT_AT:
                return "0x" + str(roots.get((to, data[8:72], int(data[72:136], 16)), "00" * 32))
        raise Refused("execution reverted")

    def eth_sendRawTransaction(self, raw: str) -> str:
        parts = decode(bytes.fromhex(raw[4:]))
        fields = {name: int.from_bytes(part, "big") for name, part in zip(FIELDS, parts[:5], strict=True)}
        fields |= {"to": "0x" + parts[5].hex() if parts[5] else None, "data": parts[7].hex()}
        sender, name = Account.recover_transaction(raw).lower(), "0x" + keccak256(bytes.fromhex(raw[2:])).hex()
        new, mined = Waiting(sender, fields, name), self.mined.get(sender, 0)
        if fields["nonce"] < mined:
            raise Refused("nonce too low")
        for at, old in enumerate(self.pool):
            if old.sender == sender and old.fields["nonce"] == fields["nonce"]:
                if old.name == name:
                    raise Refused("already known")
                for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
                    if fields[fee] * 10 < old.fields[fee] * 11:
                        raise Refused("replacement transaction underpriced")
                del self.pool[at]
                break
        self.pool.append(new)
        self.taken.append(new)
        if self.automine:
            self.mine()
        return name

    def eth_getTransactionReceipt(self, name: str) -> dict[str, Any] | None:
        return next((one for block in self.receipts for one in block if one["transactionHash"] == name), None)

    def eth_getLogs(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        if last - first >= 10_000:
            raise Refused("block range too wide")
        events = [(one, log) for block in self.receipts[first : last + 1] for one in block for log in one["logs"]]
        return [
            {**log, "blockNumber": one["blockNumber"], "transactionIndex": one["transactionIndex"]}
            for one, log in events
            if log["address"] == asked["address"] and log["topics"] == asked["topics"]
        ]


@contextmanager
def served(chain: FakeChain) -> Iterator[str]:
    """The same behind a real port of this machine; its address."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = chain.answer(httpx2.Request("POST", "http://chain", content=body))
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
