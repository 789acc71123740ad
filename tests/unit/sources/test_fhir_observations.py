"""Observations: every form of value, components, members, what is missing, and when it was known."""

import pytest
from fhir_clinic import LOINC, Clinic, coded, observation, patient

from rapha.errors import SourceError

VALUE = "num, comparator, unit, unit_ucum, value_code, text_ref, polarity"
UCUM = "http://unitsofmeasure.org"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"valueQuantity": {"value": 159.4, "unit": "mg per dL", "system": UCUM, "code": "mg/dL"}},
            [(159.4, None, "mg per dL", "mg/dL", None, None, "affirmed")],
        ),
        (
            {"valueQuantity": {"value": 5, "comparator": "<", "unit": "U"}},
            [(5.0, "<", "U", None, None, None, "affirmed")],
        ),
        ({"valueInteger": 3}, [(3.0, None, None, None, None, None, "affirmed")]),
        ({"valueString": "< 5.0"}, [(5.0, "<", None, None, None, None, "affirmed")]),
        ({"valueString": "cloudy"}, [(None, None, None, None, None, "Observation/o1#valueString", "affirmed")]),
        ({"valueBoolean": True}, [(None, None, None, None, "true", None, "affirmed")]),
        ({"valueTime": "10:30:00"}, [(None, None, None, None, "10:30:00", None, "affirmed")]),
        ({"valueDateTime": "2019-05"}, [(None, None, None, None, "2019-05", None, "affirmed")]),
        (
            {"valuePeriod": {"start": "2019-01-01", "end": "2019-02-01"}},
            [(None, None, None, None, "2019-01-01/2019-02-01", None, "affirmed")],
        ),
        ({"valueCodeableConcept": coded("LA1")}, [(None, None, None, None, "LA1", None, "affirmed")]),
        (
            {"valueRatio": {"numerator": {"value": 1, "unit": "mg"}, "denominator": {"value": 8, "unit": "L"}}},
            [(0.125, None, "mg/L", None, None, None, "affirmed")],
        ),
        (
            {"valueRatio": {"numerator": {"value": 1, "comparator": "<"}, "denominator": {"value": 8}}},
            [(0.125, "<", None, None, None, None, "affirmed")],
        ),
        (
            {"valueRatio": {"numerator": {"value": 0}, "denominator": {"value": -8}}},
            [(0.0, None, None, None, None, None, "affirmed")],
        ),
        (
            {"valueSampledData": {"period": 10, "dimensions": 1, "data": "1 2 3"}},
            [(None, None, None, None, None, "Observation/o1#valueSampledData", "affirmed")],
        ),
        ({"dataAbsentReason": coded("not-performed")}, [(None, None, None, None, "not-performed", None, "unknown")]),
        (
            {"valueQuantity": {"value": 7}, "interpretation": [coded("H")]},
            [(7.0, None, None, None, "H", None, "affirmed")],
        ),
        ({}, [(None, None, None, None, None, None, "affirmed")]),
    ],
)
def test_each_form_of_value(clinic: Clinic, given, told):
    clinic.ingest(patient(), observation(**given))
    assert clinic.ask(VALUE) == told


def test_a_range_is_two_bounds_and_several_codings_are_all_kept(clinic: Clinic):
    clinic.ingest(
        patient(),
        observation("a", valueRange={"low": {"value": 4, "unit": "g"}, "high": {"value": 6, "unit": "g"}}),
        observation("b", code={"coding": [{"system": "s1", "code": "c1"}, {"system": "s2", "code": "c2"}]}),
        observation("c", valueCodeableConcept={"coding": [{"code": "v1"}, {"code": "v2"}]}),
    )
    rows = clinic.ask("source_ref, system, code, num, comparator, value_code")
    assert sorted(rows, key=str) == sorted(
        [
            ("Observation/a", LOINC, "2339-0", 4.0, ">=", None),
            ("Observation/a", LOINC, "2339-0", 6.0, "<=", None),
            ("Observation/b", "s1", "c1", None, None, None),
            ("Observation/b", "s2", "c2", None, None, None),
            ("Observation/c", LOINC, "2339-0", None, None, "v1"),
            ("Observation/c", LOINC, "2339-0", None, None, "v2"),
        ],
        key=str,
    )
    assert len({row[0] for row in clinic.ask("event_id")}) == 6


