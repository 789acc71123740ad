"""Who has said no is in no cohort: FHIR Consent, opt-out lists, and canaries that must not be seen again."""

import json

import pytest
from fhir_clinic import Clinic, about, coded, observation, patient

from rapha.errors import SourceError

RESEARCH = {"scope": coded("research")}


def purpose(code: str) -> dict[str, object]:
    return {"purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code}]}


def outs(clinic: Clinic) -> list[bool]:
    return [out for (out,) in clinic.ask("opted_out", "subjects")]


@pytest.mark.parametrize(
    ("consent", "out"),
    [
        ({**RESEARCH, "status": "active", "provision": {"type": "deny"}}, True),
        ({"scope": coded("patient-privacy"), "status": "active", "provision": {"type": "deny"}}, True),
        ({**RESEARCH, "status": "active", "provision": {"type": "deny", **purpose("HRESCH")}}, True),
        ({**RESEARCH, "status": "active", "provision": {"type": "deny", **purpose("HMARKT")}}, False),
        (
            {
                **RESEARCH,
                "status": "active",
                "provision": {"type": "permit", "provision": [{"type": "deny", **purpose("CLINTRCH")}]},
            },
            True,
        ),
        ({**RESEARCH, "status": "active", "policyRule": coded("OPTOUT")}, True),
        ({**RESEARCH, "status": "rejected"}, True),
        ({**RESEARCH, "status": "active", "provision": {"type": "permit"}}, False),
        ({**RESEARCH, "status": "inactive", "provision": {"type": "deny"}}, False),
        ({**RESEARCH, "status": "entered-in-error", "provision": {"type": "deny"}}, False),
        ({"scope": coded("treatment"), "status": "active", "provision": {"type": "deny"}}, False),
        ({"status": "active", "provision": {"type": "deny"}}, True),
    ],
)
def test_a_consent_that_denies_research_opts_out(clinic: Clinic, consent, out):
    clinic.ingest(patient(), observation(), about("Consent", **consent))
    assert outs(clinic) == [out]


@pytest.mark.parametrize(
    ("consent", "out"),
    [
        ([], True),
        ([{"provision": {"type": "permit"}}], False),
        ([{"provision": {"type": "permit", "period": {"end": "2020-05-31"}}}], True),
        ([{"provision": {"type": "permit", "period": {"start": "2020-01", "end": "2020-06-01"}}}], False),
        ([{"provision": {"type": "permit"}}, {"provision": {"type": "deny"}}], True),
    ],
)
def test_where_consent_is_required_silence_is_no(clinic: Clinic, consent, out):
    clinic.mapping += "consent: {required: true, on: 2020-06-01}\n"
    given = [about("Consent", f"c{at}", status="active", **RESEARCH, **one) for at, one in enumerate(consent)]
    clinic.ingest(patient(), observation(), *given)
    assert outs(clinic) == [out]


def test_a_consent_withdrawn_later_changes_the_next_ingest(clinic: Clinic):
    said = {**RESEARCH, "status": "active"}
    clinic.ingest(patient(), about("Consent", **said, provision={"type": "permit"}, meta={"versionId": "1"}))
    assert outs(clinic) == [False]
    clinic.write(
        "later.ndjson", json.dumps(about("Consent", **said, provision={"type": "deny"}, meta={"versionId": "2"}))
    )
    clinic.ingest()
    assert outs(clinic) == [True]


def test_every_consent_counts_also_those_without_an_id(clinic: Clinic):
    said = [about("Consent", **RESEARCH, status="active", provision={"type": word}) for word in ("deny", "permit")]
    clinic.ingest(patient(), *({key: value for key, value in one.items() if key != "id"} for one in said))
    assert outs(clinic) == [True]


def test_a_consent_that_binds_nobody_is_told(clinic: Clinic):
    denial = about("Consent", **RESEARCH, status="active", provision={"type": "deny"})
    clinic.ingest(
        patient(), observation(), {**denial, "patient": {"reference": "https://elsewhere.example/Patient/p1"}}
    )
    assert clinic.aside() == ['all.ndjson,3,"is a Consent of nobody in the export, so that it binds nobody"']


NHS = "https://fhir.nhs.uk/Id/nhs-number"


def numbered(name: str, number: str) -> dict[str, object]:
    return patient(name, identifier=[{"system": NHS, "value": number}, {"system": "mrn", "value": "1"}])


@pytest.mark.parametrize(
    ("listing", "lists", "out"),
    [
        ("9434765919\n", "opted out", [True, False, False]),
        ("943 476 5919,\r\n\r\n9434765870,\r\n", "opted out", [True, True, False]),
        ("1\n", "opted out", [False, False, False]),
        ("9434765919\n", "remain", [False, True, True]),
    ],
)
def test_an_opt_out_list_in_the_form_of_the_nhs(clinic: Clinic, listing, lists, out):
    clinic.mapping += f"opt_out: {{file: national.txt, system: '{NHS}', lists: {lists}}}\n"
    clinic.write("national.txt", listing)
    people = [numbered("a", "9434765919"), numbered("b", "943 476 5870"), patient("c")]
    born = [{**person, "birthDate": f"195{at}"} for at, person in enumerate(people)]
    clinic.ingest(*born)
    assert [row[1] for row in sorted(clinic.ask("birth, opted_out", "subjects"))] == out


def test_the_report_says_how_many_are_out_and_says_none_of_a_list_that_names_nobody(clinic: Clinic):
    assert "opted out" not in clinic.ingest(patient(), observation()).in_words()
    clinic.mapping += "opt_out: {file: out.txt, system: mistyped, lists: opted out}\n"
    clinic.write("out.txt", "p1\n")
    assert "\n  0 of the patients opted out" in clinic.ingest().in_words()
    clinic.mapping = clinic.mapping.replace("system: mistyped, ", "")
    assert "\n  1 of the patients opted out" in clinic.ingest().in_words()
    clinic.mapping = clinic.mapping.partition("opt_out:")[0]
    denied = about("Consent", **RESEARCH, status="active", provision={"type": "deny"})
    assert "\n  1 of the patients opted out" in clinic.ingest(patient(), observation(), denied).in_words()


def test_a_new_opt_out_list_is_a_new_batch_and_the_same_is_not(clinic: Clinic):
    clinic.mapping += "opt_out: {file: out.txt, lists: opted out}\n"
    clinic.write("out.txt", "")
    clinic.ingest(patient(), observation())
    assert clinic.ingest().unchanged
    clinic.write("out.txt", "p1\n")
    assert not clinic.ingest().unchanged
    assert outs(clinic) == [True]


def test_without_its_opt_out_list_nothing_is_ingested(clinic: Clinic):
    clinic.mapping += "opt_out: {file: out.txt, lists: opted out}\n"
    with pytest.raises(SourceError, match="the opt-out file is missing; without it nothing is ingested"):
        clinic.ingest(patient())


def test_who_opted_out_is_counted_nowhere_and_no_identifier_enters_the_timeline(clinic: Clinic):
    from rapha.timeline.coverage import measure
    from rapha.timeline.reader import open_timeline

    clinic.mapping += "opt_out: {file: out.txt, lists: opted out}\n"
    clinic.write("out.txt", "canary-9f1\n")
    name = {"name": [{"family": "CANARY-family"}], "identifier": [{"system": "mrn", "value": "CANARY-mrn"}]}
    secret = observation(subject={"reference": "Patient/canary-9f1"}, code=coded("CANARY-code"))
    report = clinic.ingest(patient(), observation("b"), patient("canary-9f1") | name, secret)
    with open_timeline(clinic.timeline).connect() as connection:
        coverage = measure(connection)
    assert coverage.patients == 1
    assert "CANARY-code" not in {line.code for line in coverage.codes}
    everything = b"".join(clinic.content().values()) + report.in_words().encode()
    assert not [word for word in (b"canary-9f1", b"CANARY-family", b"CANARY-mrn") if word in everything]
    assert not [word for word in ("CANARY-family", "CANARY-mrn", "canary-9f1") if word in repr(clinic.ask("*"))]
