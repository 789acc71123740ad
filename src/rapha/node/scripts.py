"""A researcher's own script at this hospital: each call in a sandbox of its own, which is used once. Modes B and C.

What a call gives is one file of a fixed name, read as canonical safetensors of the declared tensors; its reply is believed in nothing
but whether the script could be loaded. In mode B not even that: a call that failed, gave nothing or came too late counts as no update, and
each takes the same time, so that neither an answer nor its moment tells of the patients of a shard.
"""

import contextlib
import math
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rapha.canonical import digest
from rapha.cohort.found import FrozenCohort
from rapha.egress.collect import collect
from rapha.egress.rounding import low_bits_by_chance
from rapha.egress.sample_and_aggregate import Floats, noised_mean
from rapha.egress.weights import canonical_weights, limit_bytes, read_array, read_layout, write_canonical
from rapha.errors import EgressRefused, SandboxError, TrainingFailed
from rapha.node.configuration import SandboxLimits
from rapha.node.kept import lay_beside
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.node.sandbox.process import MAX_LOG_BYTES
from rapha.node.sandbox.started import SCRIPT_WORKLOAD
from rapha.node.shards import halves, rows_to_predict, shards, taken, training_rows
from rapha.policy.decide import FOR_SCRIPTS
from rapha.records.learning import Script
from rapha.records.outputs import FIGURES, OTHERS, SCORES, SCRIPT, WEIGHTS, Command, Figures
from rapha.records.private import PATIENT
from rapha.records.release import ReasonCode
from rapha.records.study import Study
from rapha.records.task import Work
from rapha.records.tensors import Declared, TensorSpec, declared_start, declared_weights
from rapha.training.accounting import mechanism_of

if TYPE_CHECKING:
    import pyarrow as pa

_SAID: tuple[ReasonCode, ...] = ("script-not-loaded", "script-failed")
SCRIPT_LOG = "script.log"
"""In the folder of the dispatch: what the script printed, for the steward alone."""
REFERENCE_SHARE = 4
"""As in `rapha.training.membership`, which the agent cannot import."""
MOST_LOGS_BYTES = 4 * MAX_LOG_BYTES


class Whose(NamedTuple):
    """Patients of the frozen rows, and the secret that deals them."""

    patients: dict[int, bytes]
    secret: bytes


