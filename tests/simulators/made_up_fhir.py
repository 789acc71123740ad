"""A made-up FHIR R4 bulk export: one NDJSON file per resource type, ten types, the same for the same seed.

Shaped as Synthea shapes it: two thirds observations, every fourth of them a blood pressure with two components, offsets
of several places, narrative and display texts that no reader needs.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Resource = dict[str, Any]
LOINC, SNOMED, RXNORM = "http://loinc.org", "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM, TERMS = "http://unitsofmeasure.org", "http://terminology.hl7.org/CodeSystem"
OFFSETS = ("+00:00", "-05:00", "+10:00", "+05:30")
LABS = (("8302-2", "Body Height", "cm"), ("2339-0", "Glucose", "mg/dL"), ("2160-0", "Creatinine", "mg/dL"))


def deal_export(folder: Path, patients: int, encounters_each: int = 8, seed: int = 0) -> int:
    """Write `Patient.ndjson`, `Encounter.ndjson` and so on. About 34 resources for each of a patient's encounters'
    four; the number of resources is given back."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)  # noqa: S311
    written = 0
    files: dict[str, Any] = {}
    for number in range(patients):
        for resource in one_patient(chance, f"{seed}-{number:06d}", encounters_each):
            kind = resource["resourceType"]
            if kind not in files:
                files[kind] = (folder / f"{kind}.ndjson").open("w")
            files[kind].write(json.dumps(resource, separators=(",", ":")) + "\n")
            written += 1
    for file in files.values():
        file.close()
    return written


def one_patient(chance: random.Random, name: str, encounters: int) -> Iterator[Resource]:
    """A patient and all that is about them."""
    year = chance.randrange(1930, 2000)
    patient = {
        "resourceType": "Patient",
        "id": f"p-{name}",
        "text": narrative(f"patient {name}"),
        "identifier": [{"system": "https://example.org/mrn", "value": f"MRN{name}"}],
        "name": [{"family": "Made-Up", "given": ["Nobody"]}],
        "gender": chance.choice(("female", "male")),
        "birthDate": f"{year}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}",
    }
    if chance.random() < 0.1:
        patient["deceasedDateTime"] = f"2021-0{chance.randrange(1, 9)}-11T05:00:00Z"
    yield patient
    for at in range(encounters):
        yield from one_encounter(chance, f"{name}-{at}", f"p-{name}")


def one_encounter(chance: random.Random, name: str, patient: str) -> Iterator[Resource]:
    """An encounter and what happened in it."""
    offset = chance.choice(OFFSETS)
    day = f"20{chance.randrange(10, 21)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"

    def at(minute: int) -> str:
        return f"{day}T{8 + minute // 60:02d}:{minute % 60:02d}:17{offset}"

    def about(kind: str, part: str, **more: Any) -> Resource:
        who = "patient" if kind in ("Immunization", "AllergyIntolerance") else "subject"
        return {
            "resourceType": kind,
            "id": f"{part}-{name}",
            "meta": {"versionId": "1", "lastUpdated": at(120), "profile": [f"http://hl7.org/fhir/us/core/{kind}"]},
            "text": narrative(f"{kind} {part}"),
            who: {"reference": f"Patient/{patient}"},
            "encounter": {"reference": f"Encounter/e-{name}"},
            **more,
        }

    visit = about("Encounter", "e", status="finished", period={"start": at(0), "end": at(90)})
    del visit["encounter"]
    yield visit | {
        "class": {"system": f"{TERMS}/v3-ActCode", "code": chance.choice(("AMB", "IMP", "EMER"))},
        "type": [concept(SNOMED, "185345009", "Encounter for symptom")],
    }
    confirmed = {"coding": [{"system": f"{TERMS}/condition-ver-status", "code": "confirmed"}]}
    yield about(
        "Condition",
        "c",
        verificationStatus=confirmed,
        code=concept(SNOMED, str(chance.randrange(40_000_000, 40_000_200)), "A disorder"),
        onsetDateTime=at(0),
        recordedDate=at(80),
    )
    for place in range(12):
        lab, display, unit = LABS[place % len(LABS)]
        value = {"valueQuantity": quantity(chance.gauss(100, 17), unit)}
        if place % 4 == 3:
            lab, display = "55284-4", "Blood Pressure"
            value = {"component": [pressure(chance, "8480-6", "Systolic"), pressure(chance, "8462-4", "Diastolic")]}
        yield about(
            "Observation",
            f"o{place}",
            status="final",
            category=[concept(f"{TERMS}/observation-category", "laboratory", "Laboratory")],
            code=concept(LOINC, lab, display),
            effectiveDateTime=at(10 + place),
            issued=at(60 + place),
            **value,
        )
    tablet = concept(RXNORM, str(chance.randrange(300_000, 300_100)), "A tablet 20 MG")
    yield about("MedicationRequest", "m", status="active", intent="order", medicationCodeableConcept=tablet, authoredOn=at(70))
    yield about("Procedure", "x", status="completed", code=concept(SNOMED, "430193006", "Reconciliation"), performedPeriod={"start": at(20), "end": at(35)})
    yield about("DiagnosticReport", "d", status="final", code=concept(LOINC, "51990-0", "Panel"), effectiveDateTime=at(10), issued=at(75), result=[{"reference": f"Observation/o{place}-{name}"} for place in range(3)])
    if chance.random() < 0.5:
        yield about("MedicationAdministration", "a", status="completed", medicationCodeableConcept=tablet, effectiveDateTime=at(30))
        yield about("Immunization", "i", status="completed", vaccineCode=concept("http://hl7.org/fhir/sid/cvx", "140", "Influenza"), occurrenceDateTime=at(25))
    if chance.random() < 0.1:
        yield about("AllergyIntolerance", "l", verificationStatus=confirmed, code=concept(SNOMED, "300916003", "Latex"), recordedDate=at(15))


def narrative(words: str) -> Resource:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">Generated, {words}</div>'}


def concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def quantity(value: float, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def pressure(chance: random.Random, code: str, which: str) -> Resource:
    return {"code": concept(LOINC, code, f"{which} Blood Pressure"), "valueQuantity": quantity(chance.gauss(100, 17), "mm[Hg]")}
