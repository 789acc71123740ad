"""What a study's codes and units stand for at a site. Every patient here has the index event `a` on 2010-06-01.

The site's vocabulary: diabetes (44054006, S) above type 1 (46635009) and type 2 (73211009), all SNOMED; E11 of ICD-10 maps
to type 2, and the house code `sugar` to diabetes.
"""

from pathlib import Path

import pytest
from asking import KEY, ask, study_of
from little_timeline import Event, Person, Term, write_timeline

from rapha.cohort.engine import freeze
from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.errors import CohortRefused
from rapha.records.study import Study

A = Event("a", "2010-06-01")
SNOMED, ICD = "SNOMED", "ICD10"
VOCABULARY = (
    Term("1", "44054006", SNOMED, above=("1",)),
    Term("2", "46635009", SNOMED, above=("1", "2")),
    Term("3", "73211009", SNOMED, above=("1", "3")),
    Term("4", "E11", ICD, maps_to=("3",)),
    Term("5", "sugar", "house", maps_to=("1",)),
    Term("9", "59621000", SNOMED, above=("9",)),
)
BELOW = {"system": SNOMED, "codes": ["44054006"], "descendants": True}
MAPPED = {"system": SNOMED, "codes": ["73211009"], "mapped": True}
YEAR = {"until": "index", "for": "1 year"}


def asks(concept: dict[str, object], **parts: object) -> Study:
    """A study whose feature is whether there is any event of the concept `b` in the year before the index."""
    concepts = {name: {"system": "local", "codes": [name]} for name in ("a", "c", "sick")} | {"b": concept}
    return study_of(**({"concepts": concepts, "features": [{"any": "b", "during": YEAR}]} | parts))


def event(code: str, system: str, concept: str | None = None) -> Event:
    return Event(code, "2010-05-01", system=system, concept=concept)


E11, TYPE_1, TYPE_2 = event("E11", ICD), event("46635009", SNOMED), event("73211009", SNOMED)


@pytest.mark.parametrize(
    ("concept", "happened", "there"),
    [
        pytest.param({"system": SNOMED, "codes": ["44054006"]}, event("44054006", SNOMED), 1, id="a code is itself"),
        pytest.param({"system": SNOMED, "codes": ["44054006"]}, TYPE_2, 0, id="and nothing below it"),
        pytest.param({"system": SNOMED, "codes": ["73211009"]}, E11, 0, id="nor what is mapped to it"),
        pytest.param({"system": SNOMED, "codes": ["73211009"]}, event("E11", ICD, "3"), 0, id="whatever its concept"),
        pytest.param({"system": ICD, "codes": ["44054006"]}, event("44054006", SNOMED), 0, id="of its own system alone"),
        pytest.param(MAPPED, event("73211009", SNOMED), 1, id="with mapped a code is itself too"),
        pytest.param(MAPPED, E11, 1, id="and what is mapped to it"),
        pytest.param(MAPPED, event("?", "unknown", "3"), 1, id="and what the site's concept says it is"),
        pytest.param(MAPPED | {"codes": ["44054006"]}, TYPE_2, 0, id="and still nothing below it"),
        pytest.param({"system": ICD, "codes": ["E11"], "mapped": True}, TYPE_2, 0,
                     id="what a code maps to is broader than the code"),
        pytest.param(BELOW | {"exclude": [MAPPED]}, E11, 0, id="an exclusion of what is mapped"),
        pytest.param(BELOW, event("44054006", SNOMED), 1, id="with descendants a code is itself too"),
        pytest.param(BELOW, TYPE_2, 1, id="and what lies below"),
        pytest.param(BELOW, E11, 1, id="and what is mapped below it"),
        pytest.param(BELOW, event("sugar", "house"), 1, id="and what is mapped to it"),
        pytest.param(BELOW, event("?", "unknown", "2"), 1, id="and what the site's concept says, whatever the code"),
        pytest.param(BELOW, event("59621000", SNOMED), 0, id="and nothing beside it"),
        pytest.param(BELOW, event("?", "unknown", "9"), 0, id="nor a concept beside it"),
        pytest.param({"system": ICD, "codes": ["E11"], "descendants": True}, TYPE_2, 1,
                     id="a code that is not standard stands, with descendants, for what it maps to"),
        pytest.param(BELOW | {"exclude": [{"system": SNOMED, "codes": ["46635009"]}]}, TYPE_1, 0, id="an excluded code is out"),
        pytest.param(BELOW | {"exclude": [{"system": SNOMED, "codes": ["46635009"]}]}, TYPE_2, 1, id="its sister is not"),
        pytest.param(BELOW | {"exclude": [{"system": SNOMED, "codes": ["73211009"]}]}, E11, 1,
                     id="an exact exclusion leaves what is mapped to it"),
        pytest.param(BELOW | {"exclude": [{"system": SNOMED, "codes": ["73211009"], "descendants": True}]}, E11, 0,
                     id="one with descendants does not"),
        pytest.param(BELOW | {"exclude": [{"system": SNOMED, "codes": ["73211009"], "descendants": True}]},
                     event("44054006", SNOMED, "3"), 0, id="exclusion wins over an included code by the site's concept"),
        pytest.param({"any_of": [{"system": ICD, "codes": ["E11"]}, {"system": "house", "codes": ["sugar"]}]},
                     event("sugar", "house"), 1, id="sets of several systems"),
        pytest.param({"any_of": [{"system": ICD, "codes": ["E11", "E12"]}],
                      "exclude": [{"system": ICD, "codes": ["E11"]}]}, E11, 0, id="an exclusion needs no vocabulary"),
    ],
)  # fmt: skip
def test_what_a_concept_holds(tmp_path: Path, concept: dict[str, object], happened: Event, there: int) -> None:
    study = asks(concept)
    statement = cohort_statement(plan_of(study), KEY)
    with write_timeline(tmp_path, [Person()], [A, happened], VOCABULARY).connect() as connection:
        (row,) = connection.table(statement.text, statement.parameters).to_pylist()
    assert row["f0"] == there


