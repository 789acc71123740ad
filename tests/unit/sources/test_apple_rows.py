"""Apple Health exports into the timeline: what each record becomes, whose minute counts, what a day and an hour are."""

import datetime as dt
import os
import random
from pathlib import Path

import pytest
from apple_wearer import HEART, MAPPING, Wearer, asleep, heart, steps

from rapha.cli.demo.made_up_wearers import days_of, ecg_csv, record
from rapha.errors import ConfigurationError
from rapha.sources import source_of
from rapha.sources.apple_health import ingest


@pytest.fixture
def wearer(tmp_path):
    return Wearer(tmp_path)


def test_a_mapping_names_it(wearer):
    assert source_of(wearer.mapping) is ingest


def test_a_day_is_a_mean_of_minutes_and_not_of_samples(wearer):
    """Ten samples of one minute at 150, one of another at 50: the day's mean is 100."""
    wearer.put(*(heart(f"08:00:{second:02}", 150) for second in range(10)), heart("12:00:00", 50))
    assert wearer.ingest().set_aside == 0
    assert wearer.daily() == {"heart-rate": 100.0, "heart-rate-min": 50.0, "heart-rate-max": 150.0, "wear-hours": 0.5}
    assert wearer.ask("kind, unit_ucum", where="code = 'heart-rate'", order="ALL")[0] == ("measurement", "/min")


def test_a_day_is_known_at_its_end_in_the_patient_s_zone(wearer):
    wearer.put(heart("23:50:00", 60))
    wearer.ingest()
    [day] = wearer.ask(
        "timezone('UTC', t_start), timezone('UTC', t_end), timezone('UTC', t_available), utc_offset_minutes",
        where="system = 'apple-health-daily' AND code = 'heart-rate'",
    )
    assert day == (dt.datetime(2024, 1, 1, 23), dt.datetime(2024, 1, 2, 23), dt.datetime(2024, 1, 2, 23), 60)


def test_an_hour_is_known_at_the_end_of_its_day_too(wearer):
    wearer.put(heart("08:10:00", 60), heart("08:40:00", 70), heart("09:00:00", 90))
    wearer.ingest()
    rows = wearer.ask(
        "code, hour(timezone('UTC', t_start)), num, day(timezone('UTC', t_available)), hour(timezone('UTC', t_available))",
        where="system = 'apple-health-hourly' AND code IN ('heart-rate', 'wear-hours')",
    )
    assert rows == [
        ("heart-rate", 7, 65.0, 2, 23),
        ("heart-rate", 8, 90.0, 2, 23),
        ("wear-hours", 7, 0.5, 2, 23),
        ("wear-hours", 8, 0.25, 2, 23),
    ]


def test_watch_and_phone_count_a_step_once_minute_by_minute(wearer):
    """The phone: 100 steps in ten minutes, 10 a minute. The Watch: 30 in minutes two and three, which the phone loses."""
    wearer.put(steps("10:00:00", "10:10:00", 100, "iPhone"), steps("10:02:00", "10:04:00", 30))
    wearer.ingest()
    assert wearer.daily() == {"steps": pytest.approx(110.0)}


def test_a_watch_without_a_device_is_known_by_its_name_and_a_phone_goes_before_an_app(wearer):
    wearer.put(
        steps("10:00:00", "10:01:00", 1, None, source="Pedometer++"),
        steps("10:00:00", "10:01:00", 2, None, source="Anna’s iPhone"),
        steps("10:00:00", "10:01:00", 4, None, source="Anna’s Apple\xa0Watch"),
        steps("11:00:00", "11:01:00", 8, None, source="Pedometer++"),
        steps("11:00:00", "11:01:00", 16, "iPhone", source="called as one likes"),
    )
    wearer.ingest()
    assert wearer.daily() == {"steps": 20.0}


def test_what_is_there_twice_counts_once(wearer):
    wearer.put(steps("10:00:00", "10:01:00", 7), steps("10:00:00", "10:01:00", 7), steps("10:00:20", "10:01:00", 5))
    report = wearer.ingest()
    assert wearer.daily() == {"steps": 12.0}
    assert "1 records were there twice" in report.in_words()


def test_a_record_in_a_correlation_is_the_one_at_the_top_again(wearer):
    pressure = record("BloodPressureSystolic", HEART[1], HEART[2], 120, "mmHg", None, "Cuff")
    wearer.put(pressure, f'<Correlation type="HKCorrelationTypeIdentifierBloodPressure">{pressure}</Correlation>')
    wearer.ingest()
    assert wearer.ask("system, code, num, unit, unit_ucum") == [("apple-health", "systolic", 120.0, "mmHg", "mm[Hg]")]


