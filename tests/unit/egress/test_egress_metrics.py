"""Figures: a closed set, rounded, and only where enough patients of each class stand behind them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.egress.metrics import FigureRules, read_output, release_metrics, release_scores
from rapha.errors import EgressRefused
from rapha.records.metrics import Count, Evaluation, RocPoint, Score
from rapha.records.outputs import FIGURES, Figures, RawEvaluations

GRID = tuple((step / 20, min(1.0, step / 10)) for step in range(21))
AUROC = {"name": "auroc", "value": 0.73456, "low": 0.61234, "high": 0.85678}


def figures(rows: int = 1003, positives: int = 60, negatives: int = 200, *given_: dict[str, Any]) -> Figures:
    return Figures.model_validate(
        {"rows": rows, "positives": positives, "negatives": negatives, "figures": given_ or (AUROC,)}
    )


def scores_of(raw: Figures) -> tuple[int, tuple[Score, ...]]:
    """What leaves of figures that say the node's own numbers."""
    return release_scores(raw, raw.rows, raw.positives + raw.negatives, 25, FigureRules())


def evaluation(positives: int = 60, negatives: int = 140, **changes: Any) -> dict[str, Any]:
    bins = tuple(
        {"predicted": i / 10, "rows": (positives + negatives) // 10, "cases": positives // 10} for i in range(10)
    )
    raw = {
        "model": "federated",
        "positives": positives,
        "negatives": negatives,
        "figures": (AUROC,),
        "roc": GRID,
        "bins": bins,
    }
    return {**raw, **changes}


def release(*raw: dict[str, Any], min_cohort: int = 25) -> tuple[Evaluation, ...]:
    record = RawEvaluations.model_validate({"evaluations": raw})
    return release_metrics(
        record, "north", 1003, {"competing": 40, "unobserved": 3}, min_cohort, 5000, FigureRules()
    ).evaluations


def refused(*raw: dict[str, Any]) -> str:
    with pytest.raises(EgressRefused) as caught:
        release(*raw)
    return caught.value.reason


def test_scores_are_rounded_and_the_weight_is_a_count() -> None:
    weight, scores = scores_of(figures())
    assert weight == 1005
    assert scores == (Score(name="auroc", value=0.735, low=0.612, high=0.857),)


def test_too_few_training_rows_are_refused() -> None:
    with pytest.raises(EgressRefused) as caught:
        scores_of(figures(24))
    assert caught.value.reason == "cohort-too-small"


@pytest.mark.parametrize(("positives", "negatives"), [(9, 200), (200, 9), (0, 0)])
def test_with_few_of_a_class_only_the_training_loss_leaves(positives: int, negatives: int) -> None:
    loss = {"name": "loss", "value": 0.54321}
    _, scores = scores_of(figures(1000, positives, negatives, AUROC, loss))
    assert scores == (Score(name="loss", value=0.543),)
    assert release(evaluation(positives, negatives, figures=(AUROC, loss)))[0].scores == ()


def test_of_several_rows_a_patient_groups_do_not_leave_and_curves_by_how_many_patients_there_are() -> None:
    record = RawEvaluations.model_validate({"evaluations": [evaluation()]})
    for fewest, curve in ((None, True), (25, True), (24, False)):
        (told,) = release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules(fewest=fewest)).evaluations
        assert (bool(told.roc), told.scores[0].low is not None) == (curve, curve)
        assert bool(told.calibration) is (fewest is None)
    few = release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules(fewest=9)).evaluations[0]
    assert (
        few.scores == ()
        and release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules(fewest=10)).evaluations[0].scores
    )
    raw = figures()
    assert (
        release_scores(raw, 1003, 260, 25, FigureRules(fewest=25))[1][0].low
        and release_scores(raw, 1003, 260, 25, FigureRules(fewest=24))[1][0].low is None
    )


