"""The engine, which reads notes, and the oracle, which is told what they say, give the same rows."""

import tempfile
from pathlib import Path

import oracle
from asking import KEY, ask, can_be_met, study_of
from hypothesis import assume, given
from hypothesis import strategies as st
from little_timeline import Event, Said, write_timeline
from oracle_mentions import HEADINGS
from test_spec_engines_agree import AGREE, anywhere, past, same, timelines

from rapha.cohort.engine import freeze
from rapha.errors import CohortRefused

PHRASES = ["pneumonia", "heart failure", "failure to thrive"]
CODED = {name: {"system": "local", "codes": [name]} for name in ("a", "b", "c", "sick")}
ALL = ["a", "b", "c", "sick", "one", "two"]
some = st.lists(st.sampled_from(ALL), min_size=1, max_size=3, unique=True)


def listed(*words: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=2, unique=True)


sections = st.sampled_from([{}, {"sections": ["findings"]}, {"not_sections": ["family-history", "other"]}])
mentions = st.builds(
    lambda phrases, notes, polarity, about, time, where: {
        "mention": {"phrases": phrases, "notes": notes, "polarity": polarity, "about": about, "time": time, **where}
    },
    listed(*PHRASES), listed("b", "c"), listed("affirmed", "affirmed", "possible", "negated"), listed("patient", "family"),
    listed("current", "historical", "hypothetical"), sections,
)  # fmt: skip
notes = st.lists(
    st.builds(Said, st.sampled_from(PHRASES), st.sampled_from(list(Said.SENTENCES)), st.sampled_from(list(HEADINGS))),
    max_size=3,
).map(tuple)
criteria = st.builds(
    lambda word, of, during: {word: of, "during": during},
    st.sampled_from(["any_of", "all_of", "none_of"]), some, anywhere,
)  # fmt: skip
counted = st.builds(lambda of, during: {"any_of": of, "during": during, "at_least": 2}, some, anywhere)
features = st.builds(
    lambda word, of, during: {word: of, "during": during},
    st.sampled_from(["any", "count", "since"]), st.sampled_from(ALL), past,
)  # fmt: skip


@st.composite
def studies(draw: st.DrawFn) -> object:
    index = {draw(st.sampled_from(["first", "last", "every"])): draw(some)}
    answer = draw(st.sampled_from(["sick", "one", "two"]))
    include, exclude = draw(st.lists(criteria | counted, max_size=2)), draw(st.lists(criteria, max_size=1))
    assume(can_be_met(include, exclude))
    study = study_of(
        data={"modalities": ["ehr", "text"]},
        concepts=CODED | {"one": draw(mentions), "two": draw(mentions)},
        cohort={
            "index": index,
            "encounter": ["a"],
            "include": include,
            "exclude": exclude,
        },
        outcome={"event": answer, "during": {"from": "index", "for": "3 years"}, "unobserved": "exclude"},
        features=draw(st.lists(features, min_size=1, max_size=3, unique_by=repr)),
    )
    fewer = study.privacy.model_copy(update={"min_cohort": 2})  # than any study may have: five people are asked
    return study.model_copy(update={"privacy": fewer})


@st.composite
def told(draw: st.DrawFn) -> object:
    """A generated timeline of which most events of `b` and `c` are notes."""
    people, events = draw(timelines())
    events = [Event(**{**vars(event), "id": f"{n:032x}"}) for n, event in enumerate(events)]
    return people, [
        Event(**{**vars(event), "says": draw(notes)}) if event.code in ("b", "c") else event for event in events
    ]


@AGREE
@given(studies(), told())
def test_engine_and_oracle_agree_on_what_notes_say(study, timeline):
    people, events = timeline
    with tempfile.TemporaryDirectory() as folder:
        asked = ask(Path(folder), study, people, events)
    expected = oracle.answer(people, events, study, KEY)
    assert same(asked, expected), f"\nengine {asked}\noracle {expected}"


@AGREE
@given(studies(), told())
def test_engine_and_oracle_refuse_alike_for_what_notes_say(study, timeline):
    people, events = timeline
    with tempfile.TemporaryDirectory() as folder:
        written = write_timeline(Path(folder), people, events)
        try:
            freeze(written, study, KEY, Path(folder))
            reason = None
        except CohortRefused as refused:
            reason = refused.reason
    expected = oracle.refusal(people, events, study)
    assert reason == expected or (expected is None and reason in ("cohort-empty", "cohort-too-small"))
