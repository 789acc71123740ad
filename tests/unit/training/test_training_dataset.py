import numpy as np
import pyarrow as pa
import pytest
from made_up_site import make_dataset, make_study, make_table, write_rows

from rapha.errors import TrainingFailed
from rapha.training.dataset import pool, read_dataset
from rapha.training.inputs import make_inputs


def replaced(table, name, values, kind):
    return table.set_column(table.column_names.index(name), name, pa.array(values, kind))


def test_rows_fall_into_their_splits(tmp_path):
    study = make_study("mlp")
    table = make_table(study)
    dataset = read_dataset(study, write_rows(tmp_path / "rows.arrow", table))
    split, label = np.array(table["split"]), np.array(table["label"])
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [(split == k).sum() for k in range(3)]
    assert (dataset.test.event == label[split == 2]).all()
    assert (dataset.train.features[:, 1] == np.array(table["age"])[split == 0]).all()
    assert dataset.train.time is None


def test_null_nan_and_infinite_values_are_missing(tmp_path):
    study = make_study("logistic")
    table = make_table(study, rows=4)
    table = replaced(table, "split", [0, 0, 0, 0], pa.int8())
    table = replaced(table, "age", [None, float("nan"), float("inf"), 61.0], pa.float64())
    rows = read_dataset(study, write_rows(tmp_path / "rows.arrow", table)).train
    assert np.isnan(rows.features[:, 1]).tolist() == [True, True, True, False]
    width = np.float32
    features = make_inputs(rows, {"features.mean": np.array([0, 60, 0], width), "features.scale": np.ones(3, width)})
    assert features.features[:, 1].tolist() == [0, 0, 0, 1]
    assert features.features[:, 4].tolist() == [1, 1, 1, 0]


def test_an_absurd_value_counts_as_ten_deviations(tmp_path):
    study = make_study("logistic")
    table = replaced(make_table(study, rows=2), "age", [1e300, -1e300], pa.float64())
    table = replaced(table, "split", [0, 0], pa.int8())
    rows = read_dataset(study, write_rows(tmp_path / "rows.arrow", table)).train
    weights = {"features.mean": np.zeros(3, np.float32), "features.scale": np.ones(3, np.float32)}
    assert make_inputs(rows, weights).features[:, 1].tolist() == [10, -10]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.drop_columns(["age"]),
        lambda t: t.append_column("name", pa.array(["x"] * len(t))),
        lambda t: t.select(["split", "age", "last_hdl_until_2years", "sex", "label"]),
        lambda t: t.set_column(2, "age", t["age"].cast(pa.float32())),
        lambda t: replaced(t, "label", [2] * len(t), pa.int8()),
        lambda t: replaced(t, "label", [None] * len(t), pa.int8()),
        lambda t: replaced(t, "split", [3] * len(t), pa.int8()),
    ],
)
def test_rows_that_are_not_the_study_s_are_refused(tmp_path, spoil):
    study = make_study("mlp")
    path = write_rows(tmp_path / "rows.arrow", spoil(make_table(study)))
    with pytest.raises(TrainingFailed, match=r"rows\.arrow"):
        read_dataset(study, path)


def test_times_must_be_above_zero(tmp_path):
    study = make_study("cox")
    table = make_table(study)
    table = replaced(table, "time", [0.0] * len(table), pa.float64())
    with pytest.raises(TrainingFailed, match="time"):
        read_dataset(study, write_rows(tmp_path / "rows.arrow", table))


@pytest.mark.parametrize("content", [b"", b"not arrow at all"])
def test_a_file_that_is_not_arrow_is_refused(tmp_path, content):
    (tmp_path / "rows.arrow").write_bytes(content)
    with pytest.raises(TrainingFailed, match="not a readable Arrow file"):
        read_dataset(make_study("mlp"), tmp_path / "rows.arrow")


def test_sequences_follow_their_rows_over_several_batches(tmp_path):
    study = make_study("gru")
    table = make_table(study, rows=50)
    path = tmp_path / "rows.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    dataset = read_dataset(study, path)
    split, lists = np.array(table["split"]), table["sequence"].to_pylist()
    for place, rows in enumerate((dataset.train, dataset.validation, dataset.test)):
        wanted = [lists[row] for row in np.flatnonzero(split == place)]
        steps = rows.sequences
        assert [len(row) for row in wanted] == np.diff(steps.offsets).tolist()
        assert steps.value.tolist() == [step["value"] for row in wanted for step in row]
        assert steps.concept.tolist() == [step["concept"] for row in wanted for step in row]


def test_a_step_of_an_unknown_concept_is_refused(tmp_path):
    study = make_study("gru")
    table = make_table(study, rows=2)
    steps = [[{"concept": 2, "value": 1.0, "days": 3.0}], []]
    with pytest.raises(TrainingFailed, match="concept"):
        read_dataset(
            study, write_rows(tmp_path / "rows.arrow", replaced(table, "sequence", steps, table["sequence"].type))
        )


@pytest.mark.parametrize("architecture", ["cox", "gru"])
def test_pooled_rows_are_those_of_all_sites(tmp_path, architecture):
    study = make_study(architecture)
    one, two = (make_dataset(study, tmp_path, rows=60, seed=seed) for seed in (1, 2))
    both = pool([one, two])
    assert len(both.train) == len(one.train) + len(two.train)
    back = both.train.take(np.arange(len(one.train), len(both.train)))
    assert np.array_equal(back.features, two.train.features, equal_nan=True)
    assert (back.event == two.train.event).all()
    if architecture == "cox":
        assert (back.time == two.train.time).all()
    else:
        assert (back.sequences.offsets == two.train.sequences.offsets).all()
        assert (back.sequences.value == two.train.sequences.value).all()