@pytest.mark.parametrize(
    ("kind", "value", "unit", "code", "num", "ucum"),
    [
        ("HeartRate", 1.5, "count/s", "heart-rate", 90.0, "/min"),
        ("OxygenSaturation", 0.97, "%", "oxygen-saturation", 97.0, "%"),
        ("OxygenSaturation", 97, "%", "oxygen-saturation", 97.0, "%"),
        ("OxygenSaturation", 1, "%", "oxygen-saturation", 100.0, "%"),
        ("HeartRateVariabilitySDNN", 0.05, "s", "hrv-sdnn", 50.0, "ms"),
        ("DistanceWalkingRunning", 1, "mi", "distance", 1609.344, "m"),
        ("ActiveEnergyBurned", 4.184, "kJ", "active-energy", 1.0, "kcal"),
        ("BodyMass", 154, "lb", "body-mass", 69.85322498, "kg"),
        ("RespiratoryRate", 14, "count/min", "respiratory-rate", 14.0, "/min"),
        ("RestingHeartRate", 55, "count/min", "resting-heart-rate", 55.0, "/min"),
    ],
)
def test_units(wearer, kind, value, unit, code, num, ucum):
    wearer.put(record(kind, *HEART[1:], value, unit))
    wearer.ingest()
    found = wearer.ask("DISTINCT num_canonical, unit_ucum", where=f"code = '{code}'")
    assert found == [(pytest.approx(num), ucum)]


def test_what_cannot_be_read_is_counted_by_type_and_reason_and_no_value_is_told(wearer):
    wearer.put(
        heart("08:00:00", 60),
        heart("08:01:00", 61, "furlongs"),
        heart("08:02:00", "6 0"),
        heart("08:03:00", 4000),
        heart("08:04:00", 62, metadata={"HKWasUserEntered": "1"}),
        record("HeartRate", "2024-13-02 08:00:00 +0100", "2024-01-02 08:00:00 +0100", 63, "count/min"),
        record("HeartRate", "2024-01-02 08:00:00", "2024-01-02 08:00:00", 63, "count/min"),
        record("HeartRate", "2024-01-02 08:00:00 +0100", "2024-01-02 07:00:00 +0100", 64, "count/min"),
        record("StepCount", "2024-01-02 08:00:00 +0100", "2024-01-05 07:00:00 +0100", 64, "count"),
        asleep("2024-01-02 01:00:00", "2024-01-02 02:00:00", "Dreaming"),
        record("DietaryCaffeine", *HEART[1:], 64, "mg"),
        record("secret illness", *HEART[1:], 64, "mg").replace("HKQuantityTypeIdentifier", ""),
    )
    report = wearer.ingest()
    assert report.files[0].set_aside == {
        "ends before it starts": 1,
        "is in a unit that is not known for its type": 1,
        "is of a stage of sleep that is not known": 1,
        "is of a type that is not read": 2,
        "lasts longer than 24 hours": 1,
        "start or end is not a time": 2,
        "the value is none that a body has": 1,
        "the value is not a number": 1,
        "was entered by hand, not measured": 1,
    }
    lines = (wearer.timeline / "set-aside" / "watches.csv").read_text()
    assert "export.zip,HKQuantityTypeIdentifierDietaryCaffeine,is of a type that is not read,1" in lines
    assert "secret" not in lines and "4000" not in lines
    assert wearer.daily()["heart-rate"] == 60.0


def test_sleep_of_new_phones_is_by_stage_and_of_the_day_on_which_it_ends(wearer):
    wearer.put(
        asleep("2024-01-01 23:30:00", "2024-01-02 00:30:00", "AsleepCore"),
        asleep("2024-01-02 00:30:00", "2024-01-02 01:00:00", "AsleepDeep"),
        asleep("2024-01-02 01:00:00", "2024-01-02 01:15:00", "Awake"),
        asleep("2024-01-02 01:15:00", "2024-01-02 02:00:00", "AsleepREM"),
        asleep("2024-01-01 23:00:00", "2024-01-02 07:00:00", "InBed", model="iPhone"),
        asleep("2024-01-02 01:00:00", "2024-01-02 03:00:00", "Asleep", model="iPhone"),
    )
    wearer.ingest()
    told = {code: (num, day) for code, num, day in wearer.ask("code, num, day(timezone('Europe/Amsterdam', t_start))")}
    assert told == {
        "sleep-hours": (3.25, 2), "sleep-core-hours": (1.0, 2), "sleep-deep-hours": (0.5, 2), "sleep-rem-hours": (0.75, 2),
        "sleep-awake-hours": (0.25, 2), "in-bed-hours": (8.0, 2),
    }  # fmt: skip


