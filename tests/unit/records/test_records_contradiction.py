"""Two conditions that nobody can meet together are refused; what some patient could meet is not."""

import pytest
from pydantic_core import PydanticCustomError

from rapha.records.cohort_spec import CohortSpec
from rapha.records.contradiction import check_possible

YEAR = {"until": "index", "for": "1 year"}
HIGH = {"above": 4, "unit": "mg/dL"}


def some(*of: str, during: object = YEAR, **more: object) -> dict[str, object]:
    return {"any_of": list(of), "during": during, **more}


def every(*of: str, during: object = YEAR) -> dict[str, object]:
    return {"all_of": list(of), "during": during}


def none(*of: str, during: object = YEAR, **more: object) -> dict[str, object]:
    return {"none_of": list(of), "during": during, **more}


def check(include: list[object], exclude: list[object]) -> None:
    cohort = {"index": {"first": ["a"]}, "include": include, "exclude": exclude}
    check_possible(CohortSpec.model_validate(cohort))


@pytest.mark.parametrize(
    ("include", "exclude"),
    [
        ([some("a"), none("a")], []),
        ([none("b", "a"), some("a", "b")], []),
        ([some("a"), none("a", "b")], []),
        ([every("a", "c"), none("a", "b")], []),
        ([some("a")], [some("a")]),
        ([], [some("a"), none("a")]),
        ([some("a", at_least=3), some("a", exactly=0)], []),
        ([{"and": [some("a"), {"sex": "male"}]}], [{"or": [some("a"), {"sex": "female"}]}]),
        ([some("a"), {"not": some("a")}], []),
        ([{"not": none("a")}, none("a")], []),
        ([some("a", value=HIGH), none("a")], []),
        ([some("a", value=HIGH), none("a", value=HIGH)], []),
        ([some("a"), none("a", during={"until": "index"})], []),
        ([some("a"), none("a", during={"until": "index", "for": "12 months"})], []),
        ([some("a", during={"until": "index", "for": "3 days"}), none("a", during={"until": "index", "for": "1 week"})], []),
        ([some("a", during={"before": "index", "for": "1 year"}), none("a")], []),
        ([some("a", during={"from": "last c", "until": "index"}), none("a", during={"until": "index"})], []),
    ],
)  # fmt: skip
def test_what_nobody_can_meet_is_refused(include: list[object], exclude: list[object]) -> None:
    with pytest.raises(PydanticCustomError, match="no patient can meet"):
        check(include, exclude)


@pytest.mark.parametrize(
    ("include", "exclude"),
    [
        ([some("a", "b"), none("a")], []),
        ([some("a"), none("b")], []),
        ([some("a"), none("a", during={"until": "index", "for": "11 months"})], []),
        ([some("a"), none("a", during={"until": "index", "for": "9 days"})], []),
        ([some("a"), none("a", during={"before": "index", "for": "1 year"})], []),
        ([some("a"), none("a", during={"from": "index", "for": "1 year"})], []),
        ([some("a"), none("a", during={"until": "last c"})], []),
        ([some("a"), none("a", value=HIGH)], []),
        ([some("a", value=HIGH), none("a", value={"above": 5, "unit": "mg/dL"})], []),
        ([some("a")], [some("a", at_least=2)]),
        ([some("a", at_most=2), none("a")], []),
        ([some("a")], [every("a", "b")]),
        ([some("a")], [{"and": [some("a"), {"sex": "male"}]}]),
        ([some("a")], [{"and": [none("a"), {"sex": "male"}]}]),
        ([{"or": [some("a"), {"sex": "male"}]}, none("a")], []),
        ([{"not": {"and": [some("a"), {"sex": "male"}]}}, some("a")], []),
    ],
)
def test_what_somebody_can_meet_is_not(include: list[object], exclude: list[object]) -> None:
    check(include, exclude)
