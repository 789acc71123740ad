"""A concept: its short forms, the one that is signed, and what is refused."""

import pytest
from pydantic import ValidationError

from rapha.records.concept import Concept

PLAIN = {"system": "LOINC", "codes": ["2160-0"]}
WHOLE = PLAIN | {
    "descendants": True,
    "exclude": [{"system": "LOINC", "codes": ["1"]}, {"system": "local", "codes": ["2"], "descendants": True}],
    "unit": "mg/dL",
    "convert": {"umol/L": 0.0113, "K": {"times": 0.5, "plus": -17}},
}


def test_what_is_not_said_is_not_signed():
    assert Concept.model_validate(PLAIN).as_bytes() == b'{"codes":["2160-0"],"system":"LOINC"}'
    assert Concept.model_validate({"any_of": [PLAIN | {"descendants": False}]}).as_bytes() == (
        b'{"codes":["2160-0"],"system":"LOINC"}'
    )


@pytest.mark.parametrize("value", [PLAIN, WHOLE, {"any_of": [PLAIN, {"system": "local", "codes": ["crea"]}]}])
def test_what_is_signed_reads_back(value):
    concept = Concept.model_validate(value)
    assert Concept.from_bytes(concept.as_bytes()) == concept
    assert Concept.model_validate(concept.as_json()).digest == concept.digest


def test_every_part_is_signed():
    for key, other in {"descendants": False, "exclude": [], "unit": "g/L", "convert": {"umol/L": 1}}.items():
        assert Concept.model_validate(WHOLE | {key: other}).digest != Concept.model_validate(WHOLE).digest


@pytest.mark.parametrize(
    "value, said",
    [
        ({}, "system"),
        ({"any_of": []}, "it is nothing"),
        ({"any_of": [PLAIN], **PLAIN}, "Extra inputs"),
        (PLAIN | {"convert": {"umol/L": 1}}, "state that"),
        (PLAIN | {"unit": "mg/dL", "convert": {"mg/dL": 1}}, "own unit"),
        (PLAIN | {"unit": "mg/dL", "convert": {"umol/L": 0}}, "greater than 0"),
        (PLAIN | {"unit": "mg/dL", "convert": {"umol/L": {"times": -1}}}, "greater than 0"),
        (PLAIN | {"unit": "any"}, "leave it out"),
        (PLAIN | {"exclude": [PLAIN]}, "nothing is left"),
    ],
)
def test_what_says_nothing_is_refused(value, said):
    with pytest.raises(ValidationError) as refused:
        Concept.model_validate(value)
    assert said in str(refused.value)