def test_components_and_members_are_children(clinic: Clinic):
    clinic.ingest(
        patient(),
        observation(
            "bp",
            code=coded("85354-9"),
            component=[
                {"code": coded("8480-6"), "valueQuantity": {"value": 120}},
                {"code": coded("8462-4"), "dataAbsentReason": coded("unknown")},
            ],
        ),
        observation("panel", code=coded("panel"), hasMember=[{"reference": "Observation/bp/_history/2"}]),
    )
    rows = {
        code: (name, parent, num, polarity)
        for code, name, parent, num, polarity in clinic.ask("code, event_id, parent_event, num, polarity")
    }
    assert rows["8480-6"][1:] == (rows["85354-9"][0], 120.0, "affirmed")
    assert rows["8462-4"][1:] == (rows["85354-9"][0], None, "unknown")
    assert rows["85354-9"][1] == rows["panel"][0]
    assert rows["panel"][1] is None


def test_moments_keep_their_offset_and_what_was_issued_is_known_from_then(clinic: Clinic):
    clinic.ingest(patient(), observation())
    assert clinic.ask("t_start::VARCHAR, t_available::VARCHAR, precision, utc_offset_minutes") == [
        ("2019-05-01 06:00:00+00", "2019-05-01 10:30:00.25+00", "second", 120)
    ]


@pytest.mark.parametrize(
    ("text", "start", "precision", "offset"),
    [
        ("2019", "2019-01-01 00:00:00+00", "year", None),
        ("2019-06", "2019-06-01 00:00:00+00", "month", None),
        ("2019-06-07", "2019-06-07 00:00:00+00", "day", None),
        ("2019-06-07T10:00Z", "2019-06-07 10:00:00+00", "minute", 0),
        ("2019-06-07T01:00:00+10:30", "2019-06-06 14:30:00+00", "second", 630),
        ("2019-06-07T20:00:00-08:00", "2019-06-08 04:00:00+00", "second", -480),
    ],
)
def test_partial_dates_and_offsets(clinic: Clinic, text, start, precision, offset):
    clinic.ingest(patient(), observation(effectiveDateTime=text))
    assert clinic.ask("t_start::VARCHAR, precision, utc_offset_minutes") == [(start, precision, offset)]


def test_what_is_dated_to_the_day_was_known_when_the_day_was_over(clinic: Clinic):
    clinic.ingest(patient(), observation(issued="2019-05-02"))
    assert clinic.ask("t_available::VARCHAR") == [("2019-05-03 00:00:00+00",)]


def test_a_clock_without_offset_hangs_in_the_mappings_zone(clinic: Clinic):
    clinic.mapping += "zone: America/New_York\n"
    clinic.ingest(patient(), observation(effectiveDateTime="2019-05-01T08:00:00", issued="2019-05-01T09:00:00Z"))
    assert clinic.ask("t_start::VARCHAR, t_available::VARCHAR") == [
        ("2019-05-01 12:00:00+00", "2019-05-01 09:00:00+00")
    ]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("final", ("final", "affirmed")),
        ("corrected", ("amended", "affirmed")),
        ("registered", ("preliminary", "unknown")),
        ("cancelled", ("cancelled", "affirmed")),
        ("entered-in-error", ("entered-in-error", "affirmed")),
        ("unknown", ("final", "unknown")),
    ],
)
def test_a_status_is_kept_not_dropped(clinic: Clinic, status, told):
    clinic.ingest(patient(), observation(status=status))
    assert clinic.ask("status, polarity") == [told]


