"""A study through a hub and three hospitals, of which one runs its sandboxes as jobs of a real Ray: the model has the same bits."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until
from small_ray import RAY, Cluster, python_with_ray, small_ray
from small_run import make_run
from test_journey_bad_days import ROUNDS, SECONDS, in_the_second, rapha, weights

from rapha.cli.demo.town import Town
from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits, read_configuration, write_configuration
from rapha.node.sandbox import started
from rapha.node.sandbox.choose import choose_backend, name_for_this_machine
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.selftest import SelfTest
from rapha.node.sandbox.unisolated import Unisolated

pytestmark = pytest.mark.slow
HOSPITALS = 3


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if python_with_ray() is None:
        pytest.skip(f"{RAY} cannot be installed here")
    with small_ray(tmp_path_factory.mktemp("cluster") / "ray") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def here(ray: Cluster, founded: Town, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the study where every sandbox runs on its agent's own machine."""
    for site in founded.sites:
        founded.write_rules(site, person=False)
    founded.start_agents()
    return weights(founded, tmp_path_factory.mktemp("here"), lambda _: None)


def placed(town: Town, ray: Cluster, shared: Path) -> str:
    """The first hospital, from now on with its sandboxes in the cluster."""
    site = next(iter(town.sites))
    town.kill(site)
    file = town.hospital(site) / "node.yaml"
    shared.mkdir()
    write_configuration(file, read_configuration(file).model_copy(update={"placement": ray.settings(shared)}))
    town.start_agent(site)
    return site


def test_one_hospital_with_ray_changes_no_bit_and_an_agent_that_is_killed_leaves_no_job(
    here: bytes, founded: Town, ray: Cluster, tmp_path: Path
) -> None:
    for name in ("there", "killed"):
        (tmp_path / name).mkdir()
    site = placed(founded, ray, tmp_path / "shared")
    seen: list[list[str]] = []
    assert weights(founded, tmp_path / "there", in_the_second(lambda: seen.append(ray.jobs()))) == here
    (running,) = seen[0]
    assert running.startswith("rapha-")
    until(lambda: ray.jobs() == [], seconds=SECONDS)
    until(lambda: list((tmp_path / "shared" / site).glob("*/output")) == [], seconds=SECONDS)
    assert list((tmp_path / "shared" / site / ".jobs").iterdir()) == []

    def killed() -> None:
        before = ray.jobs()
        founded.kill(site)
        until(lambda: not set(ray.jobs()) & set(before), seconds=SECONDS)
        founded.start_agent(site)

    assert weights(founded, tmp_path / "killed", in_the_second(killed)) == here
    told = rapha("node", "selftest", str(founded.hospital(site)))
    assert told.returncode == 0 and "sha256:" in told.stdout, told.stderr
    assert ROUNDS > 2 and ray.jobs() == []


def test_a_steward_is_told_when_ray_is_not_reached(founded: Town, ray: Cluster, tmp_path: Path) -> None:
    site = list(founded.sites)[-1]
    file = founded.hospital(site) / "node.yaml"
    before = read_configuration(file)
    away = ray._replace(address="http://127.0.0.1:1").settings(tmp_path)
    write_configuration(file, before.model_copy(update={"placement": away}))
    try:
        told = rapha("node", "selftest", str(founded.hospital(site)))
    finally:
        write_configuration(file, before)
    assert told.returncode != 0 and "is not reached" in told.stdout + told.stderr


@pytest.fixture
def tries(ray: Cluster, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The self-test, from inside, tries to reach a port of Ray's in the place of one of ours."""

    @contextlib.contextmanager
    def rays() -> Iterator[dict[str, object]]:
        yield {"listener": ray.ports[request.param], "abstract": "nobody"}

    monkeypatch.setattr(started, "hosts_sockets", rays)


LISTENER = "connect to a socket of the host"


@pytest.mark.parametrize("tries", [0, 1], indirect=True, ids=["jobs", "head"])
@pytest.mark.usefixtures("tries")
def test_a_sandbox_reaches_no_port_of_rays_and_without_walls_it_would(tmp_path: Path) -> None:
    limits = SandboxLimits()
    for backend, held in ((choose_backend(name_for_this_machine()), True), (Unisolated(), False)):
        run: RunFolder = make_run(tmp_path / backend.name)[0]
        with contextlib.suppress(SandboxError), contextlib.closing(backend.start(run, limits)):
            pass
        test = SelfTest.from_bytes(run.self_test.read_bytes())
        assert [one.held for one in test.attempts if one.attempt == LISTENER] == [held]
