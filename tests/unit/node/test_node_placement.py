"""The section `placement` of node.yaml, the words for Slurm, and the launcher's reading of its order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapha.errors import ConfigurationError, SandboxError
from rapha.node.configuration import Home, NodeConfiguration, SandboxLimits, SlurmPlacement, write_configuration
from rapha.node.sandbox.launch import read_line
from rapha.node.sandbox.order import MAX_ORDER_BYTES
from rapha.node.sandbox.placement import job_of
from rapha.node.sandbox.slurm import Slurm

SLURM = SlurmPlacement(by="slurm", shared_folder="/shared/rapha")


def home(folder: Path, placement: str, sandbox: str = "namespaces") -> Home:
    written = NodeConfiguration(
        site="north", name="North", hub_url="https://h", hub="h", hub_key="k", sandbox="namespaces"
    )
    write_configuration(folder / "node.yaml", written)
    text = (folder / "node.yaml").read_text().replace("placement: null", f"placement: {placement}")
    (folder / "node.yaml").write_text(text.replace("sandbox: namespaces", f"sandbox: {sandbox}"))
    return Home(folder)


def test_runs_lie_in_the_home_and_with_a_placement_in_a_folder_of_the_sites_name(tmp_path: Path) -> None:
    assert home(tmp_path, "null").run("d-1") == tmp_path / "runs" / "d-1"
    placed = home(tmp_path, "{by: slurm, shared_folder: /shared/rapha}")
    assert placed.configuration.placement == SLURM
    assert placed.run("d-1") == Path("/shared/rapha/north/d-1")
    assert placed.waiting == Path("/shared/rapha/north/.waiting")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{by: slurm, shared_folder: /shared, gpus: 1}", "placement.gpus"),
        ("{by: submitit, shared_folder: /shared}", "placement.by"),
        ("{by: slurm, shared_folder: shared}", "placement.shared_folder"),
        ("{by: slurm, shared_folder: /shared, partition: 'a --uid=0'}", "placement.partition"),
        ("{by: slurm}", "placement.shared_folder"),
    ],
)
def test_a_section_that_is_none_is_refused_by_its_key(tmp_path: Path, written: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        home(tmp_path, written)


def test_where_nothing_isolates_nothing_is_placed_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="isolates"):
        home(tmp_path, "{by: slurm, shared_folder: /s}", "i-accept-that-code-can-reach-this-machine")


def test_slurm_is_asked_for_what_the_limits_need_and_given_nothing_of_the_agents_environment() -> None:
    limits = SandboxLimits(memory_mb=2048)
    words = Slurm(SLURM).words(job_of("rapha-1", limits), ["/bin/true", "--mem=1"])
    assert words[-2:] == ["/bin/true", "--mem=1"]
    assert {"--mem=2560M", "--export=NONE", "--propagate=NONE", "--job-name=rapha-1", "--ntasks=1"} <= set(words)
    assert not any(word.startswith(("--partition", "--account")) for word in words)
    chosen = SLURM.model_copy(
        update={"partition": "clinical", "account": "trials", "programs_folder": "/opt/slurm/bin"}
    )
    words = Slurm(chosen).words(job_of("rapha-1", limits), [])
    assert words[0] == "/opt/slurm/bin/srun" and {"--partition=clinical", "--account=trials"} <= set(words)


def test_slurms_programs_are_given_a_path_and_its_configuration_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PARTITION", "of somebody else")
    assert Slurm(SLURM).environment() == {"PATH": os.defpath}
    given = SLURM.model_copy(update={"slurm_conf": "/etc/own.conf", "programs_folder": "/opt/bin"})
    assert Slurm(given).environment() == {"PATH": f"/opt/bin:{os.defpath}", "SLURM_CONF": "/etc/own.conf"}


def programs(folder: Path, **told: str) -> Slurm:
    """Slurm's programs, which do what is told or else nothing, well."""
    for name in ("srun", "squeue", "scancel", "scontrol"):
        (folder / name).write_text(f"#!/bin/sh\n{told.get(name, '')}\n")
        (folder / name).chmod(0o700)
    return Slurm(SLURM.model_copy(update={"programs_folder": str(folder)}))


@pytest.mark.parametrize("name", ["srun", "squeue", "scancel", "scontrol"])
def test_each_program_has_to_be_there_before_any_job_is(tmp_path: Path, name: str) -> None:
    slurm = programs(tmp_path)
    slurm.check()
    (tmp_path / name).unlink()
    with pytest.raises(SandboxError, match=f"{name} is not installed"):
        slurm.check()
    (tmp_path / name).mkdir()
    with pytest.raises(SandboxError, match=f"{name} cannot be run"):
        slurm.check()


def test_a_job_in_a_hidden_partition_is_found(tmp_path: Path) -> None:
    slurm = programs(tmp_path, squeue='case " $* " in *" --all "*) echo rapha-1;; esac')
    assert slurm.left("rapha-") == ["rapha-1"]


def test_a_sandbox_that_waits_would_hold_a_job_that_nobody_uses(tmp_path: Path) -> None:
    placed = home(tmp_path, "{by: slurm, shared_folder: /shared}").configuration.as_json()
    with pytest.raises(ValueError, match="waiting_sandboxes"):
        NodeConfiguration.model_validate({**placed, "waiting_sandboxes": 1})


def test_the_launcher_takes_one_line_and_leaves_the_rest_to_the_workload() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"the order\nthe workload's")
    assert read_line(reader) == b"the order"
    assert os.read(reader, 100) == b"the workload's"
    os.close(writer)
    with pytest.raises(OSError, match="no line"):
        read_line(reader)
    os.close(reader)


def test_an_order_without_end_is_not_read_for_ever(tmp_path: Path) -> None:
    (tmp_path / "order").write_bytes(b"x" * (MAX_ORDER_BYTES + 10))
    descriptor = os.open(tmp_path / "order", os.O_RDONLY)
    with pytest.raises(OSError, match="no line"):
        read_line(descriptor)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) <= MAX_ORDER_BYTES + 1
    os.close(descriptor)


def test_a_sandbox_that_hears_nothing_ends_when_the_agents_end_is_closed() -> None:
    code = "from rapha.node.sandbox.launch import _attend; import sys; sys.exit(_attend(['/bin/sleep', '600'], {}))"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, start_new_session=True) as process:
        assert process.stdin
        process.stdin.close()
        try:
            assert process.wait(30) == 256 - 9
        finally:
            process.kill()
