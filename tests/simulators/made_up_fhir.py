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
CVX = "http://hl7.org/fhir/sid/cvx"
OFFSETS = ("+00:00", "-05:00", "+10:00", "+05:30")
LABS = (("8302-2", "Body Height", "cm"), ("2339-0", "Glucose", "mg/dL"), ("2160-0", "Creatinine", "mg/dL"))


def deal_export(folder: Path, patients: int, encounters_each: int = 8, seed: int = 0) -> int:
    """Write `Patient.ndjson`, `Encounter.ndjson` and so on; the number of resources, some 18 for each encounter."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
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


class Visit:
    """One encounter of one patient, and what happened in it."""

    def __init__(self, chance: random.Random, name: str, patient: str) -> None:
        self.chance, self.name, self.patient = chance, name, patient
        self.offset = chance.choice(OFFSETS)
        self.day = f"20{chance.randrange(10, 21)}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"

    def at(self, minute: int) -> str:
        return f"{self.day}T{8 + minute // 60:02d}:{minute % 60:02d}:17{self.offset}"

    def about(self, kind: str, part: str, **more: Any) -> Resource:
        """A resource of the visit; `part` makes its id."""
        who = "patient" if kind in ("Immunization", "AllergyIntolerance") else "subject"
        where = {} if kind == "Encounter" else {"encounter": {"reference": f"Encounter/e-{self.name}"}}
        return {
            "resourceType": kind,
            "id": f"{part}-{self.name}",
            "meta": {"versionId": "1", "lastUpdated": self.at(120), "profile": [f"http://hl7.org/fhir/us/core/{kind}"]},
            "text": narrative(f"{kind} {part}"),
            who: {"reference": f"Patient/{self.patient}"},
            **where,
            **more,
        }

    def observation(self, place: int) -> Resource:
        """A measurement; every fourth a blood pressure."""
        lab, display, unit = LABS[place % len(LABS)]
        value: Resource = {"valueQuantity": quantity(self.chance.gauss(100, 17), unit)}
        if place % 4 == 3:
            lab, display = "55284-4", "Blood Pressure"
            value = {"component": [pressure(self.chance, "8480-6"), pressure(self.chance, "8462-4")]}
        return self.about(
            "Observation",
            f"o{place}",
            status="final",
            category=[concept(f"{TERMS}/observation-category", "laboratory", "Laboratory")],
            code=concept(LOINC, lab, display),
            effectiveDateTime=self.at(10 + place),
            issued=self.at(60 + place),
            **value,
        )

    def diagnosis(self) -> Resource:
        return self.about(
            "Condition",
            "c",
            verificationStatus=CONFIRMED,
            code=concept(SNOMED, str(self.chance.randrange(40_000_000, 40_000_200)), "A disorder"),
            onsetDateTime=self.at(0),
            recordedDate=self.at(80),
        )

    def report(self) -> Resource:
        return self.about(
            "DiagnosticReport",
            "d",
            status="final",
            code=concept(LOINC, "51990-0", "Panel"),
            effectiveDateTime=self.at(10),
            issued=self.at(75),
            result=[{"reference": f"Observation/o{place}-{self.name}"} for place in range(3)],
        )

    def stay(self) -> Resource:
        return self.about("Encounter", "e", status="finished", period={"start": self.at(0), "end": self.at(90)}) | {
            "class": {"system": f"{TERMS}/v3-ActCode", "code": self.chance.choice(("AMB", "IMP", "EMER"))},
            "type": [concept(SNOMED, "185345009", "Encounter for symptom")],
        }

    def treatment(self) -> Iterator[Resource]:
        tablet = {
            "medicationCodeableConcept": concept(RXNORM, str(self.chance.randrange(300_000, 300_100)), "A tablet")
        }
        ordered = {"status": "active", "intent": "order", "authoredOn": self.at(70)}
        yield self.about("MedicationRequest", "m", **ordered, **tablet)
        period = {"start": self.at(20), "end": self.at(35)}
        yield self.about(
            "Procedure", "x", status="completed", code=concept(SNOMED, "430193006", "Review"), performedPeriod=period
        )
        if self.chance.random() < 0.5:
            given = {"status": "completed", "effectiveDateTime": self.at(30)}
            yield self.about("MedicationAdministration", "a", **given, **tablet)
            vaccine = {"vaccineCode": concept(CVX, "140", "Influenza"), "occurrenceDateTime": self.at(25)}
            yield self.about("Immunization", "i", status="completed", **vaccine)
        if self.chance.random() < 0.1:
            latex = concept(SNOMED, "300916003", "Latex")
            yield self.about(
                "AllergyIntolerance", "l", verificationStatus=CONFIRMED, code=latex, recordedDate=self.at(15)
            )


def one_encounter(chance: random.Random, name: str, patient: str) -> Iterator[Resource]:
    """An encounter and what happened in it."""
    visit = Visit(chance, name, patient)
    yield visit.stay()
    yield visit.diagnosis()
    for place in range(12):
        yield visit.observation(place)
    yield visit.report()
    yield from visit.treatment()


def narrative(words: str) -> Resource:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">Generated, {words}</div>'}


def concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def quantity(value: float, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def pressure(chance: random.Random, code: str) -> Resource:
    return {"code": concept(LOINC, code, "Blood Pressure"), "valueQuantity": quantity(chance.gauss(100, 17), "mm[Hg]")}


CONFIRMED = {"coding": [{"system": f"{TERMS}/condition-ver-status", "code": "confirmed"}]}
