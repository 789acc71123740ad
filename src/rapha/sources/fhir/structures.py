"""What of a resource is read, as the structures that DuckDB's `json_transform` takes. Whatever is not named here (names,
addresses, narrative) never leaves the text it stands in.

FHIR R4, https://hl7.org/fhir/R4/: the field names are its own.
"""

import json
from typing import Any

TEXT = "VARCHAR"
CODING = {"system": TEXT, "code": TEXT}
CONCEPT = {"coding": [CODING]}
REFERENCE = {"reference": TEXT}
PERIOD = {"start": TEXT, "end": TEXT}
QUANTITY = {"value": TEXT, "comparator": TEXT, "unit": TEXT, "system": TEXT, "code": TEXT}
RANGE = {"low": QUANTITY, "high": QUANTITY}
RATIO = {"numerator": QUANTITY, "denominator": QUANTITY}
ATTACHMENT = {"url": TEXT, "contentType": TEXT, "data": TEXT, "language": TEXT}
VALUE = {
    "code": CONCEPT,
    "valueQuantity": QUANTITY,
    "valueCodeableConcept": CONCEPT,
    "valueString": TEXT,
    "valueBoolean": TEXT,
    "valueInteger": TEXT,
    "valueRange": "JSON",
    "valueRatio": "JSON",
    "valueSampledData": "JSON",
    "valueTime": TEXT,
    "valueDateTime": TEXT,
    "valuePeriod": "JSON",
    "dataAbsentReason": CONCEPT,
    "interpretation": [CONCEPT],
}
"""What an Observation and each of its components have alike. What few of them have stays JSON, to be taken apart where it is met:
each field of a structure costs something in every row, whether it is there or not."""

EVERY = {
    "id": TEXT,
    "meta": {"versionId": TEXT, "lastUpdated": TEXT},
    "implicitRules": TEXT,
    "modifierExtension": ["JSON"],
}
CARE = {"subject": REFERENCE, "encounter": REFERENCE, "status": TEXT}
MEDICATION = {
    "medicationCodeableConcept": CONCEPT,
    "medicationReference": REFERENCE,
    "contained": [{"id": TEXT, "code": CONCEPT}],
}
EFFECTIVE = {
    "effectiveDateTime": TEXT,
    "effectivePeriod": PERIOD,
    "effectiveInstant": TEXT,
    "effectiveTiming": {"event": [TEXT]},
}
ONSET = {"onsetDateTime": TEXT, "onsetPeriod": PERIOD, "recordedDate": TEXT, "verificationStatus": CONCEPT}
PROVISION = {"type": TEXT, "period": PERIOD, "purpose": [CODING]}

STRUCTURES: dict[str, dict[str, Any]] = {
    "Patient": {
        "birthDate": TEXT,
        "gender": TEXT,
        "deceasedBoolean": TEXT,
        "deceasedDateTime": TEXT,
        "identifier": [{"system": TEXT, "value": TEXT}],
        "link": [{"type": TEXT, "other": REFERENCE}],
    },
    "Encounter": {"subject": REFERENCE, "status": TEXT, "class": CODING, "type": [CONCEPT], "period": PERIOD},
    "Condition": {
        **ONSET,
        "subject": REFERENCE,
        "encounter": REFERENCE,
        "category": [CONCEPT],
        "code": CONCEPT,
        "abatementDateTime": TEXT,
        "abatementPeriod": PERIOD,
    },
    "MedicationRequest": {
        **CARE,
        **MEDICATION,
        "intent": TEXT,
        "doNotPerform": TEXT,
        "authoredOn": TEXT,
        "dispenseRequest": {"validityPeriod": PERIOD},
        "dosageInstruction": [{"doseAndRate": [{"doseQuantity": QUANTITY}]}],
    },
    "MedicationAdministration": {
        "subject": REFERENCE,
        "context": REFERENCE,
        "status": TEXT,
        **MEDICATION,
        **EFFECTIVE,
        "dosage": {"dose": QUANTITY},
    },
    "MedicationStatement": {
        "subject": REFERENCE,
        "context": REFERENCE,
        "status": TEXT,
        **MEDICATION,
        **EFFECTIVE,
        "dateAsserted": TEXT,
        "dosage": [{"doseAndRate": [{"doseQuantity": QUANTITY}]}],
    },
    "MedicationDispense": {
        "subject": REFERENCE,
        "context": REFERENCE,
        "status": TEXT,
        **MEDICATION,
        "whenPrepared": TEXT,
        "whenHandedOver": TEXT,
        "quantity": QUANTITY,
    },
    "Procedure": {**CARE, "code": CONCEPT, "performedDateTime": TEXT, "performedPeriod": PERIOD},
    "DiagnosticReport": {
        **CARE,
        **EFFECTIVE,
        "code": CONCEPT,
        "issued": TEXT,
        "result": [REFERENCE],
        "conclusionCode": [CONCEPT],
        "presentedForm": [ATTACHMENT],
        "language": TEXT,
    },
    "DocumentReference": {
        "subject": REFERENCE,
        "status": TEXT,
        "docStatus": TEXT,
        "type": CONCEPT,
        "date": TEXT,
        "context": {"encounter": [REFERENCE], "period": PERIOD},
        "content": [{"attachment": ATTACHMENT}],
        "author": [REFERENCE],
        "language": TEXT,
    },
    "Immunization": {
        "patient": REFERENCE,
        "encounter": REFERENCE,
        "status": TEXT,
        "vaccineCode": CONCEPT,
        "occurrenceDateTime": TEXT,
        "recorded": TEXT,
        "doseQuantity": QUANTITY,
    },
    "AllergyIntolerance": {**ONSET, "patient": REFERENCE, "encounter": REFERENCE, "code": CONCEPT},
    "ImagingStudy": {
        **CARE,
        "identifier": [{"system": TEXT, "value": TEXT}],
        "started": TEXT,
        "modality": [CODING],
        "procedureCode": [CONCEPT],
    },
    "Observation": {
        **CARE,
        **EFFECTIVE,
        **VALUE,
        "category": [CONCEPT],
        "issued": TEXT,
        "hasMember": [REFERENCE],
        "component": ["JSON"],
    },
    "Medication": {"code": CONCEPT},
    "Consent": {
        "patient": REFERENCE,
        "status": TEXT,
        "scope": CONCEPT,
        "policyRule": CONCEPT,
        "provision": {**PROVISION, "provision": [PROVISION]},
    },
}
"""By resource type. Every other type is counted, and not read."""


def structure(fields: dict[str, Any]) -> str:
    """The argument of `json_transform` for one of these."""
    return json.dumps({**EVERY, **fields})
