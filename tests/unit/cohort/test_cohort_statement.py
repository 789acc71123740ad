"""A study becomes one statement of our own words; its values travel beside it."""

import re

import duckdb
import pytest

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import CodeEntry, plan_of
from rapha.cohort.statement import cohort_statement, presence_statement, statement_text
from rapha.records.study import Study

UNTIL = {"until": "index", "for": "17 months"}
HOSTILE = "x'); DROP TABLE events; --"


def study_of(code: str = "4711", **parts: object) -> Study:
    whole: dict[str, object] = {
        "study": "statement",
        "purpose": {"sentence": "Look at the statement.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr"]},
        "concepts": {
            "lab-a": {"system": "loinc", "codes": [code, code]},
            "ill": {"system": "icd", "codes": ["E11", "E12"]},
            "unused": {"system": "icd", "codes": ["Z00"]},
        },
        "cohort": {
            "index": {"last": ["lab-a"]},
            "include": [
                {"age": {"at_least": 23, "at_most": 87}},
                {"sex": "female"},
                {"observed": {"before": "29 weeks"}},
                {"any_of": ["ill"], "during": UNTIL, "at_least": 3},
            ],
            "exclude": [{"none_of": ["lab-a"], "during": {"before": "index"}}],
        },
        "outcome": {
            "event": "ill",
            "competing": "death",
            "during": {"from": "index", "for": "31 days"},
            "unobserved": "exclude",
        },
        "features": [
            {"last": "lab-a", "during": UNTIL},
            {"sequence": ["lab-a", "ill"], "during": UNTIL, "at_most": 37},
        ],
        "model": {"architecture": "gru"},
    }
    return Study.model_validate(whole | parts)


def test_the_plan_numbers_what_is_used_in_order_of_use():
    plan = plan_of(study_of())
    assert plan.concepts == ("lab-a", "ill", "death")
    assert plan.codes == (CodeEntry(0, "loinc", "4711"), CodeEntry(1, "icd", "E11"), CodeEntry(1, "icd", "E12"))
    assert plan.numbers(["death", "lab-a", "death"]) == [2, 0]


def test_one_select():
    statement = cohort_statement(plan_of(study_of()), b"k" * 32)
    [parsed] = duckdb.extract_statements(statement.text)
    assert parsed.type == duckdb.StatementType.SELECT
    assert parsed.named_parameters == set(statement.parameters)


def test_no_word_of_the_study_is_in_the_text():
    text = cohort_statement(plan_of(study_of(HOSTILE)), b"k" * 32).text
    for word in ("lab-a", "ill", "loinc", "icd", "E11", "DROP", "statement", "female"):
        assert not re.search(rf"(?<![\w']){re.escape(word)}(?![\w'])", text), word
    for number in (17, 23, 87, 29, 31, 37):
        assert not re.search(rf"(?<!\w){number}(?!\w)", text), number


def test_values_do_not_shape_the_text():
    """Studies of one shape run one text, whatever their codes."""
    plain, hostile = (cohort_statement(plan_of(study_of(code)), b"k" * 32) for code in ("4711", HOSTILE))
    assert plain.text == hostile.text
    assert HOSTILE in hostile.parameters["p2"] + hostile.parameters["p3"]


def test_the_secret_is_in_no_text():
    secret = b"0123456789abcdef0123456789abcdef"
    statement = cohort_statement(plan_of(study_of()), secret)
    assert secret.decode() not in statement.text
    assert not any(value == secret for value in statement.parameters.values())


def test_presence_asks_for_the_studys_codes_alone():
    statement = presence_statement(plan_of(study_of()))
    assert "observation_periods" not in statement.text
    assert statement.parameters["p3"] == ["4711", "E11", "E12"]


def test_what_a_steward_reads():
    text = statement_text(study_of())
    assert cohort_statement(plan_of(study_of()), b"k" * 32).text in text
    assert "--   $p3 = ['4711', 'E11', 'E12']" in text
    assert text.count("(made from this site's secret)") == 4


@pytest.mark.parametrize(
    "sql_type, value", [("INTEGER", 7), ("VARCHAR", "it's"), ("INTEGER[]", [1, 2]), ("BLOB", b"\0\xff")]
)
def test_a_bound_value_comes_back(sql_type, value):
    bound = Parameters()
    text = f"SELECT {bound.bind(value, sql_type)}"
    assert duckdb.connect().execute(text, bound.values).fetchone() == (value,)
