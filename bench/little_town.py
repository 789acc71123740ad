"""A hub and three hospitals on loopback, real processes with everything on, for the claims about rounds."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

from made_up_people import deal_people, write_study
from patience import until

from rapha.cli.demo.town import Town, standing
from rapha.records.record import StudyId
from rapha.sdk.client import Client, connect


@contextmanager
def little_town(hospitals: int = 3, people: int = 600, ill: float = 0.12) -> Iterator[Town]:
    """The town, running, and every hospital's profile at the hub; every hospital approves by a rule. `people`, `ill`: as `deal_people`.

    Fewer than 25 of a hospital with diabetes are in no profile, and the hub refuses a study of what no profile lists.
    """
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder) / "home", hospitals, isolate=True)
        with standing(town):
            codes = town.found()
            for seed, site in enumerate(town.sites):
                deal_people(town.data(site), seed, people, ill)
            town.start_hub()
            for site in town.sites:
                town.settle(site, codes[site])
            town.write_rules(town.steward_site, person=False)
            town.ingest()
            town.start_agents()
            with connect(town.hub_url, town.token) as client:
                until(lambda: len(client.sites()) == hospitals, seconds=120.0)
            yield town


def run_study(town: Town, rounds: int, **changes: str) -> tuple[datetime, list[tuple[str, int | None, datetime]]]:
    """When the study was submitted, and its events: name, round, time of the hub."""
    from rapha.clock import utc_now

    path = write_study(town.home / "study.yaml", rounds=rounds, at_least=len(town.sites), **changes)
    with connect(town.hub_url, town.token) as client:
        at = utc_now()
        study_id: StudyId = client.submit(path).study_id
        events = [(event.event, event.round, event.at) for event in client.watch(study_id)]
        _check_completed(client, study_id)
    return at, events


def _check_completed(client: Client, study_id: StudyId) -> None:
    status = client.status(study_id)
    if status.state != "completed":
        raise SystemExit(f"the study ended {status.state}: {status.reason}")
