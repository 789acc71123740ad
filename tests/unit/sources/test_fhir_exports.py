"""Files, Bundles, references, versions, deletions; again and again."""

import gzip
import json

import pytest
from fhir_clinic import SECRET, Clinic, observation, patient

from rapha.errors import ConfigurationError, SourceError
from rapha.timeline.opt_out import write_opt_outs
from rapha.timeline.pseudonym import subject_key


def test_a_bundle_resolves_its_own_addresses(clinic: Clinic):
    clinic.bundle(
        "sub/one.json",
        {"fullUrl": "urn:uuid:11", "resource": patient("p1")},
        {
            "fullUrl": "https://far.example/fhir/Observation/o1",
            "resource": observation(subject={"reference": "urn:uuid:11"}),
        },
        {
            "fullUrl": "urn:uuid:12",
            "resource": {**observation(subject={"reference": "Patient?identifier=mrn|77"}), "id": "o2"},
        },
        {"resource": patient("p2", identifier=[{"system": "mrn", "value": "77"}])},
        {"resource": observation("o3", subject={"reference": "urn:uuid:99"})},
    )
    report = clinic.ingest()
    assert clinic.ask("source_ref") == [("Observation/o1",), ("Observation/o2",)]
    assert len(set(clinic.ask("subject_key"))) == 2
    assert report.files[0].rows == 5
    assert [line.split(",")[:2] for line in clinic.aside()] == [["sub/one.json", "5"]]


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/3",
        "https://ehr.example/r4/Patient/p1",
        "https://ehr.example/r4/Patient/p1/_history/1",
    ],
)
def test_a_reference_in_any_form_finds_its_patient(clinic: Clinic, reference):
    clinic.mapping += "servers: [https://ehr.example/r4/]\n"
    clinic.ingest(patient(), observation(subject={"reference": reference}))
    assert len(clinic.ask("event_id")) == 1


def test_an_ambiguous_identifier_finds_nobody(clinic: Clinic):
    both = {"identifier": [{"system": "mrn", "value": "7"}]}
    clinic.ingest(
        patient("a", **both), patient("b", **both), observation(subject={"reference": "Patient?identifier=mrn|7"})
    )
    assert clinic.ask("event_id") == []


def test_gzip_is_read_as_what_is_in_it(clinic: Clinic):
    (clinic.data / "a.ndjson.gz").write_bytes(gzip.compress(json.dumps(patient()).encode() + b"\n"))
    (clinic.data / "b.json.gz").write_bytes(gzip.compress(json.dumps(observation(), indent=1).encode()))
    assert clinic.ingest().events == 1


def test_a_merged_patient_answers_by_the_others_key(clinic: Clinic):
    merged = patient("old", link=[{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}])
    clinic.ingest(merged, patient(), observation("a"), observation("b", subject={"reference": "Patient/old"}))
    assert len(set(clinic.ask("subject_key"))) == 1
    assert len(clinic.ask("subject_key", "subjects")) == 1


@pytest.mark.parametrize("list_comes_first", [True, False])
def test_who_opted_out_under_a_retired_id_stays_out(clinic: Clinic, list_comes_first):
    old = patient("old", link=[{"other": {"reference": "Patient/middle"}, "type": "replaced-by"}])
    middle = patient("middle", link=[{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}])
    if list_comes_first:
        clinic.timeline.mkdir()
        write_opt_outs(clinic.timeline, SECRET, ["old"], ["clinic"])
    clinic.ingest(old, middle, patient(), observation())
    if not list_comes_first:
        write_opt_outs(clinic.timeline, SECRET, ["old"], ["clinic"])
    remains = subject_key(SECRET, "clinic", "p1")
    said = clinic.ask("subject_key, bool_or(opted_out)", "subjects GROUP BY subject_key")
    assert said == [(remains, True)]
    retired = {(subject_key(SECRET, "clinic", name), remains) for name in ("old", "middle")}
    assert set(clinic.ask("retired, remains", "merges")) == retired


def test_patients_links_in_a_ring_are_one_patient(clinic: Clinic):
    ring = [
        patient(a, link=[{"other": {"reference": f"Patient/{b}"}, "type": "replaced-by"}])
        for a, b in (("a", "b"), ("b", "a"))
    ]
    clinic.ingest(
        *ring, observation(subject={"reference": "Patient/a"}), observation("o2", subject={"reference": "Patient/b"})
    )
    assert len(set(clinic.ask("subject_key"))) == 1


