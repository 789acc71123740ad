"""Records read by the places of their quotes are those that the pattern takes out, in their order; moments read by places are those read one
by one."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.cli.demo.made_up_wearers import record
from rapha.sources.apple_health import moments as read_moments
from rapha.sources.apple_health import records
from rapha.sources.apple_health.moments import moments
from rapha.sources.apple_health.places import Damaged

AT = "2024-01-01 08:00:00 +0100"
_TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters='\r\n\t\x7f"', exclude_categories=("Cc", "Cs")), max_size=12
)
_METADATA = st.none() | st.dictionaries(_TEXT, _TEXT, max_size=3)
_RECORDS = st.lists(
    st.builds(
        record,
        st.sampled_from(["HeartRate", "StepCount", "HKCategoryTypeIdentifierSleepAnalysis"]),
        st.just(AT), _TEXT, st.none() | _TEXT, st.none() | _TEXT, st.sampled_from([None, "Watch", "iPhone"]), _TEXT, _METADATA,
    ),
    min_size=1,
)  # fmt: skip


def by_pattern(text: bytes) -> list[dict[str, str]]:
    found = records._by_pattern(text)
    assert found is not None and not found[1].strip()
    return found[0].to_pylist()


@given(_RECORDS)
def test_places_say_what_the_pattern_says(parts):
    text = "".join(parts).encode()
    assert records._nothing_else(text) is not None
    taken = records.taken_out(text)
    assert taken is not None and taken[0].to_pylist() == by_pattern(text)


PULSE = record("HeartRate", AT, AT, 70, "count/min")
TOLD = record("HeartRate", AT, AT, 71, "count/min", metadata={"a": "b"})


@pytest.mark.parametrize(
    "between",
    [
        '<Workout workoutActivityType="x"/>', "text", "<!-- -->", "</HealthData>", '<Note a="1"', "'", '"', "\x0b",
        PULSE.replace(" unit=", "  unit="), PULSE.replace(' unit="', " unit='"), PULSE.replace("<Record", "<Record a='\"'"),
        PULSE.replace("sourceName=", "sourcename="), PULSE.replace("/>", ' more="1"/>'), PULSE.replace("/>", "/ >"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at", [0, 1, 2, 5])
def test_where_there_is_anything_else_the_pattern_judges(between, at):
    """Alike in length, in its first bytes, in its last: it is no record as iOS writes them, and nothing is read by places."""
    parts = [PULSE, PULSE, TOLD, PULSE, TOLD]
    text = "".join([*parts[:at], between, *parts[at:]]).encode()
    assert records._nothing_else("".join(parts).encode()) is not None
    assert records._nothing_else(text) is None


def test_less_than_in_a_value_is_refused_in_metadata_too():
    for wrong in (PULSE.replace('value="70"', 'value="7<0"'), TOLD.replace('value="b"', 'value="<b"')):
        with pytest.raises(Damaged):
            records.taken_out((PULSE + wrong).encode())


def test_of_more_shapes_than_are_looked_at_all_are_read():
    parts = [
        record("HeartRate", AT, AT, rate, "count/min", metadata={f"{'k' * key}": "v" for key in range(rate)})
        for rate in range(records._MOST_SHAPES + 5)
    ]
    text = "".join(parts).encode()
    assert records._nothing_else(text) is None
    taken = records.taken_out(text)
    assert taken is not None and [row["value"] for row in taken[0].to_pylist()] == [str(n) for n in range(len(parts))]


_MOMENTS = st.datetimes(dt.datetime(1000, 1, 2), dt.datetime(9999, 12, 30)).map(
    lambda at: f"{at.year:04}-{at:%m-%d %H:%M:%S}"
)
_OFFSETS = st.builds("{}{:02}{:02}".format, st.sampled_from("+-"), st.integers(0, 14), st.integers(0, 59))


@given(st.lists(st.builds("{} {}".format, _MOMENTS, _OFFSETS), min_size=1))
def test_moments_by_their_places_are_those_read_one_by_one(texts):
    quick = read_moments._by_places(pa.array(texts))
    assert quick is not None
    for one, other in zip(quick, read_moments._one_by_one(pa.array(texts)), strict=True):
        assert one.equals(other)


@pytest.mark.parametrize(
    "wrong",
    [
        "2023-02-29 08:00:00 +0000", "2024-13-01 08:00:00 +0000", "2024-00-01 08:00:00 +0000", "2024-01-00 08:00:00 +0000",
        "2024-01-01 24:00:00 +0000", "2024-01-01 08:60:00 +0000", "2024-01-01 08:00:00 +1500", "2024-01-01 08:00:00 +0060",
        "2024-01-01T08:00:00 +0000", "2024-01-01 08:00:00 00000", "2024-01-01 08:00:0a +0000", "2024-01-01 08:00:00+00000",
        "2024-01-01 08:00:00", "", "1900-02-29 08:00:00 +0000",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_none_and_spoils_no_other(wrong):
    """Whether the others of its batch are read by their places or not."""
    found, _ = moments(pa.array([AT, wrong, AT]))
    assert [at is None for at in found.to_pylist()] == [False, True, False]
    assert read_moments._by_places(pa.array([AT, wrong])) is None
    assert moments(pa.array([AT]))[0].to_pylist() == [found.to_pylist()[0]] == [dt.datetime(2024, 1, 1, 7)]
