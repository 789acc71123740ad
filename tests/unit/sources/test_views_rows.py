"""Views over a few resources: what a path means, and how selects make rows."""

import json
from typing import Any

import pyarrow as pa
import pytest

from rapha.errors import SourceError
from rapha.sources.views.resources import SCHEMA
from rapha.sources.views.run import rows_of
from rapha.sources.views.view_file import parse_view

ANNA: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "a",
    "active": True,
    "birthDate": "1970-06",
    "name": [{"use": "official", "family": "F1", "given": ["A", None, "B"]}, {"use": "usual", "family": "F2"}],
    "multipleBirthInteger": 2,
    "generalPractitioner": [
        {"reference": "Practitioner/d1"},
        {"reference": "https://x.example/fhir/Practitioner/d2/_history/3"},
        {"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"},
        {"reference": "#contained"},
    ],
    "extension": [{"url": "http://x.example/e", "extension": [{"url": "in", "valueCode": "F"}]}],
    "contact": [
        {"telecom": [{"value": "1"}, {"value": "2"}], "period": {"start": "2012", "end": "2012-06"}},
        {"telecom": [{"value": "3"}]},
    ],
}


def run(view: dict[str, Any], *resources: Any) -> list[dict[str, Any]]:
    texts = pa.array([json.dumps(resource) for resource in resources or (ANNA,)], pa.string())
    found = rows_of(parse_view({"resource": "Patient", **view}, "v.json"), [pa.record_batch([texts], schema=SCHEMA)])
    return [values for batch in found for values in batch.to_pylist()]


def one(path: str, **column: Any) -> Any:
    [found] = run({"select": [{"column": [{"name": "v", "path": path, **column}]}]})
    return found["v"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Patient.id", "a"),
        ("name.given.join('-')", "A-B"),
        ("name.where(use = 'usual').family", "F2"),
        ("name.last().family", "F2"),
        ("name[1].family", "F2"),
        ("name[7].family", None),
        ("name.count()", 2.0),
        ("name.all(family.exists())", True),
        ("name.exists(use = 'old')", False),
        ("active", "true"),
        ("active.not()", False),
        ("true xor active", False),
        ("{} and false", False),
        ("{} and true", None),
        ("multipleBirth.ofType(integer) + 1", 3.0),
        ("-multipleBirth.ofType(integer)", -2.0),
        ("7 div 2", 3.0),
        ("7 mod 2", 1.0),
        ("1 / 0", None),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("'a' & id", "aa"),
        ("'\\'' + '\\u0041'", "'A"),
        ("birthDate = @1970", None),
        ("birthDate < @1971", True),
        ("@2020-01-01T00:00:00Z = @2020-01-01T01:00:00+01:00", True),
        ("@2020-01-01T00:00:00.000Z = @2020-01-01T00:00:00Z", True),
        ("contact[0].period.start < contact[0].period.end", None),
        ("name.family = name.family", True),
        ("name.family != name[0].family", True),
        ("birthDate.lowBoundary()", "1970-06-01"),
        ("birthDate.highBoundary()", "1970-06-30"),
        ("1.5.lowBoundary()", "1.45"),
        ("generalPractitioner.where(reference.exists()).getReferenceKey(Practitioner).join(' ')",
         "d1 d2 53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
        ("generalPractitioner.getReferenceKey(Patient).join()", "53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
        ("extension('http://x.example/e').extension('in').value.ofType(code)", "F"),
        ("`id`", "a"),
        ("id // a remark", "a"),
    ],
)  # fmt: skip
def test_what_a_path_means(path: str, expected: Any) -> None:
    assert one(path) == expected


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("date", "2020-01-01", "2020-12-31"),
        ("dateTime", "2020-01-01T00:00:00.000+14:00", "2020-12-31T23:59:59.999-12:00"),
    ],
)
def test_a_boundary_goes_by_the_type_of_its_column(kind: str, low: str, high: str) -> None:
    assert one("'2020'.lowBoundary()", type=kind) == low
    assert one("'2020'.highBoundary()", type=kind) == high


def test_a_boundary_keeps_the_zone_it_is_given() -> None:
    assert one("'2020-02-03T04:05+01:00'.highBoundary()") == "2020-02-03T04:05:59.999+01:00"


def test_words_of_a_view_are_never_part_of_the_statement() -> None:
    hostile = "'); DROP TABLE resources; --"
    view = {
        "constant": [{"name": "c", "valueString": hostile}],
        "select": [
            {
                "column": [
                    {"name": "v", "path": "%c"},
                    {"name": "w", "path": "name.where(use = '\\'); DROP TABLE x; --').use"},
                ]
            }
        ],
    }
    assert run(view) == [{"v": hostile, "w": None}]


def test_selects_side_by_side_multiply_and_unions_follow_one_another() -> None:
    telecom = {"forEach": "contact.telecom", "column": [{"name": "t", "path": "value"}]}
    name = {"forEach": "name", "column": [{"name": "t", "path": "family"}]}
    nothing = {"forEachOrNull": "photo", "column": [{"name": "p", "path": "url"}, {"name": "i", "path": "%rowIndex"}]}
    rows = run({"select": [nothing, {"unionAll": [telecom, name]}]})
    assert [(row["p"], row["i"], row["t"]) for row in rows] == [(None, 0.0, t) for t in ("1", "2", "3", "F1", "F2")]


def test_repeat_goes_down_in_reading_order_and_stops_with_a_word() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"linkId": str(depth), "item": [nested(depth - 1)] if depth else []}

    view = {"resource": "Questionnaire", "select": [{"repeat": ["item"], "column": [{"name": "l", "path": "linkId"}]}]}
    document = {"resourceType": "Questionnaire", "item": [nested(3), {"linkId": "z"}]}
    assert [row["l"] for row in run(view, document)] == ["3", "2", "1", "0", "z"]
    with pytest.raises(SourceError, match="deeper than 16"):
        run(view, {"resourceType": "Questionnaire", "item": [nested(20)]})


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"path": "name.family"}, r"v.json: select\[0\].column\[0\].path: expected at most one string"),
        ({"path": "id", "type": "integer"}, "expected at most one integer"),
        ({"path": "id", "type": "boolean"}, "expected at most one boolean"),
        ({"path": "name and true"}, "expected true, false or nothing"),
        ({"path": "id + 1"}, "expected one number or nothing"),
        ({"path": "id < 1"}, "expected two numbers, two texts or two times"),
    ],
)
def test_data_that_is_not_as_the_view_says_ends_it_without_a_value(column: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match=said) as raised:
        run(
            {"select": [{"column": [{"name": "v", **column}]}]},
            {**ANNA, "id": "canary", "name": [{}, {"family": "canary"}] * 2},
        )
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_resources_of_a_bundle_are_loose_unless_the_view_is_of_bundles() -> None:
    bundle = {
        "resourceType": "Bundle",
        "id": "b",
        "entry": [{"resource": ANNA}, {"resource": {"resourceType": "Group"}}],
    }
    view = {"select": [{"column": [{"name": "id", "path": "id"}]}]}
    assert run(view, bundle) == [{"id": "a"}]
    path = "entry.resource.ofType(Patient).id"
    assert run({"resource": "Bundle", "select": [{"column": [{"name": "id", "path": path}]}]}, bundle) == [{"id": "a"}]