def test_one_event_found_twice_counts_once(tmp_path: Path) -> None:
    study = asks(BELOW, features=[{"count": "b", "during": YEAR}])
    statement = cohort_statement(plan_of(study), KEY)
    with write_timeline(tmp_path, [Person()], [A, event("E11", ICD, "3")], VOCABULARY).connect() as connection:
        (row,) = connection.table(statement.text, statement.parameters).to_pylist()
    assert row["f0"] == 1


def test_a_study_of_codes_as_written_does_not_read_the_vocabulary() -> None:
    text = cohort_statement(plan_of(asks({"system": SNOMED, "codes": ["44054006"]})), KEY).text
    assert "concept_ancestors" not in text and "FROM concepts" not in text
    assert text.count("FROM events") == 1


def refused(folder: Path, study: Study, events: list[Event], vocabulary: tuple[Term, ...] = ()) -> str:
    people = [Person(key) for key in range(1, 41)]
    every = [Event(**{**vars(one), "patient": person.key}) for person in people for one in events]
    with pytest.raises(CohortRefused) as refusal:
        freeze(write_timeline(folder, people, every, vocabulary), study, KEY, folder / "run")
    return str(refusal.value.reason)


EVERYTHING = [A, Event("c", "2010-05-01"), Event("sick", "2010-09-01"), TYPE_2]


@pytest.mark.parametrize(
    ("concept", "vocabulary", "reason"),
    [
        pytest.param(BELOW, (), "no-hierarchy", id="no vocabulary at all"),
        pytest.param(BELOW, tuple(Term(t.concept, t.code, t.system) for t in VOCABULARY), "no-hierarchy",
                     id="a vocabulary whose hierarchy is empty"),
        pytest.param({"system": SNOMED, "codes": ["404"], "descendants": True}, VOCABULARY, "no-hierarchy",
                     id="a code that the vocabulary has not got"),
        pytest.param({"system": SNOMED, "codes": ["59621000"]}, VOCABULARY, "unknown-concept", id="nobody has it"),
    ],
)  # fmt: skip
def test_what_a_site_cannot_say_is_refused_and_not_guessed(tmp_path: Path, concept, vocabulary, reason) -> None:
    assert refused(tmp_path, asks(concept), EVERYTHING, vocabulary) == reason


GLUCOSE = {"system": "local", "codes": ["b"]}
IN_MG = GLUCOSE | {"unit": "mg/dL", "convert": {"mmol/L": 18.0}}


def value(number: float, unit: str | None, at: str = "2010-05-01", **more: object) -> Event:
    return Event("b", at, number, unit=unit, **more)


@pytest.mark.parametrize(
    ("concept", "given", "seen"),
    [
        pytest.param(IN_MG, [value(90.0, "mg/dL")], 90.0, id="in the concept's unit it stands"),
        pytest.param(IN_MG, [value(5.0, "mmol/L")], 90.0, id="in one of convert it is converted"),
        pytest.param(IN_MG, [value(5.0, "mmol/l")], None, id="a unit is spelt exactly"),
        pytest.param(IN_MG, [value(5.0, None)], None, id="no unit is no number"),
        pytest.param(IN_MG, [value(90.0, "mg/dL", "2010-04-01"), value(5.0, "g/L")], 90.0,
                     id="what is set aside does not stand before an older number"),
        pytest.param(IN_MG, [value(7.0, "mg", ucum="mmol/L", canonical=5.0)], 90.0, id="the canonical number counts"),
        pytest.param(GLUCOSE | {"unit": "Cel", "convert": {"[degF]": {"times": 0.5, "plus": -16.0}}},
                     [value(100.0, "[degF]")], 34.0, id="a scale with another zero"),
        pytest.param(GLUCOSE, [value(5.0, "mmol/L")], 5.0, id="without a stated unit numbers stand as they are"),
    ],
)  # fmt: skip
def test_in_which_unit_a_number_is_seen(tmp_path: Path, concept, given: list[Event], seen: float | None) -> None:
    study = asks(concept, features=[{"last": "b", "during": YEAR}])
    (row,) = ask(tmp_path, study, [Person()], [A, *given])
    assert row["last_b_until_1years"] == seen