def test_the_newest_version_counts_wherever_it_stands(clinic: Clinic):
    clinic.write(
        "2020/o.ndjson",
        json.dumps(observation(valueInteger=2, meta={"versionId": "2", "lastUpdated": "2020-02-01T00:00:00Z"})),
    )
    clinic.write(
        "2021/o.ndjson",
        json.dumps(observation(valueInteger=1, meta={"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z"})),
    )
    clinic.ingest(patient())
    assert clinic.ask("num, source_version") == [(2.0, "2")]
    clinic.write(
        "2022/o.ndjson",
        json.dumps(
            observation(status="entered-in-error", meta={"versionId": "3", "lastUpdated": "2021-01-01T00:00:00Z"})
        ),
    )
    clinic.ingest()
    assert clinic.ask("status, source_version") == [("entered-in-error", "3")]


def deletion(url: str) -> dict[str, object]:
    return {"request": {"method": "DELETE", "url": url}}


def test_what_a_bundle_deletes_is_marked_deleted(clinic: Clinic):
    clinic.ingest(patient(), observation("a"), observation("b"))
    before = clinic.ask("event_id")
    clinic.write(
        "deleted.ndjson",
        json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [deletion("Observation/a")]}),
    )
    clinic.ingest()
    assert clinic.ask("source_ref, deleted") == [("Observation/a", True), ("Observation/b", False)]
    assert clinic.ask("event_id") == before


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        (["2019-06-01T11:59:59Z"], False),
        (["2019-06-01T12:00:00Z"], True),
        (["2019-06-01T13:00:00Z", "2019-01-01T00:00:00Z"], True),
        ([None, "2019-01-01T00:00:00Z"], True),
    ],
)
def test_a_deletion_holds_for_what_was_not_updated_after_it(clinic: Clinic, said: list[str | None], gone: bool):
    """Several deletions of one resource: any of them is enough, and one that does not say when always is."""
    for number, when in enumerate(said):
        clinic.bundle(f"{number}.json", deletion("Observation/a"), **({"meta": {"lastUpdated": when}} if when else {}))
    clinic.ingest(patient(), observation("a", meta={"lastUpdated": "2019-06-01T12:00:00Z"}))
    assert clinic.ask("deleted") == [(gone,)]


@pytest.mark.parametrize(
    ("entry", "rows", "told"),
    [
        ({"resource": patient()}, 1, ["bundle.json,1,is no FHIR resource"]),
        ("CANARY", 1, ["bundle.json,1,is no FHIR resource"]),
        (
            ["CANARY", {"resource": "CANARY"}, {"resource": patient()}, None],
            4,
            [
                "bundle.json,1,is no FHIR resource",
                "bundle.json,2,is no FHIR resource",
                "bundle.json,4,is no FHIR resource",
            ],
        ),
        (None, 0, []),
    ],
    ids=["no list", "a text", "some that are none", "none at all"],
)
def test_entries_of_a_bundle_that_are_none_are_told(clinic: Clinic, entry: object, rows: int, told: list[str]):
    clinic.write("bundle.json", json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entry}))
    report = clinic.ingest()
    assert sum(file.rows for file in report.files) == rows
    assert [line for line in sorted(clinic.aside()) if "period" not in line] == told


def test_what_came_back_after_a_deletion_is_there(clinic: Clinic):
    clinic.bundle("gone.json", deletion("Observation/a"), meta={"lastUpdated": "2020-01-01T00:00:00Z"})
    clinic.ingest(patient(), observation("a", meta={"lastUpdated": "2020-06-01T00:00:00Z"}))
    assert clinic.ask("deleted") == [(False,)]


def test_a_deleted_patient_leaves_with_all_events(clinic: Clinic):
    clinic.ingest(patient(), observation(), patient("p2"), observation("o2", subject={"reference": "Patient/p2"}))
    clinic.bundle("gone.json", deletion("Patient/p1"))
    report = clinic.ingest()
    assert (report.patients, report.events) == (1, 1)
    assert clinic.ask("source_ref") == [("Observation/o2",)]
    assert "all.ndjson,2,is about a patient who was deleted" in clinic.aside()


def test_a_patient_who_is_in_the_export_no_more_is_in_the_timeline_no_more(clinic: Clinic):
    clinic.ingest(patient(), observation(), patient("p2"))
    clinic.ingest(patient("p2"))
    assert len(clinic.ask("subject_key", "subjects")) == 1
    assert clinic.ask("event_id") == []


