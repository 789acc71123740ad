"""An export is worked on a span of days after another, in little memory: the rows are those of all days at once."""

import datetime as dt
import io
import random
import sys
from itertools import pairwise

import duckdb
import pyarrow as pa
import pytest
from apple_wearer import MAPPING, Wearer, asleep, heart, steps

from rapha.cli.demo.made_up_wearers import days_of, moment, record
from rapha.sources.apple_health import days, single, stream, zones
from rapha.sources.apple_health.stream import gathered, read_export

EVERYTHING = "* EXCLUDE (ingest_batch, source_version)"


@pytest.fixture
def wearer(tmp_path):
    return Wearer(tmp_path)


def _rows(wearer, name):
    wearer.timeline = wearer.folder / name
    report = wearer.ingest()
    periods = wearer.ask("* EXCLUDE (ingest_batch)", "observation_periods", order="ALL")
    return report.notes, wearer.ask(EVERYTHING, order="ALL"), periods


def _pulse(at, rate):
    return record("HeartRate", moment(at), moment(at), rate, "count/min")


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Sao_Paulo"])
def test_spans_of_some_days_say_what_all_days_at_once_say(wearer, monkeypatch, zone):
    """Over a change of clocks, at midnight, and where the zone is no whole hour; with what lasts over midnight and noon, and what is there twice."""
    parts, ecgs = days_of(random.Random(3), 26, dt.datetime(2018, 10, 22, tzinfo=dt.UTC), unwell_after=18)
    long = record("StepCount", "2018-11-03 20:00:00 +0000", "2018-11-04 19:50:00 +0000", 1000, "count", "iPhone")
    parts += [
        _pulse(dt.datetime(2018, 11, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=7 * at), 60 + at / 7)
        for at in range(1200)
    ]
    wearer.put(*parts, long, parts[40], parts[700], beside=ecgs)
    wearer.mapping.write_text(
        MAPPING.replace("Europe/Amsterdam", zone) + "samples: [heart-rate]\nobservation: {bridge_days: 1}\n"
    )
    once = _rows(wearer, "once")
    monkeypatch.setattr(days, "SPAN_SAMPLES", 70)
    cut = []
    spans = days.spans
    monkeypatch.setattr(days, "spans", lambda staging: cut.extend(spans(staging)) or list(cut))
    assert _rows(wearer, "in spans") == once
    assert len(cut) > 20 and all(before.end == after.start for before, after in pairwise(cut))


def test_what_does_not_fit_in_little_memory_is_done_in_more(wearer, monkeypatch):
    wearer.put(*days_of(random.Random(4), 30, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))[0])
    enough = _rows(wearer, "enough")
    module = sys.modules["rapha.sources.apple_health.ingest"]
    monkeypatch.setattr(module, "LITTLE_MB", 2)
    asked = []
    whole = module._whole
    monkeypatch.setattr(module, "_whole", lambda staging, work: asked.append(work) or whole(staging, work))
    assert _rows(wearer, "little") == enough
    assert len(asked) > len(set(asked))  # something was done again


@pytest.mark.parametrize(
    ("module", "name"),
    [(zones, "write_runs"), (days, "lay_out"), (days, "spans"), (single, "write_workouts"), (single, "write_ecgs")],
)
def test_whatever_does_not_fit_is_undone_and_done_again(wearer, monkeypatch, module, name):
    """Many workouts, or years of zones: refused, they would take all other exports with them."""
    parts, ecgs = days_of(random.Random(4), 9, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    wearer.put(*parts, beside=ecgs)
    enough = _rows(wearer, "enough")
    whole, called = getattr(module, name), []

    def short_of_memory(*given):
        called.append(done := whole(*given))
        if len(called) == 1:
            raise duckdb.OutOfMemoryException("what was done until here is to be undone")
        return done

    monkeypatch.setattr(module, name, short_of_memory)
    assert _rows(wearer, "little") == enough
    assert len(called) == 2


def test_amounts_and_means_do_not_depend_on_the_order_in_which_they_are_added(wearer):
    """A third of a step in each of many minutes: sums of floating point would differ in their last digits."""
    parts = [steps(f"{hour:02}:00:00", f"{hour:02}:59:00", 0.1 + hour / 7) for hour in range(23)]
    parts += [heart(f"{hour:02}:{minute:02}:00", 60 + minute / 7) for hour in range(23) for minute in range(60)]
    found = set()
    for seed in range(3):
        random.Random(seed).shuffle(parts)
        wearer.put(*parts)
        found.add(tuple(_rows(wearer, f"order {seed}")[1]))
    [rows] = found
    assert rows


def test_records_that_are_large_do_not_wait_for_many(monkeypatch):
    monkeypatch.setattr(stream, "BATCH_BYTES", 100_000)
    xml = b"<HealthData>" + b"".join(
        record("HeartRate", "2024-01-02 08:00:00 +0100", "2024-01-02 08:00:00 +0100", 1, "x" * 30_000).encode()
        for _ in range(60)
    )
    batches = list(gathered(read_export(io.BytesIO(xml + b"</HealthData>"), lambda element: None)))
    assert sum(batch.num_rows for batch in batches) == 60
    assert len(batches) > 2


def test_arrow_has_its_own_pool_again_afterwards(wearer):
    wearer.put(asleep("2024-01-01 23:30:00", "2024-01-02 00:30:00", "AsleepCore"))
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.mimalloc_memory_pool())
    try:
        wearer.ingest()
        assert pa.default_memory_pool().backend_name == "mimalloc"
    finally:
        pa.set_memory_pool(before)
