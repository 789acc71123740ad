"""Shards: a function of their own patients alone."""

import pyarrow as pa
import pytest

from rapha.cohort.patients import read_patients, whose_rows, write_patients
from rapha.errors import Unproven
from rapha.node.shards import rows_to_predict, shards, training_rows

KEY = b"a secret of at least sixteen bytes"


def people(subjects, tmp_path, alike=()):
    """Frozen rows of these subjects, in an order that depends on how many there are, and the file of whose they are."""
    order = sorted(subjects, key=lambda subject: (subject * 7919 + len(subjects)) % 101)
    rows = pa.table(
        {
            "split": pa.array([0 if s % 5 else 1 + s % 2 for s in order], pa.int8()),
            "age": pa.array([50.0 if s in alike else float(s) for s in order], pa.float64()),
            "label": pa.array([s % 2 for s in order], pa.int8()),
        }
    )
    write_patients(pa.chunked_array([pa.array(order, pa.int64())]), rows, tmp_path)
    return rows, read_patients(tmp_path)


def test_every_training_row_is_in_exactly_one_shard(tmp_path):
    rows, patients = people(range(200), tmp_path)
    dealt = shards(rows, patients, 7, KEY)
    ages = [age for shard in dealt for age in shard["age"].to_pylist()]
    assert len(dealt) == 7 and sorted(ages) == sorted(training_rows(rows)["age"].to_pylist())
    assert all(set(shard["split"].to_pylist()) <= {0} for shard in dealt)
    assert max(map(len, dealt)) < 60


def test_more_shards_than_patients_leave_some_empty_and_none_out(tmp_path):
    rows, patients = people(range(10), tmp_path)
    dealt = shards(rows, patients, 64, KEY)
    assert len(dealt) == 64 and sum(map(len, dealt)) == len(training_rows(rows)) > 0
    assert all(shard.schema == rows.schema for shard in dealt)


def test_another_patient_changes_no_shard_but_their_own(tmp_path):
    """Not the rows of the others, not their order, not by one bit."""
    before, patients = people(range(200), tmp_path / "a")
    after, more = people(range(201), tmp_path / "b")
    old, new = shards(before, patients, 7, KEY), shards(after, more, 7, KEY)
    assert sum(not mine.equals(theirs) for mine, theirs in zip(old, new, strict=True)) == 0  # 200 is held out
    third, most = people([*range(201), 999], tmp_path / "c")
    changed = [not a.equals(b) for a, b in zip(new, shards(third, most, 7, KEY), strict=True)]
    assert sum(changed) == 1


def test_who_is_where_depends_on_the_site_s_secret(tmp_path):
    rows, patients = people(range(200), tmp_path)
    assert shards(rows, patients, 7, KEY)[0] != shards(rows, patients, 7, KEY + b"2")[0]


def test_patients_with_the_same_row_are_dealt_each_by_themselves(tmp_path):
    rows, patients = people(range(1, 200), tmp_path, alike={3, 13, 23, 33})
    assert sum(map(len, shards(rows, patients, 5, KEY))) == len(training_rows(rows))


def test_rows_of_nobody_are_refused(tmp_path):
    rows, patients = people(range(20), tmp_path)
    with pytest.raises(Unproven, match="no patient"):
        whose_rows({key: row for key, row in patients.items() if key != 3}, rows)
    with pytest.raises(Unproven, match="no frozen row"):
        whose_rows(patients, rows.slice(1))


def test_rows_to_predict_have_no_outcome_and_the_test_rows_last(tmp_path):
    rows, _ = people(range(50), tmp_path)
    found = rows_to_predict(rows)
    assert set(found["label"].to_pylist()) == {0} and set(found["split"].to_pylist()) == {0}
    assert found.schema == rows.schema
    by_age = dict(zip(rows["age"].to_pylist(), rows["split"].to_pylist(), strict=True))
    assert [by_age[age] for age in found["age"].to_pylist()] == sorted(by_age.values())
