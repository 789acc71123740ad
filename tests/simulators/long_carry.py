"""A blob of so many megabytes from a node to its hub and back, over a long link with an outage in which the hub is killed.

The hub is the real process, at one end of the link; the node's own line is at the other. As a command: a figure for any size.
"""

import argparse
import ctypes
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from long_link import ENDS, LongLink, long_link
from made_up_people import write_study
from patience import until

from rapha.canonical import digest_file
from rapha.clock import utc_now
from rapha.hub.configuration import HubConfiguration, HubSettings, initialise
from rapha.hub.notify import Bell
from rapha.hub.store.database import open_store
from rapha.hub.store.tables import DispatchRow, RoundRow, SiteRow, StudyRow, TaskRow
from rapha.node.hub_line import HubLine, persist
from rapha.proof import keys
from rapha.sdk.study_file import read_study

PORT = 8400
WAYS = ("up", "down")
CUT_AT = 0.75
_NETWORK = 0x40000000


@dataclass(frozen=True)
class Carried:
    """What one way took. `link_bytes`: all packets, both ways, with what was sent again."""

    seconds: float
    link_bytes: int
    lost_packets: int


class FarHub:
    """A hub at the far end of the link, that knows one site and owes it one blob."""

    def __init__(self, home: Path, link: LongLink, content: Path) -> None:
        self.link, self.site_key = link, keys.generate()
        settings = HubSettings(name="far-hub", host=ENDS["there"], port=PORT)
        self.configuration: HubConfiguration = initialise(home / "hub", settings)
        self.blob = digest_file(content)
        self.process: subprocess.Popen[bytes] | None = None
        self._know_the_site(home)

    def start(self) -> None:
        self.configuration.url_file.unlink(missing_ok=True)
        words = [sys.executable, "-m", "rapha.cli.main", "hub", "run", str(self.configuration.home)]
        with (self.configuration.home / "hub.out").open("ab") as log:
            self.process = subprocess.Popen(self.link.inside("there", *words), stdout=log, stderr=log)
        until(self.configuration.url_file.exists, lambda: self.process and self.process.poll(), seconds=60, every=0.05)

    def kill(self) -> None:
        assert self.process
        self.process.kill()  # `ip netns exec` has become the hub itself
        self.process.wait()

    def _know_the_site(self, home: Path) -> None:
        study = read_study(write_study(home / "study.yaml"))
        public = keys.public_to_pem(self.site_key.public_key())
        store = open_store(self.configuration.database, Bell(), utc_now)
        with store.changing() as change:
            change.session.add(SiteRow(id="north", name="North", public_key=public, keyid="k", enrolled_at=change.at))
            row = StudyRow(
                id="s-1", digest=study.digest, name=study.study, study=study.as_bytes(), researcher="ada", state="paused",
                paused_from="training", asks="training", created_at=change.at,
            )  # fmt: skip
            change.session.add(row)
            change.session.flush()
            change.session.add(DispatchRow(id="d-1", study_id="s-1", site="north", state="approved", stopped=False))
            change.session.add(RoundRow(study_id="s-1", number=1, do="train", weights_in=self.blob, deadline=change.at))
            change.session.flush()
            change.session.add(
                TaskRow(id="t-1", study_id="s-1", dispatch_id="d-1", site="north", number=1, do="train", task=b"{}",
                        state="leased")
            )  # fmt: skip
        store.close()


@contextmanager
def within(namespace: str) -> Iterator[None]:
    """This thread, and it alone, is in that network namespace until the block ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as own, Path(f"/var/run/netns/{namespace}").open() as other:
        assert libc.setns(other.fileno(), _NETWORK) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(own.fileno(), _NETWORK) == 0


def carried(link: LongLink, hub: FarHub, size_bytes: int, outage_seconds: float, work: Callable[[], None]) -> Carried:
    """Do the work at the near end; three quarters through the link goes out, the hub is killed and started again, and the link comes
    back after so many seconds."""
    began, begun_bytes, begun_lost = time.monotonic(), link.carried_bytes, link.lost
    failed: list[BaseException] = []

    def at_the_near_end() -> None:
        try:
            with within(link.namespaces["here"]):
                work()
        except BaseException as error:
            failed.append(error)

    worker = threading.Thread(target=at_the_near_end)
    worker.start()
    until(
        lambda: link.carried_bytes - begun_bytes > size_bytes * CUT_AT or not worker.is_alive(),
        seconds=7200,
        every=0.02,
    )
    link.outage.set()
    hub.kill()
    hub.start()
    threading.Event().wait(outage_seconds)
    link.outage.clear()
    worker.join()
    if failed:
        raise failed[0]
    return Carried(time.monotonic() - began, link.carried_bytes - begun_bytes, link.lost - begun_lost)


def there_and_back(home: Path, megabytes: int, outage_seconds: float, ways: Sequence[str] = WAYS) -> Iterator[Carried]:
    """Up, then down, or one of them; after each both ends have the same bytes."""
    content, dice = home / "weights", random.Random(megabytes)
    with content.open("wb") as file:
        for _ in range(megabytes):
            file.write(dice.randbytes(1_000_000))
    size_bytes = content.stat().st_size
    with long_link() as link:
        hub = FarHub(home, link, content)
        kept = hub.configuration.blobs / hub.blob.removeprefix("sha256:")
        if "up" not in ways:
            shutil.copyfile(content, kept)
        hub.start()
        line = HubLine(f"http://{ENDS['there']}:{PORT}", "far-hub", "north", hub.site_key, utc_now)
        target = home / "received" / "weights"
        target.parent.mkdir()
        work = {
            "up": (lambda: line.upload(hub.blob, content, lambda: None), kept),
            "down": (lambda: line.download(hub.blob, target, size_bytes), target),
        }
        try:
            for way in ways:
                do, arrived = work[way]
                yield carried(link, hub, size_bytes, outage_seconds, partial(persist, do))
                assert digest_file(arrived) == hub.blob
        finally:
            line.close()
            hub.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=12)
    parser.add_argument("--outage", type=float, default=5)
    parser.add_argument("--ways", nargs="+", default=WAYS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = there_and_back(Path(folder), asked.megabytes, asked.outage, asked.ways)
        for way, took in zip(asked.ways, found, strict=True):
            share = took.link_bytes / asked.megabytes / 1e6
            print(f"{way}: {took.seconds:.0f} s, {share:.3f} of the blob on the link, {took.lost_packets} packets lost")
