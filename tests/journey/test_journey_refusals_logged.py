"""Two hospitals refuse a study, and the hub dies by SIGKILL at every point between their coming and their place in the log: each refusal is in the log once."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_people import write_study
from mortal_town import NEVER, MortalTown, _persistently, _submitted, labels, mortal_town
from patience import until

from rapha.errors import Unproven
from rapha.hub.log_keeper import read_log_file
from rapha.proof.checkpoint import read_checkpoint
from rapha.proof.tiles import TileReader
from rapha.sdk.client import connect

LONG = 180.0
PATTERNS = (
    r"hub\.to-commit:.*refusal.*#1",
    r"hub\.committed:.*refusal.*#1",
    r"hub\.(to-rename|renamed):log/checkpoint#1",
    r"hub\.(to-rename|renamed):log/tile.*#1",
)
"""A few deaths in each: a hub that dies at every point of one study is started again for longer than a client waits."""
pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalTown]:
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    with mortal_town(tmp_path_factory.mktemp("mortal") / "home") as town:
        for site in town.sites:
            rules = town.hospital(site) / "rules.yaml"
            rules.write_text(re.sub(r"architectures: \[.*?\]", "architectures: [cox]", rules.read_text()))
        yield town


def logged(town: MortalTown) -> list[bytes]:
    """Every entry of the hub's log; none where one looked while a checkpoint was being written."""
    log = town.home / "hub" / "log"
    try:
        size = read_checkpoint(read_log_file(log, "checkpoint")).size
        reader = TileReader(lambda path: read_log_file(log, path), size)
        return [reader.entry(at) for at in range(size)]
    except Unproven:
        return []


def refused(town: MortalTown, folder: Path) -> list[bytes]:
    """Hand in a study that both refuse; the entries that came of it."""
    folder.mkdir()
    study = write_study(folder / "study.yaml", rounds=1, at_least=1)
    before = len(logged(town))
    with connect(town.hub_url, town.token) as client:
        study_id = _submitted(client, study)
        until(lambda: _persistently(lambda: client.status(study_id)).state == "refused", seconds=LONG)
    until(lambda: len(logged(town)) >= before + 4, lambda: logged(town), seconds=LONG)
    return logged(town)[before:]


def test_each_refusal_is_logged_once_wherever_the_hub_dies(town: MortalTown, tmp_path: Path) -> None:
    town.again("hub", NEVER, tmp_path / "undisturbed")
    assert len(refused(town, tmp_path / "first")) == 4
    points = labels(tmp_path / "undisturbed")
    assert any("refusal.stamped" in point for point in points) and any("refusal.logged" in point for point in points)
    for number, pattern in enumerate(PATTERNS):
        before = town.deaths["hub"]
        record = tmp_path / f"record-{number}"
        town.again("hub", pattern, record)
        refused(town, tmp_path / f"study-{number}")
        until(lambda record=record: any("refusal.logged" in point for point in labels(record)), seconds=LONG)
        assert town.deaths["hub"] > before, labels(record)
    town.again("hub", None, tmp_path)
    refused(town, tmp_path / "last")
    found = Counter(logged(town))
    assert max(found.values()) == 1, "no entry is there twice"
    assert len(found) == 4 * (len(PATTERNS) + 2)
