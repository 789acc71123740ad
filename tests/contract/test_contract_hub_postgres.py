"""The life of a study, its pauses and its refusals: the tests of tests/unit/hub, here on a real PostgreSQL."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "hub"))
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, running
from made_up_people import write_study
from small_postgres import SmallPostgres, small_postgres
from test_hub_life import *  # noqa: F403
from test_hub_pauses import (  # noqa: F401
    test_a_hub_that_stops_between_rounds_remembers_what_its_way_keeps,
    test_a_paused_study_can_be_cancelled_and_then_does_not_resume,
    test_a_paused_study_gives_out_nothing_and_goes_on_to_the_same_bits,
    test_a_study_handed_in_twice_under_one_key_is_one,
    test_requests_out_of_order_are_refused_and_do_no_harm,
)
from test_hub_refusals_logged import *  # noqa: F403

from rapha.records.study import Study
from rapha.sdk.study_file import read_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres() -> Iterator[SmallPostgres]:
    with small_postgres() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(tmp_path: Path, clock: Clock, postgres: SmallPostgres) -> Iterator[HubAtHand]:
    with running(tmp_path / "hub", clock, database=postgres.database()) as at_hand:
        yield at_hand
        assert not (tmp_path / "hub" / "hub.db").exists()


@pytest.fixture
def token(hub: HubAtHand) -> str:
    return hub.token()


@pytest.fixture
def sites(hub: HubAtHand) -> list[FakeSite]:
    return [FakeSite(hub, name, rows).join() for name, rows in (("north", 100), ("south", 300), ("west", 50))]


@pytest.fixture
def study_of(tmp_path: Path) -> Callable[..., Study]:
    def make(**arguments: object) -> Study:
        return read_study(write_study(tmp_path / "study.yaml", **arguments))  # type: ignore[arg-type]

    return make
