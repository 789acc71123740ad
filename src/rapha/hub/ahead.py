"""Writes a draft in a thread of its own: the digest of what is written, and the disk, are waited for beside what is made next."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from rapha.hub.blobs import Block, Draft

BLOCKS_AHEAD = 8
"""So many blocks at most are made and not written yet."""

SMALL_BYTES = 64 << 10
"""Of less a thread would cost more than it saves."""


class Ahead:
    """Blocks in the order in which they are given; each must stay as it is. What went wrong first is raised at a later `write`, and at
    `finish`; from then on nothing is written: behind a block that is missing every other would lie in the wrong place."""

    def __init__(self, draft: Draft, thread: ThreadPoolExecutor) -> None:
        self._draft, self._thread = draft, thread
        self._under_way: deque[Future[None]] = deque()
        self._failure: Exception | None = None

    def write(self, block: Block) -> None:
        """It is written soon, or now where it is small. Raises DiskFull."""
        if not self._under_way and memoryview(block).nbytes < SMALL_BYTES:
            self._write(block)
            return
        self._under_way.append(self._thread.submit(self._write, block))
        if len(self._under_way) > BLOCKS_AHEAD:
            self._under_way.popleft().result()

    def finish(self) -> None:
        """All are written. Raises DiskFull."""
        while self._under_way:
            self._under_way.popleft().result()
        if self._failure is not None:
            raise self._failure

    def _write(self, block: Block) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            self._draft.write(block)
        except Exception as failure:
            self._failure = failure
            raise


@contextmanager
def ahead(draft: Draft) -> Iterator[Ahead]:
    """For as long as the block lasts; nothing is written behind it."""
    thread = ThreadPoolExecutor(1, "draft")
    try:
        yield Ahead(draft, thread)
    finally:
        thread.shutdown(cancel_futures=True)
