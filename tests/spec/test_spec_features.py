"""What the model sees. The index, `a`, is on 2010-06-01; features are of `b`."""

from pathlib import Path

from asking import hold, of, rule, sees
from little_timeline import Event, Person

A = Event("a", "2010-06-01")
EVER, TWO_YEARS = {"until": "index"}, {"until": "index", "for": "2 years"}
ALL = [{word: "b", "during": TWO_YEARS} for word in ("first", "last", "min", "max", "mean", "count", "any")]


def b(at: str, value: float | None = None, **fields: object) -> Event:
    return Event("b", at, value, **fields)


def last(value: float | None) -> object:
    return sees(last_b_until_ever=value)


def aggregates(*values: float | None) -> object:
    names = ("first", "last", "min", "max", "mean", "count", "any")
    return sees(**{f"{name}_b_until_2years": value for name, value in zip(names, values, strict=True)})


THREE = [b("2009-01-01", 4.0), b("2009-02-01", 9.0), b("2009-03-01", 2.0)]


@of(
    rule("aggregates", [A, *THREE], aggregates(4.0, 2.0, 2.0, 9.0, 5.0, 3.0, 1.0), features=ALL),
    rule("where there is no event, count and any are 0 and the others missing",
         [A], aggregates(*[None] * 5, 0.0, 0.0), features=ALL),
    rule("an event without a number counts, and has none",
         [A, b("2009-01-01")], aggregates(*[None] * 5, 1.0, 1.0), features=ALL),
    rule("the last number is of the last event that has one", [A, b("2009-01-01", 4.0), b("2009-02-01")], last(4.0)),
    rule("outside the window is outside", [A, b("2008-06-01", 4.0)], aggregates(*[None] * 5, 0.0, 0.0), features=ALL),
    rule("a laboratory value reported after the index is not seen",
         [A, b("2010-05-30", 7.0, known="2010-06-02")], last(None)),
    rule("one reported at the index is", [A, b("2010-05-30", 7.0, known="2010-06-01")], last(7.0)),
    rule("one whose time of report is not told counts as known when taken", [A, b("2010-05-30", 7.0)], last(7.0)),
    rule("the future is not seen, even charted beforehand", [A, b("2010-06-02", 7.0, known="2010-05-01")], last(None)),
    rule("the last is the last taken, not the last reported",
         [A, b("2010-05-01", 1.0, known="2010-05-30"), b("2010-05-02", 2.0)], last(2.0)),
    rule("of two taken together, the one reported last",
         [A, b("2010-05-01", 1.0, known="2010-05-30"), b("2010-05-01", 2.0)], last(1.0)),
    rule("of two alike in that, the greater number is the last",
         [A, b("2010-05-01", 2.0, id="e" * 32), b("2010-05-01", 1.0, id="f" * 32)], last(2.0)),
    rule("the canonical number goes before the given one", [A, b("2010-05-01", 180.0, canonical=10.0)], last(10.0)),
    rule("`<5` is the number 5", [A, b("2010-05-01", 5.0, comparator="<")], last(5.0)),
    rule("a number that is none is missing",
         [A, b("2010-05-01", float("nan")), b("2010-04-01", float("inf"))], last(None)),
    rule("159.4 stays 159.4: numbers are float64", [A, b("2010-05-01", 159.4)], last(159.4)),
)  # fmt: skip
def test_aggregates(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


AGE, SEX = [{"demographic": "age"}], [{"demographic": "sex"}]


@of(
    rule(
        "age is in years of 365.25 days",
        [Event("a", "2004-01-01 12:00")],
        sees(age=1461.5 / 365.25),
        Person(birth="2000"),
        features=AGE,
    ),
    rule("unknown birth is missing", [A], sees(age=None), Person(birth=None), features=AGE),
    rule("born after the index is an error, so missing", [A], sees(age=None), Person(birth="2011"), features=AGE),
    rule("1 is male", [A], sees(sex=1.0), Person(sex="male"), features=SEX),
    rule("0 is female", [A], sees(sex=0.0), Person(sex="female"), features=SEX),
    rule("other and unknown are missing", [A], sees(sex=None), Person(sex="other"), features=SEX),
)
def test_demographics(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)


def sequence(*of_concepts: str, at_most: int = 64, **during: str) -> dict[str, object]:
    feature = {"sequence": list(of_concepts), "during": {"until": "index", **during}, "at_most": at_most}
    return {"features": [{"demographic": "sex"}, feature], "model": {"architecture": "gru"}}


def steps(*listed: tuple[int, float | None, float]) -> object:
    return sees(sequence=[{"concept": concept, "value": value, "days": days} for concept, value, days in listed])


@of(
    rule("a sequence is oldest first, in days before the index",
         [A, b("2010-05-31", 2.0), b("2010-05-22", 1.0)], steps((0, 1.0, 10.0), (0, 2.0, 1.0)), **sequence("b")),
    rule("a concept is its place in `of`",
         [A, b("2010-05-31", 2.0), Event("c", "2010-05-30", 1.0)],
         steps((1, 1.0, 2.0), (0, 2.0, 1.0)), **sequence("b", "c")),
    rule("a diagnosis has no number", [A, b("2010-05-31")], steps((0, None, 1.0)), **sequence("b")),
    rule("the last ones are kept",
         [A, *(b(f"2010-05-{day}", float(day)) for day in (28, 29, 30))],
         steps((0, 29.0, 3.0), (0, 30.0, 2.0)), **sequence("b", at_most=2)),
    rule("no event is an empty sequence", [A], steps(), **sequence("b")),
    rule("what was not known is not in it", [A, b("2010-05-31", 2.0, known="2010-06-02")], steps(), **sequence("b")),
)  # fmt: skip
def test_sequence(tmp_path: Path, events, check, person, study):
    hold(tmp_path, events, check, person, study)
