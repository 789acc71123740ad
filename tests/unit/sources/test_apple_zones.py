"""A patient who travels: days and hours of the clock they lived by, where the export tells of it."""

import datetime as dt

import pytest
from apple_wearer import MAPPING, SLEEP, STAGE, Wearer

from rapha.cli.demo.made_up_wearers import record

TOKYO, HOME = {"HKTimeZone": "Asia/Tokyo"}, {"HKTimeZone": "Europe/Amsterdam"}
DAYS = "timezone('UTC', t_start), timezone('UTC', t_end), utc_offset_minutes, num"


@pytest.fixture
def wearer(tmp_path):
    return Wearer(tmp_path)


def _utc(day, hour, minute=0):
    return f"2024-01-{day:02} {hour:02}:{minute:02}:00 +0000"


def _steps(day, hour, count, minute=0, **more):
    return record("StepCount", _utc(day, hour, minute), _utc(day, hour, minute + 1), count, "count", **more)


def _night(begun, ended, told, **more):
    return record(SLEEP, _utc(*begun), _utc(*ended), f"{STAGE}AsleepCore", metadata=told, **more)


def _days(wearer, code="steps"):
    wearer.ingest()
    return wearer.ask(DAYS, where=f"system = 'apple-health-daily' AND code = '{code}'")


def _at(day, hour):
    return dt.datetime(2024, 1, day, hour)


def test_a_trip_over_zones_has_days_of_the_clock_that_the_patient_lived_by(wearer):
    """From Amsterdam to Tokyo, told by the night of the 10th, and back, told by that of the 14th, after midnight. Days follow without gap or overlap."""
    trip = [_night((day, 14), (day, 21), TOKYO) for day in (10, 11, 12)]  # 23:00 to 06:00 in Tokyo
    wearer.put(*trip, _night((13, 23, 30), (14, 5), HOME), *(_steps(day, 12, day) for day in range(9, 16)))
    assert _days(wearer) == [
        (_at(8, 23), _at(9, 23), 60, 9.0),
        (_at(9, 23), _at(10, 15), 60, 10.0),  # the clock goes on to Tokyo's: the day has 16 hours
        (_at(10, 15), _at(11, 15), 540, 11.0),
        (_at(11, 15), _at(12, 15), 540, 12.0),
        (_at(12, 15), _at(13, 15), 540, 13.0),
        (_at(13, 15), _at(14, 23), 540, 14.0),  # and back: this one has 32
        (_at(14, 23), _at(15, 23), 60, 15.0),
    ]
    assert _days(wearer, "sleep-hours") == [
        (_at(10, 15), _at(11, 15), 540, 7.0),
        (_at(11, 15), _at(12, 15), 540, 7.0),
        (_at(12, 15), _at(13, 15), 540, 7.0),
        (_at(13, 15), _at(14, 23), 540, 5.5),
    ]


def test_hours_are_of_that_clock_too(wearer):
    told = {"HKTimeZone": "Asia/Kathmandu"}  # a quarter of an hour off
    wearer.put(_night((10, 17), (10, 23), told), _steps(11, 3, 7, minute=20))
    wearer.ingest()
    [hour] = wearer.ask(
        "timezone('UTC', t_start), timezone('UTC', t_end), num",
        where="system = 'apple-health-hourly' AND code = 'steps'",
    )
    assert hour == (dt.datetime(2024, 1, 11, 3, 15), dt.datetime(2024, 1, 11, 4, 15), 7.0)


def test_who_tells_of_no_zone_any_more_is_at_home_again(wearer):
    wearer.put(_night((10, 14), (10, 21), TOKYO), *(_steps(day, 12, day) for day in (11, 13)))
    assert _days(wearer) == [(_at(10, 15), _at(11, 15), 540, 11.0), (_at(12, 23), _at(13, 23), 60, 13.0)]


def test_a_phone_at_home_does_not_contradict_the_watch_that_is_worn(wearer):
    left = _night((10, 15), (10, 20), HOME, model="iPhone", source="Anna’s iPhone")
    wearer.put(_night((10, 14), (10, 21), TOKYO), left, _steps(11, 12, 5))
    assert _days(wearer) == [(_at(10, 15), _at(11, 15), 540, 5.0)]


