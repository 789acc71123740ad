"""The engine and the oracle give the same rows on generated timelines and studies."""

import math
import tempfile
from pathlib import Path

import oracle
from asking import KEY, ask, can_be_met, study_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from little_timeline import Event, Person, Term, write_timeline

from rapha.cohort.engine import freeze
from rapha.errors import CohortRefused
from rapha.records.moments import Window

NAMES = ["a", "b", "c", "sick"]
# Few moments, so that ties and borders are common: the last days of months, a leap day, midnights and one microsecond.
MOMENTS = [
    "2009-12-31", "2010-01-01", "2010-01-01 08:00", "2010-01-31", "2010-02-28", "2010-03-01 12:00", "2010-03-31",
    "2010-03-31 00:00:00.000001", "2011-01-31", "2011-02-28", "2012-02-29", "2012-03-01", "2013-02-28", "2015-01-01",
]  # fmt: skip
moments = st.sampled_from(MOMENTS)
durations = st.sampled_from(["8 hours", "1 day", "9 weeks", "1 month", "2 months", "1 year", "2 years", "3 years"])
concepts = st.sampled_from(NAMES)
index_concepts = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
any_concepts = st.lists(st.sampled_from([*NAMES, "death"]), min_size=1, max_size=3, unique=True)
numbers = st.none() | st.integers(-3, 3).map(float) | st.sampled_from([0.1, math.inf, math.nan, 1e300])


KNOWN = ["index", "encounter start", "last c", "last sick", "8 hours before index", "1 month before last b"]
AHEAD = ["encounter end", "next b", "next death", "8 hours after index", "1 month after last b", "2 days after next a"]


def can_hold_something(window: dict[str, object]) -> bool:
    """Others are refused when a study is written."""
    try:
        return bool(Window.model_validate(window))
    except ValueError:
        return False


def windows(ends: list[str], *relations: str) -> st.SearchStrategy[dict[str, object]]:
    """Windows at these moments: with a length, without, and between two of them."""
    at = st.sampled_from(["index"] * 4 + ends)
    bounded = st.builds(lambda r, a, d: {r: a, "for": d}, st.sampled_from(relations), at, durations)
    open_ended = st.builds(lambda r, a: {r: a}, st.sampled_from(relations), at)
    two = st.lists(st.sampled_from(ends + AHEAD), min_size=2, max_size=2, unique=True)
    between = two.filter(lambda pair: pair[1] in ends).map(lambda pair: {"from": pair[0], "until": pair[1]})
    between = between.filter(can_hold_something)
    return st.one_of(bounded, bounded, open_ended, between)


past, anywhere = windows(KNOWN, "until", "before"), windows(KNOWN + AHEAD, "until", "before", "from")
units = st.sampled_from(["any", "mmol", "mg"])
ranges = st.builds(
    lambda low, high, a, b, unit: {low: min(a, b), high: max(a, b), "unit": unit},
    st.sampled_from(["above", "at_least"]), st.sampled_from(["below", "at_most"]),
    st.sampled_from([-2.0, 0.0, 0.1, 1.0]), st.sampled_from([1.5, 2.0, 3.0]), units,
).flatmap(lambda whole: st.sampled_from(
    [whole, *({key: each for key, each in whole.items() if key not in gone}
              for gone in (("above", "at_least"), ("below", "at_most")))]
))  # fmt: skip
ages = st.builds(lambda a, n: {"age": {"at_least": a, "at_most": a + n}}, st.integers(0, 50), st.integers(0, 60))
counts = st.sampled_from([{"at_least": 1}, {"at_least": 2}, {"at_most": 1}, {"exactly": 2}, {"exactly": 0}])
counted = st.builds(
    lambda of, during, n, value: {"any_of": of, "during": during, **n, "value": value},
    any_concepts, anywhere, counts, st.none() | ranges,
)  # fmt: skip
uncounted = st.builds(
    lambda word, of, during, value: {word: of, "during": during, "value": value},
    st.sampled_from(["all_of", "none_of"]), any_concepts, anywhere, st.none() | ranges,
)  # fmt: skip
sexes = st.sampled_from([{"sex": "female"}, {"sex": "male"}])
leaves = ages | sexes | counted | uncounted | durations.map(lambda d: {"observed": {"before": d}})
criteria = st.recursive(
    leaves | st.just({"within": "encounter"}),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda of: st.sampled_from([{"and": of}, {"or": of}, {"not": of[0]}])
    ),
    max_leaves=4,
)
plain = st.builds(
    lambda word, of, during: {word: of, "during": during},
    st.sampled_from(["first", "last", "min", "max", "mean", "sum", "count", "any", "since"]),
    st.sampled_from([*NAMES, "death"]), past,
)  # fmt: skip
slopes = st.builds(
    lambda of, during, per: {"slope": of, "during": during, "per": per},
    concepts,
    past,
    st.sampled_from(["day", "year"]),
)
ratios = st.builds(
    lambda of, during, pick, before: {"ratio": of, "during": during, "baseline": {pick: before}},
    concepts, past, st.sampled_from(["first", "last", "min", "max", "mean"]), past,
)  # fmt: skip
aggregates = plain | slopes | ratios
demographics = st.sampled_from([{"demographic": "age"}, {"demographic": "sex"}])
sequences = st.builds(
    lambda of, during, n: {"sequence": of, "during": during, "at_most": n}, any_concepts, past, st.integers(1, 4)
)


