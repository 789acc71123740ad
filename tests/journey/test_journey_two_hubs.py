"""Two hub processes on one real PostgreSQL and one real S3 server: one is killed in the middle of a study, the other goes on,
and what comes of it is what came of the study that nobody disturbed."""

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mortal_town import labels, outcome
from patience import until
from small_bucket import small_bucket
from small_postgres import small_postgres
from two_hubs import TwoHubs, two_hubs

from rapha.proof.verify import judge
from rapha.sdk.client import connect
from rapha.sdk.folder import read_folder

pytestmark = pytest.mark.slow
ROUNDS = 4
DEATHS = (
    r"hub\.committed:task\.done@[a-z]+:1\b.*#1",
    r"hub\.to-commit:.*round\.closed@hub:2\b.*#1",
    r"hub\.committed:.*round\.closed@hub:3\b.*#1",
    r"hub\.to-rename:blob#2",
    r"hub\.to-commit:study\.completed.*#1",
)
"""In the order in which one study comes to them."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHubs]:
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    with small_postgres() as database, small_bucket() as blobs:
        places = {"database": database.database(), "blobs": blobs.bucket()}
        with two_hubs(tmp_path_factory.mktemp("two-hubs") / "home", places) as town:
            yield town


@pytest.fixture(scope="module")
def undisturbed(town: TwoHubs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    found = outcome(town, folder, ROUNDS)
    (model,) = [path for path in folder.iterdir() if path.is_dir()]
    verdicts = judge(read_folder(model, None))
    assert len(verdicts) == 4 and all(verdict.ok for verdict in verdicts)
    assert town.balancer and min(town.balancer.carried) > 0
    return found


def test_nodes_talk_to_either_and_one_is_killed_after_the_first_round(
    town: TwoHubs, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    town.both()

    def kill_one() -> None:
        with connect(town.hub_url, town.token) as client:
            known = {each.study_id for each in client.studies()}
            until(lambda: any(each.study_id not in known and each.round >= 1 for each in client.studies()), seconds=120)
        town.kill("hub")

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = outcome(town, tmp_path, ROUNDS)
    killer.join()
    assert found == undisturbed
    with pytest.raises(KeyError):
        town.runs("hub")


def test_the_one_that_does_the_work_dies_and_the_other_takes_it_up(
    town: TwoHubs, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    """Death after death in one study, by turns: whoever took it up does the work, and dies next."""
    with town.dying_by_turns(DEATHS, tmp_path) as records:
        found = outcome(town, tmp_path, ROUNDS)
    assert found == undisturbed
    assert [re.fullmatch(point, labels(record)[-1]) is not None for point, record in records] == [True] * len(DEATHS)