def test_sleep_of_old_phones_is_in_bed_or_asleep(wearer):
    wearer.put(
        asleep("2024-01-01 22:00:00", "2024-01-02 06:00:00", "InBed"),
        asleep("2024-01-01 23:00:00", "2024-01-02 05:30:00", "Asleep"),
    )
    wearer.ingest()
    assert wearer.daily() == {"in-bed-hours": 8.0, "sleep-hours": 6.5}


def test_a_day_of_the_change_of_clocks_has_23_or_25_hours(wearer):
    """Amsterdam, 31 March and 27 October 2024. The export was written in summer: its offsets say +0200 in autumn too."""
    spring = [
        record("HeartRate", at, at, 60, "count/min")
        for at in ("2024-03-31 00:30:00 +0100", "2024-03-31 23:30:00 +0200")
    ]
    autumn = [
        record("HeartRate", at, at, rate, "count/min")
        for at, rate in (("2024-10-27 02:30:00 +0200", 60), ("2024-10-27 03:30:00 +0200", 80))
    ]
    wearer.put(*spring, *autumn)
    wearer.ingest()
    days = wearer.ask(
        "epoch(t_end - t_start) / 3600, num", where="system = 'apple-health-daily' AND code = 'heart-rate'"
    )
    assert days == [(23.0, 60.0), (25.0, 70.0)]
    hours = wearer.ask(
        "hour(timezone('UTC', t_start)), num",
        where="system = 'apple-health-hourly' AND code = 'heart-rate' AND month(t_start) = 10",
    )
    assert hours == [(0, 60.0), (1, 80.0)]  # both are two o'clock in Amsterdam


def test_an_offset_says_when_and_the_zone_says_which_day(wearer):
    """Written in Tokyo at 07:00 on the 3rd: in Amsterdam it is 23:00 on the 2nd."""
    at = "2024-01-03 07:00:00 +0900"
    wearer.put(record("HeartRate", at, at, 60, "count/min"))
    wearer.mapping.write_text(MAPPING + "samples: [heart-rate]\n")
    wearer.ingest()
    assert wearer.ask("system, day(timezone('Europe/Amsterdam', t_start)), utc_offset_minutes", where="code = 'heart-rate'") == [
        ("apple-health", 2, 540), ("apple-health-daily", 2, 60), ("apple-health-hourly", 2, 60),
    ]  # fmt: skip


def test_samples_are_events_where_they_are_asked_for_as_they_were_given(wearer):
    wearer.put(record("OxygenSaturation", *HEART[1:], 0.97, "%"))
    wearer.mapping.write_text(MAPPING + "samples: [oxygen-saturation]\nsummaries: []\n")
    wearer.ingest()
    assert wearer.ask("num, unit, num_canonical, unit_ucum") == [(0.97, "%", 97.0, "%")]
    wearer.mapping.write_text(MAPPING + "samples: [oxygen]\n")
    with pytest.raises(ConfigurationError, match="no samples are called 'oxygen'"):
        wearer.ingest()


def test_workouts_notices_and_electrocardiograms_are_events(wearer):
    run = (
        ' <Workout workoutActivityType="HKWorkoutActivityType{}" duration="30.5" durationUnit="min" sourceName="w"'
        ' startDate="2024-01-02 18:00:00 +0100" endDate="2024-01-02 18:30:30 +0100"><MetadataEntry key="a" value="b"/></Workout>\n'
    )
    wearer.put(
        run.format("Running"), run.format("Running"), run.format("UnderwaterChess"), run.format("Golf").replace("2024-01-02", "soon"),
        record("HKCategoryTypeIdentifierIrregularHeartRhythmEvent", *HEART[1:], "0"),
        beside={
            "electrocardiograms/ecg_1.csv": ecg_csv("2024-01-02 09:00:00 +0100", "Atrial Fibrillation"),
            "electrocardiograms/ecg_2.csv": ecg_csv("2024-01-02 10:00:00 +0100", "Sinusrhythmus"),
            "electrocardiograms/ecg_3.csv": "Name\n",
            "clinical-records/Observation-1.json": "{}",
        },
    )  # fmt: skip
    report = wearer.ingest()
    assert wearer.ask("code, num, unit_ucum, hour(timezone('UTC', t_available))") == [
        ("ecg-atrial-fibrillation", None, None, 23),
        ("ecg-unrecognised", None, None, 23),
        ("irregular-rhythm-notice", None, None, 23),
        ("workout-other", 30.5, "min", 23),
        ("workout-running", 30.5, "min", 23),
    ]
    assert report.notes == (
        "1 clinical records of hospitals beside it are not read: take them from the hospital, or with `format: fhir`",
        "1 electrocardiograms could not be read",
        "1 workouts have no times that can be read",
    )
    everything = b"".join(path.read_bytes() for path in wearer.timeline.rglob("*") if path.is_file())
    assert b"Anna" not in everything and b"iPhone" not in everything


