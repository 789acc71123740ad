"""A town whose processes can be armed to die at fault points, and are started again each time they do."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from made_up_people import deal_people, write_study

from rapha.cli.demo.town import Town, standing
from rapha.errors import Unreachable
from rapha.faults import VARIABLE
from rapha.proof.claim import SiteClaim
from rapha.proof.envelope import open_envelope
from rapha.proof.keys import public_from_pem
from rapha.proof.statement import parse_statement
from rapha.records.bundle import Bundle
from rapha.records.wire import Event, TrustedKeys
from rapha.sdk.client import FINAL_EVENTS, Client, connect

T = TypeVar("T")
PATIENCE_SECONDS = 300.0
NEVER = "(?!)"
"""Matches nothing: the process only writes down which points it passes."""


class MortalTown(Town):
    """`deaths`: how often each process was killed and started again."""

    def __init__(self, home: Path, hospitals: int) -> None:
        super().__init__(home, hospitals, isolate=True)
        self.deaths: Counter[str] = Counter()
        self._armed: dict[str, str] = {}
        self._words: dict[str, tuple[str, ...]] = {}
        self._closing = False
        self._one_at_a_time = threading.RLock()
        """Held from the death of a process to the start of the next: else a revival and `again` would start two."""

    def again(self, name: str, pattern: str | None, record: Path) -> None:
        """Start the hub or a hospital's agent anew, armed to die where the pattern says; None: not armed."""
        with self._one_at_a_time:
            words = self._words[name]
            self.kill(name)
            self._armed.pop(name, None)
            if pattern is not None:
                self._armed[name] = f"{record}:{pattern}"
            self._start(name, *words)

    def kill(self, name: str) -> None:
        with self._one_at_a_time:
            super().kill(name)

    def stop(self) -> None:
        with self._one_at_a_time:
            self._closing = True
            super().stop()

    def _start(self, name: str, *words: str) -> None:
        self._words[name] = words
        environment = dict(os.environ) | ({VARIABLE: self._armed[name]} if name in self._armed else {})
        command = [sys.executable, "-m", "rapha.cli.main", *words]
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=environment
            )
        self._processes[name] = process
        threading.Thread(target=self._revive, args=(name, process), daemon=True).start()

    def _revive(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        died = process.wait() == -signal.SIGKILL
        with self._one_at_a_time:
            if died and not self._closing and self._processes.get(name) is process:
                self.deaths[name] += 1
                self._start(name, *self._words[name])


@contextmanager
def mortal_town(home: Path, hospitals: int = 2) -> Iterator[MortalTown]:
    """A running town; every hospital approves by a rule."""
    town = MortalTown(home, hospitals)
    with standing(town):
        codes = town.found()
        for seed, site in enumerate(town.sites):
            deal_people(town.data(site), seed)
        town.start_hub()
        for site in town.sites:
            town.settle(site, codes[site])
        town.write_rules(town.steward_site, person=False)
        town.ingest()
        town.start_agents()
        yield town


def outcome(town: Town, folder: Path, rounds: int = 2, **replacements: str) -> dict[str, object]:
    """Run the study of these people to its end; all of what comes of it that must be the same each time. `replacements` swap one
    text of the study for another."""
    study = write_study(folder / "study.yaml", rounds=rounds, at_least=len(town.sites), **replacements)
    with connect(town.hub_url, town.token) as client:
        study_id = _submitted(client, study)
        events = [(event.event, event.site, event.round) for event in _watched(client, study_id)]
        status = _persistently(lambda: client.status(study_id))
        assert status.state == "completed", (status.reason, status)
        model = _persistently(lambda: client.fetch(study_id, folder / study_id))
    files = {name: (model / name).read_bytes() for name in ("model.safetensors", "metrics.json")}
    return {"files": files, "events": sorted(map(str, events)), "claims": _claims(model)}


def _submitted(client: Client, study: Path) -> str:
    """Hand in a study to a hub that may die at it: where no answer came, look whether it was taken."""
    before = len(_persistently(client.studies))

    def submit() -> str:
        known = client.studies()
        return known[0].study_id if len(known) > before else client.submit(study).study_id

    return _persistently(submit)


def _watched(client: Client, study_id: str) -> list[Event]:
    """Every event of a study to its last. `watch` asks ever more rarely while nobody answers: a hub that dies each time it is up would
    hardly be met alive."""
    found: list[Event] = []
    while not (found and found[-1].event in FINAL_EVENTS):
        after = found[-1].number if found else 0
        found += _persistently(lambda after=after: client.events(study_id, after=after, wait_seconds=1))  # type: ignore[misc]
    return found


def _persistently(ask: Callable[[], T]) -> T:
    """The answer, once somebody answers; a hub that dies is up again soon."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while True:
        try:
            return ask()
        except Unreachable:
            if time.monotonic() > deadline:
                raise
            pause.wait(0.05)


def labels(record: Path) -> list[str]:
    """The points passed, in order, each as `name#n`."""
    return record.read_text(encoding="utf-8").splitlines() if record.exists() else []


def _claims(model: Path) -> dict[str, object]:
    """What the receipts state, but for what is new each time: nonces, times, the ids and salts of one dispatch."""
    keys = TrustedKeys.from_bytes((model / "receipts" / "keys.json").read_bytes()).keys
    owners = {key.owner: key for key in keys if key.role == "node"}
    owners["aggregation"] = next(key for key in keys if key.role == "hub")
    claims: dict[str, object] = {}
    for name, key in owners.items():
        receipt = Bundle.from_bytes((model / "receipts" / f"{name}.json").read_bytes()).dsseEnvelope
        claim = parse_statement(open_envelope(receipt, public_from_pem(key.public_key)))
        if isinstance(claim, SiteClaim):
            said = claim.release.as_json()
            del said["approval"], said["cohort"]["commitment"], said["cohort"]["patients_root"]
            assert said.pop("freeze")  # it names the approval, and has a nonce
            del said["privacy"]["ledger"]  # of all runs of that node so far
            if made := said.get("transcript"):
                del made["root"], made["key"]  # both hang on the salt
        else:
            said = claim.aggregation.as_json()
            del said["approvals"]
            said["freezes"] = sorted(said["freezes"])
        claims[name] = said
    return claims
