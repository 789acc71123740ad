"""The frozen rows of one site: `rows.arrow`, checked column by column against the study, as arrays by split.

The file comes from the node; still nothing in it is taken on trust but its numbers. Null, NaN and infinite values of a
feature are missing values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapha.errors import TrainingFailed
from rapha.records.private import PATIENT, counts_by_patient
from rapha.records.segmenter import MASK, SegmentMask
from rapha.records.study import Study
from rapha.records.tensors import dense_of, feature_names, mask_of, sequence_of
from rapha.training.arrays import Arrays, join_arrays, read_arrays

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SPLITS = ("train", "validation", "test")
_STEP = {"concept": pa.int16(), "value": pa.float64(), "days": pa.float32()}


@dataclass(frozen=True)
class Sequences:
    """One list of steps per row, laid end to end: row i has steps offsets[i] to offsets[i + 1].

    concept [S] in 0..C-1; value [S], NaN where there is none; days [S] before the index; offsets [n + 1].
    """

    concept: Ints
    value: Floats
    days: Floats
    offsets: Ints

    def take(self, rows: Ints) -> "Sequences":
        """The sequences of these rows, in this order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        steps = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Sequences(self.concept[steps], self.value[steps], self.days[steps], offsets)


@dataclass(frozen=True)
class Rows:
    """features [n, F], NaN where missing; event [n] is 1 for a case or an observed event, else 0; time [n] in days for a
    time-to-event outcome, else None; value [n] of a numeric outcome, label [n] of a categorical one, the place of its class, and
    masks [n] of a segment outcome, else None (event is then 0 throughout); arrays by the names of the dense features; patient [n],
    the same number for the rows of one patient, where a patient may have several, else None: there each row is a patient."""

    features: Floats
    event: Ints
    time: Floats | None
    sequences: Sequences | None
    arrays: Mapping[str, Arrays] = field(default_factory=dict)
    value: Floats | None = None
    label: Ints | None = None
    masks: Arrays | None = None
    patient: Ints | None = None

    def __len__(self) -> int:
        return len(self.event)

    @property
    def positives(self) -> int:
        """Cases, or observed events."""
        return int(self.event.sum())

    def classes(self, kinds: int) -> tuple[int, ...]:
        """How many rows are of each of so many classes; nothing of another outcome."""
        return () if self.label is None else tuple(int(n) for n in np.bincount(self.label, minlength=kinds))

    def take(self, rows: Ints) -> "Rows":
        """These rows, in this order."""
        return Rows(
            self.features[rows],
            self.event[rows],
            None if self.time is None else self.time[rows],
            None if self.sequences is None else self.sequences.take(rows),
            {name: arrays.take(rows) for name, arrays in self.arrays.items()},
            None if self.value is None else self.value[rows],
            None if self.label is None else self.label[rows],
            None if self.masks is None else self.masks.take(rows),
            None if self.patient is None else self.patient[rows],
        )


@dataclass(frozen=True)
class Dataset:
    """The rows of one site, or of several pooled, by split. Any of the three may be empty."""

    train: Rows
    validation: Rows
    test: Rows


def load_reader() -> None:
    """Read a made-up column as `read_dataset` reads one: what that loads when it is first used is then there."""
    pa.chunked_array([pa.array([0.0])]).to_numpy()


def read_dataset(study: Study, path: Path) -> Dataset:
    """Read `rows.arrow`.

    Raises:
        TrainingFailed: not an Arrow file, or not with the columns, types and ranges that the study asks for.
    """
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise TrainingFailed(f"{path.name} is not a readable Arrow file; freeze the cohort again") from error
    _check_columns(study, table)
    split = _whole(table, "split", highest=2)
    rows = _rows(study, table)
    if PATIENT in table.column_names:
        rows = replace(rows, patient=_whole(table, PATIENT, highest=max(table.num_rows - 1, 0)))
    return Dataset(*(rows.take(np.flatnonzero(split == place)) for place in range(len(SPLITS))))


def pool(datasets: Sequence[Dataset]) -> Dataset:
    """The rows of several sites as if they were one, split by split, in the order given."""
    return Dataset(*(_concatenate([getattr(dataset, split) for dataset in datasets]) for split in SPLITS))


def _concatenate(parts: Sequence[Rows]) -> Rows:
    times = [part.time for part in parts if part.time is not None]
    values = [part.value for part in parts if part.value is not None]
    labels = [part.label for part in parts if part.label is not None]
    sequences = [part.sequences for part in parts if part.sequences is not None]
    masks = [part.masks for part in parts if part.masks is not None]
    return Rows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.event for part in parts]),
        np.concatenate(times) if times else None,
        _join(sequences) if sequences else None,
        {name: join_arrays([part.arrays[name] for part in parts]) for name in parts[0].arrays},
        np.concatenate(values) if values else None,
        np.concatenate(labels) if labels else None,
        join_arrays(masks) if masks else None,
        _of_several_sites([part.patient for part in parts if part.patient is not None]),
    )


