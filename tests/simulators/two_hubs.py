"""A town with two hubs on one PostgreSQL and one place of blobs, behind a balancer; each hub can be made to die for good."""

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from balancer import Balancer
from made_up_people import deal_people
from mortal_town import MortalTown
from patience import until

from rapha.cli.demo.town import standing
from rapha.hub.bucket import BucketKey
from rapha.hub.configuration import initialise_beside, write_private

HUBS = ("hub", "hub-2")


class TwoHubs(MortalTown):
    """A hub that died stays dead until `both`; agents are revived as ever."""

    def __init__(self, home: Path, hospitals: int, places: dict[str, str]) -> None:
        super().__init__(home, hospitals)
        self.places = places
        self.balancer: Balancer | None = None

    def start_hubs(self) -> None:
        """The first, the home of the second beside it, the second, and the balancer: its address is the hub's from then on."""
        self.start_hub()
        first = urlsplit(self.hub_url)
        initialise_beside(self.home / "hub-2", self.home / "hub", "127.0.0.1", 0)
        self._start("hub-2", "hub", "run", str(self.home / "hub-2"))
        second = urlsplit(self._address("hub-2"))
        self.balancer = Balancer([(each.hostname or "", each.port or 0) for each in (first, second)])
        self.hub_url = self.balancer.url

    def both(self, armed: Sequence[str] = ()) -> None:
        """Both hubs anew; each armed with what is said of it, `RECORD:PATTERN`."""
        for name, arms in zip(HUBS, (*armed, "", "")[:2], strict=True):
            self._begin(name, arms)

    def _begin(self, name: str, armed: str = "") -> None:
        assert self.balancer
        if name in self._processes:
            self.kill(name)
        self._armed.pop(name, None)
        if armed:
            self._armed[name] = armed
        (self.home / name / "hub.url").unlink(missing_ok=True)
        self._start(name, *self._words[name])
        found = urlsplit(self._address(name))
        self.balancer.hubs[HUBS.index(name)] = (found.hostname or "", found.port or 0)

    @contextmanager
    def dying_by_turns(self, points: Sequence[str], folder: Path) -> Iterator[list[tuple[str, Path]]]:
        """Both anew, each armed with one of the points, by turns. One does all the work and dies at its own; then it is started for its next,
        and once it listens the other takes up the work. Given: the points that were died at so far, with the records of those lives."""
        assert self.balancer
        lives = [(point, folder / f"record-{number}") for number, point in enumerate(points)]
        died: list[tuple[str, Path]] = []
        self.both([f"{record}:{point}" for point, record in lives[:2]])
        self.balancer.in_turn, ended = False, threading.Event()

        def take_turns() -> None:
            for number, life in enumerate(lives):
                name = HUBS[number % 2]
                until(lambda name=name: ended.is_set() or not self.runs(name), seconds=300)  # type: ignore[misc]
                if ended.is_set():
                    return
                self.balancer.opened.clear()
                died.append(life)
                self._begin(name, *(f"{record}:{point}" for point, record in lives[number + 2 : number + 3]))
                self.balancer.first = (number + 1) % 2
                self.balancer.opened.set()

        turns = threading.Thread(target=take_turns)
        turns.start()
        try:
            yield died
        finally:
            ended.set()
            turns.join()
            self.balancer.in_turn, self.balancer.first = True, 0

    def runs(self, name: str) -> bool:
        """Whether that process still runs."""
        return self._processes[name].poll() is None

    def _address(self, name: str) -> str:
        file = self.home / name / "hub.url"
        until(lambda: file.exists() or not self.runs(name), lambda: f"{name} does not listen", seconds=60)
        assert file.exists(), (self.home / "logs" / f"{name}.log").read_text()
        return file.read_text(encoding="utf-8").strip()

    def _revive(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        if name not in HUBS:
            super()._revive(name, process)
        else:
            process.wait()


@contextmanager
def two_hubs(home: Path, places: dict[str, str], hospitals: int = 3) -> Iterator[TwoHubs]:
    """The town, running; every hospital approves by a rule."""
    town = TwoHubs(home, hospitals, places)
    with standing(town):
        codes = town.found()
        key = BucketKey(access_key_id="made-up", secret_access_key="made-up")
        write_private(home / "hub" / "blob-credentials.json", key.as_bytes())
        for seed, site in enumerate(town.sites):
            deal_people(town.data(site), seed)
        town.start_hubs()
        for site in town.sites:
            town.settle(site, codes[site])
        town.write_rules(town.steward_site, person=False)
        town.ingest()
        town.start_agents()
        yield town
        if town.balancer:
            town.balancer.close()