@pytest.mark.parametrize("source", ["Strava", "Anna’s iPhone"])
def test_a_workout_of_another_app_does_not_contradict_the_watch_that_is_worn(wearer, source):
    """A run at home with a phone, some hours before the flight: the night abroad stays one night."""
    run = (
        f' <Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="30" durationUnit="min" sourceName="{source}"'
        f' startDate="{_utc(9, 18)}" endDate="{_utc(9, 19)}"><MetadataEntry key="HKTimeZone" value="Europe/Amsterdam"/></Workout>\n'
    )
    wearer.put(run, _night((10, 14), (10, 21), TOKYO))
    assert _days(wearer, "sleep-hours") == [(_at(10, 15), _at(11, 15), 540, 7.0)]


@pytest.mark.parametrize("device", ["model:Watch", ""])
def test_a_workout_of_the_watch_is_believed_before_the_phone(wearer, device):
    told = f' device="&lt;&lt;HKDevice: 0x1&gt;, {device}&gt;"' if device else ""
    run = (
        f' <Workout workoutActivityType="HKWorkoutActivityTypeRunning" sourceName="Anna’s {"Watch" if not device else "run"}"{told}'
        f' startDate="{_utc(10, 14)}" endDate="{_utc(10, 15)}"><MetadataEntry key="HKTimeZone" value="Asia/Tokyo"/></Workout>\n'
    )
    left = _night((10, 15), (10, 20), HOME, model="iPhone", source="Anna’s iPhone")
    wearer.put(run, left, _steps(11, 12, 5))
    assert _days(wearer) == [(_at(10, 15), _at(11, 15), 540, 5.0)]


def test_of_two_apps_of_the_watch_the_one_that_told_last_is_believed(wearer):
    at_home = _night((9, 21), (9, 22), HOME, source="Sleep app")
    wearer.put(at_home, _night((10, 14), (10, 21), TOKYO, source="Anna’s Watch"))
    assert (_at(10, 15), _at(11, 15), 540, 7.0) in _days(wearer, "sleep-hours")


def test_a_workout_tells_of_a_zone_and_one_that_nobody_knows_is_passed_over(wearer):
    run = (
        ' <Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="30" durationUnit="min" sourceName="w"'
        f' startDate="{_utc(10, 14)}" endDate="{_utc(10, 15)}"><MetadataEntry key="HKTimeZone" value="{{}}"/></Workout>\n'
    )
    wearer.put(run.format("Asia/Tokyo"), _night((10, 22), (10, 23), {"HKTimeZone": "Mars/Olympus"}), _steps(11, 12, 5))
    assert _days(wearer) == [(_at(10, 15), _at(11, 15), 540, 5.0)]
    wearer.mapping.write_text(MAPPING.replace("Europe/Amsterdam", "Europe/Lisbon"))
    wearer.put(_night((10, 22), (10, 23), {"HKTimeZone": "Mars/Olympus"}), _steps(11, 12, 5))
    assert _days(wearer) == [(_at(11, 0), _at(12, 0), 0, 5.0)]


def test_who_goes_to_and_fro_so_that_no_midnight_shows_has_days_of_home(wearer):
    """In Tokyo whenever it is midnight in Los Angeles, and there whenever it is in Tokyo."""
    told = [((day, 4), TOKYO) for day in range(3, 24)] + [
        ((day, 12), {"HKTimeZone": "America/Los_Angeles"}) for day in range(3, 24)
    ]
    wearer.put(*(_night(at, (*at, 30), zone) for at, zone in told), *(_steps(day, 13, day) for day in range(3, 24)))
    days = _days(wearer)
    assert sum(count for *_, count in days) == sum(range(3, 24))
    assert all(end - begun <= dt.timedelta(hours=50) for begun, end, *_ in days)
    assert (_at(10, 23), _at(11, 23), 60, 11.0) in days
    assert all(end - begun <= dt.timedelta(hours=50) for begun, end, *_ in _days(wearer, "sleep-hours"))


def test_the_offset_that_was_written_says_when_and_is_kept(wearer):
    wearer.mapping.write_text(MAPPING + "samples: [steps]\n")
    at = "2024-01-11 21:00:00 +0900"
    wearer.put(_night((10, 14), (10, 21), TOKYO), record("StepCount", at, at, 5, "count"))
    wearer.ingest()
    assert wearer.ask("timezone('UTC', t_start), utc_offset_minutes", where="system = 'apple-health'") == [
        (_at(11, 12), 540)
    ]
