"""Which purpose may which data serve? A table, by the definitions of DUO and the matching published for DUOS."""

from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from rapha.policy.data_use import SHORT, WITHIN, Condition, ConditionCode, serves, unmet
from rapha.records.decision import Facts

NRES, GRU, HMB, DS, POA = "DUO:0000004", "DUO:0000042", "DUO:0000006", "DUO:0000007", "DUO:0000011"
DIABETES, CANCER = "MONDO:0005148", "MONDO:0004992"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def facts(*data_use: str, **stated: Any) -> Facts:
    return Facts.model_validate(
        {
            "study": "small", "researcher": "Ada Lovelace", "modalities": ["ehr"], "data_use": data_use,
            "architecture": "logistic", "min_cohort": 25, "at": NOON, **stated,
        }
    )  # fmt: skip


PURPOSES = [
    # the data permit       the study states     of            may?
    ([NRES],                [POA],               (),           True),
    ([NRES],                [NRES],              (),           True),
    ([GRU],                 [NRES],              (),           False),
    ([GRU],                 [GRU],               (),           True),
    ([GRU],                 [HMB],               (),           True),
    ([GRU],                 [DS],                (),           True),
    ([GRU],                 [POA],               (),           True),
    ([HMB],                 [GRU],               (),           False),
    ([HMB],                 [HMB],               (),           True),
    ([HMB],                 [DS],                (),           True),
    ([HMB],                 [DS],                (CANCER,),    True),
    ([HMB],                 [POA],               (),           False),
    ([HMB, POA],            [POA, HMB],          (),           True),
    ([HMB],                 [HMB, POA],          (),           False),
    ([DS],                  [DS],                (DIABETES,),  True),
    ([DS],                  [DS],                (CANCER,),    False),
    ([DS],                  [DS],                (DIABETES, CANCER), False),
    ([DS],                  [DS],                (),           False),
    ([DS],                  [HMB],               (DIABETES,),  False),
    ([POA],                 [POA],               (),           True),
    ([POA],                 [HMB],               (),           False),
    ([],                    [HMB],               (),           False),
    ([GRU],                 [],                  (),           False),
    ([GRU],                 ["DUO:0000018"],     (),           False),
    ([GRU],                 ["DUO:0000037"],     (),           False),
    ([GRU],                 [HMB, "DUO:0000037", "DUO:0000018"], (), True),
    ([GRU, "DUO:0000099"],  [HMB, "DUO:0000099"], (),          False),
    (["DUO:0000018"],       ["DUO:0000018"],     (),           False),
]  # fmt: skip


@pytest.mark.parametrize(("permitted", "stated", "diseases", "may"), PURPOSES)
def test_a_purpose_lies_within_a_permission_or_is_refused(
    permitted: list[str], stated: list[str], diseases: tuple[str, ...], may: bool
) -> None:
    assert serves(facts(*stated, diseases=diseases), permitted, [DIABETES]) is may


