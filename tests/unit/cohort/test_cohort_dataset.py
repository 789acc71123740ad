"""Same rows, same bytes: what lies under a missing value is always zero."""

import numpy as np
import pyarrow as pa
import pytest

from rapha.cohort.dataset import dataset_of, write_dataset
from rapha.records.feature import AggregateFeature, SequenceFeature

WINDOW = {"until": "index"}
LAST = AggregateFeature.model_validate({"aggregate": "last", "of": "a", "during": WINDOW})
SEQUENCE = SequenceFeature.model_validate({"of": ["a"], "during": WINDOW})
STEP = pa.struct({"concept": pa.int16(), "value": pa.float64(), "days": pa.float32()})


def answer(reals: pa.Array, sequences: pa.Array) -> pa.Table:
    small = pa.array([0] * len(reals), pa.int8())
    return pa.table({"split": small, "f0": reals, "f1": sequences, "label": small})


def floats(values: list[float], missing: list[bool]) -> pa.Array:
    """A float64 array with chosen bytes under its nulls."""
    valid = pa.py_buffer(np.packbits(~np.array(missing), bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.float64(), len(values), [valid, pa.py_buffer(np.array(values).tobytes())])


def lists(under: float) -> pa.Array:
    fields = [pa.array([0, 0], pa.int16()), floats([2.5, under], [False, True]), pa.array([3.0, 1.0], pa.float32())]
    return pa.ListArray.from_arrays([0, 2, 2], pa.StructArray.from_arrays(fields, fields=list(STEP)))


@pytest.fixture
def clean() -> pa.Table:
    return dataset_of(answer(floats([1.5, 0.0], [False, True]), lists(0.0)), [LAST, SEQUENCE], ("label",))


def test_chance_under_a_null_is_not_written(clean, tmp_path):
    dirty = dataset_of(answer(floats([1.5, 777.0], [False, True]), lists(777.0)), [LAST, SEQUENCE], ("label",))
    assert write_dataset(clean, tmp_path / "a") == write_dataset(dirty, tmp_path / "b")
    assert np.float64(777.0).tobytes() not in (tmp_path / "b/rows.arrow").read_bytes()


def test_values_and_missing_ones_stay(clean):
    assert clean["last_a_until_ever"].to_pylist() == [1.5, None]
    steps = [{"concept": 0, "value": 2.5, "days": 3.0}, {"concept": 0, "value": None, "days": 1.0}]
    assert clean["sequence"].to_pylist() == [steps, []]


def test_how_the_answer_was_cut_does_not_matter(clean, tmp_path):
    whole = answer(floats([1.5, 0.0], [False, True]), lists(0.0))
    cut = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    again = dataset_of(cut, [LAST, SEQUENCE], ("label",))
    assert write_dataset(again, tmp_path / "a") == write_dataset(clean, tmp_path / "b")


def test_no_rows_are_a_file_too(tmp_path):
    none = answer(pa.array([], pa.float64()), pa.array([], pa.list_(STEP)))
    write_dataset(dataset_of(none, [LAST, SEQUENCE], ("label",)), tmp_path)
    with pa.memory_map(str(tmp_path / "rows.arrow")) as source:
        assert pa.ipc.open_file(source).read_all().num_rows == 0