@pytest.mark.parametrize(
    ("positives", "min_cohort", "detail"),
    [(10, 25, False), (24, 25, False), (25, 25, True), (49, 50, False), (25, 10, True), (24, 10, False)],
)
def test_intervals_curve_and_groups_need_as_many_as_a_count(positives: int, min_cohort: int, detail: bool) -> None:
    (found,) = release(evaluation(positives, 140), min_cohort=min_cohort)
    assert found.scores[0].value == 0.735
    assert (found.scores[0].low is not None) is detail
    assert bool(found.roc) is detail and bool(found.calibration) is detail


def test_a_release_of_a_hospital() -> None:
    raw = RawEvaluations.model_validate({"evaluations": [evaluation(), evaluation(model="local")]})
    found = release_metrics(raw, "north", 1003, {"competing": 40, "unobserved": 3}, 25, 5000, FigureRules())
    assert found.site == "north" and found.train_rows == Count(about=1005)
    assert found.set_apart == {"competing": Count(about=40), "unobserved": Count(below=25)}
    federated, local = found.evaluations
    assert (federated.rows, federated.events) == (Count(about=200), Count(about=60))
    assert federated.roc[1] == RocPoint(false_positive_rate=0.05, true_positive_rate=0.1)
    assert (local.model, len(local.roc)) == ("local", 21)


def test_few_controls_do_not_show_by_subtraction() -> None:
    (found,) = release(evaluation(190, 10))
    assert (found.rows, found.events) == (Count(about=200), Count(about=200))


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 60), st.integers(0, 60)), max_size=20))
def test_groups_are_merged_until_ten_of_each(groups: list[tuple[float, int, int]]) -> None:
    bins = [{"predicted": p, "rows": cases + controls, "cases": cases} for p, cases, controls in groups]
    cases, controls = sum(g[1] for g in groups), sum(g[2] for g in groups)
    (found,) = release(evaluation(cases, controls, bins=bins))
    if min(cases, controls) < 25:
        assert found.calibration == ()
        return
    assert 1 <= len(found.calibration) <= 16
    for group in found.calibration:
        assert 0 < group.observed < 1 and round(group.observed, 2) == group.observed
    assert len(found.calibration) <= min(cases, controls) // 10


def test_merged_groups_are_weighted_means() -> None:
    bins = [
        {"predicted": 0.8, "rows": 40, "cases": 30},
        {"predicted": 0.1, "rows": 100, "cases": 5},
        {"predicted": 0.2, "rows": 60, "cases": 25},
    ]
    (found,) = release(evaluation(60, 140, bins=bins))
    assert [(g.predicted, g.observed, g.rows) for g in found.calibration] == [
        (0.14, 0.19, Count(about=160)),
        (0.8, 0.75, Count(about=40)),
    ]


def test_the_last_group_takes_the_rest() -> None:
    bins = [{"predicted": 0.2, "rows": 100, "cases": 40}, {"predicted": 0.9, "rows": 50, "cases": 45}]
    (found,) = release(evaluation(85, 65, bins=bins))
    assert [(g.predicted, g.observed, g.rows) for g in found.calibration] == [(0.43, 0.57, Count(about=150))]


@pytest.mark.parametrize(
    "figure",
    [
        {"name": "loss", "value": 1e9},
        {"name": "auroc", "value": 1.5},
        {"name": "brier", "value": -0.1},
        {"name": "calibration_slope", "value": -1e4},
    ],
)
def test_a_figure_out_of_its_range_does_not_leave(figure: dict[str, Any]) -> None:
    assert release(evaluation(figures=(figure,)))[0].scores == ()


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.6, 1.2, (0.6, 1.0)),
        (-0.5, 0.8, (0.0, 0.8)),
        (0.8, 0.9, (None, None)),
        (0.9, 0.6, (None, None)),
        (0.6, None, (None, None)),
    ],
)
def test_an_interval_is_cut_to_the_range_and_holds_the_value(
    low: float, high: float | None, shown: tuple[Any, Any]
) -> None:
    (score,) = release(evaluation(figures=({"name": "auroc", "value": 0.7, "low": low, "high": high},)))[0].scores
    assert (score.low, score.high) == shown