CONDITIONS: list[tuple[Any, tuple[str, ...], dict[str, Any], bool]] = [
    ("DUO:0000018", (HMB, "DUO:0000018"), {}, True),
    ("DUO:0000018", (HMB, "DUO:0000045", "DUO:0000046"), {}, True),
    ("DUO:0000018", (HMB, "DUO:0000045"), {}, False),
    ("DUO:0000018", (HMB,), {}, False),
    ("DUO:0000045", (HMB, "DUO:0000018"), {}, True),
    ("DUO:0000045", (HMB, "DUO:0000046"), {}, False),
    ("DUO:0000046", (HMB, "DUO:0000046"), {}, True),
    ("DUO:0000046", (HMB, "DUO:0000045"), {}, False),
    ("DUO:0000019", (HMB, "DUO:0000019"), {}, True),
    ("DUO:0000019", (HMB,), {}, False),
    ("DUO:0000020", (HMB, "DUO:0000020"), {}, True),
    ("DUO:0000029", (HMB, "DUO:0000019"), {}, False),
    ("DUO:0000021", (HMB, "DUO:0000021"), {"ethics_approval": "Ethics board of X, 2026/17"}, True),
    ("DUO:0000021", (HMB, "DUO:0000021"), {}, False),
    ("DUO:0000021", (HMB,), {"ethics_approval": "Ethics board of X, 2026/17"}, False),
    ({"code": "DUO:0000022", "only": ["DE", "FR"]}, (HMB,), {"country": "FR"}, True),
    ({"code": "DUO:0000022", "only": ["DE", "FR"]}, (HMB,), {"country": "US"}, False),
    ({"code": "DUO:0000022", "only": ["DE", "FR"]}, (HMB,), {}, False),
    ({"code": "DUO:0000024", "until": date(2027, 1, 1)}, (HMB, "DUO:0000024"), {}, True),
    ({"code": "DUO:0000024", "until": date(2027, 1, 1)}, (HMB,), {}, False),
    ({"code": "DUO:0000025", "until": date(2026, 11, 28)}, (HMB,), {}, True),
    ({"code": "DUO:0000025", "until": date(2026, 11, 27)}, (HMB,), {}, False),
    ({"code": "DUO:0000025", "until": date(2026, 11, 28)}, (HMB,), {"at": None}, False),
    ({"code": "DUO:0000026", "only": ["Ada Lovelace"]}, (HMB,), {}, True),
    ({"code": "DUO:0000026", "only": ["ada lovelace"]}, (HMB,), {}, False),
    ({"code": "DUO:0000027", "only": ["small"]}, (HMB,), {}, True),
    ({"code": "DUO:0000027", "only": ["other"]}, (HMB,), {}, False),
    ({"code": "DUO:0000028", "only": ["Example University"]}, (HMB,), {"institution": "Example University"}, True),
    ({"code": "DUO:0000028", "only": ["Example University"]}, (HMB,), {}, False),
    ({"code": "DUO:0000012", "only": ["DUO:0000040"]}, (HMB, "DUO:0000040"), {}, True),
    ({"code": "DUO:0000012", "only": ["DUO:0000040"]}, (HMB, "DUO:0000040", "DUO:0000031"), {}, False),
    ({"code": "DUO:0000012", "only": ["DUO:0000040"]}, (HMB,), {}, False),
    ("DUO:0000015", (HMB, "DUO:0000037"), {}, True),
    ("DUO:0000015", (HMB, "DUO:0000037", "DUO:0000031"), {}, False),
    ("DUO:0000015", (HMB,), {}, False),
    ("DUO:0000016", (HMB,), {"modalities": ["ehr", "genomics"]}, True),
    ("DUO:0000016", (HMB,), {}, False),
    ("DUO:0000044", (HMB,), {}, True),
    ("DUO:0000044", (DS,), {}, True),
    ("DUO:0000044", (GRU,), {}, False),
    ("DUO:0000044", (HMB, POA), {}, False),
    ("DUO:0000044", (HMB, "DUO:0000033"), {}, False),
]


@pytest.mark.parametrize(("condition", "stated", "more", "met"), CONDITIONS)
def test_a_condition_is_met_by_what_is_stated_or_refused(
    condition: Any, stated: tuple[str, ...], more: dict[str, Any], met: bool
) -> None:
    said = Condition.model_validate(condition)
    assert (unmet(facts(*stated, **more), (said,)) is None) is met


def test_every_condition_of_the_vocabulary_can_refuse_and_can_be_met() -> None:
    rows = [(Condition.model_validate(condition).code, met) for condition, _, _, met in CONDITIONS]
    one_sided = {
        code for code in get_args(ConditionCode) if {met for seen, met in rows if seen == code} != {True, False}
    }
    assert one_sided <= {"DUO:0000020", "DUO:0000029"}, "these two are one branch with DUO:0000019"
    assert set(SHORT) == set(get_args(ConditionCode)) | set(WITHIN)


def test_all_conditions_are_asked_for() -> None:
    both = tuple(Condition(code=code) for code in ("DUO:0000018", "DUO:0000019"))
    assert unmet(facts(HMB, "DUO:0000018"), both) == both[1]
    assert unmet(facts(HMB), ()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "DUO:0000043", "DUO:0000006", "GRU", {"code": "DUO:0000028"}, {"code": "DUO:0000025"}, {"code": "DUO:0000018", "only": ["x"]},
        {"code": "DUO:0000028", "only": []}, {"code": "DUO:0000028", "only": ["x"], "until": "2027-01-01"},
        {"code": "DUO:0000025", "until": "soon"}, {"code": "DUO:0000018", "unless": "x"},
    ],
)  # fmt: skip
def test_a_condition_that_nothing_is_known_of_is_refused_when_it_is_read(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(wrong)


def test_a_condition_reads_back_what_it_writes() -> None:
    for condition, *_ in CONDITIONS:
        said = Condition.model_validate(condition)
        assert Condition.from_bytes(said.as_bytes()) == said