def test_days_of_wear_are_what_was_observed(wearer):
    parts = [
        record("HeartRate", at, at, 60, "count/min")
        for at in (f"2024-01-{day:02} 12:00:00 +0100" for day in (2, 3, 5, 9))
    ]
    parts.append(record("StepCount", "2024-01-06 12:00:00 +0100", "2024-01-06 12:01:00 +0100", 9, "count", "iPhone"))
    wearer.put(*parts)
    wearer.ingest()
    days = "day(timezone('Europe/Amsterdam', t_start)), day(timezone('Europe/Amsterdam', t_end))"
    assert wearer.ask(days, "observation_periods") == [(2, 4), (5, 6), (9, 10)]
    wearer.mapping.write_text(MAPPING + "observation: {bridge_days: 1}\n")
    wearer.ingest()
    assert wearer.ask(days, "observation_periods") == [(2, 6), (9, 10)]
    wearer.mapping.write_text(MAPPING + "observation: {at_least_hours: 1}\n")
    wearer.ingest()
    assert wearer.ask(days, "observation_periods") == []


def test_who_the_patient_is(wearer):
    wearer.put(heart("08:00:00", 60))
    wearer.ingest()
    assert wearer.ask("sex, year(timezone('UTC', birth)), birth_precision", "subjects") == [("female", 1980, "day")]


def test_again_changes_nothing_and_is_the_same_bytes(wearer):
    parts, ecgs = days_of(random.Random(1), 6, dt.datetime(2024, 1, 1, tzinfo=dt.UTC), unwell_after=4)
    wearer.put(*parts, beside=ecgs)
    first = wearer.ingest()
    before = {path: path.read_bytes() for path in wearer.timeline.rglob("*.parquet")}
    assert first.set_aside == 0 and wearer.ingest().unchanged
    other = Wearer.__new__(Wearer)
    other.__dict__ = wearer.__dict__ | {"timeline": wearer.folder / "again"}
    other.ingest()
    assert {path.name: path.read_bytes() for path in other.timeline.rglob("*.parquet")} == {
        p.name: b for p, b in before.items()
    }


def test_a_mapping_says_whose_once(wearer):
    wearer.mapping.write_text(MAPPING + "patients: whose.csv\n")
    with pytest.raises(ConfigurationError, match="give `patient`"):
        wearer.ingest()
    wearer.mapping.write_text(MAPPING.replace("Amsterdam", "Amsterdm"))
    wearer.put(heart("08:00:00", 60))
    with pytest.raises(ConfigurationError, match="did you mean Europe/Amsterdam"):
        wearer.ingest()


@pytest.mark.shared_data
def test_public_exports_that_nobody_here_wrote(wearer, checkout):
    folder = Path(os.environ.get("RAPHA_SHARED", checkout.parent / "shared")) / "data" / "apple-health"
    if not folder.is_dir():
        pytest.skip("the public exports are not beside the checkout")
    names = sorted(path.name for path in folder.glob("*.xml"))
    (wearer.folder / "whose.csv").write_text("file,patient\n" + "".join(f"{name},{name}\n" for name in names))
    for name in names:
        (wearer.folder / name).write_bytes((folder / name).read_bytes())
    wearer.mapping.write_text(MAPPING.replace("patient: p1", "patients: whose.csv"))
    report = wearer.ingest()
    assert report.patients == 4
    reasons = {reason for file in report.files for reason in file.set_aside}
    assert reasons <= {"is of a type that is not read", "was entered by hand, not measured"}
    assert wearer.ask("CAST(sum(num) AS INTEGER), 1", where="code = 'steps' AND system = 'apple-health-daily'") == [
        (2517, 1)
    ]
    assert wearer.ask("code, round(num, 3)", where="code LIKE 'workout%'") == [
        ("workout-other", 31.737),
        ("workout-running", 5.194),
        ("workout-running", 5.194),
    ]
