"""What a thousand idle nodes cost their hub: each has a long poll open, signed anew every 25 seconds.

The figure is seconds of the hub's CPU for each second of time: 0.1 is a tenth of one core.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from figure import figure_line

from rapha.cli.demo.town import Town, standing
from rapha.clock import utc_now
from rapha.hub.notify import Bell
from rapha.hub.store.database import open_store
from rapha.hub.store.tables import SiteRow
from rapha.proof import keys, token
from rapha.records.wire import Poll

NODES, RUNS, RUN_SECONDS, TARGET_SECONDS = 1000, 5, 25.0, 0.1
PATH = "/api/v1/node/work"
HUB = "demo-hub"


def main() -> None:
    with hub_with_sites() as (town, key):
        print(f"{NODES} nodes come at once", flush=True)
        runs = asyncio.run(measure(town, key))
    print(figure_line("idle_nodes", runs, TARGET_SECONDS))


@contextmanager
def hub_with_sites() -> Iterator[tuple[Town, keys.PrivateKey]]:
    """A running hub at which every node is enrolled; one key serves them all."""
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder) / "home", 2, isolate=True)
        with standing(town):
            town.found()
            key = keys.generate()
            public = key.public_key()
            store = open_store(town.home / "hub" / "hub.db", Bell(), utc_now)
            with store.changing() as change:
                for number in range(NODES):
                    site, pem = f"site-{number}", keys.public_to_pem(public)
                    row = SiteRow(id=site, name=site, public_key=pem, keyid=keys.keyid(public), enrolled_at=change.at)
                    change.session.add(row)
            store.close()
            town.start_hub()
            yield town, key


async def measure(town: Town, key: keys.PrivateKey) -> list[float]:
    """CPU of the hub in each run, once every node has asked and been given time to be heard."""
    opened = asyncio.Semaphore(0)
    address = urlsplit(town.hub_url)
    nodes = [
        asyncio.create_task(poll(address.hostname or "", address.port or 0, key, f"site-{number}", opened))
        for number in range(NODES)
    ]
    began = time.monotonic()
    for _ in range(NODES):
        await opened.acquire()
    print(f"all have asked after {time.monotonic() - began:.1f} s", flush=True)
    await asyncio.sleep(RUN_SECONDS)
    runs = []
    for _ in range(RUNS):
        cpu, at = cpu_seconds(town.processes["hub"]), time.monotonic()
        await asyncio.sleep(RUN_SECONDS)
        runs.append((cpu_seconds(town.processes["hub"]) - cpu) / (time.monotonic() - at))
        print(f"{100 * runs[-1]:.1f} % of a core", flush=True)
    for node in nodes:
        node.cancel()
    failed = [one for one in await asyncio.gather(*nodes, return_exceptions=True) if not cancelled(one)]
    if failed:
        raise SystemExit(f"{len(failed)} nodes did not stay: {failed[0]!r}")
    return runs


def cancelled(outcome: object) -> bool:
    return isinstance(outcome, asyncio.CancelledError)


async def poll(host: str, port: int, key: keys.PrivateKey, site: str, opened: asyncio.Semaphore) -> None:
    """One node: ask, wait, ask again, on one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    body = Poll(wait_seconds=25.0).as_bytes()
    while True:
        signed = token.issue(key, site=site, audience=HUB, now=utc_now(), method="POST", path=PATH)
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {signed}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        opened.release()
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 204"):
            raise SystemExit(f"the hub answered {answer[:40]!r}")


def cpu_seconds(pid: int) -> float:
    """CPU of a process so far, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
