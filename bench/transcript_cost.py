"""What the transcript of a round costs: at most 3 % of its training is asked, whatever the model.

Seconds within the recorder, against those of the rest of the same rounds: weights read, trained, measured on validation rows and
written. The recorder's own time is added up, since the difference
of two whole rounds is smaller than what a machine's other work does to them. One line for each model; the claim's
figure is of the dearest.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from figure import RUNS_AT_LEAST, figure_line

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "unit" / "training"))

import pyarrow as pa
from made_up_site import make_study, make_table, write_rows

from rapha.records.outputs import Command
from rapha.records.transcript import EVERY_STEPS, Recording
from rapha.training import learner
from rapha.training.dataset import read_dataset
from rapha.training.learner import Learner
from rapha.training.numerics import pin
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.transcript import Recorder
from rapha.training.weights import write_tensors

AT_MOST = 0.03
MODELS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "7 weights, batches of 32": ("logistic", {}, {"batch_size": 32}),
    "7 weights, one batch a pass": ("logistic", {}, {"batch_size": 4096, "local_epochs": 10}),
    "2 layers": ("mlp", {"hidden": [64, 32]}, {}),
    "4 million weights, batches of 32": ("mlp", {"hidden": [2048, 2048]}, {"batch_size": 32}),
    "4 million weights, batches of 256": ("mlp", {"hidden": [2048, 2048]}, {}),
    "steps of a sequence": ("gru", {"hidden": 64, "embedding": 16}, {}),
    "images": ("image-classifier", {}, {}),
}


class Timed(Recorder):
    """Adds up its own time."""

    spent = 0.0

    def begin(self, *given: Any) -> None:
        self._count(super().begin, *given)

    def step(self, *given: Any) -> None:
        self._count(super().step, *given)

    def end(self) -> None:
        self._count(super().end)

    def _count(self, do: Callable[..., None], *given: Any) -> None:
        began = perf_counter()
        do(*given)
        Timed.spent += perf_counter() - began


def shares(folder: Path, name: str, rows: int = 4096) -> tuple[list[float], list[float]]:
    """Seconds of the transcript, and of the rounds it is of; one each a run."""
    architecture, model, training = MODELS[name]
    study = make_study(architecture, model, **training)
    table: pa.Table = make_table(study, rows)
    dataset = read_dataset(study, write_rows(folder / "rows.arrow", table))
    weights = f"{'0' * 64}.safetensors"
    write_tensors(folder / weights, start_of(feature_statistics(study, dataset.train)))
    (folder / "out").mkdir(exist_ok=True)
    site = Learner(study, dataset, folder, folder / "out")
    command = Command(do="train", round=1, weights=weights, recording=Recording(key="0" * 64, every_steps=EVERY_STEPS))
    site.do(command)
    spent, trained = [], []
    for _ in range(RUNS_AT_LEAST if "million" in name else 10 * RUNS_AT_LEAST):
        Timed.spent, began = 0.0, perf_counter()
        site.do(command)
        spent.append(Timed.spent)
        trained.append(perf_counter() - began - Timed.spent)
    return spent, trained


def main() -> None:
    pin()
    learner.Recorder = Timed  # type: ignore[misc]
    dearest: tuple[float, list[float], list[float]] = (-1.0, [], [])
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            spent, trained = shares(Path(folder), name)
            share = median(spent) / median(trained)
            print(f"{name}: {100 * share:.2f} % of {median(trained):.3g} s")
            dearest = max(dearest, (share, spent, trained))
    print(figure_line("transcript_cost", dearest[1], AT_MOST * median(dearest[2])))


if __name__ == "__main__":
    main()
