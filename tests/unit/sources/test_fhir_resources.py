"""Each other type of resource: when it was, when it was known, what it is called, whether it counts."""

import pytest
from fhir_clinic import Clinic, about, coded, observation, patient

DOSE = {"value": 20, "unit": "mg"}
TABLET = {"medicationCodeableConcept": coded("rx")}


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        (
            about(
                "Encounter",
                status="finished",
                **{"class": {"system": "s", "code": "IMP"}},
                period={"start": "2019-05-01T08:00:00Z", "end": "2019-05-03T08:00:00Z"},
            ),
            ("encounter", "IMP", "2019-05-01 08:00:00+00", "2019-05-03 08:00:00+00", "2019-05-01 08:00:00+00", None),
        ),
        (
            about("Condition", code=coded("dx"), onsetDateTime="2019-05-01", recordedDate="2019-05-04T08:00:00Z"),
            ("condition", "dx", "2019-05-01 00:00:00+00", None, "2019-05-04 08:00:00+00", None),
        ),
        (
            about(
                "MedicationRequest",
                status="active",
                intent="order",
                **TABLET,
                authoredOn="2019-05-01T08:00:00Z",
                dosageInstruction=[{"doseAndRate": [{"doseQuantity": DOSE}]}],
            ),
            ("medication", "rx", "2019-05-01 08:00:00+00", None, "2019-05-01 08:00:00+00", 20.0),
        ),
        (
            about(
                "MedicationAdministration",
                status="completed",
                **TABLET,
                effectivePeriod={"start": "2019-05-01T08:00:00Z", "end": "2019-05-01T09:00:00Z"},
                dosage={"dose": DOSE},
            ),
            ("medication", "rx", "2019-05-01 08:00:00+00", "2019-05-01 09:00:00+00", "2019-05-01 09:00:00+00", 20.0),
        ),
        (
            about(
                "MedicationStatement",
                status="active",
                **TABLET,
                effectiveDateTime="2019-01",
                dateAsserted="2019-05-01T08:00:00Z",
            ),
            ("medication", "rx", "2019-01-01 00:00:00+00", None, "2019-05-01 08:00:00+00", None),
        ),
        (
            about(
                "MedicationDispense", status="completed", **TABLET, whenHandedOver="2019-05-01T08:00:00Z", quantity=DOSE
            ),
            ("medication", "rx", "2019-05-01 08:00:00+00", None, "2019-05-01 08:00:00+00", 20.0),
        ),
        (
            about(
                "Procedure",
                status="completed",
                code=coded("px"),
                performedPeriod={"start": "2019-05-01T08:00:00Z", "end": "2019-05-01T10:00:00Z"},
            ),
            ("procedure", "px", "2019-05-01 08:00:00+00", "2019-05-01 10:00:00+00", "2019-05-01 10:00:00+00", None),
        ),
        (
            about(
                "DiagnosticReport",
                status="final",
                code=coded("rp"),
                effectiveDateTime="2019-05-01T08:00:00Z",
                issued="2019-05-02T08:00:00Z",
            ),
            ("observation", "rp", "2019-05-01 08:00:00+00", None, "2019-05-02 08:00:00+00", None),
        ),
        (
            about("DocumentReference", status="current", type=coded("nt"), date="2019-05-02T08:00:00Z"),
            ("note", "nt", "2019-05-02 08:00:00+00", None, "2019-05-02 08:00:00+00", None),
        ),
        (
            about(
                "Immunization",
                status="completed",
                vaccineCode=coded("cvx"),
                occurrenceDateTime="2019-05-01T08:00:00Z",
                recorded="2019-05-02T08:00:00Z",
            ),
            ("medication", "cvx", "2019-05-01 08:00:00+00", None, "2019-05-02 08:00:00+00", None),
        ),
        (
            about("AllergyIntolerance", code=coded("peanut"), recordedDate="2019-05-01T08:00:00Z"),
            ("observation", "AllergyIntolerance", "2019-05-01 08:00:00+00", None, "2019-05-01 08:00:00+00", None),
        ),
        (
            about(
                "ImagingStudy",
                status="available",
                started="2019-05-01T08:00:00Z",
                modality=[{"system": "dcm", "code": "CT"}],
            ),
            ("procedure", "CT", "2019-05-01 08:00:00+00", None, "2019-05-01 08:00:00+00", None),
        ),
    ],
    ids=lambda value: value.get("resourceType") if isinstance(value, dict) else "",
)
def test_each_resource(clinic: Clinic, resource, told):
    clinic.ingest(patient(), resource)
    assert clinic.aside() == []
    assert clinic.ask("kind, code, t_start::VARCHAR, t_end::VARCHAR, t_available::VARCHAR, num") == [told]


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        (about("Condition", recordedDate="2019", verificationStatus=coded("refuted")), ("final", "negated")),
        (about("Condition", recordedDate="2019", verificationStatus=coded("provisional")), ("final", "unknown")),
        (
            about("Condition", recordedDate="2019", verificationStatus=coded("entered-in-error")),
            ("entered-in-error", "affirmed"),
        ),
        (about("Immunization", status="not-done", occurrenceDateTime="2019"), ("final", "negated")),
        (about("MedicationStatement", status="not-taken", dateAsserted="2019"), ("final", "negated")),
        (about("MedicationRequest", status="active", intent="plan", authoredOn="2019"), ("final", "unknown")),
        (
            about("MedicationRequest", status="active", intent="order", doNotPerform=True, authoredOn="2019"),
            ("final", "negated"),
        ),
        (about("Procedure", status="preparation", performedDateTime="2019"), ("preliminary", "unknown")),
        (about("DocumentReference", status="superseded", date="2019"), ("cancelled", "affirmed")),
    ],
)
def test_what_did_not_happen_or_is_not_sure_is_said(clinic: Clinic, resource, told):
    clinic.ingest(patient(), resource)
    assert clinic.ask("status, polarity") == [told]