def test_the_same_again_changes_no_byte_and_the_order_of_lines_does_not_count(clinic: Clinic):
    assert not clinic.ingest(patient(), observation("a"), observation("b")).unchanged
    before, events = clinic.content(), clinic.ask("* EXCLUDE (ingest_batch, source_version)")
    assert clinic.ingest().unchanged
    assert clinic.content() == before
    clinic.ingest(observation("b"), observation("a"), patient())
    assert clinic.ask("* EXCLUDE (ingest_batch, source_version)") == events


def test_birth_death_and_sex(clinic: Clinic):
    clinic.ingest(
        patient("a", birthDate="1950", gender="unknown", deceasedDateTime="2019-06-07T10:00:00+02:00"),
        patient("b", birthDate="1951-02"),
    )
    assert sorted(clinic.ask("birth::VARCHAR, birth_precision, sex, death::VARCHAR, death_precision", "subjects")) == [
        ("1950-01-01 00:00:00+00", "year", None, "2019-06-07 08:00:00+00", "second"),
        ("1951-02-01 00:00:00+00", "month", "female", None, None),
    ]


PERIOD = "t_start::VARCHAR, t_end::VARCHAR"


def visit(name: str, start: str, end: str | None) -> dict[str, object]:
    period = {"start": start, **({"end": end} if end else {})}
    return {
        "resourceType": "Encounter",
        "id": name,
        "status": "finished",
        "subject": {"reference": "Patient/p1"},
        "period": period,
    }


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{start: first event, end: last event}", [("2018-01-01 00:00:00+00", "2019-05-01 06:00:00+00")]),
        ("{start: first encounter, end: last encounter}", [("2018-01-01 00:00:00+00", "2018-04-03 00:00:00+00")]),
        ("{start: 2017-01-01, end: 2020-12-31}", [("2017-01-01 00:00:00+00", "2021-01-01 00:00:00+00")]),
        (
            "encounters",
            [
                ("2018-01-01 00:00:00+00", "2018-01-05 00:00:00+00"),
                ("2018-04-01 00:00:00+00", "2018-04-03 00:00:00+00"),
            ],
        ),
    ],
)
def test_observation_is_what_the_mapping_says(clinic: Clinic, said, told):
    clinic.mapping = clinic.mapping.replace("{start: first event, end: 2020-12-31}", said)
    clinic.ingest(
        patient(), visit("e1", "2018-01-01", "2018-01-05"), visit("e2", "2018-04-01", "2018-04-03"), observation()
    )
    assert clinic.ask(PERIOD, "observation_periods") == told


def test_who_died_nobody_knows_when_is_observed_to_the_last_event(clinic: Clinic):
    clinic.ingest(patient(deceasedBoolean=True), observation())
    assert clinic.ask(PERIOD, "observation_periods") == [("2019-05-01 06:00:00+00", "2019-05-01 06:00:00+00")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("available: same", "available: maybe"), "4: available: expected"),
        (("available: same\n", ""), "`available` is missing"),
        (("{start: first event, end: 2020-12-31}", "everything"), "expected `encounters`, or `start:` and `end:`"),
        (("first event", "birth"), "expected `first event` or `first encounter` or a day such as 2024-12-31"),
        (("available: same", "available: same\nzone: Europe/Berlim"), "did you mean Europe/Berlin?"),
        (("available: same", "available: same\nconsent: {required: true}"), "needs `on: 2024-12-31`"),
        (("available: same", "available: same\nservers: ['https://a.example/r4|x']"), "servers"),
    ],
)
def test_a_wrong_mapping_is_told_where_and_how(clinic: Clinic, change, told):
    clinic.mapping = clinic.mapping.replace(*change)
    with pytest.raises(ConfigurationError) as caught:
        clinic.ingest(patient())
    assert told in str(caught.value)


def test_a_folder_without_an_export_is_refused(clinic: Clinic):
    with pytest.raises(SourceError, match="holds no file that ends in"):
        clinic.ingest()


def test_a_cut_gzip_is_told_and_the_timeline_stays(clinic: Clinic):
    clinic.ingest(patient(), observation())
    before = clinic.content()
    (clinic.data / "b.ndjson.gz").write_bytes(gzip.compress(b'{"resourceType":"Patient"}' * 1000)[:-20])
    with pytest.raises(SourceError, match="damaged, or cut short"):
        clinic.ingest()
    assert clinic.content() == before
