"""Several rows of one patient, stays, windows at other moments, and criteria inside criteria."""

from pathlib import Path

from asking import case, competing, control, hold, nobody, of, rule, sees, somebody, unobserved
from little_timeline import Event, Person

DAY = {"until": "index", "for": "1 day"}
COUNT = [{"count": "b", "during": {"until": "index"}}]


def stay(start: str, end: str | None = None) -> Event:
    return Event("a", start, until=end)


def b(at: str, value: float | None = None, **fields: object) -> Event:
    return Event("b", at, value, **fields)


def rows(*expected: dict[str, object]) -> object:
    """The patient has just these rows, in time."""

    def check(found: list[dict[str, object]]) -> None:
        wanted = [{name: row[name] for name in want} for row, want in zip(found, expected, strict=True)]
        assert wanted == list(expected)

    return check


def counts(*numbers: float) -> object:
    return rows(*({"count_b_until_ever": number} for number in numbers))


EVERY = {"cohort": {"index": {"every": ["a"]}}, "features": COUNT}
ENDS = {"cohort": {"index": {"every": ["a"], "at": "end"}}, "features": COUNT}
WASHED = {"cohort": {"index": {"every": ["a"], "washout": "1 year"}}, "features": COUNT}
LATER = {"cohort": {"index": {"first": ["a"], "after": "24 hours"}}, "features": COUNT}


