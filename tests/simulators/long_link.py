"""A long, thin, lossy link between two network namespaces: every packet, both ways, passes through this process.

What `tc netem` does in the kernel, for kernels that have none: each namespace has a tun device as its only way out, and here
a packet waits for its turn at so many bits a second, is lost with some probability or while the link is out, and arrives
after a delay. TCP at both ends is the kernel's own. Needs root and /dev/net/tun; `why_not` says what is missing.
"""

import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TUNSETIFF, _TUN, _NO_HEADER = 0x400454CA, 0x0001, 0x1000
MTU_BYTES = 1400
QUEUE_BYTES = 256 << 10
ENDS = {"here": "10.231.77.1", "there": "10.231.77.2"}


def why_not() -> str | None:
    """Why there can be no such link on this machine; None where there can."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists() or not shutil.which("ip"):
        return "a link of packets needs root, /dev/net/tun and iproute2's ip"
    name = f"rapha-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return None if made else "network namespaces are not permitted here"


class LongLink:
    """`outage` stops everything while it is set. `carried_bytes`, `lost`: of both ways, until now."""

    def __init__(self, name: str, mbit_per_second: float, loss: float, delay_seconds: float) -> None:
        self.namespaces = {end: f"{name}-{end}" for end in ENDS}
        self.outage = threading.Event()
        self.carried_bytes, self.lost = 0, 0
        self._rate, self._loss, self._delay = mbit_per_second * 1e6 / 8, loss, delay_seconds
        self._closed = threading.Event()
        self._dice = random.Random(20261128)
        self._devices = {end: self._device(end) for end in ENDS}
        ways = [("here", "there"), ("there", "here")]
        self._threads = [threading.Thread(target=self._carry, args=way, daemon=True) for way in ways]
        for thread in self._threads:
            thread.start()

    def inside(self, end: str, *words: str) -> list[str]:
        """The command line that runs these words at one end."""
        return ["ip", "netns", "exec", self.namespaces[end], *words]

    def close(self) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join()
        for device in self._devices.values():
            os.close(device)
        for name in self.namespaces.values():
            subprocess.run(["ip", "netns", "del", name], check=True)

    def _device(self, end: str) -> int:
        """A tun device, set up in its namespace; its packets come and go through what is returned."""
        namespace, other = self.namespaces[end], next(address for name, address in ENDS.items() if name != end)
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        name = f"rl{os.getpid() % 10**6}{end[0]}"
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _TUN | _NO_HEADER))
        for words in (
            ("netns", "add", namespace),
            ("link", "set", name, "netns", namespace),
            ("-n", namespace, "addr", "add", ENDS[end], "peer", other, "dev", name),
            ("-n", namespace, "link", "set", name, "mtu", str(MTU_BYTES), "up"),
            ("-n", namespace, "link", "set", "lo", "up"),
        ):
            subprocess.run(["ip", *words], check=True)
        return device

    def _carry(self, source: str, target: str) -> None:
        """One way: a queue of bounded size, a rate, a delay, losses."""
        read, write = self._devices[source], self._devices[target]
        free_at, waiting, waiting_bytes = time.monotonic(), deque[tuple[float, bytes]](), 0
        while not self._closed.is_set():
            pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.2
            if select.select([read], [], [], min(pause, 0.2))[0]:
                packet, now = os.read(read, 65536), time.monotonic()
                full = waiting_bytes + len(packet) > QUEUE_BYTES
                if full or self.outage.is_set() or self._dice.random() < self._loss:
                    self.lost += 1
                else:
                    free_at = max(free_at, now) + len(packet) / self._rate
                    waiting.append((free_at + self._delay, packet))
                    waiting_bytes += len(packet)
            while waiting and waiting[0][0] <= time.monotonic():
                packet = waiting.popleft()[1]
                waiting_bytes -= len(packet)
                if not self.outage.is_set():
                    os.write(write, packet)
                    self.carried_bytes += len(packet)


@contextmanager
def long_link(mbit_per_second: float = 5, loss: float = 0.02, delay_seconds: float = 0.02) -> Iterator[LongLink]:
    """The link, until the block ends."""
    link = LongLink(f"rapha{os.getpid()}", mbit_per_second, loss, delay_seconds)
    try:
        yield link
    finally:
        link.close()
