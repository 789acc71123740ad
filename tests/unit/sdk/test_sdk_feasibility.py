"""What hospitals answered, side by side and in all."""

import math
from pathlib import Path

import pytest

from rapha.egress.noise import DEVIATION
from rapha.records.metrics import Count
from rapha.records.record import SiteId, StudyId
from rapha.records.site import ConceptCoverage, SiteProfile
from rapha.records.study import Study
from rapha.records.wire import DispatchStatus, StudyStatus
from rapha.sdk.feasibility import Range, feasibility_of, lacking, margin_of, total
from rapha.sdk.study_file import read_study

EXAMPLE = Path(__file__).parents[3] / "examples" / "diabetes-within-5-years" / "study.yaml"
ABOUT, FEW = Count(about=1000), Count(below=25)


@pytest.fixture
def study() -> Study:
    return read_study(EXAMPLE)


def profile(study: Study, without: str = "") -> SiteProfile:
    codes = {
        (each.any_of[0].system, code)
        for name, each in study.concepts.items()
        if name != without
        for code in each.any_of[0].codes
    }
    coverage = tuple(ConceptCoverage(system=system, code=code, patients=ABOUT) for system, code in sorted(codes))
    return SiteProfile(site="north", name="North", modalities=("ehr",), patients=ABOUT, coverage=coverage, version="1")


def status(study: Study, *dispatches: DispatchStatus) -> StudyStatus:
    return StudyStatus(
        study_id=StudyId("s-1"), study=study.study, study_digest=study.digest, researcher="ada", state="asking", round=0,
        rounds=1, asks="feasibility", dispatches=dispatches,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ([], None, None),
        ([ABOUT], 1000 - 40 - 2, 1000 + 40 + 2),
        ([ABOUT] * 4, 4000 - 80 - 8, 4000 + 80 + 8),
        ([FEW], 0, 24 + 40),
        ([ABOUT, FEW, FEW], 1000 - 42, 1000 + 42 + 2 * 64),
        ([Count(about=25)], 0, 25 + 42),
    ],
)
def test_a_total_is_a_range_of_what_it_can_be(counts: list[Count], low: int | None, high: int | None) -> None:
    expected = None if low is None or high is None else Range(low=low, high=high)
    assert total(counts, 40) == expected


def test_the_margins_are_two_deviations_of_what_was_added() -> None:
    assert margin_of(1) == 2 * DEVIATION
    assert margin_of(2) >= 2 * math.sqrt(2) * DEVIATION > margin_of(2) - 1


def test_who_answered_who_denied_and_who_is_waited_for(study: Study) -> None:
    said = feasibility_of(
        status(
            study,
            DispatchStatus(site=SiteId("east"), state="denied", reason="feasibility-not-offered"),
            DispatchStatus(site=SiteId("north"), state="answered", feasible=ABOUT, events=FEW),
            DispatchStatus(site=SiteId("south"), state="offered"),
        ),
        study,
        [profile(study)],
    )
    assert [(s.site, s.state, s.patients, s.events) for s in said.sites] == [
        ("east", "denied", None, None), ("north", "answered", ABOUT, FEW), ("south", "offered", None, None),
    ]  # fmt: skip
    assert said.waiting == 1
    assert said.patients == Range(low=1000 - 59, high=1000 + 59) and said.events == Range(low=0, high=24 + 40)


def test_of_a_number_nobody_is_said_to_be_a_case() -> None:
    numeric = read_study(EXAMPLE.parents[1] / "cholesterol-next-year" / "study.yaml")
    answered = DispatchStatus(site=SiteId("north"), state="answered", feasible=ABOUT, events=FEW)
    said = feasibility_of(status(numeric, answered), numeric, [])
    assert said.sites[0].patients == ABOUT and said.patients is not None
    assert said.sites[0].events is None and said.events is None


def test_what_a_profile_lacks_is_said_by_name(study: Study) -> None:
    name = next(iter(study.mentioned()))
    assert lacking(study, profile(study)) == ()
    assert lacking(study, profile(study, without=name)) == (name,)


def test_a_vocabulary_may_have_what_a_profile_lacks(study: Study) -> None:
    name = next(iter(study.mentioned()))
    concept = {**study.concepts[name].as_json(), "descendants": True}
    widened = study.model_validate({**study.as_json(), "concepts": {**study.as_json()["concepts"], name: concept}})
    assert lacking(widened, profile(study, without=name)) == ()
