"""`rapha study check` of a study that names a script: told by line, and nothing of it is run."""

from pathlib import Path

import numpy as np
import pytest
from made_up_people import write_study

from rapha.canonical import digest
from rapha.cohort.found import FrozenCohort
from rapha.egress.weights import write_canonical
from rapha.errors import StudyError
from rapha.records.learning import Script
from rapha.records.outputs import FIGURES, WEIGHTS, Command, Figures
from rapha.records.tensors import declared_weights
from rapha.sdk.graph_file import graph_of
from rapha.sdk.rehearsal import profiles_for, rehearse
from rapha.sdk.study_file import read_study_and_graph

GOOD = "import numpy as np\n\n\ndef train(data, weights, settings):\n    return weights\n"
MODEL = {"{architecture: logistic}": "{architecture: script, mode: C, script: train.py, tensors: {line: [5]}}"}


def read(folder: Path, script: str):
    (folder / "train.py").write_text(script)
    return read_study_and_graph(write_study(folder / "study.yaml", **MODEL))


def test_the_study_carries_the_digest_of_the_script_beside_it(tmp_path: Path) -> None:
    study, content = read(tmp_path, GOOD)
    assert content == GOOD.encode() and isinstance(study.model, Script)
    assert (study.model.script, study.model.size_bytes, study.model.predicts) == (digest(content), len(content), False)
    assert graph_of(study, content) == content
    with pytest.raises(StudyError, match="has to be given"):
        graph_of(study, content + b" ")
    other, _ = read(tmp_path, GOOD + "\n\ndef predict(data, weights, settings): ...\n")
    assert isinstance(other.model, Script) and other.model.predicts and other.digest != study.digest


def test_nothing_of_it_is_run(tmp_path: Path) -> None:
    read(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n" + GOOD)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("def train(data:\n", r"study.yaml:\d+: model.script: train.py:1: "),
        ("x = 1\n", "has no `def train"),
        ("def train(data, weights): ...\n", "train.py:1: `train` is called with"),
        ("def train(data, weights, settings, more): ...\n", "`train` is called with"),
        ("def train(data, weights, *, settings): ...\n", "`train` is called with"),
        (GOOD + "def predict(data): ...\n", "train.py:6: `predict` is called with"),
        (GOOD + "import pandas\n", "train.py:6: hospitals have no `pandas`"),
        ("#" * (256 * 1024 + 1), "larger than 256 KiB"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        read(tmp_path, script)


def test_a_script_that_is_not_there_is_told_with_the_rest(tmp_path: Path) -> None:
    changes = {**MODEL, "rounds: 3": "rounds: none"}
    with pytest.raises(StudyError, match="cannot be read") as told:
        read_study_and_graph(write_study(tmp_path / "study.yaml", **changes))
    assert "training.rounds" in str(told.value)


def test_a_script_that_is_rehearsed_goes_the_way_of_a_hospital(tmp_path: Path) -> None:
    study, content = read(tmp_path, "def train(d, w, s): return {'line': [len(d['label'])] * 5}\n")
    assert content is not None
    made: list[Path] = []

    class Own:
        def __init__(self, site: Path) -> None:
            self.site, self.done = site, made.append(site)

        def train(self, command: Command, cohort: FrozenCohort) -> None:
            declared = declared_weights(study)
            given = {name: np.ones(spec.shape) for name, spec in declared.items()}
            (self.site / "output" / WEIGHTS).write_bytes(write_canonical(given, declared))
            counted = Figures(rows=cohort.train_rows, positives=0, negatives=cohort.validation_rows, figures=())
            (self.site / "output" / FIGURES).write_bytes(counted.as_bytes())

        def predict(self, command: Command) -> None:
            made.append(self.site)

        def close(self) -> None:
            made.append(self.site)

    profile = profiles_for(study)[0]
    (done,) = rehearse(study, [profile], tmp_path / "run", graph=content, script=lambda of, site: Own(site))
    assert done.ok and done.metrics is not None and made == [tmp_path / "run" / profile.site] * 3
    assert not done.metrics.evaluations[0].scores
