"""What became of them. The index, `a`, is on 2010-01-01; the outcome is `sick` within five years."""

from pathlib import Path

from asking import case, competing, control, hold, of, rule, sees, unobserved
from little_timeline import Event, Person

A = Event("a", "2010-01-01")
WINDOW = {"from": "index", "for": "5 years"}
DEATH = {"event": "sick", "during": WINDOW, "competing": "death", "unobserved": "exclude"}
C = DEATH | {"competing": "c"}


def sick(at: str, **fields: object) -> Event:
    return Event("sick", at, **fields)


def seen_until(end: str, **fields: object) -> Person:
    return Person(observed=(("2000", end),), **fields)


@of(
    rule("who gets it within the window is a case", [A, sick("2012-01-01")], case),
    rule("who does not, and was watched to the end, is a control", [A], control),
    rule("at the index is not after the index", [A, sick("2010-01-01")], control),
    rule("a moment later is", [A, sick("2010-01-01 00:00:00.000001")], case),
    rule("at the very end of the window is within it", [A, sick("2015-01-01")], case),
    rule("a moment later is not", [A, sick("2015-01-01 00:00:00.000001")], control),
    rule("not watched for five years is unknown, not well", [A], unobserved, seen_until("2014-12-31")),
    rule("watched for just five years is enough", [A], control, seen_until("2015-01-01")),
    rule("a case needs no further watching", [A, sick("2012-01-01")], case, seen_until("2013-01-01")),
    rule("at the very end of observation is observed", [A, sick("2013-01-01")], case, seen_until("2013-01-01")),
    rule("after the end of observation nothing is", [A, sick("2013-01-02")], unobserved, seen_until("2013-01-01")),
    rule("a later period of observation does not fill the gap",
         [A, sick("2014-01-01")], unobserved, Person(observed=(("2000", "2012"), ("2013", "2020")))),
    rule("an outcome counts when it happens, whenever it is known", [A, sick("2014-12-01", known="2016-01-01")], case),
    rule("a cancelled outcome is none", [A, sick("2012-01-01", status="cancelled")], control),
)  # fmt: skip
def test_binary(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


@of(
    rule("death before five years is neither case nor control",
         [A], competing, seen_until("2012-01-01", death="2012-01-01"), outcome=DEATH),
    rule("death after them does not matter", [A], control, Person(death="2016-01-01"), outcome=DEATH),
    rule("illness before death is a case", [A, sick("2011-01-01")], case, Person(death="2012-01-01"), outcome=DEATH),
    rule("illness at death is a case", [A, sick("2012-01-01")], case, Person(death="2012-01-01"), outcome=DEATH),
    rule("illness after death is ignored",
         [A, sick("2012-01-02")], competing, Person(death="2012-01-01"), outcome=DEATH),
    rule("illness in the afternoon of a death given to the day is a case",
         [A, sick("2012-01-01 15:00")], case, Person(death="2012-01-01", death_precision="day"), outcome=DEATH),
    rule("a death nobody calls competing ends observation all the same", [A], unobserved, Person(death="2012-01-01")),
    rule("a death after the end of observation is not seen",
         [A], unobserved, seen_until("2012-01-01", death="2013-01-01"), outcome=DEATH),
    rule("another competing event, first", [A, Event("c", "2011-01-01"), sick("2012-01-01")], competing, outcome=C),
    rule("at the same moment is not first", [A, Event("c", "2012-01-01"), sick("2012-01-01")], case, outcome=C),
    rule("later is not first", [A, Event("c", "2013-01-01"), sick("2012-01-01")], case, outcome=C),
    rule("alone it competes too", [A, Event("c", "2013-01-01")], competing, outcome=C),
    rule("before the index it is history", [A, Event("c", "2009-01-01")], control, outcome=C),
)  # fmt: skip
def test_competing(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


def survival(event: str = "sick", rival: str | None = None) -> dict[str, object]:
    outcome = {"kind": "time-to-event", "event": event, "during": WINDOW, "competing": rival, "unobserved": "censor"}
    return {"outcome": outcome, "model": {"architecture": "cox"}}


def after(days: float, event: int) -> object:
    return sees(fate="kept", time=days, event=event)


@of(
    rule("the time to the event, in days", [A, sick("2010-01-11")], after(10.0, 1), **survival()),
    rule("with its fraction", [A, sick("2010-01-01 06:00")], after(0.25, 1), **survival()),
    rule("censored at the end of the window", [A], after(1826.0, 0), **survival()),
    rule("censored at the end of observation", [A], after(31.0, 0), seen_until("2010-02-01"), **survival()),
    rule("an event at the end of observation is an event",
         [A, sick("2010-02-01")], after(31.0, 1), seen_until("2010-02-01"), **survival()),
    rule("an event after it is not", [A, sick("2010-02-02")], after(31.0, 0), seen_until("2010-02-01"), **survival()),
    rule("censored at a competing event",
         [A, Event("c", "2010-01-11"), sick("2010-01-21")], after(10.0, 0), **survival(rival="c")),
    rule("censored at a competing death", [A], after(10.0, 0), Person(death="2010-01-11"), **survival(rival="death")),
    rule("and at a death nobody calls competing", [A], after(10.0, 0), Person(death="2010-01-11"), **survival()),
    rule("death is an outcome like others", [A], after(10.0, 1), Person(death="2010-01-11"), **survival("death")),
    rule("also when observation ends with it",
         [A], after(10.0, 1), seen_until("2010-01-11", death="2010-01-11"), **survival("death")),
    rule("no time after the index is no row", [A], unobserved, seen_until("2010-01-01"), **survival()),
)  # fmt: skip
def test_time_to_event(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)
