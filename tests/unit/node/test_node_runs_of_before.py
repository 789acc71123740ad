"""Runs that a version before froze: what it did not count is taken for the worst."""

from pathlib import Path
from typing import Any

import pytest

from rapha.cohort.found import FrozenCohort
from rapha.node.frozen import FrozenRun, by_now
from rapha.records.study import Study
from rapha.sdk.study_file import read_study

STUDY = read_study(Path(__file__).parents[3] / "examples/readmission-within-30-days/study.yaml")
NOTHING = "sha256:" + "0" * 64


def frozen(**more: Any) -> FrozenRun:
    cohort = FrozenCohort(
        patients=1, rows=9, train_rows=9, validation_rows=0, test_rows=0, positives=0, set_apart={}, dataset_digest=NOTHING, **more
    )  # fmt: skip
    return FrozenRun.from_bytes(FrozenRun(salt="0" * 64, patients_root=NOTHING, cohort=cohort).as_bytes())


@pytest.mark.parametrize(("pick", "counted", "now"), [("every", None, 0), ("every", 31, 31), ("first", None, None)])
def test_who_stands_behind_several_rows_is_nobody_that_is_known(
    pick: str, counted: int | None, now: int | None
) -> None:
    plain = STUDY.as_json()
    asked = Study.model_validate(plain | {"cohort": plain["cohort"] | {"index": {pick: list(STUDY.cohort.index.of)}}})
    assert by_now(frozen(fewest=counted), asked).cohort.fewest == now