def _of_several_sites(patients: Sequence[Ints]) -> Ints | None:
    """The numbers of patients, none of whom is at two sites."""
    if not patients:
        return None
    firsts = np.cumsum([0, *(int(numbers.max(initial=-1)) + 1 for numbers in patients[:-1])])
    return np.concatenate([numbers + first for numbers, first in zip(patients, firsts, strict=True)])


def _join(parts: Sequence[Sequences]) -> Sequences:
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return Sequences(
        np.concatenate([part.concept for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.days for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def _says_whose(study: Study, table: pa.Table) -> bool:
    """Rows of which a patient may have several; but for a private round not those that a version before froze, nor those of a script."""
    private = study.privacy.differential_privacy is not None
    return counts_by_patient(study) and (private or PATIENT in table.column_names)


def _check_columns(study: Study, table: pa.Table) -> None:
    expected = [
        "split",
        *([PATIENT] if _says_whose(study, table) else []),
        *feature_names(study),
        *(["sequence"] if sequence_of(study) else []),
    ]
    expected += [feature.name for feature in dense_of(study)]
    cause = ["cause"] if study.outcome.competing else []
    labels = {"time-to-event": ["time", "event", *cause], "numeric": ["value"], "segment": [MASK]}
    expected += labels.get(study.outcome.kind, ["label"])
    if table.column_names != expected:
        wrong = sorted(set(table.column_names) ^ set(expected)) or ["their order"]
        raise TrainingFailed(f"rows.arrow has not the columns of the study: see {', '.join(wrong[:5])}")
    types = {name: pa.float64() for name in (*feature_names(study), "time", "value")}
    types |= {name: pa.int8() for name in ("split", "label", "event", "cause")} | {PATIENT: pa.int32()}
    for column in table.schema:
        dense = column.name not in types and column.name != "sequence"  # a mask too: `read_arrays` looks at its type
        good = _is_steps(column.type) if column.name == "sequence" else dense or column.type == types[column.name]
        if not good:
            raise TrainingFailed(f"rows.arrow: the column {column.name} is of type {column.type}")


def _is_steps(found: pa.DataType) -> bool:
    if not pa.types.is_list(found) or not pa.types.is_struct(found.value_type):
        return False
    return {field.name: field.type for field in found.value_type} == _STEP


def _rows(study: Study, table: pa.Table) -> Rows:
    names, sequence = feature_names(study), sequence_of(study)
    features = np.empty((table.num_rows, len(names)), dtype=np.float64)
    for place, name in enumerate(names):
        features[:, place] = table[name].to_numpy()
    features[~np.isfinite(features)] = np.nan
    sequences = _sequences(table, len(sequence.of)) if sequence else None
    arrays = {feature.name: read_arrays(table[feature.name], feature) for feature in dense_of(study)}
    if study.outcome.kind == "binary":
        return Rows(features, _whole(table, "label", highest=1), None, sequences, arrays)
    nobody = np.zeros(len(features), np.int64)
    if study.outcome.kind == "numeric":
        return Rows(features, nobody, None, sequences, arrays, _numbers(table))
    if classes := study.outcome.classes:
        label = _whole(table, "label", highest=len(classes) - 1)
        return Rows(features, nobody, None, sequences, arrays, label=label)
    if (mask := mask_of(study)) is not None:
        return Rows(features, nobody, None, sequences, arrays, masks=_masks(table, mask))
    time = table["time"].to_numpy()
    if not (np.isfinite(time) & (time > 0)).all():
        raise TrainingFailed("rows.arrow: the column time holds what is not a number of days above 0")
    return Rows(features, _whole(table, "event", highest=1), time, sequences, arrays)


def _masks(table: pa.Table, mask: SegmentMask) -> Arrays:
    masks = read_arrays(table[MASK], mask)
    if not masks.present.all():
        raise TrainingFailed(f"rows.arrow: the column {MASK} has nulls")
    return masks


def _numbers(table: pa.Table) -> Floats:
    value: Floats = table["value"].to_numpy()
    if not np.isfinite(value).all():
        raise TrainingFailed("rows.arrow: the column value holds what is not a number")
    return value


def _whole(table: pa.Table, name: str, highest: int) -> Ints:
    column = table[name]
    if column.null_count:
        raise TrainingFailed(f"rows.arrow: the column {name} has nulls")
    values: Ints = column.to_numpy().astype(np.int64)
    if len(values) and not (values.min() >= 0 and values.max() <= highest):
        raise TrainingFailed(f"rows.arrow: the column {name} holds other numbers than 0 to {highest}")
    return values


def _sequences(table: pa.Table, concepts: int) -> Sequences:
    lists = table["sequence"].combine_chunks()
    steps = pa.Table.from_arrays(lists.flatten().flatten(), names=[f.name for f in lists.type.value_type])
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    days = steps["days"].to_numpy().astype(np.float64)
    if not (np.isfinite(days) & (days >= 0)).all():
        raise TrainingFailed("rows.arrow: sequence.days holds what is not a number of days before the index")
    value = steps["value"].to_numpy().copy()
    value[~np.isfinite(value)] = np.nan
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Sequences(_whole(steps, "concept", highest=concepts - 1), value, days, offsets)
