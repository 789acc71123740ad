"""The engine and the oracle give the same rows on generated timelines and studies."""

import math
import tempfile
from pathlib import Path

import oracle
from asking import KEY, ask, study_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from little_timeline import Event, Person

NAMES = ["a", "b", "c", "sick"]
# Few moments, so that ties and borders are common: the last days of months, a leap day, midnights and one microsecond.
MOMENTS = [
    "2009-12-31", "2010-01-01", "2010-01-01 08:00", "2010-01-31", "2010-02-28", "2010-03-01 12:00", "2010-03-31",
    "2010-03-31 00:00:00.000001", "2011-01-31", "2011-02-28", "2012-02-29", "2012-03-01", "2013-02-28", "2015-01-01",
]  # fmt: skip
moments = st.sampled_from(MOMENTS)
durations = st.sampled_from(["8 hours", "1 day", "9 weeks", "1 month", "2 months", "1 year", "2 years", "3 years"])
concepts = st.sampled_from(NAMES)
any_concepts = st.lists(st.sampled_from([*NAMES, "death"]), min_size=1, max_size=3, unique=True)
numbers = st.none() | st.integers(-3, 3).map(float) | st.sampled_from([0.1, math.inf, math.nan, 1e300])


def windows(*relations: str) -> st.SearchStrategy[dict[str, object]]:
    bounded = st.builds(lambda r, d: {r: "index", "for": d}, st.sampled_from(relations), durations)
    return bounded | st.sampled_from([{relation: "index"} for relation in relations])


past, anywhere = windows("until", "before"), windows("until", "before", "from")
ages = st.builds(lambda a, n: {"age": {"at_least": a, "at_most": a + n}}, st.integers(0, 50), st.integers(0, 60))
counted = st.builds(
    lambda of, during, n: {"any_of": of, "during": during, "at_least": n}, any_concepts, anywhere, st.integers(1, 3)
)
uncounted = st.builds(
    lambda word, of, during: {word: of, "during": during},
    st.sampled_from(["all_of", "none_of"]),
    any_concepts,
    anywhere,
)
sexes = st.sampled_from([{"sex": "female"}, {"sex": "male"}])
criteria = ages | sexes | counted | uncounted | durations.map(lambda d: {"observed": {"before": d}})
aggregates = st.builds(
    lambda word, of, during: {word: of, "during": during},
    st.sampled_from(["first", "last", "min", "max", "mean", "count", "any"]), st.sampled_from([*NAMES, "death"]), past,
)  # fmt: skip
demographics = st.sampled_from([{"demographic": "age"}, {"demographic": "sex"}])
sequences = st.builds(
    lambda of, during, n: {"sequence": of, "during": during, "at_most": n}, any_concepts, past, st.integers(1, 4)
)


@st.composite
def studies(draw: st.DrawFn) -> object:
    features = draw(st.lists(aggregates | demographics, min_size=1, max_size=4, unique_by=repr))
    kind = draw(st.sampled_from(["binary", "sequence", "time-to-event"]))
    event, competing = draw(st.permutations([*NAMES, "death"]))[:2]
    outcome = {
        "kind": "time-to-event" if kind == "time-to-event" else "binary",
        "event": event,
        "competing": draw(st.sampled_from([None, competing, competing if event == "death" else "death"])),
        "during": {"from": "index", "for": draw(st.sampled_from(["1 month", "1 year", "2 years", "3 years"]))},
        "unobserved": "censor" if kind == "time-to-event" else "exclude",
    }
    architecture = {"binary": "logistic", "sequence": "gru", "time-to-event": "cox"}[kind]
    index = {draw(st.sampled_from(["first", "last"])): draw(any_concepts)}
    include, exclude = draw(st.sampled_from([(0, 0), (1, 0), (0, 1), (2, 1)]))
    return study_of(
        cohort={
            "index": index,
            "include": draw(st.lists(criteria, min_size=include, max_size=include)),
            "exclude": draw(st.lists(criteria, min_size=exclude, max_size=exclude)),
        },
        outcome=outcome,
        features=[*features, draw(sequences)] if kind == "sequence" else features,
        model={"architecture": architecture},
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
        code=concepts,
        at=st.sampled_from([*MOMENTS, None]),
        value=numbers,
        known=st.one_of(st.none(), st.none(), moments),
        patient=st.sampled_from([person.key for person in people]),
        canonical=st.none() | numbers,
        status=st.sampled_from(["final"] * 5 + ["amended", "cancelled"]),
        polarity=st.sampled_from(["affirmed"] * 5 + ["negated"]),
        deleted=st.integers(0, 9).map(lambda n: n == 9),
    )
    return people, draw(st.lists(events, min_size=20, max_size=50))


def same(left: object, right: object) -> bool:
    """Equal, reals to one part in 10^6 for days before the index (float32) and a mean's order of summing."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)
    return left == right


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(studies(), timelines())
def test_engine_and_oracle_agree(study, timeline):
    people, events = timeline
    events = [Event(**{**vars(event), "id": f"{n:032x}"}) for n, event in enumerate(events)]
    with tempfile.TemporaryDirectory() as folder:
        asked = ask(Path(folder), study, people, events)
    expected = oracle.answer(people, events, study, KEY)
    assert same(asked, expected), f"\nengine {asked}\noracle {expected}"