@of(
    rule("every event is an index, in time", [stay("2010"), stay("2011"), b("2010-06-01")], counts(0, 1), **EVERY),
    rule("two events at one moment are one index", [stay("2010"), stay("2010"), b("2010")], counts(1), **EVERY),
    rule("an index at the end of a stay", [stay("2010-01-01", "2010-01-09"), b("2010-01-05")], counts(1), **ENDS),
    rule("a stay that has not ended has no end", [stay("2010-01-01")], rows(), **ENDS),
    rule("a washout leaves out who had it less long ago",
         [stay("2010-01-01"), stay("2010-06-01"), b("2010-03-01")], counts(0), **WASHED),
    rule("just so long ago is washed out", [stay("2010-01-01"), stay("2011-01-01"), b("2010")], counts(1, 1), **WASHED),
    rule("without observation a washout is not known",
         [stay("2010-01-01")], rows(), Person(observed=(("2009-06-01", "2015"),)), **WASHED),
    rule("an index some time after the event", [stay("2010-01-01"), b("2010-01-01 20:00")], counts(1), **LATER),
)  # fmt: skip
def test_rows(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


AGAIN = {"event": "a", "during": {"from": "index", "for": "30 days"}, "unobserved": "exclude"}
DISCHARGED = ENDS | {"outcome": AGAIN}
DAY_LATER = ENDS | {"outcome": AGAIN | {"during": {"from": "24 hours after index", "for": "29 days"}}}


def back(*labels: int) -> object:
    return rows(*({"label": label} for label in labels))


@of(
    rule("a stay that begins as another ends is a transfer, and nobody came back",
         [stay("2010-01-01", "2010-01-09"), stay("2010-01-09", "2010-01-12")], back(0, 0), **DISCHARGED),
    rule("nor is one that lies in another a return",
         [stay("2010-01-01", "2010-01-09"), stay("2010-01-03", "2010-01-05")], back(0, 0), **DISCHARGED),
    rule("hours later it is a return, unless the study's window begins when transfers are over",
         [stay("2010-01-01", "2010-01-09"), stay("2010-01-09 02:00", "2010-01-12")], back(1, 0), **DISCHARGED),
    rule("and then it is none", [stay("2010-01-01", "2010-01-09"), stay("2010-01-09 02:00", "2010-01-12")], back(0, 0),
         **DAY_LATER),
    rule("who comes back after that came back, from where they were moved too",
         [stay("2010-01-01", "2010-01-09"), stay("2010-01-09 02:00", "2010-01-12"), stay("2010-01-20", "2010-01-21")],
         back(1, 1, 0), **DAY_LATER),
)  # fmt: skip
def test_transfers(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


SEEN = {
    "cohort": {"index": {"first": ["c"]}, "encounter": ["a"]},
    "features": [{"last": "b", "during": {"until": "index"}},
                 {"last": "b", "during": {"from": "encounter start", "until": "index"}}],
}  # fmt: skip


def both(ever: float | None, in_stay: float | None) -> object:
    return sees(last_b_until_ever=ever, last_b_from_encounterstart_until_index=in_stay)


@of(
    rule("a value outside any stay is seen where the window is not of a stay",
         [stay("2010-01-01", "2010-01-09"), Event("c", "2010-01-05"), b("2009-12-20", 3)], both(3, None), **SEEN),
    rule("one of an earlier stay is not of this one",
         [stay("2009-01-01", "2009-01-09"), stay("2010-01-01", "2010-01-09"), Event("c", "2010-01-05"), b("2009-01-05", 3)],
         both(3, None), **SEEN),
    rule("who is in no stay has values all the same", [Event("c", "2010-01-05"), b("2010-01-02", 3)], both(3, None), **SEEN),
    rule("one of the stay is both", [stay("2010-01-01", "2010-01-09"), Event("c", "2010-01-05"), b("2010-01-02", 3)],
         both(3, 3), **SEEN),
)  # fmt: skip
def test_values_outside_stays(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


def within(window: object, **index: object) -> dict[str, object]:
    """Whether there is a `b` in the window."""
    whole = {"index": {"first": ["c"], **index}, "encounter": ["a"]}
    return {"cohort": whole | {"include": [{"any_of": ["b"], "during": window}]}}


C = Event("c", "2010-01-05")
STAY = stay("2010-01-01", "2010-01-09")
HERE = {"cohort": {"index": {"first": ["c"]}, "encounter": ["a"], "include": [{"within": "encounter"}]}}
INSIDE = within({"from": "encounter start", "until": "encounter end"})
SO_FAR = within({"from": "encounter start", "until": "index"})
NEXT = within({"from": "index", "until": "next sick"})
SINCE = within({"from": "last sick", "until": "index"})
GAP = within({"until": "2 days before index", "for": "1 year"})
LATE = within({"from": "24 hours after index", "for": "1 week"})


@of(
    rule("the encounter is the stay that holds the index", [STAY, C, b("2010-01-08")], somebody, **INSIDE),
    rule("a stay that ended before is not the index's", [stay("2010-01-01", "2010-01-04"), C, b("2010-01-03")], nobody,
         **INSIDE),
    rule("without an encounter a window at it holds nothing", [C, b("2010-01-05")], nobody, **INSIDE),
    rule("from the start of the stay to the index", [STAY, C, b("2010-01-03")], somebody, **SO_FAR),
    rule("and not what the hospital knew later", [STAY, C, b("2010-01-03", known="2010-01-06")], nobody, **SO_FAR),
    rule("who is still there", [STAY, C], somebody, **HERE),
    rule("who went home at that moment is not", [stay("2010-01-01", "2010-01-05"), C], nobody, **HERE),
    rule("who has not gone home is", [stay("2010-01-01"), C], somebody, **HERE),
    rule("until the next event of a concept",
         [C, b("2010-02-01"), Event("sick", "2010-03-01")], somebody, **NEXT),
    rule("after it is too late", [C, b("2010-04-01"), Event("sick", "2010-03-01")], nobody, **NEXT),
    rule("where there is no next, the window holds nothing", [C, b("2010-02-01")], nobody, **NEXT),
    rule("since the last event of a concept", [C, b("2009-06-01"), Event("sick", "2009-03-01")], somebody, **SINCE),
    rule("a gap before the index", [C, b("2010-01-04")], nobody, **GAP),
    rule("and before the gap", [C, b("2010-01-03")], somebody, **GAP),
    rule("a window that begins later", [C, b("2010-01-05 12:00")], nobody, **LATE),
    rule("holds what comes then", [C, b("2010-01-06 12:00")], somebody, **LATE),
)  # fmt: skip
def test_windows(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


def only(*criteria: object) -> dict[str, object]:
    return {"cohort": {"index": {"first": ["a"]}, "include": list(criteria)}}


UNTIL = {"until": "index"}
B, SICK = {"any_of": ["b"], "during": UNTIL}, {"any_of": ["sick"], "during": UNTIL}
A = Event("a", "2010-01-01")
ILL = Event("sick", "2009-01-01")
HIGH = {"any_of": ["b"], "during": UNTIL, "value": {"above": 2.0, "unit": "mg/dL"}}
LOW = HIGH | {"value": {"below": 5.0, "unit": "mg/dL"}}
RANGE = HIGH | {"value": {"at_least": 2.0, "at_most": 3.0, "unit": "any"}}
ONCE = B | {"exactly": 1}
RARE = B | {"at_most": 1}


def mg(value: float, **fields: object) -> Event:
    return b("2009-06-01", value, unit="mg/dL", **fields)


@of(
    rule("or: one of them is enough", [A, ILL], somebody, **only({"or": [B, SICK]})),
    rule("and inside or", [A, ILL], nobody, **only({"or": [{"and": [B, SICK]}, {"sex": "male"}]})),
    rule("not turns a criterion around", [A, ILL], nobody, **only({"not": {"or": [B, SICK]}})),
    rule("who is not known to be female is not female", [A], somebody, Person(sex=None),
         **only({"not": {"sex": "female"}})),
    rule("and is of one row: another index's events do not help", [A, ILL, b("2011-01-01")], nobody,
         **only({"and": [B, SICK]})),
    rule("exactly one", [A, b("2009-01-01")], somebody, **only(ONCE)),
    rule("two are not exactly one", [A, b("2009-01-01"), b("2009-02-01")], nobody, **only(ONCE)),
    rule("at most one: none will do", [A], somebody, **only(RARE)),
    rule("a number above", [A, mg(2.1)], somebody, **only(HIGH)),
    rule("the bound itself is not above", [A, mg(2.0)], nobody, **only(HIGH)),
    rule("a number of another unit is not compared", [A, b("2009-06-01", 180.0, unit="umol/L")], nobody, **only(HIGH)),
    rule("nor one without a unit", [A, b("2009-06-01", 3.0)], nobody, **only(HIGH)),
    rule("the canonical number goes with the canonical unit",
         [A, b("2009-06-01", 180.0, unit="umol/L", canonical=2.04, ucum="mg/dL")], somebody, **only(HIGH)),
    rule("<5 is known to be below 5", [A, mg(5.0, comparator="<")], somebody, **only(LOW)),
    rule("<7 is not", [A, mg(7.0, comparator="<")], nobody, **only(LOW)),
    rule("<5 is not known to be above 2", [A, mg(5.0, comparator="<")], nobody, **only(HIGH)),
    rule(">2 is known to be above 2", [A, mg(2.0, comparator=">")], somebody, **only(HIGH)),
    rule("any unit takes every number; bounds included", [A, b("2009-06-01", 3.0)], somebody, **only(RANGE)),
    rule("row-level and on one event: both ranges of one number",
         [A, mg(1.0), mg(4.0)], nobody, **only(RANGE)),
)  # fmt: skip
def test_criteria(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


READMISSION = {
    "cohort": {
        "index": {"every": ["a"], "at": "end"},
        "encounter": ["a"],
        "exclude": [{"any_of": ["death"], "during": UNTIL}],
    },
    "outcome": {"event": "a", "during": {"from": "index", "for": "30 days"}, "competing": "death",
                "unobserved": "exclude"},
}  # fmt: skip
FIRST = stay("2010-01-01", "2010-01-09")


def seen_until(end: str, **fields: object) -> Person:
    return Person(observed=(("2000", end),), **fields)


def fates(*each: str) -> object:
    return rows(*({"fate": fate} for fate in each))


@of(
    rule("back within 30 days of discharge", [FIRST, stay("2010-02-01")], case, **READMISSION),
    rule("not back", [FIRST], control, **READMISSION),
    rule("back later than that", [FIRST, stay("2010-02-09")], control, **READMISSION),
    rule("died at home, not back: neither case nor control", [FIRST], competing, Person(death="2010-01-20"),
         **READMISSION),
    rule("back, then died", [FIRST, stay("2010-01-15")], case, Person(death="2010-01-20"), **READMISSION),
    rule("died in hospital: no discharge to come back from", [FIRST], nobody, Person(death="2010-01-09"),
         **READMISSION),
    rule("lost from sight before the 30 days are over", [FIRST], unobserved, seen_until("2010-01-20"), **READMISSION),
    rule("each discharge is a row", [FIRST, stay("2010-01-20", "2010-01-25")], fates("kept", "kept"), **READMISSION),
)  # fmt: skip
def test_readmission(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


MORTALITY = {
    "cohort": {"index": {"every": ["a"], "after": "24 hours"}, "encounter": ["a"],
               "include": [{"within": "encounter"}]},
    "outcome": {"event": "death", "during": {"from": "index", "until": "encounter end"}, "unobserved": "exclude"},
    "features": [{"last": "b", "during": {"from": "encounter start", "until": "index"}}],
}  # fmt: skip


def last(value: float | None, **more: object) -> object:
    return sees(last_b_from_encounterstart_until_index=value, **more)


@of(
    rule("dies before discharge", [FIRST], case, Person(death="2010-01-05"), **MORTALITY),
    rule("dies at the moment of discharge", [FIRST], case, Person(death="2010-01-09"), **MORTALITY),
    rule("dies at home", [FIRST], control, Person(death="2010-01-10"), **MORTALITY),
    rule("goes home", [FIRST], control, **MORTALITY),
    rule("goes home before the 24 hours are over", [stay("2010-01-01", "2010-01-01 20:00")], nobody, **MORTALITY),
    rule("dies before they are over", [FIRST], nobody, Person(death="2010-01-01 20:00"), **MORTALITY),
    rule("still in hospital is not known", [stay("2010-01-01")], unobserved, **MORTALITY),
    rule("a value of the first day is seen", [FIRST, b("2010-01-01 08:00", 7.0)], last(7.0), **MORTALITY),
    rule("one reported on the second day is not",
         [FIRST, b("2010-01-01 23:00", 7.0, known="2010-01-02 01:00")], last(None), **MORTALITY),
)  # fmt: skip
def test_mortality(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)