def test_an_allergy_to_a_drug_is_no_exposure_to_it(clinic: Clinic):
    clinic.ingest(patient(), about("AllergyIntolerance", code=coded("penicillin", "rx"), recordedDate="2019-05-01"))
    assert clinic.ask("system, code, value_code") == [
        ("http://hl7.org/fhir/resource-types", "AllergyIntolerance", "penicillin")
    ]


def test_a_medication_is_found_inside_beside_and_in_a_later_file(clinic: Clinic):
    given = {"status": "completed", "effectiveDateTime": "2019-05-01T08:00:00Z"}
    inside = {"contained": [{"resourceType": "Medication", "id": "m", "code": coded("inside")}]}
    clinic.write("zz.ndjson", '{"resourceType":"Medication","id":"m1","code":{"coding":[{"code":"a"},{"code":"b"}]}}')
    clinic.ingest(
        patient(),
        about("MedicationAdministration", "x1", **given, **inside, medicationReference={"reference": "#m"}),
        about("MedicationAdministration", "x2", **given, medicationReference={"reference": "Medication/m1"}),
    )
    assert sorted(clinic.ask("source_ref, code")) == [
        ("MedicationAdministration/x1", "inside"),
        ("MedicationAdministration/x2", "a"),
        ("MedicationAdministration/x2", "b"),
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_a_medication_in_several_versions_the_newest_counts(clinic: Clinic, order):
    versions = [
        {
            "resourceType": "Medication",
            "id": "m1",
            "meta": {"lastUpdated": f"20{year}-01-01T00:00:00Z"},
            "code": coded(code),
        }
        for year, code in ((18, "z, old"), (19, "a, new"))
    ]
    use = about("MedicationStatement", status="active", effectiveDateTime="2019-05-01")
    clinic.ingest(
        patient(), {**use, "medicationReference": {"reference": "Medication/m1"}}, *(versions[at] for at in order)
    )
    assert clinic.ask("code") == [("a, new",)]


VISIT = about(
    "Encounter",
    "e1",
    status="finished",
    **{"class": {"system": "s", "code": "IMP"}},
    period={"start": "2019-05-01T08:00:00Z", "end": "2019-05-09T08:00:00Z"},
)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("same", "2019-05-02 08:00:00+00"),
        ("encounter end", "2019-05-09 08:00:00+00"),
        ("last updated", "2019-05-20 08:00:00+00"),
    ],
)
def test_what_counts_as_known_where_a_resource_is_silent_is_the_mappings_word(clinic: Clinic, rule, told):
    clinic.mapping = clinic.mapping.replace("same", rule)
    clinic.ingest(
        patient(),
        VISIT,
        about(
            "Procedure",
            status="completed",
            performedDateTime="2019-05-02T08:00:00Z",
            encounter={"reference": "Encounter/e1"},
            meta={"lastUpdated": "2019-05-20T08:00:00Z"},
        ),
    )
    assert clinic.ask("t_available::VARCHAR", order="source_ref DESC")[:1] == [(told,)]


