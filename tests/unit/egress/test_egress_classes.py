"""Counts of classes: no small one is shown, and none can be had by subtraction."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.egress.classes import class_rows, confusion, grouped
from rapha.egress.metrics import FigureRules, release_metrics, release_scores
from rapha.errors import EgressRefused
from rapha.records.metrics import Count, Evaluation
from rapha.records.outcome import OutcomeKind
from rapha.records.outputs import Figures, RawEvaluations

NAMES = ("home", "rehabilitation", "nursing-home")
MACRO = {"name": "macro_auroc", "value": 0.73456, "low": 0.61234, "high": 0.85678}
counts = st.lists(st.integers(0, 200), min_size=2, max_size=8)


@given(counts, st.integers(10, 60))
def test_every_group_has_enough_or_is_all_there_is(of: list[int], threshold: int) -> None:
    groups = grouped(of, threshold)
    assert sorted(at for group in groups for at in group) == list(range(len(of)))
    assert all(sum(of[at] for at in group) >= threshold for group in groups) or len(groups) == 1
    alone = [group[0] for group in groups if len(group) == 1]
    assert len(groups) == 1 or all(of[at] >= threshold for at in alone)


@pytest.mark.parametrize(
    ("of", "shown"),
    [
        ((100, 60, 40), ["home: about 100", "rehabilitation: about 60", "nursing-home: about 40"]),
        ((100, 3, 40), ["home: about 100", "rehabilitation, nursing-home: about 45"]),  # 3 and the smallest of the rest
        ((100, 0, 0), ["home, rehabilitation, nursing-home: about 100"]),
        ((100, 13, 14), ["home: about 100", "rehabilitation, nursing-home: about 25"]),
        ((5, 6, 7), ["home, rehabilitation, nursing-home: below 25"]),
    ],
)
def test_small_classes_are_told_together(of: tuple[int, ...], shown: list[str]) -> None:
    assert [f"{', '.join(group.classes)}: {group.rows}" for group in class_rows(of, NAMES, 25)] == shown


def cells(*table: tuple[int, ...]) -> list[list[str]] | None:
    told = confusion(table, NAMES, 25)
    return told and [["-" if cell is None else str(cell.about) for cell in row] for row in told.cells]


def test_a_table_tells_what_enough_patients_stand_behind() -> None:
    whole = ((100, 30, 40), (30, 60, 40), (35, 45, 70))
    assert cells(*whole) == [["100", "30", "40"], ["30", "60", "40"], ["35", "45", "70"]]
    # three were taken for the second class: the forty beside them are left out too
    assert cells((100, 3, 40), *whole[1:]) == [["100", "-", "-"], ["30", "60", "40"], ["35", "45", "70"]]
    # few wrong answers, few right ones: a class is not told; where that is one, the accuracy would tell it, so another is not either
    assert cells((100, 3, 4), *whole[1:]) == [["-"] * 3, ["-"] * 3, ["35", "45", "70"]]
    assert cells((100, 3, 4), (60, 9, 60), whole[2]) == [["-"] * 3, ["-"] * 3, ["35", "45", "70"]]
    assert cells((100, 3, 4), (60, 9, 60), (5, 5, 90)) is None
    # of two classes together seven wrong answers: a third is kept back, and then nothing is left
    assert cells((100, 3, 4), (0, 60, 0), whole[2]) is None


@given(st.lists(st.lists(st.integers(0, 120), min_size=4, max_size=4), min_size=4, max_size=4))
def test_no_cell_below_the_threshold_is_shown_nor_known_from_its_row(table: list[list[int]]) -> None:
    told = confusion(table, "abcd", 25)
    if told is None:
        return
    for row, shown in zip(table, told.cells, strict=True):
        hidden = [count for count, cell in zip(row, shown, strict=True) if cell is None]
        assert all(count >= 25 for count, cell in zip(row, shown, strict=True) if cell is not None)
        assert not hidden or sum(hidden) >= 25 or len(hidden) == 4
    kept_back = [at for at, row in enumerate(told.cells) if row == (None,) * 4]
    right, answered = sum(table[at][at] for at in kept_back), sum(sum(table[at]) for at in kept_back)
    assert not kept_back or (len(kept_back) > 1 and right >= 25 and answered - right >= 25)


def raw(classes: tuple[int, ...], *figures: dict[str, Any], **changes: Any) -> Figures:
    said = {"rows": 1003, "positives": 0, "negatives": sum(classes), "figures": figures or (MACRO,), "classes": classes}
    return Figures.model_validate(said | changes)


def scores(of: Figures) -> list[str]:
    return [
        f"{s.name} {s.value}{'' if s.low is None else ' +-'}"
        for s in release_scores(of, 1003, of.negatives, 25, FigureRules("categorical", NAMES))[1]
    ]


def test_figures_need_ten_of_every_class_and_detail_as_many_as_the_cohort() -> None:
    assert scores(raw((200, 90, 25))) == ["macro_auroc 0.735 +-"]
    assert scores(raw((200, 90, 24))) == ["macro_auroc 0.735"]
    assert scores(raw((200, 90, 9))) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (raw((200, 90)), "output-malformed"),
        (raw((200, 90, 25), positives=1), "output-malformed"),
        (raw((200, 90, 25), negatives=316), "output-malformed"),
        (raw((200, 90, 25), {"name": "auroc", "value": 0.7}), "metric-not-allowed"),
        (raw((200, 90, 25), {"name": "r2", "value": 0.7}), "metric-not-allowed"),
    ],
)
def test_what_is_not_of_these_classes_does_not_leave(said: Figures, reason: str) -> None:
    with pytest.raises(EgressRefused) as caught:
        release_scores(said, 1003, said.positives + said.negatives, 25, FigureRules("categorical", NAMES))
    assert caught.value.reason == reason


def test_nor_a_figure_of_classes_of_another_outcome() -> None:
    others: tuple[tuple[Figures, OutcomeKind], ...] = (
        (raw((), positives=60, negatives=200), "binary"),
        (raw((), negatives=200), "numeric"),
        (raw((), negatives=200), "segment"),
    )
    for said, kind in others:
        with pytest.raises(EgressRefused) as caught:
            release_scores(said, 1003, said.positives + said.negatives, 25, FigureRules(kind))
        assert caught.value.reason == "metric-not-allowed"


@pytest.mark.parametrize(("kind", "classes"), [("categorical", ()), ("binary", NAMES)])
def test_classes_and_the_kind_of_outcome_go_together(kind: OutcomeKind, classes: tuple[str, ...]) -> None:
    with pytest.raises(EgressRefused) as caught:
        release_scores(raw((200, 90, 25)[: len(classes)], negatives=315), 1003, 315, 25, FigureRules(kind, classes))
    assert caught.value.reason == "output-malformed"


TABLE = ((100, 30, 40), (30, 60, 40), (35, 45, 70))
EVALUATED = {"model": "federated", "positives": 0, "negatives": 450, "figures": (MACRO,), "classes": (170, 130, 150),
             "confusion": TABLE}  # fmt: skip


def release(**changes: Any) -> Evaluation:
    record = RawEvaluations.model_validate({"evaluations": [EVALUATED | changes]})
    return release_metrics(record, "north", 1003, {}, 25, 5000, FigureRules("categorical", NAMES)).evaluations[0]


def test_an_evaluation_of_classes_tells_how_many_of_which() -> None:
    released = release()
    assert released.events is None and released.rows == Count(about=450) and released.score("macro_auroc")
    assert [str(group.rows) for group in released.classes] == ["about 170", "about 130", "about 150"]
    assert released.confusion and released.confusion.cells[0][0] == Count(about=100)
    few = release(classes=(170, 130, 24), negatives=324, confusion=(*TABLE[:2], (0, 0, 24)))
    assert few.confusion is None and len(few.classes) == 2


@pytest.mark.parametrize(
    "changes",
    [{"confusion": TABLE[:2]}, {"confusion": ((100, 70), *TABLE[1:])}, {"confusion": ((100, 30, 41), *TABLE[1:])},
     {"roc": ((0.0, 0.0), (1.0, 1.0))}],
)  # fmt: skip
def test_an_impossible_table_does_not_leave(changes: dict[str, Any]) -> None:
    with pytest.raises(EgressRefused) as caught:
        release(**changes)
    assert caught.value.reason == "output-malformed"


def test_of_rows_of_few_patients_no_detail_leaves_and_of_many_no_table() -> None:
    record = RawEvaluations.model_validate({"evaluations": [EVALUATED]})

    def of(fewest: int | None) -> tuple[bool, bool]:
        told = release_metrics(
            record, "north", 1003, {}, 25, 5000, FigureRules("categorical", NAMES, fewest=fewest)
        ).evaluations[0]
        return told.score("macro_auroc").low is not None, told.confusion is not None

    assert [of(24), of(25), of(None)] == [(False, False), (True, False), (True, True)]
