"""Wakes a long poll the moment there is something for it: no poll ever sleeps and looks again."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Listener:
    """One waiting request. Listen first, then look, then wait: what changes in between is not missed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()

    def wake(self) -> None:
        """From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heard.set)

    async def wait(self, seconds: float) -> bool:
        """True when woken, False after `seconds` of silence. Deaf again afterwards, until the next ring."""
        try:
            await asyncio.wait_for(self._heard.wait(), seconds)
        except TimeoutError:
            return False
        self._heard.clear()
        return True


class Bell:
    """Topics (`site:north`, `study:s-1f`) and who listens to them. Rung from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self.closed = False

    @contextmanager
    def listening(self, topic: str) -> Iterator[Listener]:
        """Hear every ring of the topic from here to the end of the block."""
        listener = Listener()
        with self._lock:
            self._listeners[topic].add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners[topic].discard(listener)
                if not self._listeners[topic]:
                    del self._listeners[topic]

    def ring(self, topics: Iterable[str]) -> None:
        """Wake everyone who listens to any of these."""
        with self._lock:
            woken = {listener for topic in topics for listener in self._listeners.get(topic, ())}
        for listener in woken:
            listener.wake()

    def ring_all(self) -> None:
        """Wake everyone: it is not known what was missed."""
        with self._lock:
            topics = list(self._listeners)
        self.ring(topics)

    def close(self) -> None:
        """Wake everyone, for good: the hub is stopping and every long poll answers what it has."""
        self.closed = True
        self.ring_all()
