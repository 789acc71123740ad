"""One made-up site with a researcher's script: frozen rows, the standards a round starts from, and the run of the script on a backend."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from rapha.canonical import digest
from rapha.cohort.found import FrozenCohort
from rapha.cohort.patients import read_patients, write_patients
from rapha.egress.weights import read_array, read_layout, write_canonical
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.node.scripts import ScriptRun, Whose
from rapha.policy.decide import FOR_SCRIPTS
from rapha.records.outputs import SCRIPT, WEIGHTS, Command, Reply
from rapha.records.study import Study
from rapha.records.tensors import declared_start, declared_weights
from rapha.sdk.study_file import parse_study
from rapha.training.dataset import read_dataset
from rapha.training.script_worker import NotLoaded, called

FILE = """
study: own-script
purpose: {sentence: Try a script., data_use: [DUO:0000006]}
data: {modalities: [ehr]}
concepts: {hdl: {system: local, codes: [hdl]}, ill: {system: local, codes: [ill]}}
cohort: {index: {first: [hdl]}}
outcome: {event: ill, during: {from: index, for: 1 year}, unobserved: exclude}
features: [{last: hdl, during: {until: index, for: 1 year}}, {demographic: age}]
model: {architecture: logistic}
"""
PRIVATE = {"epsilon": 3, "delta": 1e-5, "clip": 1.0, "ranges": {"hdl": [20, 100], "age": [18, 100]}}
PEOPLE, HELD_OUT = 120, 20
SECRET = b"a secret of at least sixteen bytes"


def script_study(source: str, mode: str = "C", **model: object) -> Study:
    content = source.encode()
    stated = parse_study(FILE).as_json()
    own = {"architecture": "script", "mode": mode, "script": digest(content), "size_bytes": len(content)}
    stated["model"] = {**own, "tensors": {"line": [3]}, **model}
    if mode == "B":
        stated |= {"privacy": {"differential_privacy": PRIVATE}, "training": {"rounds": 1}}
        stated["model"] = {"shards": 4, "seconds": 5, **stated["model"]}
    return Study.model_validate(stated)


class ScriptSite:
    """Its rows are of `people` subjects, 1 and on: age and hdl tell who, and one in six is held out."""

    def __init__(self, folder: Path, people: int = PEOPLE) -> None:
        self.folder = RunFolder.under(folder)
        subjects = range(1, people + 1)
        chance = [hashlib.sha256(bytes([s % 251, s // 251])).digest()[0] for s in subjects]
        self.rows = pa.table(
            {
                "split": pa.array([2 if s % 6 == 0 else 0 for s in subjects], pa.int8()),
                "last:hdl": pa.array([30 + c / 4 for c in chance], pa.float64()),
                "age": pa.array([20 + s / 2 for s in subjects], pa.float64()),
                "label": pa.array([int(c > 120) for c in chance], pa.int8()),
            }
        )
        self.cohort: FrozenCohort | None = None
        write_patients(pa.chunked_array([pa.array(list(subjects), pa.int64())]), self.rows, folder)
        self.patients = read_patients(folder)

    def run(
        self, source: str, study: Study, backend: Backend, wait: Callable[[float], object] = lambda s: None
    ) -> ScriptRun:
        from rapha.records.tensors import feature_names

        names = ["split", *feature_names(study), "label"]
        self.rows = self.rows.rename_columns(names)
        with pa.ipc.new_file(str(self.folder.input / "rows.arrow"), self.rows.schema) as writer:
            writer.write_table(self.rows)
        self.patients = _again(self.rows, self.folder.input.parent)
        limits = SandboxLimits(memory_mb=2048, file_mb=16)
        whose = Whose(self.patients, SECRET)
        return ScriptRun(study, source.encode(), self.folder, backend, limits, whose, wait=wait)

    def command(self, study: Study, do: str = "train", number: int = 1) -> Command:
        """With the standards that the site starts from."""
        declared = declared_start(study) if number == 1 else declared_weights(study)
        start = {name: np.ones(spec.shape) * (50 if name.endswith("mean") else 20) for name, spec in declared.items()}
        content = write_canonical(start, declared)
        name = f"{digest(content).removeprefix('sha256:')}.safetensors"
        (self.folder.weights / name).write_bytes(content)
        return Command(do=do, round=number, weights=name)

    def counted(self) -> FrozenCohort:
        split = self.rows["split"].to_pylist()
        return FrozenCohort.model_construct(train_rows=split.count(0), validation_rows=split.count(1))

    def left(self, study: Study) -> dict[str, np.ndarray]:
        """The weights that are in the run's output folder, for the gate."""
        content = (self.folder.output / WEIGHTS).read_bytes()
        return {name: read_array(content, at) for name, at in read_layout(content, declared_weights(study)).items()}


class AtHand:
    """A sandbox that is none: the script in this process; or `answer` in its place."""

    name, isolated, layers = "at hand", True, tuple(FOR_SCRIPTS)

    def __init__(self, answer: Callable[[RunFolder, Command], Reply] | None = None) -> None:
        self._answer, self.starts, self.open = answer or in_this_process, 0, 0
        self.closing: Callable[[RunFolder], object] = lambda run: None

    def check(self) -> None:
        pass

    def give_up(self, run: Path) -> None:
        pass

    def start(self, run: RunFolder, limits: SandboxLimits, module: str | None = None) -> Sandbox:
        assert module == "rapha.training.script_worker"
        self.starts, self.open = self.starts + 1, self.open + 1
        return _Open(self, run, self._answer)  # type: ignore[return-value]


class _Open:
    def __init__(self, backend: AtHand, run: RunFolder, answer: Callable[[RunFolder, Command], Reply]) -> None:
        self._backend, self._run, self._answer, self._closed = backend, run, answer, False

    def run(self, command: Command, deadline_seconds: float) -> Reply:
        assert not self._closed
        return self._answer(self._run, command)

    def close(self) -> None:
        if not self._closed:
            self._closed, self._backend.open = True, self._backend.open - 1
            self._backend.closing(self._run)


def in_this_process(run: RunFolder, command: Command) -> Reply:
    study = Study.from_bytes((run.input / "study.json").read_bytes())
    rows = read_dataset(study, run.input / "rows.arrow").train
    try:
        called(study, (run.input / SCRIPT).read_bytes(), rows, run.weights, run.output, command)
    except NotLoaded:
        return Reply(ok=False, reason="script-not-loaded")
    except Exception:
        return Reply(ok=False, reason="script-failed")
    return Reply(ok=True)


def _again(rows: pa.Table, folder: Path) -> dict[int, bytes]:
    subjects = pa.chunked_array([pa.array(range(1, len(rows) + 1), pa.int64())])
    write_patients(subjects, rows, folder)
    return read_patients(folder)
