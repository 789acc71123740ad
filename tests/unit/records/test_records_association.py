"""What a study that asks for a GWAS may say, and what another may not."""

from typing import Any

import pytest
from gwas_town import VARIANTS, gwas_study
from pydantic import ValidationError

from rapha.canonical import digest
from rapha.errors import Unproven
from rapha.proof.transcript import check_stated
from rapha.records.study import Study
from rapha.records.tensors import declared_weights


def changed(kind: str, **parts: Any) -> dict[str, Any]:
    stated = gwas_study(kind).as_json()
    return stated | {key: stated[key] | part if isinstance(part, dict) else part for key, part in parts.items()}


@pytest.mark.parametrize(
    ("kind", "parts", "words"),
    [
        ("numeric", {"training": {"aggregation": "fedavg"}}, "write `aggregation: sum`"),
        ("numeric", {"training": {"rounds": 2}}, "write `rounds: 1`"),
        ("binary", {"training": {"rounds": 3}}, "4 to 25 rounds"),
        ("binary", {"training": {"rounds": 26}}, "4 to 25 rounds"),
        ("binary", {"training": {"early_stopping": {"metric": "auroc"}}}, "no figure to follow"),
        ("binary", {"cohort": {"index": {"every": ["visit"]}}}, "not independent"),
        ("binary", {"privacy": {"min_cohort": 99}}, "at least 100 patients"),
        ("binary", {"release": ["metrics"]}, "are its result"),
        ("binary", {"model": {"least_allele_count": 9}}, "greater than or equal to 10"),
        ("binary", {"privacy": {"differential_privacy": {"epsilon": 3, "delta": 1e-5}}}, "differential privacy yet"),
        ("numeric", {"features": [{"demographic": "age"}]}, "`gwas` reads exactly one of `genotypes`"),
        (
            "numeric",
            {"model": {"architecture": "logistic", "least_allele_count": None}},
            "learns a binary or categorical outcome; the outcome is numeric",
        ),
        ("binary", {"split": {"test_percent": 3}}, "test_percent: at least 5"),
        (
            "binary",
            {"outcome": {"kind": "time-to-event", "unobserved": "censor"}},
            "learns a numeric or binary outcome",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, parts: dict[str, Any], words: str) -> None:
    stated = changed(kind, **parts)
    stated["model"] = {key: value for key, value in stated["model"].items() if value is not None}
    with pytest.raises(ValidationError, match=words):
        Study.model_validate(stated)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"training": {"aggregation": "sum"}}, "is for the architecture `gwas`"),
        ({"split": {"test_percent": 0}}, "held out"),
    ],
)
def test_sums_and_nobody_held_out_are_for_a_gwas_alone(parts: dict[str, Any], words: str) -> None:
    import record_samples

    stated = record_samples.example("diabetes-within-5-years").as_json()
    with pytest.raises(ValidationError, match=words):
        Study.model_validate(stated | {key: stated[key] | part for key, part in parts.items()})


def test_the_sums_have_one_line_a_variant_and_are_wide() -> None:
    for kind, names in (("numeric", {"information", "target", "counts", "fit"}), ("binary", {"score"})):
        declared = declared_weights(gwas_study(kind))
        assert {f"sums.{name}" for name in names} <= set(declared)
        assert declared["sums.information"].shape == (len(VARIANTS), 15)
        assert {spec.dtype for name, spec in declared.items() if name.startswith("sums.")} == {"F64"}
    assert "sums.score" not in declared_weights(gwas_study("numeric"))


def test_a_gwas_has_no_transcript() -> None:
    import record_samples

    release = record_samples.release(gwas_study("binary"), "north", digest(b"weights"))
    with pytest.raises(Unproven, match="no run of such a study"):
        check_stated(release, gwas_study("binary"))
