"""What hospitals keep of their own between rounds outlives their agent: killed at every step of it, the same bits come out."""

import re
import shutil
from pathlib import Path

import pytest
from mortal_town import NEVER, labels, mortal_town, outcome

from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder

pytestmark = pytest.mark.slow
ROUNDS = 3
DEATHS = r"node\..*(kept/.*#1|update\.leaving.*#1)"
"""Before and after each file that is kept comes into place, and between that and the sending of some updates."""
BOTH = {"learning_rate: 0.05": "learning_rate: 0.05, optimizer: sgd, aggregation: scaffold, updates: int8"}
"""A site keeps variates of its own for the one, and what was rounded away for the other."""
KEPT = ("kept/variates", "kept/left-over")


def test_an_agent_that_dies_between_keeping_and_sending_ends_in_the_same_bits(tmp_path: Path) -> None:
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    with mortal_town(tmp_path / "home") as town:
        site, found = town.sites[0], {}
        for name, pattern in (("undisturbed", NEVER), ("disturbed", DEATHS)):
            (tmp_path / name).mkdir()
            town.again(site, pattern, tmp_path / name / "record")
            found[name] = outcome(town, tmp_path / name, ROUNDS, **BOTH)
        died = [each for each in labels(tmp_path / "disturbed" / "record") if re.fullmatch(DEATHS, each)]
        for kept in KEPT:
            assert len([each for each in died if kept in each]) == 2 * (ROUNDS - 1), died
        assert town.deaths[site] == len(died) > 4 * (ROUNDS - 1) + 2
        assert found["disturbed"] == found["undisturbed"]
        (model,) = (path.parent for path in (tmp_path / "disturbed").glob("*/model.safetensors"))
        assert all(verdict.ok for verdict in judge(read_folder(model, None)))
