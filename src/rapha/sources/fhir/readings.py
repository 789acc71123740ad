"""How each type of resource becomes events: SQL over `r`, the resource as its structure (`structures.py`) reads it.

The moments are texts of the resource. `known` is the one at which it says it was known; where it says nothing, the
mapping's `available` decides, and then not before `otherwise`.
"""

from dataclasses import dataclass

_EFFECTIVE = "coalesce(r.effectiveDateTime, r.effectiveInstant, r.effectivePeriod.start, r.effectiveTiming.event[1])"
_MEDICATION = """CASE WHEN len(r.medicationCodeableConcept.coding) > 0 THEN r.medicationCodeableConcept.coding
    WHEN r.medicationReference.reference[1] = '#' THEN
        list_filter(r.contained, lambda c: c.id = r.medicationReference.reference[2:])[1].code.coding END"""
_MEDICATION_AT = """CASE WHEN coalesce(len(r.medicationCodeableConcept.coding), 0) = 0 AND r.medicationReference.reference[1] <> '#'
    THEN local_of(r.medicationReference.reference) END"""
_REFUSED = "CASE WHEN r.doNotPerform = 'true' THEN 'negated' WHEN r.intent IN ('proposal', 'plan') THEN 'unknown' END"
_VERIFIED = "coalesce(r.verificationStatus.coding[1].code, 'confirmed')"

_AUTHOR = """CASE WHEN len(r.author) = 1 THEN CASE split_part(local_of(r.author[1].reference), '/', 1)
    WHEN 'Patient' THEN 'patient' WHEN 'RelatedPerson' THEN 'relative' WHEN 'Device' THEN 'device' END END"""
"""A Practitioner is of any profession: which, a reference does not say."""


@dataclass(frozen=True)
class Reading:
    """SQL expressions, in the words of the timeline's columns. `codings` and `answers` are lists: one event for each
    pair. `members` are references to resources that are part of this one."""

    kind: str
    start: str
    codings: str = "r.code.coding"
    patient: str = "r.subject.reference"
    encounter: str = "r.encounter.reference"
    end: str = "NULL"
    known: str = "NULL"
    otherwise: str = "coalesce({end}, {start})"
    status: str = "r.status"
    polarity: str = "NULL"
    answers: str = "[no_answer()]"
    members: str = "NULL"
    medication: str = "NULL"
    text_ref: str = "NULL"
    asset: str = "NULL"
    note: str = "NULL"
    author: str = "NULL"
    language: str = "NULL"
    at_discharge: str = "false"
    clinical: str = "true"


def _given(answer: str, **more: str) -> Reading:
    return Reading(
        "'medication'",
        codings=_MEDICATION,
        medication=_MEDICATION_AT,
        encounter="r.context.reference",
        answers=f"[measured({answer})]",
        **more,
    )


READINGS: dict[str, Reading] = {
    "Encounter": Reading(
        "'encounter'",
        start="r.period.start",
        end='r.period."end"',
        known="r.period.start",
        encounter="'Encounter/' || r.id",
        codings="list_concat(CASE WHEN r.class.code IS NOT NULL THEN [r.class] ELSE [] END, coalesce(all_codings(r.type), []))",
    ),
    "Condition": Reading(
        "'condition'",
        start="coalesce(r.onsetDateTime, r.onsetPeriod.start, r.recordedDate)",
        end='coalesce(r.abatementDateTime, r.abatementPeriod."end")',
        known="r.recordedDate",
        otherwise="{start}",
        status=_VERIFIED,
        at_discharge="len(list_filter(r.category, lambda c: has_code(c, 'encounter-diagnosis'))) > 0",
    ),
    "MedicationRequest": Reading(
        "'medication'",
        start="r.authoredOn",
        end='r.dispenseRequest.validityPeriod."end"',
        known="r.authoredOn",
        codings=_MEDICATION,
        medication=_MEDICATION_AT,
        polarity=_REFUSED,
        answers="[measured(r.dosageInstruction[1].doseAndRate[1].doseQuantity)]",
    ),
    "MedicationAdministration": _given("r.dosage.dose", start=_EFFECTIVE, end='r.effectivePeriod."end"'),
    "MedicationStatement": _given(
        "r.dosage[1].doseAndRate[1].doseQuantity",
        start=f"coalesce({_EFFECTIVE}, r.dateAsserted)",
        end='r.effectivePeriod."end"',
        known="r.dateAsserted",
        otherwise="{start}",
    ),
    "MedicationDispense": _given("r.quantity", start="coalesce(r.whenHandedOver, r.whenPrepared)"),
    "Procedure": Reading(
        "'procedure'", start="coalesce(r.performedDateTime, r.performedPeriod.start)", end='r.performedPeriod."end"'
    ),
    "DiagnosticReport": Reading(
        "'observation'",
        start=f"coalesce({_EFFECTIVE}, r.issued)",
        end='r.effectivePeriod."end"',
        known="r.issued",
        members="r.result",
        answers="CASE WHEN len(all_codings(r.conclusionCode)) > 0 THEN list_transform(all_codings(r.conclusionCode), "
        "lambda c: answer(NULL, NULL, NULL, NULL, c.code, NULL)) ELSE [no_answer()] END",
        text_ref="CASE WHEN len(r.presentedForm) > 0 THEN coalesce(r.presentedForm[1].url, address || '#presentedForm') END",
        note="plain_text(r.presentedForm)",
        language="language_of(coalesce(first_text(r.presentedForm).language, r.language))",
    ),
    "DocumentReference": Reading(
        "'note'",
        start="coalesce(r.context.period.start, r.date)",
        end='r.context.period."end"',
        known="r.date",
        codings="r.type.coding",
        encounter="r.context.encounter[1].reference",
        polarity="CASE WHEN r.docStatus = 'preliminary' THEN 'unknown' END",
        text_ref="CASE WHEN len(r.content) > 0 THEN coalesce(r.content[1].attachment.url, address || '#content') END",
        note="plain_text(list_transform(r.content, lambda c: c.attachment))",
        author=_AUTHOR,
        language="language_of(coalesce(first_text(list_transform(r.content, lambda c: c.attachment)).language, r.language))",
    ),
    "Immunization": Reading(
        "'medication'",
        start="r.occurrenceDateTime",
        known="r.recorded",
        patient="r.patient.reference",
        codings="r.vaccineCode.coding",
        answers="[measured(r.doseQuantity)]",
    ),
    "AllergyIntolerance": Reading(
        "'observation'",
        start="coalesce(r.onsetDateTime, r.onsetPeriod.start, r.recordedDate)",
        known="r.recordedDate",
        patient="r.patient.reference",
        status=_VERIFIED,
        codings="[{'system': 'http://hl7.org/fhir/resource-types', 'code': 'AllergyIntolerance'}]",
        answers="list_transform(or_none(r.code.coding), lambda c: answer(NULL, NULL, NULL, NULL, c.code, NULL))",
    ),
    "ImagingStudy": Reading(
        "'procedure'",
        start="r.started",
        codings="list_concat(coalesce(r.modality, []), coalesce(all_codings(r.procedureCode), []))",
        asset="list_filter(r.identifier, lambda i: i.system = 'urn:dicom:uid')[1].value",
    ),
}
"""All but Observation (`observation.py`)."""
