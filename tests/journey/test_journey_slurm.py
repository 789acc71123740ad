"""A study through a hub and three hospitals, of which one runs its sandboxes as jobs of a real Slurm: the model has the same bits."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until
from small_slurm import jobs, missing, small_slurm
from test_journey_bad_days import ROUNDS, SECONDS, in_the_second, rapha, weights

from rapha.cli.demo.town import Town
from rapha.node.configuration import SlurmPlacement, read_configuration, write_configuration

pytestmark = pytest.mark.slow
HOSPITALS = 3


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if lacking := missing():
        pytest.skip(lacking)
    with small_slurm(tmp_path_factory.mktemp("cluster") / "slurm") as environment:
        yield environment


@pytest.fixture(scope="module")
def here(slurm: dict[str, str], founded: Town, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the study where every sandbox runs on its agent's own machine."""
    for site in founded.sites:
        founded.write_rules(site, person=False)
    founded.start_agents()
    return weights(founded, tmp_path_factory.mktemp("here"), lambda _: None)


def placed(town: Town, slurm: dict[str, str], shared: Path) -> str:
    """The first hospital, from now on with its sandboxes in the cluster."""
    site = next(iter(town.sites))
    town.kill(site)
    file = town.hospital(site) / "node.yaml"
    shared.mkdir()
    placement = SlurmPlacement(
        by="slurm",
        shared_folder=str(shared),
        slurm_conf=slurm["SLURM_CONF"],
        programs_folder=str(Path(shutil.which("srun") or "").parent),
        partition="clinical",
    )
    write_configuration(file, read_configuration(file).model_copy(update={"placement": placement}))
    town.start_agent(site)
    return site


def test_one_hospital_with_slurm_changes_no_bit_and_an_agent_that_is_killed_leaves_no_job(
    here: bytes, founded: Town, slurm: dict[str, str], tmp_path: Path
) -> None:
    for name in ("there", "killed"):
        (tmp_path / name).mkdir()
    site = placed(founded, slurm, tmp_path / "shared")
    seen: list[list[str]] = []
    assert weights(founded, tmp_path / "there", in_the_second(lambda: seen.append(jobs(slurm)))) == here
    (running,) = seen[0]
    assert running.startswith("rapha-")
    until(lambda: jobs(slurm) == [], seconds=SECONDS)
    until(lambda: list((tmp_path / "shared" / site).glob("*/output")) == [], seconds=SECONDS)

    def killed() -> None:
        before = jobs(slurm)
        founded.kill(site)
        until(lambda: not set(jobs(slurm)) & set(before), seconds=SECONDS)
        founded.start_agent(site)

    assert weights(founded, tmp_path / "killed", in_the_second(killed)) == here
    told = rapha("node", "selftest", str(founded.hospital(site)))
    assert told.returncode == 0 and "sha256:" in told.stdout, told.stderr
    assert ROUNDS > 2 and jobs(slurm) == []
