"""Canonical bytes: what is written reads back the same, has one form, and holds no bare real."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from rapha.canonical import canonical_bytes, digest, digest_file, digest_of, digest_stream
from rapha.records.cohort_spec import EventCriterion
from rapha.records.metrics import METRICS, Count, Score
from rapha.records.moments import Duration, Window
from rapha.records.receipt import RoundMembers, Step
from rapha.records.record import Record
from rapha.records.release import RoundTrace
from rapha.records.site import Approval
from rapha.records.study import Study
from rapha.records.task import Task, Update
from rapha.records.wire import Event, Poll

DIGESTS = st.binary(max_size=8).map(digest)
WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
SLUGS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
REALS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
COUNTS = st.one_of(st.builds(Count, about=st.integers(0, 10**9)), st.builds(Count, below=st.integers(1, 1000)))
SCORES = st.builds(Score, name=st.sampled_from(METRICS), value=REALS, low=st.none() | REALS, high=st.none() | REALS)
DURATIONS = st.builds(
    Duration, count=st.integers(1, 36_500), unit=st.sampled_from(["hours", "days", "weeks", "months", "years"])
)
WINDOWS = st.builds(
    Window, relation=st.sampled_from(["until", "before", "from"]), anchor=st.just("index"), length=st.none() | DURATIONS
)
RECORDS = st.one_of(
    COUNTS,
    SCORES,
    WINDOWS,
    st.builds(
        EventCriterion, kind=st.just("events"), match=st.just("any"), during=WINDOWS, at_least=st.integers(1, 10_000),
        of=st.lists(WORDS, min_size=1, max_size=4).map(tuple),
    ),
    st.builds(RoundTrace, round=st.integers(0, 1000), weights_in=st.none() | DIGESTS, weights_out=DIGESTS),
    st.builds(
        RoundMembers, round=st.integers(0, 1000), updates=st.dictionaries(SLUGS, DIGESTS, max_size=4),
        weights_of_sites=st.dictionaries(SLUGS, st.integers(1, 10**9), max_size=4), weights_out=DIGESTS,
    ),
    st.builds(
        Approval, dispatch=SLUGS, study_digest=DIGESTS, site=SLUGS, policy_digest=DIGESTS,
        decided_by=SLUGS.map("steward:".__add__), feasible=COUNTS, at=MOMENTS,
    ),
    st.builds(
        Task, id=SLUGS, study_id=SLUGS, study_digest=DIGESTS, dispatch=SLUGS, site=SLUGS,
        round=st.integers(0, 1000), do=st.sampled_from(["prepare", "train", "evaluate"]), weights=st.none() | DIGESTS,
    ),
    st.builds(
        Update, task=SLUGS, study_digest=DIGESTS, site=SLUGS, round=st.integers(0, 1000),
        do=st.sampled_from(["prepare", "train"]), weights_in=st.none() | DIGESTS, weights_out=DIGESTS,
        weight=st.integers(1, 10**9), scores=st.lists(SCORES, max_size=3).map(tuple),
    ),
    st.builds(
        Event, number=st.integers(0, 10**9), at=MOMENTS, event=WORDS, site=st.none() | SLUGS,
        round=st.none() | st.integers(0, 1000), facts=st.dictionaries(WORDS, TEXTS, max_size=3),
    ),
    st.builds(Poll, holding=st.lists(SLUGS, max_size=3).map(tuple), wait_seconds=st.floats(0, 60)),
    st.builds(Step, number=st.integers(1, 99), check=TEXTS, passed=st.booleans(), detail=TEXTS),
)  # fmt: skip


@given(RECORDS)
def test_every_record_reads_back_from_its_bytes(record: Record) -> None:
    data = record.as_bytes()
    again = type(record).from_bytes(data)
    assert again == record
    assert (again.as_bytes(), again.digest) == (data, digest(data))


@given(RECORDS)
def test_bytes_have_one_form_whatever_order_they_are_read_in(record: Record) -> None:
    value = record.as_json()
    backwards = json.dumps(dict(reversed(value.items())), indent=2).encode()
    assert type(record).from_bytes(backwards).as_bytes() == record.as_bytes()


@given(REALS)
def test_a_real_is_a_string_that_reads_back_to_the_last_bit(value: float) -> None:
    score = Score(name="loss", value=value)
    written = json.loads(score.as_bytes())["value"]
    assert isinstance(written, str)
    back = Score.from_bytes(score.as_bytes()).value
    assert (back, math.copysign(1, back)) == (value, math.copysign(1, value))


@pytest.mark.parametrize("value", [1.0, {"a": 0.5}, [1, [2, {"b": -0.0}]], (math.nan,), {"a": math.inf}])
def test_a_bare_real_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(TypeError, match="string"):
        canonical_bytes(value)


@pytest.mark.parametrize("value", [2**53 + 1, "\ud800", {1: 2}, object()])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical_bytes(value)


def test_keys_are_sorted_by_utf_16_as_rfc_8785_has_it() -> None:
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical_bytes(value)).values()) == [2, 4, 6, 7, 1, 5, 3]


def test_a_digest_is_of_the_bytes_however_they_come(tmp_path: Any) -> None:
    data = b"x" * 3_000_000
    (tmp_path / "file").write_bytes(data)
    assert digest(data) == digest_file(tmp_path / "file") == digest_stream([data[:7], data[7:], b""])
    assert digest_of({}) == digest(b"{}")
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_record_is_frozen_and_knows_its_keys() -> None:
    count = Count(about=5)
    with pytest.raises(ValidationError, match="frozen"):
        count.about = 6  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Count.from_bytes(b'{"about":5,"exactly":7}')


@pytest.mark.parametrize("value", [{}, {"about": 5, "below": 5}, {"about": -1}, {"below": 0}])
def test_a_count_is_about_or_below_and_not_both(value: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Count.model_validate(value)


def test_a_study_of_before_there_were_slopes_keeps_its_digest() -> None:
    example = Path(__file__).resolve().parents[3] / "examples" / "cholesterol-next-year" / "study.yaml"
    study = Study.model_validate(YAML(typ="safe").load(example.read_text()))
    written = study.as_json()
    assert written["outcome"]["value"] == {
        "pick": "mean",
        "of": study.outcome.value.of,
        "unit": study.outcome.value.unit,
    }
    old = canonical_bytes(written)
    assert Study.from_bytes(old).digest == digest(old)
    slope = written | {
        "outcome": written["outcome"] | {"value": written["outcome"]["value"] | {"pick": "slope", "per": "year"}}
    }
    assert Study.model_validate(slope).as_json()["outcome"]["value"]["per"] == "year"


def test_a_digest_that_was_asked_for_is_no_part_of_the_record() -> None:
    asked, silent = Duration.model_validate("30 days"), Duration.model_validate("30 days")
    of_thirty = asked.digest
    assert asked == silent and hash(asked) == hash(silent) and asked.as_json() == silent.as_json()
    assert repr(asked) == repr(silent)
    other = asked.model_copy(update={"count": 31})
    assert other.digest == Duration.model_validate("31 days").digest != of_thirty == asked.digest