@pytest.mark.parametrize(
    "raw",
    [
        evaluation(figures=(AUROC, AUROC)),
        evaluation(-1, 300),
        evaluation(4000, 1000),
        evaluation(roc=((0.0, 0.0), (0.051, 0.5))),
        evaluation(roc=((0.0, 0.0), (7.0, 0.5))),
        evaluation(roc=((0.0, 0.0), (0.0, 0.5))),
        evaluation(roc=((0.05, 0.6), (0.1, 0.5))),
        evaluation(roc=((0.05, 1.6),)),
        evaluation(bins=[{"predicted": 1.2, "rows": 100, "cases": 50}]),
        evaluation(bins=[{"predicted": 0.2, "rows": 10, "cases": 50}]),
        evaluation(bins=[{"predicted": 0.2, "rows": 10, "cases": -5}]),
    ],
)
def test_impossible_figures_are_refused(raw: dict[str, Any]) -> None:
    assert refused(raw) == "output-malformed"


def test_a_model_is_judged_once_and_rows_are_not_absurd() -> None:
    assert refused(evaluation(), evaluation()) == "output-malformed"
    for raw, train_rows in ((figures(10**12), 1003), (figures(100, 60, 200, AUROC, AUROC), 100)):
        with pytest.raises(EgressRefused) as caught:
            release_scores(raw, train_rows, 260, 25, FigureRules())
        assert caught.value.reason == "output-malformed"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"rows":1,"positives":1,"negatives":1,"figures":[{"name":"patient","value":1}]}', "metric-not-allowed"),
        ('{"rows":1,"positives":1,"negatives":1,"figures":[{"name":7,"value":1}]}', "metric-not-allowed"),
        ('{"rows":1,"positives":1,"negatives":1,"figures":[{"name":"loss"}]}', "output-malformed"),
        ('{"rows":1,"positives":1,"negatives":1,"figures":[{"name":"loss","value":NaN}]}', "output-malformed"),
        ('{"rows":1,"positives":1,"negatives":1,"figures":[{"name":"loss","value":"inf"}]}', "output-malformed"),
        ('{"rows":1,"positives":1,"negatives":1,"figures":[],"note":"x"}', "output-malformed"),
        ('{"rows":1,"rows":1,"positives":1,"negatives":1,"figures":[]}', "output-malformed"),
        ('{"rows":1,"positives":1,"negatives":1}', "output-malformed"),
        ("[]", "output-malformed"),
        ("[" * 60_000, "output-malformed"),
        ("", "output-malformed"),
    ],
)
def test_what_is_no_figures_file_is_refused(text: str, reason: str) -> None:
    with pytest.raises(EgressRefused) as caught:
        read_output(text.encode(), Figures, FIGURES)
    assert caught.value.reason == reason


def test_what_the_workload_writes_is_read() -> None:
    assert read_output(figures().as_bytes(), Figures, FIGURES) == figures()


@given(st.binary(max_size=100))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(EgressRefused):
        read_output(data, Figures, FIGURES)


R2 = {"name": "r2", "value": 0.61239, "low": 0.49, "high": 0.72}
RMSE = {"name": "rmse", "value": 12.3456, "low": 11.04, "high": 13.96}


def scores_of_numbers(patients: int, *given_: dict[str, Any], positives: int = 0) -> tuple[Score, ...]:
    raw = figures(1003, positives, patients, *given_)
    return release_scores(raw, raw.rows, positives + patients, 25, FigureRules("numeric"))[1]


def test_figures_of_numbers_are_rounded_in_any_unit() -> None:
    large = {"name": "mae", "value": 987_654.3}
    assert scores_of_numbers(200, R2, RMSE, large) == (
        Score(name="r2", value=0.612, low=0.49, high=0.72),
        Score(name="rmse", value=12.3, low=11.0, high=14.0),
        Score(name="mae", value=988_000.0),
    )


