"""What only Slurm's placement has: its own words."""

import sys
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.sandbox.slurm import Slurm

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from placed_node import agent_of, new_home, settings
from small_slurm import jobs, missing, small_slurm


@pytest.mark.slow
def test_what_slurm_refuses_is_said_in_its_own_words(tmp_path: Path) -> None:
    if lacking := missing():
        pytest.skip(lacking)
    with small_slurm(tmp_path / "slurm") as environment:
        given = settings(tmp_path, environment, partition="nowhere")
        one = agent_of(new_home(tmp_path), Slurm(given))
        with pytest.raises(SandboxError, match=r"slurm: .*invalid partition"):
            one.begin_afresh()
        assert jobs(environment) == []