ahead = st.one_of(
    st.sampled_from(["1 month", "1 year", "2 years", "3 years"]).map(lambda d: {"from": "index", "for": d}),
    st.sampled_from(["encounter end", "next b", "30 days after next a", "9 months after index"]).map(
        lambda end: {"from": "index", "until": end}
    ),
    st.just({"from": "8 hours after index", "for": "1 year"}),
)
rises = st.builds(
    lambda of, unit, ratio, by: {"rise": of, "unit": unit, **ratio, **by}, concepts, units,
    st.sampled_from([{"ratio": 1.5, "within": "1 month"}, {"ratio": 1.5, "within": "1 year"}]),
    st.sampled_from([{}, {"by": 0.3, "by_within": "8 hours"}, {"by": 2.0, "by_within": "2 years"}]),
)  # fmt: skip
asked = st.one_of(concepts, concepts, rises, st.builds(lambda of, v: {"first": of, "value": v}, concepts, ranges))


@st.composite
def outcomes(draw: st.DrawFn, kind: str) -> dict[str, object]:
    outcome: dict[str, object] = {"kind": kind, "during": draw(ahead), "unobserved": "exclude"}
    if kind == "time-to-event":
        outcome["unobserved"] = "censor"
    match kind:
        case "categorical":
            used = outcome["events"] = draw(st.lists(st.sampled_from([*NAMES, "death"]), min_size=2, unique=True))
            outcome["none"] = draw(st.sampled_from(["class", "set-apart"]))
        case "numeric":
            word, of = draw(st.sampled_from(["first", "last", "min", "max", "mean", "slope"])), draw(concepts)
            per = {"per": draw(st.sampled_from(["day", "year"]))} if word == "slope" else {}
            outcome["value"], used = {word: of, "unit": draw(units), **per}, [of]
        case _:
            event = outcome["event"] = draw(asked | st.just("death"))
            used = [event if isinstance(event, str) else event.get("rise", event.get("first"))]
    left = [name for name in (*NAMES, "death") if name not in used]
    rivals = st.lists(st.sampled_from(left), max_size=2, unique=True) if left else st.just([])
    return outcome | {"competing": draw(rivals)}


# A vocabulary of eight: codes of two systems, some of which are no standard ones, and links up and down, also of what is
# no standard one; t3 is above itself, as OMOP writes it.
TERMS = [f"t{number}" for number in range(1, 7)]
some_terms = st.lists(st.sampled_from(TERMS), max_size=2, unique=True).map(tuple)
terms = st.builds(
    Term,
    concept=st.sampled_from(TERMS),
    code=st.sampled_from([*NAMES, "d", "e"]),
    system=st.sampled_from(["local", "other"]),
    maps_to=st.none() | some_terms,
    above=some_terms,
)
vocabularies = st.just([]) | st.lists(terms, max_size=8, unique_by=lambda term: term.concept)
code_sets = st.builds(
    lambda system, codes, more: {"system": system, "codes": codes, **more},
    st.sampled_from(["local", "local", "other"]),
    st.lists(st.sampled_from([*NAMES, "d", "e"]), min_size=1, max_size=2, unique=True),
    st.sampled_from([{}, {"mapped": True}, {"descendants": True}]),
)
conversions = st.sampled_from([{}, {"kg": 2.5}, {"kg": {"times": 0.1, "plus": -1.0}, "g": 1000.0}])


@st.composite
def meanings(draw: st.DrawFn, name: str, unit: str) -> dict[str, object]:
    """What a concept stands for: as a rule the code of its name; with a unit where one is stated, or none."""
    own = {"system": "local", "codes": [name]}
    of = draw(st.just([own]) | st.lists(code_sets, max_size=2).map(lambda sets: [own, *sets]))
    exclude = draw(st.just([]) | st.lists(code_sets, max_size=2))
    said: dict[str, object] = {"any_of": of, "exclude": [each for each in exclude if each not in of]}
    if unit != "any":
        said |= {"unit": unit, "convert": draw(conversions)}
    return said if all(set(e["codes"]) != {name} or e["system"] != "local" for e in said["exclude"]) else {"any_of": of}


def set_unit(part: object, unit: str) -> None:
    """Say all numbers in one unit: a concept has one in a study."""
    if isinstance(part, dict):
        if "unit" in part:
            part["unit"] = unit
        part = list(part.values())
    for each in part if isinstance(part, list) else []:
        set_unit(each, unit)


