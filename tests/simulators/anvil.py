"""A real chain of one's own: `anvil` out of npm, started for a test and ended by it. JSON-RPC, nothing else."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kept_environments import node_with
from patience import until

PACKAGE = "@foundry-rs/anvil@1.7.1"


class Chain:
    """What one asks a node of the chain."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, *parameters: Any) -> Any:
        """The result; RuntimeError with the node's words where it refuses."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        asked = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            said = json.loads(answer.read())
        if "error" in said:
            raise RuntimeError(said["error"]["message"] + str(said["error"].get("data", "")))
        return said["result"]

    def send(self, sender: str, to: str | None, data: str) -> Any:
        """Send from one of anvil's own accounts; the receipt. RuntimeError where the contract refuses."""
        sent = {"from": sender, "data": data, **({"to": to} if to else {})}
        self.ask("eth_call", sent, "latest")
        return self.carried_out(sent)

    def carried_out(self, transaction: dict[str, Any]) -> Any:
        """Send it; the receipt. RuntimeError where it failed."""
        name = self.ask("eth_sendTransaction", transaction)
        until(lambda: self.ask("eth_getTransactionReceipt", name) is not None)
        receipt = self.ask("eth_getTransactionReceipt", name)
        if receipt["status"] != "0x1":
            raise RuntimeError(f"the transaction {name} failed")
        return receipt


def installed() -> Path | None:
    """The program; None where npm is not there or cannot fetch it."""
    place = node_with(PACKAGE)
    return next(place.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"), None) if place else None


@contextmanager
def running(program: Path, folder: Path, *more: str) -> Iterator[Chain]:
    """A chain at a free port, whose blocks are final two blocks later. `more`: further words on its command line."""
    said = folder / "anvil.txt"
    with said.open("wb") as file:
        started = subprocess.Popen(
            [program, "--port", "0", "--slots-in-an-epoch", "1", *more], stdout=file, stderr=file
        )
    try:
        until(lambda: "Listening on" in said.read_text() and said.read_text().endswith("\n"), said.read_text)
        yield Chain("http://" + said.read_text().split("Listening on")[1].split()[0])
    finally:
        started.terminate()
        started.wait(30)
