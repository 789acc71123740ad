"""The thread that hears the other hubs goes on, whatever goes wrong in it."""

import threading

from rapha.hub.neighbours import Neighbours
from rapha.hub.notify import Bell


class QuietServer:
    """A database on which nothing happens; its own address and connection."""

    process = "here"

    @property
    def address(self):
        return self

    def connect(self):
        return self

    def execute(self, *said):
        return self

    def fetchone(self):
        return (1,)

    def notifies(self, timeout):
        return iter(())

    def close(self):
        """See the class."""


def test_an_error_that_nobody_foresaw_does_not_end_it():
    tries, taken = [], threading.Event()

    def take_up():
        tries.append(1)
        if len(tries) == 1:
            raise ZeroDivisionError
        taken.set()

    neighbours = Neighbours(QuietServer(), Bell(), take_up)
    neighbours._thread.start()
    assert taken.wait(20)
    neighbours.close()