@st.composite
def studies(draw: st.DrawFn) -> object:
    features = draw(st.lists(aggregates | demographics, min_size=1, max_size=4, unique_by=repr))
    kind = draw(st.sampled_from(["binary", "sequence", "time-to-event", "categorical", "numeric"]))
    answer = draw(outcomes("binary" if kind == "sequence" else kind))
    architecture = {"sequence": "gru", "time-to-event": "cox"}.get(kind, "logistic")
    index = {draw(st.sampled_from(["first", "last", "every", "every"])): draw(index_concepts)}
    index |= {"at": draw(st.sampled_from(["start", "start", "end"]))}
    index |= {"after": draw(st.sampled_from([None, None, None, "8 hours"]))}
    index |= {"washout": draw(st.sampled_from([None, None, None, "1 month"]))}
    include, exclude = draw(st.sampled_from([(0, 0), (0, 0), (1, 0), (0, 1), (2, 1)]))
    include_criteria = draw(st.lists(criteria, min_size=include, max_size=include))
    exclude_criteria = draw(st.lists(criteria, min_size=exclude, max_size=exclude))
    unit, stated = draw(units), draw(st.booleans())
    for part in (include_criteria, exclude_criteria, answer):
        set_unit(part, unit)
    assume(can_be_met(include_criteria, exclude_criteria))
    learnable = {"outcome": answer} if kind != "numeric" else {"answer": answer}
    return study_of(
        concepts={name: draw(meanings(name, unit if stated else "any")) for name in NAMES},
        cohort={
            "index": index,
            "encounter": draw(st.lists(concepts, min_size=1, max_size=2, unique=True)),
            "include": include_criteria,
            "exclude": exclude_criteria,
        },
        features=[*features, draw(sequences)] if kind == "sequence" else features,
        model={"architecture": architecture},
        **learnable,
    )


@st.composite
def timelines(draw: st.DrawFn) -> tuple[list[Person], list[Event]]:
    periods = st.tuples(moments, moments).map(sorted).map(tuple)
    whole = st.just((("2009-12-31", "2014-01-01"),))
    people = [
        draw(
            st.builds(
                Person,
                key=st.just(number * 1_000_003),
                birth=st.sampled_from([None, "1960-02-29", "1990-01-31 08:00", "2010-01-31"]),
                sex=st.sampled_from([None, "female", "male", "other"]),
                death=st.one_of(st.none(), st.none(), moments),
                death_precision=st.sampled_from([None, "second", "day", "month", "year"]),
                opted_out=st.integers(0, 9).map(lambda n: n == 9),
                observed=st.one_of(whole, whole, st.lists(periods, max_size=3).map(tuple)),
            )
        )
        for number in range(5)
    ]
    events = st.builds(
        Event,
        code=st.sampled_from([*NAMES, *NAMES, "d", "e"]),
        system=st.sampled_from(["local"] * 4 + ["other"]),
        at=st.sampled_from([*MOMENTS, None]),
        value=numbers,
        known=st.one_of(st.none(), st.none(), moments),
        patient=st.sampled_from([person.key for person in people]),
        canonical=st.none() | numbers,
        status=st.sampled_from(["final"] * 5 + ["amended", "cancelled"]),
        polarity=st.sampled_from(["affirmed"] * 5 + ["negated"]),
        deleted=st.integers(0, 9).map(lambda n: n == 9),
        until=st.one_of(st.none(), moments, moments, moments),
        unit=st.sampled_from([None, "mg", "mmol", "kg"]),
        ucum=st.sampled_from([None, "mg", "mmol", "kg", "g"]),
        concept=st.sampled_from([None, None, *TERMS]),
        precision=st.sampled_from([None, "second", "second", "second", "day", "month", "year"]),
        comparator=st.sampled_from([None] * 5 + ["<", "<=", ">", ">="]),
    )
    return people, draw(st.lists(events, min_size=20, max_size=50))


def same(left: object, right: object) -> bool:
    """Equal, reals to one part in 10^6 for days before the index (float32) and a mean's order of summing."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9) or left == right
    return left == right


AGREE = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@AGREE
@given(studies(), timelines(), vocabularies)
def test_engine_and_oracle_agree(study, timeline, vocabulary):
    people, events = timeline
    events = [Event(**{**vars(event), "id": f"{n:032x}"}) for n, event in enumerate(events)]
    with tempfile.TemporaryDirectory() as folder:
        asked = ask(Path(folder), study, people, events, vocabulary)
    expected = oracle.answer(people, events, study, KEY, vocabulary)
    assert same(asked, expected), f"\nengine {asked}\noracle {expected}"


@AGREE
@given(studies(), timelines(), vocabularies)
def test_engine_and_oracle_refuse_alike(study, timeline, vocabulary):
    people, events = timeline
    with tempfile.TemporaryDirectory() as folder:
        timeline = write_timeline(Path(folder), people, events, vocabulary)
        try:
            freeze(timeline, study, KEY, Path(folder))
            reason = None
        except CohortRefused as refused:
            reason = refused.reason
    expected = oracle.refusal(people, events, study, vocabulary)
    assert reason == expected or (expected is None and reason in ("cohort-empty", "cohort-too-small"))