def test_a_discharge_diagnosis_without_a_date_of_its_own_is_known_at_discharge(clinic: Clinic):
    clinic.ingest(
        patient(),
        VISIT,
        about(
            "Condition",
            onsetDateTime="2019-05-01",
            category=[coded("encounter-diagnosis")],
            encounter={"reference": "Encounter/e1"},
        ),
    )
    assert clinic.ask("kind, t_available::VARCHAR")[:1] == [("condition", "2019-05-09 08:00:00+00")]


def test_without_any_word_of_when_it_was_known_it_is_set_aside(clinic: Clinic):
    clinic.mapping = clinic.mapping.replace("same", "last updated")
    clinic.ingest(patient(), about("Procedure", status="completed", performedDateTime="2019-05-02T08:00:00Z"))
    assert clinic.ask("event_id") == []
    assert 'all.ndjson,2,"does not say when it was known, nor when it was updated"' in clinic.aside()


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (observation(status="done"), "has a status that FHIR R4 does not know, or none"),
        (observation(subject={"reference": "Patient/nobody"}), "names a patient who is not in the export"),
        (observation(subject={"reference": "Group/g1"}), "is not about a patient"),
        (
            observation(subject={"reference": "https://elsewhere.example/Patient/p1"}),
            "refers to an address that is neither in the export nor of one of `servers`",
        ),
        (observation(subject={}), "names no patient"),
        (observation(effectiveDateTime="CANARY"), "has a date or time that cannot be read"),
        (observation(effectiveDateTime="2019-13-01"), "has a date or time that cannot be read"),
        (observation(modifierExtension=[{"url": "x"}]), "has a modifierExtension, which may turn its meaning around"),
        (
            observation(effectiveDateTime=None, effectivePeriod={"start": "2019-05-02", "end": "2019-04-01"}),
            "ends before it starts",
        ),
        (about("Procedure", status="completed"), "does not say when it was"),
        ({"resourceType": "CANARY"}, "is no FHIR resource"),
        ({"no": "type"}, "is no FHIR resource"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_file_line_and_reason(clinic: Clinic, resource, reason):
    report = clinic.ingest(patient(), resource)
    assert report.events == 0
    assert [line for line in clinic.aside() if ",2," in line] == [
        f'all.ndjson,2,"{reason}"' if "," in reason else f"all.ndjson,2,{reason}"
    ]
    assert "CANARY" not in report.in_words()


def test_lines_that_are_no_json_or_no_text_do_not_stop_the_others(clinic: Clinic):
    clinic.ingest(patient(), observation())
    path = clinic.data / "all.ndjson"
    path.write_bytes(b'{"resourceType":"Observation","id":CANARY}\n\xff\n\n[1]\n' + path.read_bytes())
    report = clinic.ingest()
    assert (report.patients, report.events) == (1, 1)
    assert clinic.aside() == [
        'all.ndjson,1,"is not JSON, or no resource"',
        "all.ndjson,2,is not UTF-8 text",
        "all.ndjson,4,is no FHIR resource",
    ]


def test_types_that_are_not_read_are_counted_by_name(clinic: Clinic):
    report = clinic.ingest(patient(), observation(), {"resourceType": "Claim", "id": "1"})
    assert report.files[0].set_aside == {"a resource of this type is not read: Claim": 1}
    assert clinic.aside() == ["all.ndjson,,a resource of this type is not read: Claim (1 of them)"]