@pytest.mark.parametrize(("patients", "shown", "with_interval"), [(19, 0, 0), (20, 1, 0), (49, 1, 0), (50, 1, 1)])
def test_numbers_need_twice_as_many_patients_as_a_class(patients: int, shown: int, with_interval: int) -> None:
    scores = scores_of_numbers(patients, R2)
    assert (len(scores), sum(score.low is not None for score in scores)) == (shown, with_interval)


MACRO = {"name": "macro_auroc", "value": 0.73491}
DICE = {"name": "dice", "value": 0.81239, "low": 0.79, "high": 0.84}


@pytest.mark.parametrize(
    ("kind", "positives", "given_"),
    [
        ("numeric", 0, AUROC), ("numeric", 0, DICE), ("binary", 60, RMSE), ("binary", 60, DICE), ("time-to-event", 60, DICE),
        ("segment", 0, AUROC), ("segment", 0, R2), ("segment", 0, MACRO),
    ],
)  # fmt: skip
def test_a_figure_of_another_kind_of_outcome_does_not_leave(kind: Any, positives: int, given_: dict[str, Any]) -> None:
    with pytest.raises(EgressRefused) as caught:
        release_scores(figures(1003, positives, 260 - positives, given_), 1003, 260, 25, FigureRules(kind))
    assert caught.value.reason == "metric-not-allowed"


@pytest.mark.parametrize(("patients", "shown", "with_interval"), [(19, 0, 0), (20, 1, 0), (49, 1, 0), (50, 1, 1)])
def test_dice_is_a_mean_over_enough_patients(patients: int, shown: int, with_interval: int) -> None:
    scores = release_scores(figures(1003, 0, patients, DICE), 1003, patients, 25, FigureRules("segment"))[1]
    assert (len(scores), sum(score.low is not None for score in scores)) == (shown, with_interval)
    assert not shown or scores[0].value == 0.812


def test_a_dice_above_one_does_not_leave_and_nobody_is_a_case_of_a_segment() -> None:
    above = {"name": "dice", "value": 1.5}
    assert release_scores(figures(1003, 0, 200, above), 1003, 200, 25, FigureRules("segment"))[1] == ()
    with pytest.raises(EgressRefused):
        release_scores(figures(1003, 3, 200, DICE), 1003, 203, 25, FigureRules("segment"))
    record = RawEvaluations.model_validate({"evaluations": [evaluation(0, 140, figures=(DICE,), roc=(), bins=())]})
    (released,) = release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules("segment")).evaluations
    assert released.events is None and released.rows == Count(about=140) and released.score("dice")
    record = RawEvaluations.model_validate({"evaluations": [evaluation(0, 140, figures=(DICE,), roc=GRID, bins=())]})
    with pytest.raises(EgressRefused):
        release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules("segment"))


def test_numbers_have_no_cases() -> None:
    with pytest.raises(EgressRefused):
        scores_of_numbers(200, R2, positives=1)


def test_an_evaluation_of_numbers_has_no_cases_and_no_curves() -> None:
    bare = evaluation(0, 140, figures=(R2,), roc=(), bins=())
    record = RawEvaluations.model_validate({"evaluations": [bare]})
    (released,) = release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules("numeric")).evaluations
    assert released.events is None and released.rows == Count(about=140) and released.score("r2")
    for curve in ({"roc": GRID}, {"bins": evaluation()["bins"]}):
        record = RawEvaluations.model_validate({"evaluations": [{**bare, **curve}]})
        with pytest.raises(EgressRefused):
            release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules("numeric"))


