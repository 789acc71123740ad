"""A town of one hub and its hospitals, each a process of its own, on loopback.

HOME/
  hub/  hospitals/<site>/  data/<site>/  models/  logs/
  town.json     who runs where: written when everything is up
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from rapha.clock import utc_now
from rapha.errors import ConfigurationError, RaphaError
from rapha.node.configuration import UGLY
from rapha.policy.rules import Architecture
from rapha.records.dense import Modality
from rapha.records.record import Record

SITES = (
    "riverside", "hillcrest", "lakeview", "northgate", "southmead", "eastfield", "westbury", "oakwood", "stonebridge",
    "fairview", "greenhill", "kingsway", "millbrook", "parkside", "rosewood", "summerton", "thornhill", "waterford",
    "whitehall", "yewtree",
)  # fmt: skip
RULES = """\
# The rules of a demonstration hospital. {comment}
modalities: [{modalities}]
purposes: [DUO:0000042, DUO:0000006]
researchers: any
architectures: [{architectures}]
modes: [A, B, C]
generative: permitted
minimum_cohort: 25
privacy: {{lifetime_epsilon: 10, lifetime_delta: 0.001}}
sandbox: {sandbox}
approve: {approve}
"""
AUTOMATIC = """
  - rule: routine-ehr-studies
    researchers: any
    purposes: [DUO:0000042, DUO:0000006]
    architectures: [{architectures}]
    modalities: [{modalities}]
