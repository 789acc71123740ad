"""Every example finds people when it is rehearsed, and a study's words are met where they can be."""

from pathlib import Path

import pytest
from made_up_people import write_study

from rapha.cohort.engine import freeze
from rapha.cohort.found import FrozenCohort
from rapha.records.metrics import Count
from rapha.records.site import Group, SiteProfile
from rapha.records.study import Study
from rapha.sdk.rehearsal import profiles_for, rehearse, unlisted
from rapha.sdk.rehearsal.made_up import write_timeline
from rapha.sdk.rehearsal.rehearse import features_nobody_has
from rapha.sdk.study_file import read_study
from rapha.timeline.reader import open_timeline

EXAMPLES = Path(__file__).parents[3] / "examples"
KEY = b"a secret of these tests"


def small(study: Study, people: int = 500) -> SiteProfile:
    """A hospital as the study would wish it, of fewer people."""
    wished = profiles_for(study)[0]
    part = Count(about=people * 6 // 10)
    coverage = tuple(line.model_copy(update={"patients": part}) for line in wished.coverage)
    return wished.model_copy(update={"patients": Count(about=people), "coverage": coverage})


def frozen(study: Study, profile: SiteProfile, folder: Path) -> FrozenCohort:
    write_timeline(folder / "timeline", profile, study)
    rows = folder / "rows"
    rows.mkdir()
    return freeze(open_timeline(folder / "timeline"), study, KEY, rows)


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/study.yaml")))
def test_an_example_finds_people(example: str, tmp_path: Path) -> None:
    study = read_study(EXAMPLES / example / "study.yaml")
    set_apart = any(rule.called for rule in study.variant_rules().values())  # of one in ten nobody knows
    cohort = frozen(study, small(study, max(800, 10 * study.privacy.min_cohort)), tmp_path)
    assert cohort.patients >= 100 and (cohort.set_apart.get("uncalled", 0) > 0) == set_apart
    if study.outcome.has_cases:
        assert cohort.positives >= 20
        assert cohort.rows - cohort.positives >= 20
    assert features_nobody_has(study, tmp_path / "rows" / "rows.arrow") == ()


def changed(folder: Path, **changes: str) -> Study:
    return read_study(write_study(folder / "study.yaml", **changes))


INCLUDE = "{none_of: [diabetes], during: {until: index}}"


@pytest.mark.parametrize(
    "criterion",
    [
        "{any_of: [hdl], exactly: 5, during: {until: index, for: 3 days}}",
        "{any_of: [hdl], during: {until: index, for: 1 day}, value: {above: 190, unit: mg/dL}}",
        "{any_of: [hdl], during: {until: index, for: 1 day}, value: {above: 3, below: 3.1, unit: mg/dL}}",
        "{not: {any_of: [hdl], during: {until: index}, value: {above: 5, unit: mg/dL}}}",
        "{or: [{and: [{sex: female}, {any_of: [hdl], at_least: 9, during: {until: index, for: 9 days}}]}, {sex: male}]}",
        "{any_of: [hdl], during: {until: last diabetes}}",
        "{observed: {before: 8 years}}",
    ],
)
def test_a_criterion_is_met_where_it_can_be(criterion: str, tmp_path: Path) -> None:
    study = changed(tmp_path, **{INCLUDE: criterion, "[cholesterol, hdl]": "[cholesterol]"})
    assert frozen(study, small(study), tmp_path).patients >= 50


def test_what_a_report_will_say_can_be_the_outcome(tmp_path: Path) -> None:
    """A label from reports: the made-up patients who have it have a note that says it, after the index."""
    reports = {
        "diabetes: {system: local, codes: [diabetes]}": "diabetes: {mention: {phrases: [diabetes], notes: [hdl]}}",
        "modalities: [ehr]": "modalities: [ehr, text]",
        "first: [cholesterol, hdl]": "first: [cholesterol]",
        f", {INCLUDE}": "",
        "{last: hdl,": "{count: hdl,",
        "for: 5 years}": "for: 3 days}",
    }
    study = changed(tmp_path, **reports)
    cohort = frozen(study, small(study), tmp_path)
    assert cohort.positives >= 20
    assert cohort.rows - cohort.positives >= 20


def test_notes_are_made_up_by_whom_and_in_the_language_that_a_study_asks(tmp_path: Path) -> None:
    asked = {
        "hdl: {system: local, codes: [hdl]}": "hdl: {system: local, codes: [hdl], written_by: [nurse], language: [en, de]}",
        "modalities: [ehr]": "modalities: [ehr, text]",
        "first: [cholesterol, hdl]": "first: [hdl]",
        "{last: hdl,": "{count: hdl,",
    }
    study = changed(tmp_path, **asked)
    assert frozen(study, small(study), tmp_path).patients >= 50


def test_numbers_are_made_up_of_which_there_is_a_slope(tmp_path: Path) -> None:
    text = (EXAMPLES / "cholesterol-next-year" / "study.yaml").read_text()
    for old, new in (("{mean: cholesterol, unit: any}", "{slope: cholesterol, unit: any, per: year}"),
                     ("{from: 1 year after index, for: 1 year}", "{from: index, for: 3 years}")):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "study.yaml").write_text(text)
    study = read_study(tmp_path / "study.yaml")
    assert frozen(study, small(study), tmp_path).patients >= 100