BOTH = [value(90.0, "mg/dL", "2010-02-01"), value(8.0, "mmol/L", "2010-03-01"), value(126.0, "mg/dL", "2010-04-01")]
"""90, 144 and 126 mg/dL, in one window."""


@pytest.mark.parametrize(
    ("feature", "seen"),
    [
        ({"first": "b"}, 90.0), ({"last": "b"}, 126.0), ({"min": "b"}, 90.0), ({"max": "b"}, 144.0), ({"mean": "b"}, 120.0),
        ({"sum": "b"}, 360.0), ({"slope": "b", "per": "day"}, 1026 / 1742),
        ({"ratio": "b", "baseline": {"max": YEAR}}, 0.875), ({"count": "b"}, 3.0),
    ],
)  # fmt: skip
def test_two_units_in_one_window_are_converted_or_refused_and_never_mixed(tmp_path: Path, feature, seen: float) -> None:
    of = feature | {"during": YEAR}
    study = asks(IN_MG, features=[of])
    (row,) = ask(tmp_path / "said", study, [Person()], [A, *BOTH])
    assert row[study.features[0].name] == pytest.approx(seen, abs=1e-4)
    if "count" not in feature:
        assert refused(tmp_path / "unsaid", asks(GLUCOSE, features=[of]), [*EVERYTHING, *BOTH]) == "mixed-units"


def test_two_units_in_one_rise_are_converted_or_refused(tmp_path: Path) -> None:
    rise = {"event": {"rise": "b", "unit": "mg/dL", "ratio": 1.5, "within": "7 days"}, "during": {"from": "index", "for": "30 days"},
            "unobserved": "exclude"}  # fmt: skip
    given = [
        value(100.0, "mg/dL", "2010-06-02"),
        value(5.0, "mmol/L", "2010-06-04"),
        value(8.0, "mmol/L", "2010-06-05"),
    ]
    (row,) = ask(tmp_path / "said", asks(IN_MG, outcome=rise), [Person()], [A, *given])
    assert row["label"] == 1  # from 90 to 144
    (row,) = ask(tmp_path / "aside", asks(GLUCOSE | {"unit": "mg/dL"}, outcome=rise), [Person()], [A, *given])
    assert row["label"] == 0  # the others are no numbers


def test_a_comparison_reads_the_converted_number(tmp_path: Path) -> None:
    high = {"any_of": ["b"], "during": YEAR, "value": {"above": 100, "unit": "mg/dL"}}
    study = asks(IN_MG, cohort={"index": {"first": ["a"]}, "include": [high]})
    assert ask(tmp_path / "in", study, [Person()], [A, value(6.0, "mmol/L")]) != []
    assert ask(tmp_path / "out", study, [Person()], [A, value(5.0, "mmol/L")]) == []


@pytest.mark.parametrize(
    ("concept", "given", "reason"),
    [
        pytest.param(GLUCOSE, [value(5.0, "mmol/L"), value(90.0, "mg/dL")], "mixed-units", id="two units, none stated"),
        pytest.param(GLUCOSE, [value(5.0, "mmol/L"), value(90.0, None)], "mixed-units", id="one unit and none"),
        pytest.param(GLUCOSE | {"unit": "mg/dL"}, [value(5.0, "mmol/L")], "unknown-unit", id="none that can be used"),
    ],
)
def test_units_that_cannot_be_told_apart_are_refused(tmp_path: Path, concept, given, reason) -> None:
    study = asks(concept, features=[{"last": "b", "during": YEAR}])
    assert refused(tmp_path, study, [*EVERYTHING, *given]) == reason


def test_whoever_compares_in_any_unit_has_said_so(tmp_path: Path) -> None:
    """No number is shown or learnt of such a concept: that it is above a limit in whatever unit is what was asked."""
    high = {"any_of": ["b"], "during": YEAR, "value": {"above": 3, "unit": "any"}}
    study = asks(
        GLUCOSE, cohort={"index": {"first": ["a"]}, "include": [high]}, features=[{"any": "b", "during": YEAR}]
    )
    given = [value(5.0, "mmol/L"), value(90.0, "mg/dL")]
    assert refused(tmp_path, study, [*EVERYTHING, *given]) == "too-few-events"  # all are sick: units are no objection


@pytest.mark.parametrize(
    ("happened", "precision", "there"),
    [
        pytest.param("2010-05-01", "month", 1, id="May is over by the first of June"),
        pytest.param("2010-06-01", "month", 0, id="June is not: what happened in it may be to come"),
        pytest.param("2010-01-01", "year", 0, id="nor is the year"),
        pytest.param("2009-01-01", "year", 1, id="the year before was over, and known, within the window"),
        pytest.param("2010-06-01", "day", 1, id="a day is taken as it is"),
    ],
)
def test_what_is_given_to_the_month_or_the_year_is_known_when_that_is_over(
    tmp_path: Path, happened: str, precision: str, there: int
) -> None:
    study = asks(GLUCOSE, features=[{"any": "b", "during": {"until": "index", "for": "6 months"}}])
    (row,) = ask(tmp_path, study, [Person()], [A, Event("b", happened, precision=precision)])
    assert row["any_b_until_6months"] == there
