"""One round of a ten-weight model over a hundred sites, as their hub bears it: a real hub with every check and fsync on.

The sites are not a hundred agents with their sandboxes, which this machine does not hold, but a hundred nodes in one process:
each with its own key, its standing poll and its answers on connections of their own, every request signed, and no training.
So this is what the hub and the wire cost, and nothing of what happens in a hospital.
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx2
from figure import figure_line
from idle_nodes import cpu_seconds
from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

from fake_site import FakeSite
from made_up_people import write_study
from safetensors.numpy import save

from rapha.canonical import base64_text
from rapha.cli.demo.town import Town, standing
from rapha.clock import utc_now
from rapha.hub.app import API
from rapha.hub.enrolment import new_code
from rapha.hub.notify import Bell
from rapha.hub.store.database import open_store
from rapha.records.record import Record
from rapha.records.wire import Assignment, Offer, Poll, Stop, UpdateParcel, Work
from rapha.sdk.client import connect

SITES, ROUNDS, RUNS, TARGET_SECONDS = 100, 12, 5, 1.0
HUB = "demo-hub"
ASSIGNMENT: TypeAdapter[Assignment] = TypeAdapter(Assignment)


def main() -> None:
    with hub_with_sites() as (town, sites):
        runs = []
        for _ in range(RUNS):
            before = cpu_seconds(town.processes["hub"])
            gaps = asyncio.run(rounds_of(town, sites))
            cpu = (cpu_seconds(town.processes["hub"]) - before) / (ROUNDS + 1)
            runs.append(median(gaps))
            print(
                f"{len(gaps)} rounds, median {runs[-1]:.3f} s, worst {max(gaps):.3f} s, hub {cpu:.3f} s of CPU each",
                flush=True,
            )
    print(figure_line("round_100_sites", runs, TARGET_SECONDS))


class Site(FakeSite):
    """A node of this hub: one connection on which it polls, one on which it answers."""

    def headers(self, method: str, path: str, audience: str = HUB) -> dict[str, str]:
        return super().headers(method, path, audience)

    async def stay(self, host: str, port: int) -> None:
        """Ask, decide, answer, as the agent does: the next poll stands while a task is at work."""
        polls, self.line = Line(host, port), Line(host, port)
        working: asyncio.Task[None] | None = None
        poll = Poll(wait_seconds=25)
        while True:
            answer = await polls.send(self, "POST", "/node/work", poll)
            if working is not None:
                await working
            poll, working = Poll(wait_seconds=25), None
            match ASSIGNMENT.validate_json(answer) if answer else None:
                case Offer() as offer:
                    await asyncio.to_thread(self.approve, offer)
                case Work() as work:
                    poll = Poll(wait_seconds=25, holding=(work.task.id,))
                    working = asyncio.create_task(self.work(work))
                case Stop() as stop:
                    poll = Poll(wait_seconds=25, stopped=(stop.dispatch,))
                case None:
                    pass

    async def work(self, work: Work) -> None:
        """What it trained follows from its name and the round. The last word is never asked for: the study ends before."""
        if work.task.do == "evaluate":
            return
        content = save(self.tensors(work.task))
        parcel = UpdateParcel(update=self.update(work.task, content), weights=base64_text(content))
        await self.line.send(self, "POST", f"/node/tasks/{work.task.id}/update", parcel)


class Line:
    """One connection, one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._place, self._open = (host, port), None

    async def send(self, site: Site, method: str, path: str, record: Record) -> bytes:
        """The body of a success. A line that the hub closed, since nothing was said on it for a while, is opened again."""
        if self._open is None:
            self._open = await asyncio.open_connection(*self._place)
        try:
            return await self._said(*self._open, site, method, path, record)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._open = await asyncio.open_connection(*self._place)
            return await self._said(*self._open, site, method, path, record)

    async def _said(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        site: Site,
        method: str,
        path: str,
        record: Record,
    ) -> bytes:
        body, path = record.as_bytes(), API + path
        head = {"host": "hub", "content-type": "application/json", "content-length": str(len(body))}
        head |= site.headers(method, path)
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        said = dict(line.lower().split(b": ", 1) for line in answer.split(b"\r\n")[1:] if line)
        content = await reader.readexactly(int(said.get(b"content-length", b"0")))
        if not answer.startswith(b"HTTP/1.1 20"):
            raise SystemExit(f"the hub answered {answer[:40]!r} to {path}: {content[:400]!r}")
        return content


class AtTheTown:
    """What a FakeSite needs of a hub, of one that runs as a process of its own."""

    def __init__(self, http: httpx2.Client, codes: dict[str, str]) -> None:
        self.http, self.clock, self.code = http, utc_now, codes.__getitem__


@contextmanager
def hub_with_sites() -> Iterator[tuple[Town, list[Site]]]:
    """A running hub at which every site is enrolled and has said what it has."""
    names = [f"site-{number:03}" for number in range(SITES)]
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder) / "home", 2, isolate=True)
        with standing(town):
            town.found()
            store = open_store(town.home / "hub" / "hub.db", Bell(), utc_now)
            with store.changing() as change:
                codes = {name: new_code(change, name) for name in names}
            store.close()
            town.start_hub()
            with httpx2.Client(base_url=town.hub_url, timeout=60) as http:
                at = AtTheTown(http, codes)
                yield town, [Site(at, name).join() for name in names]  # type: ignore[arg-type,misc]


async def rounds_of(town: Town, sites: list[Site]) -> list[float]:
    """Seconds between the closings of the training rounds of one study, all sites taking part; it is cancelled then."""
    address = urlsplit(town.hub_url)
    nodes = [asyncio.create_task(site.stay(address.hostname or "", address.port or 0)) for site in sites]
    rounds = asyncio.get_running_loop().create_future()
    threading.Thread(target=watched, args=(town, rounds), daemon=True).start()  # nobody waits for it where a node fails
    done, _ = await asyncio.wait([rounds, *nodes], return_when=asyncio.FIRST_COMPLETED)
    for node in nodes:
        node.cancel()
    await asyncio.gather(*nodes, return_exceptions=True)
    if rounds not in done:
        raise SystemExit(f"a node did not stay: {done.pop().exception()!r}")
    return rounds.result()


def watched(town: Town, rounds: "asyncio.Future[list[float]]") -> None:
    path = write_study(town.home / "study.yaml", rounds=ROUNDS, at_least=SITES)
    closed = []
    with connect(town.hub_url, town.token) as client:
        study_id = client.submit(path).study_id
        for event in client.watch(study_id):
            if event.event == "round.closed":
                closed.append(event.at)
                if event.round == ROUNDS:
                    client.cancel(study_id)
    gaps = [(after - before).total_seconds() for before, after in pairwise(closed[1:])]
    rounds.get_loop().call_soon_threadsafe(rounds.set_result, gaps)


if __name__ == "__main__":
    main()
