"""Ask the engine one study's statement over a little timeline; rules as rows of a table.

A rule is a sentence, what happened to one patient, and the answer. The sentence is the name of its test:

    rule("a laboratory value reported after the index is not seen",
         [Event("a", "2010-06-01"), Event("b", "2010-05-30", 7.0, known="2010-06-02")], sees(last_b_until_ever=None))
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from little_timeline import Event, Person, Term, write_timeline
from pydantic_core import PydanticCustomError

from rapha.cohort.notes.events import lay_mentions
from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.records.cohort_spec import CohortSpec
from rapha.records.contradiction import check_possible
from rapha.records.outcome import OutcomeSpec
from rapha.records.study import Study

KEY = b"a secret of the site, 32 bytes.."


def can_be_met(include: Sequence[object], exclude: Sequence[object]) -> bool:
    """Whether a study with these conditions may be written; others are refused as contradictory."""
    cohort = {"index": {"first": ["a"]}, "encounter": ["a"], "include": include, "exclude": exclude}
    try:
        check_possible(CohortSpec.model_validate(cohort))
    except PydanticCustomError:
        return False
    return True


def study_of(**parts: object) -> Study:
    """A study of the concepts a, b, c and sick (codes of the same names); `parts` replaces its parts.

    `answer` is an outcome that no model learns yet, so that no whole study can hold it: the engine can answer it."""
    outcome = {"event": "sick", "during": {"from": "index", "for": "5 years"}, "unobserved": "exclude"}
    answer = OutcomeSpec.model_validate(parts.pop("answer")) if "answer" in parts else None
    whole: dict[str, object] = {
        "study": "spec",
        "purpose": {"sentence": "Say what a rule means.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr"]},
        "concepts": {name: {"system": "local", "codes": [name]} for name in ("a", "b", "c", "sick")},
        "cohort": {"index": {"first": ["a"]}},
        "outcome": outcome,
        "features": [{"last": "b", "during": {"until": "index"}}],
        "model": {"architecture": "logistic"},
    }
    study = Study.model_validate(whole | parts)
    return study.model_copy(update={"outcome": answer}) if answer else study


def ask(
    folder: Path, study: Study, people: list[Person], events: list[Event], terms: Sequence[Term] = ()
) -> list[dict[str, object]]:
    """The statement's rows in order, features under their own names."""
    statement = cohort_statement(plan_of(study), KEY)
    timeline = write_timeline(folder, people, events, terms)
    with timeline.connect() as connection:
        lay_mentions(timeline, connection, plan_of(study))
        table = connection.table(statement.text, statement.parameters)
    names = {f"f{number}": feature.name for number, feature in enumerate(study.features)}
    return table.rename_columns([names.get(name, name) for name in table.column_names]).to_pylist()


Check = Callable[[list[dict[str, object]]], None]


def rule(sentence: str, events: Sequence[Event], check: Check, person: Person | None = None, **parts: object) -> object:
    """One row of a table of rules: a parameter set for `hold`."""
    return pytest.param(list(events), check, person or Person(), study_of(**parts), id=sentence)


def of(*table: object) -> pytest.MarkDecorator:
    """Make a test of each rule of a table."""
    return pytest.mark.parametrize("events, check, person, study", table)


def hold(folder: Path, events: list[Event], check: Check, person: Person, study: Study) -> list[dict[str, object]]:
    """The engine's answer is the rule's; the answer."""
    rows = ask(folder, study, [person], events)
    check(rows)
    return rows


def nobody(rows: list[dict[str, object]]) -> None:
    """The patient is not in the cohort."""
    assert rows == []


def sees(**expected: object) -> Check:
    """The patient is in the cohort, and these columns have these values."""

    def check(rows: list[dict[str, object]]) -> None:
        assert len(rows) == 1, "the patient is not in the cohort"
        for name, value in expected.items():
            wanted = pytest.approx(value, rel=1e-14) if isinstance(value, float) else value
            assert rows[0][name] == wanted, name

    return check


somebody = sees()
case, control = sees(fate="kept", label=1), sees(fate="kept", label=0)
competing, unobserved = sees(fate="competing"), sees(fate="unobserved")