class ScriptRun:
    """The script of one dispatch. `folder`: the run's own, with its frozen rows; `whose`: for shards, and for the audit.
    `rehearsed`: on the researcher's own machine and made-up rows, where walls are good to have, and nobody is behind the moments."""

    def __init__(
        self,
        study: Study,
        source: bytes,
        folder: RunFolder,
        backend: Backend,
        limits: SandboxLimits,
        whose: Whose,
        *,
        rehearsed: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Raises TrainingFailed: this machine has not all layers (`sandbox-layer-missing`), or it is another script."""
        assert isinstance(study.model, Script)
        if not rehearsed and not (backend.isolated and set(backend.layers) >= FOR_SCRIPTS):
            raise TrainingFailed("a script runs behind every layer, or not at all", "sandbox-layer-missing")
        if digest(source) != study.model.script:
            raise TrainingFailed("the script is not the one that the study names", "study-changed")
        self._study, self._model, self._source, self._folder = study, study.model, source, folder
        self._backend, self._limits, self._whose = backend, limits, whose
        self._calls = folder.output.parent / "script"
        self._log = folder.output.parent / SCRIPT_LOG
        self._sandbox: Sandbox | None = None
        self._others: tuple[int, Floats | None] | None = None
        self._ended = threading.Event()
        self._clock, self._wait = clock, wait or (_at_once if rehearsed else self._ended.wait)

    def train(self, command: Command, cohort: FrozenCohort) -> None:
        """One round: leaves what the trainer would, in the run's output folder, for the gate to look at.

        Raises:
            TrainingFailed: in mode C, with the stage it came to: `script-not-loaded`, `script-failed`, `deadline`.
            EgressRefused: in mode C, the tensors are not those declared; in mode B, `noise-missing`.
            SandboxError: a sandbox could not start.
        """
        declared = declared_weights(self._study)
        base = self._base(command)
        layers = self._shards_averaged(command, base) if self._model.mode == "B" else self._trained(command)
        given = {**base, **layers}
        (self._folder.output / WEIGHTS).write_bytes(write_canonical(given, declared))
        figures = Figures(rows=cohort.train_rows, positives=0, negatives=cohort.validation_rows, figures=())
        (self._folder.output / FIGURES).write_bytes(figures.as_bytes())

    def predict(self, command: Command) -> None:
        """Lay what `predict` gives of all rows beside the weights, for the trainer to measure; nothing where there is no such function.

        Raises: as `train`.
        """
        if not self._model.predicts or self._model.mode == "B":
            return
        rows = rows_to_predict(self._table())
        declared = {"scores": TensorSpec(shape=(len(rows),), dtype="F64")}
        (self._folder.weights / SCORES).write_bytes(self._call(rows, command, declared))
        if command.audit and (others := self._of_references(command, rows)) is not None:
            (self._folder.weights / OTHERS).write_bytes(write_canonical({"scores": others}, declared))

    def lay_weights(self) -> str:
        """Put what the last round gave among the weights; its name there."""
        name = lay_beside(self._folder.weights, (self._folder.output / WEIGHTS).read_bytes())
        assert name is not None
        return name

    def close(self) -> None:
        """End the call that is being made, and make no other. May be called from another thread, and twice."""
        self._ended.set()
        self._backend.give_up(self._calls)
        if (sandbox := self._sandbox) is not None:
            sandbox.close()
        shutil.rmtree(self._calls, ignore_errors=True)

    def _of_references(self, command: Command, rows: "pa.Table") -> Floats | None:
        """What two models of the script, each of one half of the training rows, say of each row: the one that has not learned from it.
        None where the script cannot do it. Trained once, for a quarter of the rounds, as `rapha.training.membership` does."""
        rounds = min(command.round, math.ceil(self._study.training.rounds / REFERENCE_SHARE))
        if self._others is None or self._others[0] != rounds:
            found = None
            with contextlib.suppress(TrainingFailed, EgressRefused):
                found = self._references(rounds, self._standards(command), rows)
            self._others = (rounds, found)
        return self._others[1]

    def _references(self, rounds: int, standards: dict[str, Floats], rows: "pa.Table") -> Floats:
        training, first = training_rows(self._table()), halves(len(rows), self._whose.secret)
        scores = []
        for half in (True, False):
            mine = taken(training, [at for at in range(len(training)) if first[at] is half])
            content = write_canonical(standards, declared_start(self._study))
            for number in range(1, rounds + 1):
                layers = self._learned(mine, _from(content, "train", number), content)
                content = write_canonical({**standards, **layers}, declared_weights(self._study))
            declared = {"scores": TensorSpec(shape=(len(rows),), dtype="F64")}
            given = self._call(rows, _from(content, "evaluate", rounds), declared, content)
            scores.append(_arrays(given, declared)["scores"])
        return np.where(first, scores[1], scores[0])

    def _standards(self, command: Command) -> dict[str, Floats]:
        """Those that training began with: they stay what they are."""
        assert command.weights is not None
        content = (self._folder.weights / command.weights).read_bytes()
        given = _arrays(content, declared_weights(self._study))
        return {name: given[name] for name in declared_start(self._study)}

    def _trained(self, command: Command) -> dict[str, Floats]:
        return self._learned(training_rows(self._table()), command)

    def _learned(self, rows: "pa.Table", command: Command, weights: bytes | None = None) -> dict[str, Floats]:
        """What a call of mode C gives, as it may leave; also of a reference, so that the audit compares like with like."""
        given = _arrays(self._call(rows, command, self._declared, weights), self._declared)
        return low_bits_by_chance(given, self._whose.secret)

    def _shards_averaged(self, command: Command, base: dict[str, Floats]) -> dict[str, Floats]:
        terms, count = self._study.privacy.differential_privacy, self._model.shards
        assert terms is not None and count is not None
        multiplier = mechanism_of(
            self._study
        ).noise_multiplier  # first: what cannot be had fails before a row is touched
        dealt = shards(self._table(), self._whose.patients, count, self._whose.secret)
        start = _flat(base, self._declared)
        updates = [self._shard(rows, command, start) for rows in dealt]
        mean = noised_mean(updates, count, len(start), terms.clip, multiplier)
        return _unflat(start + mean, self._declared)

    def _shard(self, rows: "pa.Table", command: Command, start: Floats) -> Floats | None:
        """The update of one shard; None where the script gave none. Whatever it does, the slot takes its time to the end."""
        found: Floats | None = None
        sandbox, folder = self._started(rows, command)
        ends = self._clock() + self._model.seconds
        with contextlib.suppress(SandboxError, EgressRefused, TrainingFailed):
            found = (
                _flat(_arrays(self._asked(sandbox, folder, command, self._declared), self._declared), self._declared)
                - start
            )
        self._end(folder)
        self._wait(max(0.0, ends - self._clock()))
        return found

    def _call(self, rows: "pa.Table", command: Command, declared: Declared, weights: bytes | None = None) -> bytes:
        sandbox, folder = self._started(rows, command, weights)
        try:
            return self._asked(sandbox, folder, command, declared)
        finally:
            self._end(folder)

    def _asked(self, sandbox: Sandbox, folder: RunFolder, command: Command, declared: Declared) -> bytes:
        """What one call leaves, as canonical safetensors of these tensors. The sandbox is ended before its file is opened."""
        ends = self._clock() + self._model.seconds
        try:
            reply = sandbox.run(command, self._model.seconds)
        except SandboxError as error:
            late = self._clock() >= ends
            raise TrainingFailed(
                "the script's sandbox ended, or took too long", "deadline" if late else "script-failed"
            ) from error
        finally:
            sandbox.close()
        if not reply.ok:
            said = reply.reason if reply.reason in _SAID else "script-failed"
            raise TrainingFailed("the script could not do it", said)
        return canonical_weights(collect(folder.output, WEIGHTS, limit_bytes(declared)), declared)

    def _started(self, rows: "pa.Table", command: Command, weights: bytes | None = None) -> tuple[Sandbox, RunFolder]:
        """A sandbox over a folder of its own, with these rows, these `weights` or those of the command, and nothing of any other call."""
        if self._ended.is_set():
            raise TrainingFailed("the run has ended", "cancelled")
        shutil.rmtree(self._calls, ignore_errors=True)
        folder = RunFolder.under(self._calls)
        (folder.input / SCRIPT).write_bytes(self._source)
        (folder.input / "study.json").write_bytes(self._study.as_bytes())
        whose = [PATIENT] if PATIENT in rows.column_names else []  # is none of a script's business
        _write(rows.drop_columns(whose), folder.input / "rows.arrow")
        if command.weights:
            content = weights or (self._folder.weights / command.weights).read_bytes()
            (folder.weights / command.weights).write_bytes(content)
        try:
            self._sandbox = sandbox = self._backend.start(folder, self._limits, SCRIPT_WORKLOAD)
        except SandboxError:
            shutil.rmtree(self._calls, ignore_errors=True)
            raise
        if self._ended.is_set():  # while it started: `close` saw none to end
            self._end(folder)
            raise TrainingFailed("the run has ended", "cancelled")
        return sandbox, folder

    def _end(self, folder: RunFolder) -> None:
        """Nothing of a call stays but the beginning of what it printed, for the steward."""
        if (sandbox := self._sandbox) is not None:
            sandbox.close()
        self._sandbox = None
        with contextlib.suppress(OSError):
            room = MOST_LOGS_BYTES - (self._log.stat().st_size if self._log.exists() else 0)
            with open(self._log, "ab", opener=_private) as kept:  # a path's own `open` takes no opener
                kept.write(folder.log.read_bytes()[: max(0, room)])
        shutil.rmtree(self._calls, ignore_errors=True)

    @property
    def _declared(self) -> Declared:
        return {name: TensorSpec(shape=shape, dtype="F32") for name, shape in self._model.tensors.items()}

    def _base(self, command: Command) -> dict[str, Floats]:
        """What a round starts from: the standards, and the script's own tensors, which are zeros before the first."""
        declared = declared_start(self._study) if command.round == 1 else declared_weights(self._study)
        if command.weights is None:
            raise TrainingFailed("a round needs weights to start from", "weights-unreadable")
        zeros = {name: np.zeros(shape) for name, shape in self._model.tensors.items()}
        return {**zeros, **_arrays((self._folder.weights / command.weights).read_bytes(), declared)}

    def _table(self) -> "pa.Table":
        import pyarrow as pa

        return pa.ipc.open_file(self._folder.input / "rows.arrow").read_all()


def _arrays(content: bytes, declared: Declared) -> dict[str, Floats]:
    """Raises EgressRefused: not the tensors that are declared."""
    return {
        name: read_array(content, placed).astype(np.float64) for name, placed in read_layout(content, declared).items()
    }


def _at_once(seconds: float) -> None:
    """Wait for nothing."""


def _from(content: bytes, do: Work, number: int) -> Command:
    return Command(do=do, round=number, weights=f"{digest(content).removeprefix('sha256:')}.safetensors")


def _flat(arrays: dict[str, Floats], declared: Declared) -> Floats:
    return np.concatenate([arrays[name].reshape(-1) for name in declared])


def _unflat(flat: Floats, declared: Declared) -> dict[str, Floats]:
    sizes = [int(np.prod(spec.shape, dtype=np.int64)) for spec in declared.values()]
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return {name: part.reshape(spec.shape) for (name, spec), part in zip(declared.items(), parts, strict=True)}


def _write(rows: "pa.Table", path: Path) -> None:
    import pyarrow as pa

    with pa.ipc.new_file(str(path), rows.schema) as writer:
        writer.write_table(rows)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