def test_a_value_that_is_no_number_is_set_aside_and_the_other_component_read(clinic: Clinic):
    clinic.ingest(
        patient(),
        observation(
            component=[
                {"code": coded("8480-6"), "valueQuantity": {"value": "CANARY-value"}},
                {"code": coded("8462-4"), "valueQuantity": {"value": 80}},
            ]
        ),
    )
    assert clinic.ask("code, num", order="code") == [("2339-0", None), ("8462-4", 80.0)]
    assert clinic.aside() == ["all.ndjson,2,has a value that cannot be read"]


NO_BOUND = {"low": {"value": "CANARY-low"}, "high": {"value": "CANARY-high"}}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"valueRange": NO_BOUND}, "has a value that cannot be read"),
        ({"valueRange": {"low": NO_BOUND["low"]}}, "has a value that cannot be read"),
        ({"valueRange": {**NO_BOUND, "high": {"value": 6}}}, "has a value that cannot be read"),
        ({"valueRange": {**NO_BOUND, "low": {"value": 4}}}, "has a value that cannot be read"),
        ({"valueInteger": "CANARY-integer"}, "has a value that cannot be read"),
        ({"valueInteger": "1e999", "dataAbsentReason": coded("error")}, "has a value that cannot be read"),
        *(
            ({"valueRatio": ratio}, "has a value that cannot be read")
            for ratio in (
                {"numerator": {"value": "CANARY-over"}, "denominator": {"value": 8}},
                {"numerator": {"value": 1}, "denominator": {"value": "CANARY-under"}},
                {"numerator": {"value": 1}, "denominator": {"value": 0}},
                {"numerator": {"value": 1}},
                {"denominator": {"value": 8}},
                {"numerator": {"value": "1e300"}, "denominator": {"value": "1e-300"}},
                {"numerator": {"value": 1, "comparator": "~"}, "denominator": {"value": 8}},
                {"numerator": {"value": 1}, "denominator": {"value": 8, "comparator": "<"}},
                {"numerator": {"value": 1, "comparator": "<"}, "denominator": {"value": -8}},
            )
        ),
        ({"interpretation": [{"text": "CANARY"}]}, "has an interpretation without a code and no value"),
        ({"interpretation": [{"coding": []}]}, "has an interpretation without a code and no value"),
    ],
)
def test_what_gives_no_answer_is_set_aside(clinic: Clinic, given, reason):
    codes = {"coding": [{"code": "c1"}, {"code": "c2"}]}
    part = {"code": coded("8480-6"), **given}
    report = clinic.ingest(
        patient(), observation("a", code=codes, **given), observation("b", valueInteger=1, component=[part])
    )
    assert clinic.ask("source_ref, num") == [("Observation/b", 1.0)]
    assert clinic.aside() == [f"all.ndjson,{line},{reason}" for line in (2, 3)]
    assert report.files[0].set_aside == {reason: 2}


def test_a_range_of_one_bound_and_a_value_with_words_for_its_interpretation_are_read(clinic: Clinic):
    clinic.ingest(
        patient(),
        observation("a", valueRange={"low": {"value": 4}, "high": {"unit": "g"}}),
        observation("b", valueInteger=5, interpretation=[{"text": "high"}]),
    )
    assert clinic.ask("num, comparator, value_code", order="num") == [(4.0, ">=", None), (5.0, None, None)]
    assert clinic.aside() == []


@pytest.mark.slow
@pytest.mark.parametrize("each", [10, 200, 5000, 20_000])
def test_however_many_components_observations_have_they_are_read_in_bounded_memory(clinic: Clinic, each: int):
    part = {"code": coded("8480-6"), "valueQuantity": {"value": 1, "unit": "mm[Hg]"}}
    panels = [observation(f"o{at}", component=[part] * each) for at in range(100_000 // each)]
    assert clinic.ingest(patient(), *panels).events == 100_000 + len(panels)


def test_an_observation_of_too_many_components_to_be_held_is_told(clinic: Clinic):
    part = {"code": coded("8480-6"), "valueQuantity": {"value": 1}}
    with pytest.raises(SourceError, match="more parts than can be taken apart"):
        clinic.ingest(patient(), observation(component=[part] * 200_000))
    assert not (clinic.timeline / "timeline.json").exists()
