"""The status words of FHIR R4, and what they are in a timeline: a status and a polarity.

What has not happened yet, or is not sure (a plan, a draft, a differential diagnosis, a status of `unknown`) has the polarity
`unknown`: it is kept, and no cohort counts it. What was decided against or refuted is `negated`.
"""

Said = tuple[str, str]

FINAL, PRELIMINARY, AMENDED = ("final", "affirmed"), ("preliminary", "affirmed"), ("amended", "affirmed")
CANCELLED, WRONG = ("cancelled", "affirmed"), ("entered-in-error", "affirmed")
UNSURE, EXPECTED, DENIED = ("final", "unknown"), ("preliminary", "unknown"), ("final", "negated")

_REPORT = {
    "registered": EXPECTED,
    "preliminary": PRELIMINARY,
    "final": FINAL,
    "amended": AMENDED,
    "corrected": AMENDED,
    "cancelled": CANCELLED,
    "entered-in-error": WRONG,
    "unknown": UNSURE,
}
_EVENT = {
    "preparation": EXPECTED,
    "in-progress": PRELIMINARY,
    "not-done": DENIED,
    "on-hold": PRELIMINARY,
    "stopped": FINAL,
    "completed": FINAL,
    "entered-in-error": WRONG,
    "unknown": UNSURE,
}
_VERIFICATION = {
    "unconfirmed": UNSURE,
    "provisional": UNSURE,
    "differential": UNSURE,
    "confirmed": FINAL,
    "refuted": DENIED,
    "entered-in-error": WRONG,
}

STATUSES: dict[str, dict[str, Said]] = {
    "Observation": _REPORT,
    "DiagnosticReport": {**_REPORT, "partial": PRELIMINARY, "appended": AMENDED},
    "Encounter": {
        "planned": EXPECTED,
        "arrived": PRELIMINARY,
        "triaged": PRELIMINARY,
        "in-progress": PRELIMINARY,
        "onleave": PRELIMINARY,
        "finished": FINAL,
        "cancelled": CANCELLED,
        "entered-in-error": WRONG,
        "unknown": UNSURE,
    },
    "Condition": _VERIFICATION,
    "AllergyIntolerance": _VERIFICATION,
    "Procedure": _EVENT,
    "MedicationAdministration": _EVENT,
    "Immunization": {"completed": FINAL, "entered-in-error": WRONG, "not-done": DENIED},
    "MedicationDispense": {
        "preparation": EXPECTED,
        "in-progress": EXPECTED,
        "cancelled": CANCELLED,
        "on-hold": EXPECTED,
        "completed": FINAL,
        "entered-in-error": WRONG,
        "stopped": FINAL,
        "declined": DENIED,
        "unknown": UNSURE,
    },
    "MedicationRequest": {
        "active": FINAL,
        "on-hold": FINAL,
        "cancelled": CANCELLED,
        "completed": FINAL,
        "entered-in-error": WRONG,
        "stopped": FINAL,
        "draft": EXPECTED,
        "unknown": UNSURE,
    },
    "MedicationStatement": {
        "active": FINAL,
        "completed": FINAL,
        "entered-in-error": WRONG,
        "intended": EXPECTED,
        "stopped": FINAL,
        "on-hold": FINAL,
        "unknown": UNSURE,
        "not-taken": DENIED,
    },
    "DocumentReference": {"current": FINAL, "superseded": CANCELLED, "entered-in-error": WRONG},
    "ImagingStudy": {
        "registered": EXPECTED,
        "available": FINAL,
        "cancelled": CANCELLED,
        "entered-in-error": WRONG,
        "unknown": UNSURE,
    },
}
"""By resource type, then by the word of the resource. A Condition or AllergyIntolerance that says nothing of its
verification is affirmed."""