"""
START_SECONDS = 60.0


class Standing(Record):
    """The file `town.json`."""

    hub_url: str
    token: str
    processes: tuple[int, ...]


class Town:
    """Set up in `found`, started in `start`, ended in `stop`; nothing it started outlives `stop`."""

    def __init__(self, home: Path, hospitals: int, isolate: bool) -> None:
        if not 2 <= hospitals <= len(SITES):
            raise ConfigurationError(f"--hospitals: from 2 to {len(SITES)}, not {hospitals}")
        self.home, self.sites, self._isolate = home, SITES[:hospitals], isolate
        self.token, self.hub_url = "", ""
        self.places: dict[str, str] = {}
        """`database` and `blobs` of the hub, by URL, where these are not in its home."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def steward_site(self) -> str:
        """The hospital where a person has to sign; the others have a rule."""
        return self.sites[-1]

    @property
    def processes(self) -> dict[str, int]:
        """Who runs, by name, and the number of the process."""
        return {name: process.pid for name, process in self._processes.items()}

    def hospital(self, site: str) -> Path:
        return self.home / "hospitals" / site

    def data(self, site: str) -> Path:
        return self.home / "data" / site

    def found(self) -> dict[str, str]:
        """Clear the ground, make the hub's home, a researcher's token, and one enrolment code per hospital."""
        from rapha.hub.configuration import HubSettings, initialise
        from rapha.hub.enrolment import new_code
        from rapha.hub.notify import Bell
        from rapha.hub.store.database import open_store
        from rapha.hub.tokens import new_token

        clear(self.home)
        (self.home / "logs").mkdir(parents=True)
        said = {"name": "demo-hub", "port": _free_port(), **self.places}
        hub = initialise(self.home / "hub", HubSettings.model_validate(said))
        store = open_store(hub.database, Bell(), utc_now)
        with store.changing() as change:
            self.token = new_token(change, "Demo Researcher", ("study:write", "study:read", "sites:read"))
            codes = {site: new_code(change, site) for site in self.sites}
        store.close()
        return codes

    def start_hub(self) -> None:
        """Start the hub and wait until it listens."""
        (self.home / "hub" / "hub.url").unlink(missing_ok=True)
        self._start("hub", "hub", "run", str(self.home / "hub"))
        address = self.home / "hub" / "hub.url"
        self._wait(address)
        self.hub_url = address.read_text(encoding="utf-8").strip()

    def settle(self, site: str, code: str) -> None:
        """Enrol a hospital and write its rules."""
        from rapha.node.enrolment import make_home

        name = f"{site.capitalize()} Hospital"
        make_home(self.hospital(site), site=site, name=name, hub_url=self.hub_url, code=code, isolate=self._isolate)
        self.write_rules(site, person=site == self.steward_site)

    def write_rules(self, site: str, *, person: bool) -> None:
        """The rules of a hospital: a person signs each study, or a rule does."""
        offered = {"architectures": ", ".join(get_args(Architecture)), "modalities": ", ".join(get_args(Modality))}
        text = RULES.format(
            **offered,
            comment="A steward signs every study." if person else "Routine studies need no person.",
            sandbox="required" if self._isolate else f"{{unisolated_allowed: {UGLY}}}",
            approve="{by: steward}" if person else AUTOMATIC.format(**offered),
        )
        (self.hospital(site) / "rules.yaml").write_text(text, encoding="utf-8")

    def ingest(self) -> dict[str, str]:
        """Fill every timeline, one process per hospital, `hospital.mapping.yaml` first; what each said, by site."""
        said: dict[str, str] = {}
        mappings = {site: self._mappings(site) for site in self.sites}
        for turn in range(max(map(len, mappings.values()))):
            running = {site: self._ingest(site, of[turn]) for site, of in mappings.items() if turn < len(of)}
            for site, process in running.items():
                output, errors = process.communicate()
                if process.returncode:
                    raise RaphaError(f"{site}: ingest failed: {errors.decode(errors='replace').strip()[-400:]}")
                said[site] = said.get(site, "") + output.decode()
        return said

    def _mappings(self, site: str) -> list[Path]:
        found = sorted(self.data(site).glob("*.mapping.yaml"))
        return sorted(found, key=lambda path: path.name != "hospital.mapping.yaml")

    def start_agents(self) -> None:
        """Start every hospital's agent."""
        for site in self.sites:
            self.start_agent(site)

    def start_agent(self, site: str) -> None:
        """Start one hospital's agent."""
        self._start(site, "node", "run", str(self.hospital(site)))

    def kill(self, name: str) -> None:
        """End the hub or a hospital's agent as a power cut would: at once, with no time to tidy up."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End everything that was started; wait until it is gone."""
        running = list(reversed(self._processes.values()))
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def keep(self) -> None:
        """Leave it running: write down who runs where."""
        pids = tuple(process.pid for process in self._processes.values())
        standing = Standing(hub_url=self.hub_url, token=self.token, processes=pids)
        path = self.home / "town.json"
        path.write_bytes(standing.as_bytes())
        path.chmod(0o600)

    def check_alive(self) -> None:
        """Raises RaphaError, with the log to read, when a process of the town has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RaphaError(f"{name} has ended: read {self.home / 'logs' / f'{name}.log'}")

    def _ingest(self, site: str, mapping: Path) -> "subprocess.Popen[bytes]":
        words = [*_RAPHA, "node", "ingest", str(self.hospital(site)), str(mapping), str(self.data(site))]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def _start(self, name: str, *words: str) -> None:
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*_RAPHA, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._processes[name] = process

    def _wait(self, file: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not file.exists():
            self.check_alive()
            if time.monotonic() > deadline:
                raise RaphaError(f"the hub did not come up in {START_SECONDS:.0f} s; see {self.home / 'logs'}")
            time.sleep(0.02)


_RAPHA = (sys.executable, "-m", "rapha.cli.main")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def clear(home: Path) -> None:
    """Remove an earlier demonstration's folder; stop one that was kept; refuse a folder that is something else.

    Raises:
        ConfigurationError: the folder holds anything that is not a demonstration's.
    """
    if not home.exists():
        return
    if any(home.iterdir()) and not (home / "hub").is_dir():
        raise ConfigurationError(f"{home} is not a demonstration's folder: move it away, or choose --home")
    stop_kept(home)
    shutil.rmtree(home)


def stop_kept(home: Path) -> int:
    """Stop what `--keep` left running; how many processes that were."""
    file = home / "town.json"
    if not file.is_file():
        return 0
    stopped = 0
    for pid in Standing.from_bytes(file.read_bytes()).processes:
        if _is_ours(pid):
            os.kill(pid, signal.SIGTERM)
            stopped += 1
            _wait_gone(pid)
    file.unlink()
    return stopped


def _is_ours(pid: int) -> bool:
    """Whether that process is still a Rapha process, and not one that got its number since."""
    with contextlib.suppress(OSError):
        return b"rapha.cli.main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while _is_ours(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    if _is_ours(pid):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def standing(town: Town) -> Iterator[Town]:
    """The town, ended on the way out whatever happens."""
    try:
        yield town
    finally:
        town.stop()
