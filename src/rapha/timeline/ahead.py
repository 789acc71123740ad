"""Reading ahead: the next batch is read while the present one is taken in."""

from collections.abc import Generator, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
_DONE = object()


def ahead(items: Iterator[Item], most: int = 2) -> Generator[Item]:
    """The same items, at most `most` of them drawn before they are asked for, in a thread that ends with this iterator.
    What drawing one raises is raised in its place."""
    waiting: Queue[object] = Queue(maxsize=most)
    enough = Event()
    thread = Thread(target=_draw, args=(items, waiting, enough), daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _DONE:
            if isinstance(item, _Raised):
                raise item.error
            yield item  # type: ignore[misc]  # what is no mark of ours is an item
    finally:
        enough.set()
        thread.join()


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _draw(items: Iterator[Item], waiting: "Queue[object]", enough: Event) -> None:
    try:
        for item in items:
            if not _put(item, waiting, enough):
                return
        _put(_DONE, waiting, enough)
    except BaseException as error:  # told to the one who waits
        _put(_Raised(error), waiting, enough)


def _put(item: object, waiting: "Queue[object]", enough: Event) -> bool:
    """False where nobody waits any more."""
    while not enough.is_set():
        try:
            waiting.put(item, timeout=0.1)
        except Full:
            continue
        return True
    return False
