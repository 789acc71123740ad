"""Who enters, and when. The study's index is the first `a` unless a rule says otherwise."""

from pathlib import Path

from asking import hold, nobody, of, rule, sees, somebody
from little_timeline import Event, Person

AGE = [{"demographic": "age"}]
LAST = {"index": {"last": ["a"]}}
EITHER = {"index": {"first": ["a", "b"]}}


def years(count: float) -> object:
    """Entered so many years of 365.25 days after birth at 2000-01-01."""
    return sees(age=count)


def born(**fields: object) -> Person:
    return Person(birth="2000-01-01", **fields)


@of(
    rule("the index is the first event",
         [Event("a", "2008-01-01"), Event("a", "2004-01-01")], years(4), born(), features=AGE),
    rule("or the last",
         [Event("a", "2008-01-01"), Event("a", "2004-01-01")], years(8), born(), features=AGE, cohort=LAST),
    rule("of any of its concepts",
         [Event("a", "2008-01-01"), Event("b", "2004-01-01")], years(4), born(), features=AGE, cohort=EITHER),
    rule("a patient enters once", [Event("a", "2004-01-01"), Event("a", "2004-01-01")], somebody),
    rule("an event outside observation is no index",
         [Event("a", "1999-12-31"), Event("a", "2004-01-01")], years(4), born(), features=AGE),
    rule("an event at the very start of observation is one", [Event("a", "2000-01-01")], somebody),
    rule("and one at the very end", [Event("a", "2030-01-01")], somebody),
    rule("without observation nobody enters", [Event("a", "2004-01-01")], nobody, Person(observed=())),
    rule("a gap in observation is not observation",
         [Event("a", "2005-01-01")], nobody, Person(observed=(("2000", "2004"), ("2006", "2010")))),
    rule("a concept of another system is another concept", [Event("a", "2004-01-01", system="loinc")], nobody),
    rule("an event without a time is not on the line", [Event("a", None)], nobody),
    rule("an event after death is ignored", [Event("a", "2004-01-02")], nobody, Person(death="2004-01-01")),
    rule("a death given to the day lasts until its midnight",
         [Event("a", "2004-01-01 15:00")], somebody, Person(death="2004-01-01", death_precision="day")),
    rule("a death given to the year, until the year is over",
         [Event("a", "2004-07-01")], somebody, Person(death="2004", death_precision="year")),
)  # fmt: skip
def test_index(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


@of(
    rule("a cancelled event does not count", [Event("a", "2004-01-01", status="cancelled")], nobody),
    rule("nor one entered in error", [Event("a", "2004-01-01", status="entered-in-error")], nobody),
    rule("a preliminary one does", [Event("a", "2004-01-01", status="preliminary")], somebody),
    rule("a negated finding is not a finding", [Event("a", "2004-01-01", polarity="negated")], nobody),
    rule("nor is an excluded one", [Event("a", "2004-01-01", polarity="excluded")], nobody),
    rule("a deleted event is gone", [Event("a", "2004-01-01", deleted=True)], nobody),
    rule("who opted out is never in a cohort", [Event("a", "2004-01-01")], nobody, Person(opted_out=True)),
    rule("who is not among the subjects is not either", [Event("a", "2004-01-01", patient=2)], nobody),
)
def test_what_counts(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)
