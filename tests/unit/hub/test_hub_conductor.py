"""When a study is driven: at once when something came in, later when there is nothing to do before."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event, Lock

import pytest
from patience import until

from rapha.hub.conductor import RETRY, Conductor

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Driven:
    """Remembers who was driven; the clock is set by hand. `hold`: a drive waits until `go_on`."""

    def __init__(self) -> None:
        self.studies: list[str] = []
        self.now, self.next, self.fails = NOON, None, False
        self.hold, self.go_on = False, Event()
        self._lock = Lock()

    next: datetime | None

    def drive(self, study: str) -> datetime | None:
        with self._lock:
            self.studies.append(study)
        if self.hold:
            assert self.go_on.wait(10)
        if self.fails:
            raise OSError("a full disk")
        return self.next

    def clock(self) -> datetime:
        return self.now


@pytest.fixture
def driven() -> Driven:
    return Driven()


@pytest.fixture
def conductor(driven: Driven) -> Iterator[Conductor]:
    made = Conductor(driven.drive, driven.clock)
    made.start([])
    yield made
    driven.go_on.set()
    made.close()


def rests(conductor: Conductor) -> bool:
    return not conductor._busy


def test_who_waits_is_driven_once_its_time_has_come_and_not_before(driven: Driven, conductor: Conductor) -> None:
    conductor.wait("s-1", NOON + MINUTE)
    driven.now = NOON + MINUTE - timedelta(seconds=1)
    conductor.check_deadlines()
    conductor.nudge("s-2")
    until(lambda: driven.studies == ["s-2"] and rests(conductor))
    driven.now = NOON + MINUTE
    conductor.check_deadlines()
    until(lambda: driven.studies == ["s-2", "s-1"] and rests(conductor))
    assert not conductor._deadlines


def test_a_later_wait_takes_the_place_of_the_one_before(driven: Driven, conductor: Conductor) -> None:
    conductor.wait("s-1", NOON + MINUTE)
    conductor.wait("s-1", NOON + 3 * MINUTE)
    driven.now = NOON + 2 * MINUTE
    conductor.check_deadlines()
    conductor.nudge("s-2")
    until(lambda: driven.studies == ["s-2"] and rests(conductor))
    assert conductor._deadlines == {"s-1": NOON + 3 * MINUTE}


def test_who_is_being_driven_is_looked_at_once_more_instead(driven: Driven, conductor: Conductor) -> None:
    """What that drive saw may be older than what is known here: its deadline is believed only once it has looked again."""
    driven.hold, driven.next = True, NOON + MINUTE
    conductor.nudge("s-1")
    until(lambda: driven.studies == ["s-1"])
    conductor.wait("s-1", NOON + 5 * MINUTE)
    assert not conductor._deadlines
    driven.go_on.set()
    until(lambda: driven.studies == ["s-1", "s-1"] and rests(conductor))
    assert conductor._deadlines == {"s-1": NOON + MINUTE}


def test_a_drive_that_fails_is_tried_again_later(driven: Driven, conductor: Conductor) -> None:
    driven.fails = True
    conductor.nudge("s-1")
    until(lambda: driven.studies == ["s-1"] and rests(conductor))
    assert conductor._deadlines == {"s-1": NOON + RETRY}
    driven.fails, driven.now = False, NOON + RETRY
    conductor.check_deadlines()
    until(lambda: driven.studies == ["s-1", "s-1"] and rests(conductor))
    assert not conductor._deadlines


def test_who_is_closed_begins_nothing(driven: Driven) -> None:
    conductor = Conductor(driven.drive, driven.clock)
    conductor.start([])
    conductor.close()
    conductor.wait("s-1", NOON)
    conductor.nudge("s-1")
    assert not driven.studies and not conductor._deadlines
