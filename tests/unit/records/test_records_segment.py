"""A segment as an outcome: what it takes, what it is refused for, and that no study of before is written otherwise."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rapha.records.study import Study
from rapha.records.tensors import declared_weights, mask_of, outputs_of
from rapha.sdk.study_file import read_study

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
AGE = {"kind": "demographic", "demographic": "age"}


def said(**change: Any) -> dict[str, Any]:
    study = read_study(EXAMPLES / "nodule-segmentation" / "study.yaml").as_json()
    study["outcome"] = {"kind": "segment", "segment": "nodule", "unobserved": "exclude"}
    for key, value in change.items():
        study[key] = study[key] | value if isinstance(value, dict) else value
    return study


def test_the_mask_is_of_the_studys_image_and_has_its_shape() -> None:
    study = Study.model_validate(said())
    mask = mask_of(study)
    assert mask is not None and (mask.name, mask.dims, mask.element, mask.of) == (
        "mask",
        (8, 24, 24),
        "uint8",
        "nodule",
    )
    assert not study.outcome.has_cases and study.outcome.concepts == ("nodule",)
    assert Study.model_validate_json(study.as_bytes()).digest == study.digest
    assert mask_of(read_study(EXAMPLES / "nodule-classification" / "study.yaml")) is None


def test_several_segments_are_numbered_in_the_order_they_are_named_after_the_background() -> None:
    study = Study.model_validate(said(outcome={"segment": None, "segments": ["lung", "nodule"]}))
    mask = mask_of(study)
    assert mask is not None and mask.segments == ("lung", "nodule") and outputs_of(study) == 3
    assert study.outcome.voxel_classes == ("background", "lung", "nodule") and not study.outcome.classes
    assert set(study.outcome.concepts) == {"nodule", "lung"} <= set(study.mentioned())
    assert declared_weights(study)["output.weight"].shape[0] == declared_weights(study)["output.bias"].shape[0] == 3
    assert Study.model_validate_json(study.as_bytes()).digest == study.digest


def test_a_study_of_one_segment_is_written_as_before_there_were_several() -> None:
    study = Study.model_validate(said())
    assert "segments" not in study.model_dump(mode="json")["outcome"] and outputs_of(study) == 1
    assert study.outcome.voxel_classes == ()


def test_a_study_without_a_segment_is_written_as_before() -> None:
    outcome = read_study(EXAMPLES / "nodule-classification" / "study.yaml").model_dump(mode="json")["outcome"]
    assert "segment" not in outcome


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": [*said()["features"], AGE]}, "a `segmenter` reads its image and nothing beside it"),
        ({"features": [AGE]}, "reads exactly one of `image`; the study has 0"),
        ({"model": {"architecture": "image-classifier"}}, "outcome is segment, which is learnt by segmenter"),
        ({"outcome": {"segment": "tumour"}}, "outcome.segment: the concept `tumour` is not declared"),
        ({"outcome": {"segment": None}}, "a segment outcome is given by `segment`, and by nothing else"),
        ({"outcome": {"segments": ["lung", "nodule"]}}, "a segment outcome is given by `segments`, and by nothing else"),
        ({"outcome": {"segment": None, "segments": ["nodule"]}}, "`segments` are two or more, each once"),
        ({"outcome": {"segment": None, "segments": ["nodule", "nodule"]}}, "`segments` are two or more, each once"),
        ({"outcome": {"segment": None, "segments": ["nodule", "lung", "nodule"]}}, "`segments` are two or more, each once"),
        ({"outcome": {"segment": None, "segments": ["nodule", "background"]}}, "none is `background`"),
        ({"outcome": {"segment": None, "segments": ["nodule", "heart"]}}, "outcome.segments: the concept `heart` is not declared"),
        ({"outcome": {"event": "nodule"}}, "a segment outcome is given by `segment`, and by nothing else"),
        ({"outcome": {"during": {"from": "index", "for": "1 year"}}}, "has no window and nothing that competes"),
        ({"outcome": {"competing": "death"}}, "has no window and nothing that competes"),
        ({"outcome": {"unobserved": "censor"}}, "needs `unobserved: exclude`"),
        ({"training": {"early_stopping": {"metric": "auroc"}}}, "of a segment outcome there is no `auroc`; there are: dice"),
        ({"model": {"channels": [8]}}, "channels"),
        ({"model": {"channels": [1, 2]}}, "channels"),
        ({"privacy": {"differential_privacy": {"epsilon": 3, "delta": 1e-5, "clip": 1.0}}},
         "`segmenter` cannot be trained with differential privacy yet"),
    ],
)  # fmt: skip
def test_what_a_segment_study_is_refused_for(change: dict[str, Any], words: str) -> None:
    given = said(**change)
    if given["model"]["architecture"] != "segmenter":
        given["model"] = {"architecture": given["model"]["architecture"]}
    with pytest.raises(ValidationError, match=words):
        Study.model_validate(given)


def test_segments_have_codes_of_their_own() -> None:
    given = said(outcome={"segment": None, "segments": ["lung", "nodule"]})
    given["concepts"]["lung"] = {"system": "dicom-segment", "codes": ["SCT:39607008", "SCT:27925004"]}
    with pytest.raises(ValidationError, match="`lung` and `nodule` have a code in common"):
        Study.model_validate(given)


def test_rounds_can_be_judged_by_dice() -> None:
    given = said(training={"early_stopping": {"metric": "dice"}, "keep": {"best": "dice"}})
    assert Study.model_validate(given).training.keep is not None