@pytest.mark.parametrize(("positives", "shown"), [(24, ()), (25, (3.9,))])
def test_perplexity_needs_as_many_patients_as_an_interval_and_has_two_digits(positives: int, shown: tuple) -> None:
    told = {"name": "perplexity", "value": 3.8765, "low": 3.1, "high": 4.2}
    raw = figures(1003, positives, 200, told, AUROC)
    scores = release_scores(raw, 1003, positives + 200, 25, FigureRules(language=True))[1]
    assert tuple(score.value for score in scores if score.name == "perplexity") == shown and scores[-1].name == "auroc"
    record = RawEvaluations.model_validate({"evaluations": (evaluation(positives, 200, figures=(told,)),)})
    (found,) = release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules(language=True)).evaluations
    assert tuple(score.value for score in found.scores) == shown


def test_perplexity_is_of_a_language_model_alone() -> None:
    told = {"name": "perplexity", "value": 3.8}
    for leave in (lambda: scores_of(figures(1003, 60, 200, told)), lambda: release(evaluation(figures=(told,)))):
        with pytest.raises(EgressRefused) as caught:
            leave()
        assert caught.value.reason == "metric-not-allowed"


TWO = FigureRules("segment", segments=("nodule", "lung"))


def with_segments(
    patients: int, *each: dict[str, Any], drawn: tuple[int, ...] | None = None, rules: FigureRules = TWO
) -> Evaluation:
    numbers = (patients,) * len(each) if drawn is None else drawn
    bare = evaluation(0, patients, figures=(DICE,), roc=(), bins=()) | {"segments": each, "drawn": numbers}
    record = RawEvaluations.model_validate({"evaluations": [bare]})
    (released,) = release_metrics(record, "north", 1003, {}, 25, 5000, rules).evaluations
    return released


def of_segments(patients: int, *each: dict[str, Any], rules: FigureRules = TWO) -> Any:
    return with_segments(patients, *each, rules=rules).segments


@pytest.mark.parametrize(("patients", "shown", "with_interval"), [(19, 0, 0), (20, 2, 0), (49, 2, 0), (50, 2, 2)])
def test_the_dice_of_each_segment_leaves_rounded_as_any_figure(patients: int, shown: int, with_interval: int) -> None:
    told = of_segments(patients, DICE, DICE | {"value": 0.91119, "high": 0.95})
    assert (len(told), sum(one.score.low is not None for one in told)) == (shown, with_interval)
    assert not shown or [(one.segment, one.score.value) for one in told] == [("nodule", 0.812), ("lung", 0.911)]


def test_segments_that_the_study_has_not_do_not_leave_nor_what_is_no_dice() -> None:
    assert of_segments(200) == ()  # nobody was there to measure on
    assert [one.segment for one in of_segments(200, DICE | {"value": 1.5}, DICE)] == ["lung"]
    for each, rules in (((DICE,), TWO), ((DICE,) * 3, TWO), ((DICE, AUROC), TWO), ((DICE,), FigureRules("segment"))):
        with pytest.raises(EgressRefused) as caught:
            of_segments(200, *each, rules=rules)
        assert caught.value.reason == "output-malformed"


@pytest.mark.parametrize(
    ("lung", "shown", "with_interval"),
    [(0, 0, 0), (1, 0, 0), (9, 0, 0), (10, 1, 0), (24, 1, 0), (25, 1, 1), (75, 1, 1), (76, 1, 0), (91, 0, 0), (99, 0, 0), (100, 1, 1)],
)  # fmt: skip
def test_a_segment_that_few_have_or_few_lack_does_not_leave_nor_the_mean_it_is_in(
    lung: int, shown: int, with_interval: int
) -> None:
    found = with_segments(100, DICE, DICE, drawn=(100, lung))
    assert [one.segment for one in found.segments] == ["nodule", "lung"][: 1 + shown]
    assert sum(one.score.low is not None for one in found.segments) == 1 + with_interval
    assert (found.score("dice") is not None) == bool(shown)


@pytest.mark.parametrize("drawn", [(100,), (100, 101), ()])
def test_numbers_of_drawn_segments_that_cannot_be_are_refused(drawn: tuple[int, ...]) -> None:
    with pytest.raises(EgressRefused):
        with_segments(100, DICE, DICE, drawn=drawn)
