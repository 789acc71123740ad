"""A small town of made-up people: one hub and two hospitals as real processes, or as many as the module's `HOSPITALS` says, for the whole
way of a study."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapha.cli.demo.town import Town, standing
from rapha.sdk.client import Client, connect

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from made_up_people import deal_people


@pytest.fixture(scope="module")
def founded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town with its hub running and every timeline filled; its agents are not started yet."""
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    hospitals: int = getattr(request.module, "HOSPITALS", 2)
    town = Town(tmp_path_factory.mktemp("town") / "home", hospitals=hospitals, isolate=True)
    with standing(town):
        codes = town.found()
        for seed, site in enumerate(town.sites):
            deal_people(town.data(site), seed)
        town.start_hub()
        for site in town.sites:
            town.settle(site, codes[site])
        town.ingest()
        yield town


@pytest.fixture
def client(founded: Town) -> Iterator[Client]:
    with connect(founded.hub_url, founded.token) as opened:
        yield opened
