"""A ready model: rows in, risks out. What `rapha.load` gives stands on this."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rapha.errors import StudyError
from rapha.records.study import Study
from rapha.records.tensors import declared_weights, dense_of, feature_names, sequence_of
from rapha.training.architectures import build
from rapha.training.arrays import arrays_of
from rapha.training.calibration import risk_of
from rapha.training.classes import chances
from rapha.training.dataset import Floats, Rows, Sequences
from rapha.training.inputs import Inputs, make_inputs
from rapha.training.pooled import score
from rapha.training.weights import check_weights, load_into


class Model:
    """A trained model of one study. `features` are the names that `predict` wants, in the order of the study; `classes` those of a
    categorical outcome, or of the voxels where there are several segments, in the order of the columns that it gives."""

    def __init__(
        self, study: Study, weights: Mapping[str, npt.NDArray[np.float32]], graph: bytes | None = None
    ) -> None:
        check_weights(weights, declared_weights(study))
        self.study, self.features = study, feature_names(study)
        self.classes = study.outcome.classes or study.outcome.voxel_classes
        self._weights = dict(weights)
        self._network = build(study, graph)
        load_into(self._network, self._weights)

    def __repr__(self) -> str:
        return f"<{self.study.model.architecture} of {self.study.study}; predict takes {', '.join(self._asked)}>"

    @property
    def _asked(self) -> tuple[str, ...]:
        dense = (feature.name for feature in dense_of(self.study))
        return (*self.features, *(["sequence"] if sequence_of(self.study) else []), *dense)

    def predict(self, rows: Mapping[str, Any]) -> Floats:
        """Risks [n] for n patients: probabilities for a binary outcome, relative hazards for a time-to-event outcome
        (1 is the hazard of the patient whose score is zero). Of a numeric outcome the number itself, in its unit. Of a categorical
        outcome the probability of each class [n, K], in the order of `classes`; each row's sum is 1. Of a segment outcome
        the probability of every voxel [n, *shape]; of several segments [n, 1 + segments, *shape], of the background and of each, their sum 1.

        `rows` gives for each feature name n numbers, or one number for one patient; None or NaN is missing. Under
        `sequence`, where the study has one, n lists of (concept, value or None, days before the index), oldest first. Of a
        note n texts, of another dense feature an array [n, *shape]; None where a patient has none.

        Raises:
            StudyError: a feature is absent, not asked for by the study, not a number, or of another length.
        """
        steps = sequence_of(self.study)
        wanted = self._asked
        if set(rows) != set(wanted):
            wrong = sorted(set(wanted) ^ set(rows))
            raise StudyError(f"rows: {wrong[0]!r} is absent or not a feature of this study; it takes {list(wanted)}")
        columns = [_column(name, rows[name]) for name in self.features]
        sequences = _sequences(rows["sequence"], steps.of, steps.at_most) if steps else None
        arrays = {feature.name: arrays_of(feature, rows[feature.name]) for feature in dense_of(self.study)}
        lengths = {len(column) for column in columns} | {len(array) for array in arrays.values()}
        lengths |= {len(sequences.offsets) - 1} if sequences else set()
        if len(lengths) != 1:
            raise StudyError(f"rows: the features are of different lengths, {sorted(lengths)}")
        count = lengths.pop()
        features = np.stack(columns, axis=1) if columns else np.empty((count, 0))
        event = np.zeros(count, dtype=np.int64)
        inputs = make_inputs(Rows(features, event, None, sequences, arrays), self._weights)
        if self.study.outcome.kind == "segment":
            return self._voxels(inputs)
        scores = score(self._network, inputs)
        match self.study.outcome.kind:
            case "time-to-event":
                return np.exp(scores)
            case "numeric":
                return scores
            case "categorical":
                return chances(scores)
            case "binary":
                return risk_of(scores)

    def _voxels(self, inputs: Inputs) -> Floats:
        """One patient at a time: what lies between the layers of a segmenter is many times an image."""
        self._network.eval()
        with torch.inference_mode():
            found = [self._network(inputs, row).double() for row in torch.split(torch.arange(len(inputs)), 1)]
        logits = torch.cat(found)
        return (logits.softmax(1) if self.study.outcome.segments else logits.sigmoid()).numpy()


def load_model(study: Study, weights: Mapping[str, npt.NDArray[np.float32]], graph: bytes | None = None) -> Model:
    """The study's model with these weights; `graph`: the file of an exported model. Raises TrainingFailed where they are not
    the declared tensors, or the graph is not the study's."""
    return Model(study, weights, graph)


def _column(name: str, values: Any) -> Floats:
    try:
        column = np.atleast_1d(np.asarray(values, dtype=np.float64)).copy()
    except (TypeError, ValueError) as error:
        raise StudyError(f"rows: {name!r} holds what is not a number; write None for a missing value") from error
    if column.ndim != 1:
        raise StudyError(f"rows: {name!r} wants one number a patient")
    column[~np.isfinite(column)] = np.nan
    return column


Step = tuple[str, float | None, float]


def _sequences(rows: Iterable[Sequence[Step]], concepts: Sequence[str], at_most: int) -> Sequences:
    places = {name: place for place, name in enumerate(concepts)}
    concept: list[int] = []
    numbers: list[tuple[float, float]] = []
    offsets = [0]
    try:
        for steps in rows:
            for name, value, days in list(steps)[-at_most:]:
                concept.append(places[name])
                numbers.append((np.nan if value is None else float(value), float(days)))
            offsets.append(len(concept))
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"rows: a step of 'sequence' is (one of {list(places)}, value or None, days)") from error
    values, ages = np.array(numbers, dtype=np.float64).reshape(-1, 2).T
    values = np.where(np.isfinite(values), values, np.nan)
    return Sequences(np.array(concept, dtype=np.int64), values, np.maximum(ages, 0), np.array(offsets, dtype=np.int64))
