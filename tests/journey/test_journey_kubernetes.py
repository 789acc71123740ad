"""A study through a hub and three hospitals, of which one runs its sandboxes as Jobs, through a small API server of ours: the model has the same bits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until
from small_kubernetes import SmallKubernetes, small_kubernetes
from test_journey_bad_days import ROUNDS, SECONDS, in_the_second, rapha, weights

from rapha.cli.demo.town import Town
from rapha.node.configuration import read_configuration, write_configuration

pytestmark = pytest.mark.slow
HOSPITALS = 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallKubernetes]:
    with small_kubernetes(tmp_path_factory.mktemp("cluster") / "kubernetes") as started:
        yield started


@pytest.fixture(scope="module")
def here(founded: Town, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the study where every sandbox runs on its agent's own machine."""
    for site in founded.sites:
        founded.write_rules(site, person=False)
    founded.start_agents()
    return weights(founded, tmp_path_factory.mktemp("here"), lambda _: None)


def placed(town: Town, cluster: SmallKubernetes, shared: Path) -> str:
    """The first hospital, from now on with its sandboxes in the cluster."""
    site = next(iter(town.sites))
    town.kill(site)
    file = town.hospital(site) / "node.yaml"
    shared.mkdir()
    write_configuration(file, read_configuration(file).model_copy(update={"placement": cluster.settings(shared)}))
    town.start_agent(site)
    return site


def test_one_hospital_with_kubernetes_changes_no_bit_and_an_agent_that_is_killed_leaves_no_job(
    here: bytes, founded: Town, cluster: SmallKubernetes, tmp_path: Path
) -> None:
    for name in ("there", "killed"):
        (tmp_path / name).mkdir()
    site = placed(founded, cluster, tmp_path / "shared")
    seen: list[list[str]] = []
    assert weights(founded, tmp_path / "there", in_the_second(lambda: seen.append(cluster.alive()))) == here
    (running,) = seen[0]
    assert running.startswith("rapha-")
    until(lambda: cluster.alive() == [], seconds=SECONDS)
    until(lambda: list((tmp_path / "shared" / site).glob("*/output")) == [], seconds=SECONDS)

    def killed() -> None:
        before = cluster.alive()
        founded.kill(site)
        until(lambda: not set(cluster.alive()) & set(before), seconds=SECONDS)
        founded.start_agent(site)

    assert weights(founded, tmp_path / "killed", in_the_second(killed)) == here
    told = rapha("node", "selftest", str(founded.hospital(site)))
    assert told.returncode == 0 and "sha256:" in told.stdout, told.stderr
    assert ROUNDS > 2 and cluster.alive() == []