def test_a_code_with_all_below_it_is_made_up_with_a_hierarchy(tmp_path: Path) -> None:
    study = changed(tmp_path, **{"codes: [diabetes]": "codes: [diabetes], descendants: true"})
    assert frozen(study, small(study), tmp_path).patients >= 100
    elsewhere = small(study).model_copy(update={"coverage": small(study).coverage[:1]})
    assert unlisted(study, [elsewhere]) == {"last_hdl_until_2years": "hdl"}


def test_ages_are_the_profiles_where_it_has_them_and_else_the_studys(tmp_path: Path) -> None:
    study = changed(tmp_path, **{"age: {at_least: 18}": "age: {at_most: 10}"})
    assert frozen(study, small(study), tmp_path / "wished").patients >= 100
    grown = small(study).model_copy(update={"ages": (Group(group="70-79", patients=Count(about=500)),)})
    done = rehearse(study, [grown], tmp_path / "grown")
    assert done[0].reason == "cohort-empty"


def test_a_feature_that_nobody_has_is_named(tmp_path: Path) -> None:
    study = changed(
        tmp_path,
        **{INCLUDE: "{none_of: [hdl], during: {until: index, for: 3 years}}", "[cholesterol, hdl]": "[cholesterol]"},
    )
    done = rehearse(study, [small(study)], tmp_path / "run")
    assert done[0].never_seen == ("last_hdl_until_2years",)


DIABETES = "  - {any: diabetes, during: {until: index, for: 2 years}}\n  - {demographic: age}"


def test_what_is_predicted_can_have_been_before_unless_the_study_says_not(tmp_path: Path) -> None:
    """An earlier event of the outcome's concept: made up where a feature looks for it, and never where it keeps a patient out."""
    twice = changed(tmp_path, **{f", {INCLUDE}": "", "  - {demographic: age}": DIABETES})
    cohort = frozen(twice, small(twice), tmp_path / "may")
    assert features_nobody_has(twice, tmp_path / "may" / "rows" / "rows.arrow") == ()
    assert min(cohort.positives, cohort.rows - cohort.positives) >= 20
    once = changed(tmp_path, **{"  - {demographic: age}": DIABETES})
    assert frozen(once, small(once), tmp_path / "may-not").patients >= 100
    assert features_nobody_has(once, tmp_path / "may-not" / "rows" / "rows.arrow") == ("any_diabetes_until_2years",)


def test_a_feature_of_which_no_profile_lists_a_code_is_named(tmp_path: Path) -> None:
    study = changed(tmp_path)
    all_codes = small(study)
    without = all_codes.model_copy(update={"coverage": tuple(c for c in all_codes.coverage if c.code != "hdl")})
    assert unlisted(study, [without, without]) == {"last_hdl_until_2years": "hdl"}
    assert unlisted(study, [without, all_codes]) == {}
