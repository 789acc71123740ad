"""A sex that another row tells, deaths that another file tells to the minute, columns of days that carry a clock, and the last day of an observation."""

import pytest

from rapha.errors import ConfigurationError

DEATHS = "  death: {at: {column: died, precision: day}, also: {file: stays.csv, id: whose, at: {column: ended}}}\n"
STAYS = "whose,ended\np2,2011-05-06 14:05:00\np2,\np2,2011-05-06 14:07:00\np3,2011-01-01 00:01\n"
PEOPLE = (
    "id,born,sex,died,seen\np1,1950-03-04,F,2011-05-06 00:00:00,2012-01-01\np2,1960,M,2011-05-06 00:00:00,2012-01-01\n"
    "p3,1960,M,,2012-01-01\np4,1960,M,,2012-01-01\n"
)


def died(hospital, stays=STAYS, people=PEOPLE):
    hospital.mapping = hospital.mapping.replace("  death: {at: {column: died}}\n", DEATHS)
    hospital.people = people
    (hospital.data / "stays.csv").write_text(stays)
    hospital.ingest()
    return hospital.ask("death::VARCHAR, death_precision", "subjects", "birth, death_precision, death")


def test_the_file_that_tells_the_minute_counts_and_its_latest(hospital):
    assert died(hospital) == [
        ("2011-05-06 00:00:00+00", "day"),
        ("2011-01-01 00:01:00+00", "minute"),
        ("2011-05-06 14:07:00+00", "second"),
        (None, None),
    ]


def test_a_death_that_cannot_be_read_is_set_aside_in_its_own_file(hospital):
    assert (None, None) in died(hospital, "whose,ended\np3,yesterday\n,2011-01-01\n")
    aside = [line for line in hospital.aside() if line.startswith("stays")]
    assert aside == ["stays.csv,2,`ended` is not a date or time", "stays.csv,3,`whose` is empty"]


def test_who_dies_before_birth_by_the_other_file_is_set_aside(hospital):
    died(hospital, "whose,ended\np4,1950-01-01\n")
    assert "people.csv,5,dies before birth" in hospital.aside()


def test_a_changed_file_of_deaths_is_a_change(hospital):
    before = died(hospital)
    assert died(hospital, STAYS.replace("14:07", "15:07")) != before


@pytest.mark.parametrize(
    ("end", "given", "over"),
    [
        ("{column: seen}", "2012-01-01", "2012-01-01 00:00:00+00"),
        ("{end_of: {column: seen}}", "2012-01-01", "2012-01-02 00:00:00+00"),
        ("{end_of: {column: seen}}", "2012-02", "2012-03-01 00:00:00+00"),
        ("{end_of: {column: seen}}", "2012", "2013-01-01 00:00:00+00"),
        ("{end_of: {column: seen}}", "2012-01-01 00:00", "2012-01-01 00:00:00+00"),
        ("{end_of: {column: seen, precision: day}}", "2012-01-01 00:00:00", "2012-01-02 00:00:00+00"),
        ("{end_of: {column: seen, precision: day}}", "2012-01-01T23:30:00-05:00", "2012-01-02 00:00:00+00"),
        ("{end_of: {column: seen, zone: Europe/Berlin}}", "2012-03-25", "2012-03-25 22:00:00+00"),
        ("{end_of: {column: seen, zone: Europe/Berlin}}", "2012-03-25T10:00:00Z", "2012-03-25 10:00:00+00"),
        ("{end_of: {days: seen}}", "1", "2000-01-03 00:00:00+00"),
    ],
)
def test_who_was_seen_on_a_day_was_observed_until_it_was_over(hospital, end, given, over):
    hospital.mapping = hospital.mapping.replace("end: {column: seen}", f"end: {end}").replace(
        "start: first event", "start: {day: 0}"
    )
    hospital.people = f"id,born,sex,died,seen\np1,1950-03-04,F,,{given}\n"
    hospital.ingest()
    assert hospital.ask("t_end::VARCHAR", "observation_periods", "t_end") == [(over,)]


def test_end_of_is_of_an_observation_alone(hospital):
    hospital.mapping = hospital.mapping.replace("time: {column: taken}", "time: {end_of: {column: taken}}")
    with pytest.raises(ConfigurationError, match="time"):
        hospital.ingest()


LONG = "where: {column: what, values: [Sex]}"
ROWS = (
    "id,what,said,born,died,seen\np1,Age,,1950,,2012-01-01\np2,Age,M,1960,,2012-01-01\np3,Age,,1970,,2012-01-01\np4,Age,,1980,,2012-01-01\n"
    "p5,Age,,1990,,2012-01-01\np6,Age,,2000,,2012-01-01\np1,Sex,F,,,\np3,Sex,F,,,\np3,Sex,M,,,\np4,Sex,?,,,\np5,Sex,x,,,\np9,Sex,M,,,\np6,Sex,M,,,\n"
    "p6,Sex,M,,,\n,Sex,F,,,\n"
)


def test_a_sex_stands_in_another_row_of_a_long_file(hospital):
    """Never in the row that is the patient's; two that differ, and words that nobody explained, are set aside and the patient stays."""
    hospital.mapping = hospital.mapping.replace(
        "sex: {column: sex, values: {F: female, M: male}}",
        "where: {column: what, values: [Age]}\n  sex: {column: said, values: {F: female, M: male, '?': unknown}, "
        + LONG
        + "}",
    )
    hospital.people = ROWS
    hospital.labs = "patient,taken,reported,test,value,unit\n"
    hospital.ingest()
    told = hospital.ask("year(birth)::INTEGER, sex", "subjects", "birth")
    assert told == [(1950, "female"), (1960, None), (1970, None), (1980, None), (1990, None), (2000, "male")]
    two, unread = "`said` tells two sexes of one patient", "`said` is not one of the mapping's values"
    wanted = {f"people.csv,9,{two}", f"people.csv,10,{two}", f"people.csv,12,{unread}", "people.csv,16,`id` is empty"}
    assert wanted == {line for line in hospital.aside() if not line.endswith("observation could start with")}
