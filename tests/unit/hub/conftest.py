"""A hub at hand, two or three hospitals that hold no data, and a study for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, running
from made_up_people import write_study

from rapha.records.study import Study
from rapha.sdk.study_file import read_study


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(tmp_path: Path, clock: Clock) -> Iterator[HubAtHand]:
    with running(tmp_path / "hub", clock) as at_hand:
        yield at_hand


@pytest.fixture
def token(hub: HubAtHand) -> str:
    return hub.token()


@pytest.fixture
def sites(hub: HubAtHand) -> list[FakeSite]:
    """Of different sizes, so that a mean that forgets the weights is wrong."""
    return [FakeSite(hub, name, rows).join() for name, rows in (("north", 100), ("south", 300), ("west", 50))]


@pytest.fixture
def study_of(tmp_path: Path) -> Callable[..., Study]:
    def make(**arguments: object) -> Study:
        return read_study(write_study(tmp_path / "study.yaml", **arguments))  # type: ignore[arg-type]

    return make
