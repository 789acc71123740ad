"""Personal heads: kept for the owner alone, once, listed, and deleted by a steward; each in the audit log."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from test_node_journey import Hospital, hospital  # noqa: F401
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.errors import ConfigurationError, Conflict, EgressRefused
from rapha.node.heads import Heads
from rapha.records.outputs import HEAD
from rapha.records.record import DispatchId
from rapha.records.study import Study
from rapha.records.tensors import declared_head

RUN, WEIGHTS = DispatchId("d-1"), "sha256:" + "1" * 64


def of(hospital: Hospital) -> Study:  # noqa: F811
    """The study that was offered, with a head asked for."""
    hospital.offer()
    (entry,) = [hospital.register.entry(RUN)]
    assert entry is not None
    study = entry.study
    hospital.register.keep_cohort(RUN, "{}")
    return study.model_copy(update={"training": study.training.model_copy(update={"personal": "head"})})


def written(study: Study, folder: Path, value: float = 1.0) -> Path:
    folder.mkdir(exist_ok=True)
    tensors = {name: np.full(spec.shape, value, np.float32) for name, spec in declared_head(study).items()}
    (folder / HEAD).write_bytes(save(tensors))
    return folder


def test_a_head_is_kept_once_for_its_owner_alone_and_forgotten_by_a_steward(hospital: Hospital, tmp_path: Path) -> None:  # noqa: F811
    study, heads = of(hospital), Heads(hospital.home, hospital.register)
    output = written(study, tmp_path / "output")
    heads.keep(RUN, study, output, WEIGHTS)
    heads.keep(RUN, study, output, WEIGHTS)
    (kept,) = heads.kept()
    assert kept.dispatch == RUN and kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.path.parent.stat().st_mode & 0o777 == 0o700
    said = [event for _, event, _, _ in hospital.register.events() if event.startswith("head.")]
    assert said == ["head.kept"]
    listed = CliRunner().invoke(app, ["heads", str(hospital.home.folder)])
    assert kept.digest in listed.output and "d-1" in listed.output
    kept.path.with_suffix(".part").write_bytes(b"half")
    done = CliRunner().invoke(app, ["forget-head", str(hospital.home.folder), "d-1", "--steward", "maria-lopez"])
    assert done.exit_code == 0 and heads.kept() == () and list(kept.path.parent.iterdir()) == []
    assert hospital.register.events()[-1][1] == "head.forgotten"
    with pytest.raises(Conflict):
        heads.forget(RUN, "maria-lopez")


def test_what_is_no_head_of_the_study_is_not_kept(hospital: Hospital, tmp_path: Path) -> None:  # noqa: F811
    study, heads = of(hospital), Heads(hospital.home, hospital.register)
    output = written(study, tmp_path / "output", value=np.nan)
    with pytest.raises(EgressRefused):
        heads.keep(RUN, study, output, WEIGHTS)
    plain = study.model_copy(update={"training": study.training.model_copy(update={"personal": None})})
    heads.keep(RUN, plain, written(study, tmp_path / "output"), WEIGHTS)
    assert heads.kept() == ()


def test_a_name_from_outside_becomes_no_path(hospital: Hospital) -> None:  # noqa: F811
    with pytest.raises(ConfigurationError):
        hospital.home.head("../key")
