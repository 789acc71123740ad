"""Outcomes by rule, with a cause, of several kinds; and features that follow a number over time."""

from pathlib import Path

from asking import case, competing, control, hold, nobody, of, rule, sees, unobserved
from little_timeline import Event, Person

A = Event("a", "2010-01-01")
WEEK = {"from": "index", "for": "7 days"}


def cr(at: str, value: float, unit: str | None = "mg/dL", **fields: object) -> Event:
    return Event("b", f"2010-01-{at}", value, unit=unit, **fields)


RULE = {"rise": "b", "unit": "mg/dL", "ratio": 1.5, "within": "7 days", "by": 0.3, "by_within": "48 hours"}
KDIGO = {"outcome": {"event": RULE, "during": WEEK, "competing": "death", "unobserved": "exclude"}}


@of(
    rule("creatinine rises by 0.3 within 48 hours", [A, cr("02", 1.0), cr("03", 1.3)], case, **KDIGO),
    rule("0.9 to 1.2 is a rise of 0.3, whatever binary fractions say", [A, cr("02", 0.9), cr("03", 1.2)], case,
         **KDIGO),
    rule("just 48 hours apart is within 48 hours", [A, cr("02", 1.0), cr("04", 1.3)], case, **KDIGO),
    rule("a moment more is not", [A, cr("02", 1.0), cr("04 00:00:00.000001", 1.3)], control, **KDIGO),
    rule("1.5 times the lowest of 7 days", [A, cr("02", 0.8), cr("06", 1.2)], case, **KDIGO),
    rule("the lowest, not the first", [A, cr("02", 1.2), cr("03", 0.8), cr("07", 1.2)], case, **KDIGO),
    rule("a lower number after it is no baseline", [A, cr("02", 1.2), cr("06", 0.8)], control, **KDIGO),
    rule("a number before the index is a baseline", [A, Event("b", "2009-12-30", 0.6, unit="mg/dL"), cr("04", 1.0)],
         case, **KDIGO),
    rule("a rise before the index is not the outcome",
         [A, Event("b", "2009-12-30", 0.6, unit="mg/dL"), Event("b", "2009-12-31", 1.2, unit="mg/dL")], control,
         **KDIGO),
    rule("numbers of two units are not compared", [A, cr("02", 1.0), cr("03", 88.0, "umol/L")], control, **KDIGO),
    rule("a creatinine of 0 is no number to compare with", [A, cr("02", 0.0), cr("03", 0.4)], control, **KDIGO),
    rule("a rise after the week is too late", [A, cr("08", 1.0), cr("09", 2.0)], control, **KDIGO),
    rule("death without a rise competes", [A], competing, Person(death="2010-01-03"), **KDIGO),
)  # fmt: skip
def test_kdigo(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


HIGH = {"outcome": {"event": {"first": "b", "value": {"at_least": 4, "unit": "mg/dL"}}, "during": WEEK,
                    "unobserved": "exclude"}}  # fmt: skip


@of(
    rule("a number that reaches the bound is the outcome", [A, cr("03", 4.0)], case, **HIGH),
    rule("one that does not is not", [A, cr("03", 3.9)], control, **HIGH),
)
def test_by_value(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


YEAR = {"from": "index", "for": "1 year"}
CAUSES = {
    "outcome": {"kind": "time-to-event", "event": "sick", "during": YEAR, "competing": ["b", "death"],
                "unobserved": "censor"},
    "model": {"architecture": "cox"},
}  # fmt: skip


def ends(days: float, cause: int) -> object:
    return sees(fate="kept", time=days, event=int(cause == 1), cause=cause)


@of(
    rule("cause 1 is the event", [A, Event("sick", "2010-01-11")], ends(10.0, 1), **CAUSES),
    rule("cause 2 is the first of the competing ones", [A, Event("b", "2010-01-11")], ends(10.0, 2), **CAUSES),
    rule("cause 3 the second", [A], ends(10.0, 3), Person(death="2010-01-11"), **CAUSES),
    rule("cause 0 is nothing: censored", [A], ends(365.0, 0), **CAUSES),
    rule("of two at one moment, the one named first", [A, Event("b", "2010-01-11")], ends(10.0, 2),
         Person(death="2010-01-11"), **CAUSES),
)  # fmt: skip
def test_causes(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


FIRST_OF = {"answer": {"kind": "categorical", "events": ["b", "c"], "during": YEAR, "competing": "death",
                       "unobserved": "exclude"}}  # fmt: skip
NAMED = {"answer": FIRST_OF["answer"] | {"none": "set-apart"}}
NUMBER = {"answer": {"kind": "numeric", "value": {"last": "b", "unit": "%"}, "during": YEAR, "competing": "death",
                     "unobserved": "exclude"}}  # fmt: skip

CHANGE = {"answer": NUMBER["answer"] | {"value": {"slope": "b", "unit": "%", "per": "year"}}}


@of(
    rule("the class is the event that comes first", [A, Event("c", "2010-02-01"), Event("b", "2010-03-01")],
         sees(fate="kept", label=2), **FIRST_OF),
    rule("class 0 is none of them", [A], sees(fate="kept", label=0), **FIRST_OF),
    rule("death first is none of the classes", [A], competing, Person(death="2010-02-01"), **FIRST_OF),
    rule("where none is no class, the first named is 0", [A, Event("b", "2010-03-01")], sees(fate="kept", label=0), **NAMED),
    rule("and who has none of them is unknown, however long observed", [A], unobserved, **NAMED),
    rule("the number predicted is the last in the window", [A, Event("b", "2010-03-01", 7.5, unit="%")],
         sees(fate="kept", value=7.5), **NUMBER),
    rule("no number is not known, however long observed", [A], unobserved, **NUMBER),
    rule("a slope is per year of 365.25 days, of the numbers after the index alone",
         [A, Event("b", "2009-12-01", 9.0, unit="%"), Event("b", "2010-01-02", 7.0, unit="%"),
          Event("b", "2010-07-03 15:00", 8.0, unit="%")], sees(fate="kept", value=2.0), **CHANGE),
    rule("one number has no slope, and is not known", [A, Event("b", "2010-03-01", 7.5, unit="%")], unobserved, **CHANGE),
    rule("nor is a number of another unit", [A, Event("b", "2010-03-01", 58.0, unit="mmol/mol")], unobserved, **NUMBER),
)  # fmt: skip
def test_other_kinds(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


UNTIL = {"until": "index", "for": "2 years"}


def feature(**words: object) -> dict[str, object]:
    return {"features": [words]}


def old(at: str, value: float | None = None) -> Event:
    return Event("b", f"2009-{at}", value)


SLOPE = feature(slope="b", during=UNTIL, per="year")
RATIO = feature(ratio="b", during={"until": "index", "for": "1 month"},
                baseline={"min": {"until": "1 month before index", "for": "1 year"}})  # fmt: skip
SLOPE_NAME = "slope_b_until_2years_per_year"
RATIO_NAME = "ratio_b_until_1months_to_min_until_1monthsbeforeindex_1years"


@of(
    rule("a slope is per year of 365.25 days",
         [A, Event("b", "2008-07-02 18:00", 6.0), Event("b", "2009-07-03", 7.0)], sees(**{SLOPE_NAME: 1.0}), **SLOPE),
    rule("or per day", [A, old("01-01", 1.0), old("01-03", 2.0)], sees(slope_b_until_2years_per_day=0.5),
         **feature(slope="b", during=UNTIL, per="day")),
    rule("one number has no slope", [A, old("01-01", 6.0)], sees(**{SLOPE_NAME: None}), **SLOPE),
    rule("nor have two of one moment", [A, old("01-01", 6.0), old("01-01", 7.0)], sees(**{SLOPE_NAME: None}), **SLOPE),
    rule("a ratio is of the last number to the baseline", [A, old("06-01", 1.0), old("05-01", 0.8), old("12-20", 1.2)],
         sees(**{RATIO_NAME: 1.2 / 0.8}), **RATIO),
    rule("without a baseline there is none", [A, old("12-20", 1.2)], sees(**{RATIO_NAME: None}), **RATIO),
    rule("nor is there one to 0", [A, old("06-01", 0.0), old("12-20", 1.2)], sees(**{RATIO_NAME: None}), **RATIO),
    rule("a sum", [A, old("01-01", 1.5), old("02-01", 2.0)], sees(sum_b_until_2years=3.5),
         **feature(sum="b", during=UNTIL)),
    rule("days since the last one", [A, old("12-01"), old("12-22 12:00")], sees(since_b_until_2years=9.5),
         **feature(since="b", during=UNTIL)),
    rule("without one, missing", [A], sees(since_b_until_2years=None), **feature(since="b", during=UNTIL)),
)  # fmt: skip
def test_numbers_over_time(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


NEW_USER = {
    "cohort": {
        "index": {"first": ["a"], "washout": "1 year"},
        "include": [{"any_of": ["b"], "during": UNTIL, "value": {"above": 7, "unit": "%"}}],
    },
    "outcome": {"event": {"first": "b", "value": {"below": 7, "unit": "%"}}, "during": YEAR, "competing": "death",
                "unobserved": "exclude"},
}  # fmt: skip
BEFORE = Event("b", "2009-12-01", 8.4, unit="%")
DRUG = Event("a", "2010-01-01")


@of(
    rule("a new user whose HbA1c falls below 7 responds", [BEFORE, DRUG, Event("b", "2010-06-01", 6.8, unit="%")], case,
         **NEW_USER),
    rule("one whose HbA1c does not fall so far does not", [BEFORE, DRUG, Event("b", "2010-06-01", 7.2, unit="%")],
         control, **NEW_USER),
    rule("who had the drug before is no new user", [Event("a", "2009-06-01"), BEFORE, DRUG], nobody,
         Person(observed=(("2008-12-01", "2020"),)), **NEW_USER),
    rule("nor who was not watched before it", [BEFORE, DRUG], nobody, Person(observed=(("2009-06-01", "2020"),)),
         **NEW_USER),
)  # fmt: skip
def test_new_users(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)
