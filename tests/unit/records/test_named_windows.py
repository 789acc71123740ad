"""A window with a name is a short form: the study is what it would be with the window written out."""

import pytest
from made_up_people import STUDY

from rapha.errors import StudyError
from rapha.records.study import Study
from rapha.sdk.study_file import parse_study

PLAIN = STUDY % {"rounds": 3, "at_least": 2}
NAMES = "\nwindows:\n  two: {until: index, for: 2 years}\n  later: {from: index, for: 5 years}\ncohort:"
NAMED = (
    PLAIN.replace("\ncohort:", NAMES)
    .replace("during: {until: index, for: 2 years}", "during: two")
    .replace("during: {from: index, for: 5 years}", "during: later")
)


def test_a_named_window_is_signed_as_the_window_it_names() -> None:
    study = parse_study(NAMED)
    assert study.digest == parse_study(PLAIN).digest
    assert "windows" not in study.as_json()


@pytest.mark.parametrize(
    ("named", "written"),
    [
        ("during: {before: start of two, for: 1 year}", "during: {before: 2 years before index, for: 1 year}"),
        ("during: {until: end of two, for: 1 year}", "during: {until: index, for: 1 year}"),
        ("during: {from: start of two, until: index}", "during: {from: 2 years before index, until: index}"),
    ],
)
def test_a_window_is_anchored_to_an_end_of_another(named: str, written: str) -> None:
    assert parse_study(NAMED.replace("during: two", named)).digest == (
        parse_study(PLAIN.replace("during: {until: index, for: 2 years}", written)).digest
    )


def test_the_end_of_a_window_ahead_and_a_baseline() -> None:
    ratio = {"ratio": "hdl", "during": "two", "baseline": {"min": {"until": "start of two", "for": "1 year"}}}
    whole = parse_study(PLAIN).as_json()
    named = Study.model_validate(
        whole
        | {"windows": {"two": {"until": "index", "for": "2 years"}, "soon": {"from": "index", "for": "30 days"}}}
        | {"features": [ratio, {"ratio": "hdl", "during": {"until": "index"}, "baseline": {"max": "two"}}]}
        | {"outcome": whole["outcome"] | {"during": {"from": "end of soon", "for": "1 year"}}}
    )
    shown = [
        str(feature.baseline.during.anchor)
        for feature in named.features
        if feature.kind == "aggregate" and feature.baseline
    ]
    assert shown == ["2 years before index", "index"]
    assert str(named.outcome.during.anchor) == "30 days after index"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("during: two", "during: twoo", "there is no window 'twoo'"),
        ("during: two", "during: {until: start of nope}", "there is no window 'nope'"),
        ("two: {until: index, for: 2 years}", "two: {until: index}", ""),
        ("two: {until", "two: {untl", "window reads like"),
        ("two: {until", "the two: {until", "no name for a window"),
    ],
)
def test_what_no_window_can_be_called_or_anchored_to(right: str, wrong: str, said: str) -> None:
    text = NAMED.replace(right, wrong)
    if not said:  # a window without a start has none to anchor to
        text, said = text.replace("during: two", "during: {before: start of two}", 1), "no moment that can be written"
    with pytest.raises(StudyError, match=said):
        parse_study(text)
