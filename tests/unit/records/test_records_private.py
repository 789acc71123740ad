"""What a study cannot ask for together with differential privacy is refused when it is written, by name."""

from typing import Any

import pytest
from ledger_studies import private_json
from pydantic import ValidationError

from rapha.records.ledger import Spend
from rapha.records.private import counts_by_patient, declared_moments
from rapha.records.study import Study

REFUSED: dict[str, tuple[str, Any, str]] = {
    "another architecture": ("model", {"architecture": "cox"}, "learns a time-to-event"),
    "sgd": ("training", {"optimizer": "sgd"}, "wants `adamw`"),
    "fedprox": ("training", {"aggregation": "fedprox"}, "`fedprox`"),
    "early stopping": ("training", {"early_stopping": {"metric": "auroc"}}, "decided by figures of patients"),
    "a batch size": ("training", {"batch_size": 64}, "sampling_rate"),
}
RANGES: dict[str, tuple[dict[str, Any], str]] = {
    "none of a feature": ({"hdl": [10, 120]}, "`age` needs a range"),
    "upside down": ({"hdl": [120, 10], "age": [18, 100]}, "the lower end comes first"),
    "of nothing": ({"hdl": [10, 120], "age": [18, 100], "sbp": [80, 200]}, "`sbp` is of no feature"),
}


@pytest.mark.parametrize(("key", "value", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_had_with_it_is_refused(key: str, value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Study.model_validate(private_json() | {key: value})


def test_rows_are_told_by_patient_where_the_index_is_every() -> None:
    every = {"cohort": {"index": {"every": ["hdl"]}}}
    told = (private_json(), every | private_json() | every, private_json() | every | {"privacy": {"min_cohort": 25}})
    assert [counts_by_patient(Study.model_validate(study)) for study in told] == [False, True, True]


def test_a_survival_model_is_refused_by_name() -> None:
    outcome = private_json()["outcome"] | {"kind": "time-to-event", "unobserved": "censor"}
    with pytest.raises(ValidationError, match="`cox` cannot be trained with differential privacy yet"):
        Study.model_validate(private_json() | {"model": {"architecture": "cox"}, "outcome": outcome})


def test_a_fusion_is_refused_by_name() -> None:
    note = {"note": "hdl", "during": {"until": "index"}}
    fusion = {"model": {"architecture": "late-fusion"}, "data": {"modalities": ["ehr", "text"]}}
    features = [*private_json()["features"], note]
    with pytest.raises(ValidationError, match="`late-fusion` cannot be trained with differential privacy yet"):
        Study.model_validate(private_json() | fusion | {"features": features})


@pytest.mark.parametrize(("ranges", "words"), RANGES.values(), ids=RANGES)
def test_every_feature_has_a_range_and_no_other_name(ranges: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Study.model_validate(private_json(ranges))


def test_a_features_own_name_goes_before_its_concepts() -> None:
    study = Study.model_validate(private_json({"hdl": [0, 1], "last_hdl_until_ever": [10, 50], "age": [0, 100]}))
    assert declared_moments(study) == ((30.0, 10.0), (50.0, 25.0))


def test_a_study_without_it_keeps_its_digest() -> None:
    assert "differential_privacy" not in Study.model_validate(private_json() | {"privacy": {}}).as_json()["privacy"]


def test_a_spend_is_rounded_up_and_adds_up() -> None:
    assert Spend.of(0.1234567, 1.5e-12) == Spend(epsilon_micro=123457, delta_pico=2)
    total = Spend.of(1, 1e-5) + Spend.of(2, 1e-5)
    assert total.within(Spend.of(3, 2e-5)) and not total.within(Spend.of(3, 1e-5))
    assert not total.within(Spend.of(2.9, 1))
