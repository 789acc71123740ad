"""Who is in. Every patient here has the index event `a` on 2010-06-01."""

from pathlib import Path

from asking import hold, nobody, of, rule, somebody
from little_timeline import Event, Person

A = Event("a", "2010-06-01")
UNTIL, YEAR = {"until": "index"}, {"until": "index", "for": "1 year"}


def include(**criterion: object) -> dict[str, object]:
    return {"index": {"first": ["a"]}, "include": [criterion]}


def exclude(**criterion: object) -> dict[str, object]:
    return {"index": {"first": ["a"]}, "exclude": [criterion]}


ADULT, NO_ADULT = include(age={"at_least": 18}), exclude(age={"at_least": 18})
MINOR = include(age={"at_most": 17})


@of(
    rule("18 on the day of the index is 18", [A], somebody, Person(birth="1992-06-01"), cohort=ADULT),
    rule("a day younger is 17", [A], nobody, Person(birth="1992-06-02"), cohort=ADULT),
    rule("17 lasts until the day before the 18th birthday", [A], somebody, Person(birth="1992-06-02"), cohort=MINOR),
    rule("and no longer", [A], nobody, Person(birth="1992-06-01"), cohort=MINOR),
    rule("without an upper bound 300 years are old enough", [A], somebody, Person(birth="1710"), cohort=ADULT),
    rule("a birth given to the year counts from its first day", [A], somebody, Person(birth="1992"), cohort=ADULT),
    rule("who was born on a leap day is a year older on February 28",
         [Event("a", "2010-02-28")], somebody, Person(birth="1992-02-29"), cohort=ADULT),
    rule("who is of unknown age is not included by age", [A], nobody, Person(birth=None), cohort=ADULT),
    rule("nor excluded by it", [A], somebody, Person(birth=None), cohort=NO_ADULT),
    rule("sex", [A], somebody, Person(sex="male"), cohort=include(sex="male")),
    rule("the other sex", [A], nobody, Person(sex="male"), cohort=include(sex="female")),
    rule("unknown sex is neither", [A], nobody, Person(sex=None), cohort=include(sex="female")),
    rule("unknown sex is not excluded", [A], somebody, Person(sex=None), cohort=exclude(sex="female")),
)  # fmt: skip
def test_person(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


OBSERVED = include(observed={"before": "1 year"})


@of(
    rule("observed for just a year", [A], somebody, Person(observed=(("2009-06-01", "2012"),)), cohort=OBSERVED),
    rule("a day short of it", [A], nobody, Person(observed=(("2009-06-02", "2012"),)), cohort=OBSERVED),
    rule("two periods that touch are one",
         [A], somebody, Person(observed=(("2009", "2010-02-01"), ("2010-02-01", "2012"))), cohort=OBSERVED),
    rule("two that overlap too",
         [A], somebody, Person(observed=(("2009", "2010-03-01"), ("2010-02-01", "2012"))), cohort=OBSERVED),
    rule("a gap of a day is a gap",
         [A], nobody, Person(observed=(("2009", "2010-02-01"), ("2010-02-02", "2012"))), cohort=OBSERVED),
)  # fmt: skip
def test_observed(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


def b(at: str, **fields: object) -> Event:
    return Event("b", at, **fields)


ANY = include(any_of=["b"], during=YEAR)
BOTH = include(all_of=["b", "c"], during=YEAR)
NONE = include(none_of=["b", "c"], during=UNTIL)
TWICE = include(any_of=["b", "c"], during=UNTIL, at_least=2)
LATER = include(any_of=["b"], during={"from": "index", "for": "30 days"})


@of(
    rule("an event in the window", [A, b("2010-01-01")], somebody, cohort=ANY),
    rule("an event at the index is in `until`", [A, b("2010-06-01")], somebody, cohort=ANY),
    rule("and not in `before`", [A, b("2010-06-01")], nobody, cohort=include(any_of=["b"], during={"before": "index"})),
    rule("a window is open at its start", [A, b("2009-06-01")], nobody, cohort=ANY),
    rule("but not a moment later", [A, b("2009-06-01 00:00:00.000001")], somebody, cohort=ANY),
    rule("what was reported after the index was not known",
         [A, b("2010-01-01", known="2010-06-02")], nobody, cohort=ANY),
    rule("what was reported at the index was", [A, b("2010-01-01", known="2010-06-01")], somebody, cohort=ANY),
    rule("what was charted beforehand is known when it happens",
         [A, b("2010-06-02", known="2010-05-01")], nobody, cohort=ANY),
    rule("an old event reported in the window is in it",
         [A, b("2008-01-01", known="2010-01-01")], somebody, cohort=ANY),
    rule("row-level and: all of the concepts, of this patient",
         [A, b("2010-01-01"), Event("c", "2010-05-01")], somebody, cohort=BOTH),
    rule("two of one are not all", [A, b("2010-01-01"), b("2010-05-01")], nobody, cohort=BOTH),
    rule("another patient's event is not this one's",
         [A, b("2010-01-01"), Event("c", "2010-05-01", patient=2)], nobody, cohort=BOTH),
    rule("none of them", [A], somebody, cohort=NONE),
    rule("none of them, but one was", [A, Event("c", "2001-01-01")], nobody, cohort=NONE),
    rule("not known at the index is none", [A, b("2010-05-01", known="2011-01-01")], somebody, cohort=NONE),
    rule("at_least counts events", [A, b("2010-01-01"), b("2010-02-01")], somebody, cohort=TWICE),
    rule("of any of the concepts", [A, b("2010-01-01"), Event("c", "2010-02-01")], somebody, cohort=TWICE),
    rule("one is not two", [A, b("2010-01-01")], nobody, cohort=TWICE),
    rule("one event under two concepts is one event", [A, b("2010-01-01")], nobody, cohort=TWICE, concepts={
        name: {"system": "local", "codes": codes} for name, codes in
        {"a": ["a"], "b": ["b"], "c": ["b", "c"], "sick": ["sick"]}.items()}),
    rule("`from` begins after the index", [A, b("2010-06-01")], nobody, cohort=LATER),
    rule("and holds its end", [A, b("2010-07-01")], somebody, cohort=LATER),
    rule("`from` is of what happens, known or not", [A, b("2010-06-02", known="2011-01-01")], somebody, cohort=LATER),
    rule("exclude turns a criterion around", [A, b("2010-01-01")], nobody, cohort=exclude(any_of=["b"], during=UNTIL)),
    rule("who dies soon after can be left out", [A], nobody, Person(death="2010-06-10"),
         cohort=exclude(any_of=["death"], during={"from": "index", "for": "30 days"})),
    rule("a month back from the 31st is the last of February", [Event("a", "2011-03-31"), b("2011-02-28")], nobody,
         cohort=include(any_of=["b"], during={"until": "index", "for": "1 month"})),
)  # fmt: skip
def test_events(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)
