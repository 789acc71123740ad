"""The contract on a real chain (anvil): what it refuses; and the proofs of its anchors, which npm's `@ethereumjs/mpt` takes too."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anvil
import pytest
from kept_environments import node_with

from rapha.errors import Unproven
from rapha.hub.anchors import proving
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import decode, encode, number
from rapha.proof.anchor.trie import value_at
from rapha.proof.anchor.verify import RECEIPTS_ROOT, check_anchor, origin_id
from rapha.records.anchor import AnchorProof

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent
ARTEFACT = Path(proving.__file__).parent / "RaphaAnchor.json"
ORIGIN, ROOT = "rapha.dev/log/example-hub", bytes(range(1, 33))
MPT = "@ethereumjs/mpt@10.1.3"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[anvil.Chain]:
    folder = tmp_path_factory.mktemp("anvil")
    program = anvil.installed()
    if program is None:
        pytest.skip("npm could not install anvil here")
    with anvil.running(program, folder) as started:
        yield started


@pytest.fixture
def deployed(chain: anvil.Chain) -> tuple[str, str, str]:
    """The contract's address, its publisher, and somebody else."""
    publisher, other = chain.ask("eth_accounts")[:2]
    code: str = json.loads(ARTEFACT.read_bytes())["bytecode"]
    receipt = chain.send(other, None, code + publisher[2:].rjust(64, "0"))
    return receipt["contractAddress"], publisher, other


def call(size: int, root: bytes = ROOT, origin: str = ORIGIN) -> str:
    """The input of `anchor(origin, size, root)`."""
    words = keccak256(b"anchor(bytes32,uint64,bytes32)")[:4] + origin_id(origin) + size.to_bytes(32, "big") + root
    return "0x" + words.hex()


def proof_from(chain: anvil.Chain, receipt: Any, size: int) -> tuple[AnchorProof, bytes]:
    block = chain.ask("eth_getBlockByHash", receipt["blockHash"], False)
    receipts = chain.ask("eth_getBlockReceipts", receipt["blockNumber"])
    at = int(receipt["transactionIndex"], 16)
    return proving.proof_of(ORIGIN, size, receipt["to"], block, receipts, at), bytes.fromhex(block["hash"][2:])


def test_sizes_only_grow_and_only_the_publisher_writes(chain: anvil.Chain, deployed: tuple[str, str, str]) -> None:
    contract, publisher, other = deployed
    not_larger = "0x" + keccak256(b"NotLarger(uint64,uint64)")[:4].hex()
    with pytest.raises(RuntimeError, match="0x" + keccak256(b"NotThePublisher(address)")[:4].hex()):
        chain.send(other, contract, call(5))
    with pytest.raises(RuntimeError, match="0x" + keccak256(b"NoRoot()")[:4].hex()):
        chain.send(publisher, contract, call(5, bytes(32)))
    with pytest.raises(RuntimeError, match=not_larger):
        chain.send(publisher, contract, call(0))
    first = chain.send(publisher, contract, call(5))
    for size in (5, 4):
        with pytest.raises(RuntimeError, match=not_larger):
            chain.send(publisher, contract, call(size, bytes(31) + b"\x01"))
    second = chain.send(publisher, contract, call(6))
    chain.send(publisher, contract, call(1, origin="another log"))
    asked = keccak256(b"rootAt(bytes32,uint64)")[:4] + origin_id(ORIGIN) + (5).to_bytes(32, "big")
    assert chain.ask("eth_call", {"to": contract, "data": "0x" + asked.hex()}, "latest") == "0x" + ROOT.hex()
    used = [int(receipt["gasUsed"], 16) for receipt in (first, second)]
    assert used[0] < 75_000
    assert used[1] < 58_000
    print("gas", used)


def test_an_anchor_in_a_full_block_is_proven(chain: anvil.Chain, deployed: tuple[str, str, str]) -> None:
    contract, publisher, other = deployed
    chain.ask("evm_setAutomine", False)
    for _ in range(150):
        chain.ask("eth_sendTransaction", {"from": other, "to": publisher, "value": "0x1"})
    name = chain.ask("eth_sendTransaction", {"from": publisher, "to": contract, "data": call(9), "gas": "0x20000"})
    chain.ask("evm_mine")
    chain.ask("evm_setAutomine", True)
    proof, block_hash = proof_from(chain, chain.ask("eth_getTransactionReceipt", name), 9)
    shown = check_anchor(proof, block_hash, contract)
    assert (shown.size, shown.root) == (9, ROOT)
    assert len(proof.branch) >= 2
    assert len(proof.as_bytes()) < 8192


def test_what_did_not_happen_is_not_proven(chain: anvil.Chain, deployed: tuple[str, str, str]) -> None:
    contract, publisher, _ = deployed
    receipt = chain.send(publisher, contract, call(9))
    with pytest.raises(Unproven, match="did not anchor this log at this size"):
        proof_from(chain, receipt, 10)
    block = chain.ask("eth_getBlockByHash", receipt["blockHash"], False)
    receipts = chain.ask("eth_getBlockReceipts", receipt["blockNumber"])
    for edited in ({**block, "gasUsed": "0x1"}, {**block, "requestsHash": None}):
        with pytest.raises(Unproven, match="have a form that is not known"):
            proving.proof_of(ORIGIN, 9, contract, edited, receipts, 0)
    for broken in ({}, {**block, "number": 7}, {**block, "hash": "0xzz"}):
        with pytest.raises(Unproven, match="no block with its receipts"):
            proving.proof_of(ORIGIN, 9, contract, broken, receipts, 0)


def test_another_implementation_takes_the_branch_and_no_other(
    chain: anvil.Chain, deployed: tuple[str, str, str], tmp_path: Path
) -> None:
    packages = node_with(MPT)
    if packages is None:
        pytest.skip("npm could not install @ethereumjs/mpt here")
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    shutil.copy(HERE / "mpt_verify.mjs", tmp_path)
    contract, publisher, _ = deployed
    proof, _ = proof_from(chain, chain.send(publisher, contract, call(3)), 3)
    fields = decode(bytes.fromhex(proof.header[2:]))
    root, key = fields[RECEIPTS_ROOT], encode(number(proof.transaction))
    assert isinstance(root, bytes)
    right = {"root": "0x" + root.hex(), "key": "0x" + key.hex(), "branch": list(proof.branch)}
    wrong = []
    for at in range(2, len(proof.branch[0]), 101):
        node = proof.branch[0]
        wrong.append({**right, "branch": [node[:at] + ("0" if node[at] != "0" else "1") + node[at + 1 :]]})
    wrong += [{**right, "root": "0x" + "11" * 32}, {**right, "key": "0x05"}]
    done = subprocess.run(
        ["node", "mpt_verify.mjs"],
        cwd=tmp_path,
        input=json.dumps([right, *wrong]),
        capture_output=True,
        text=True,
        check=True,
    )
    taken, *others = json.loads(done.stdout)
    assert taken == "0x" + value_at(root, key, [bytes.fromhex(node[2:]) for node in proof.branch]).hex()
    assert set(others) == {"no"}
    assert len(others) > 8
