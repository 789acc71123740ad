"""Public FHIR data that nobody here wrote."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from fhir_clinic import Clinic, patient

from rapha.sources.fhir import ingest
from rapha.timeline.reader import open_timeline

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]
SECRET = b"a secret of this site: 32 bytes."


def shared(checkout: Path, name: str) -> Path:
    folder = Path(os.environ.get("RAPHA_SHARED", checkout.parent / "shared")) / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the public data set {name} is not beside the checkout")
    return folder


def test_synthea_bulk_export(clinic: Clinic, checkout: Path):
    folder = shared(checkout, "fhir-synthea-import")
    clinic.mapping_file.write_text(clinic.mapping, encoding="utf-8")
    report = ingest(clinic.mapping_file, folder, clinic.timeline, SECRET)
    resources = {
        name: [json.loads(line) for line in (folder / f"{name}.ndjson").read_text().splitlines()]
        for name in ("Condition", "Encounter")
    }
    stays = [(stay["id"], stay["period"]) for stay in resources["Encounter"]]
    assert report.patients == 100
    assert len(clinic.ask("DISTINCT source_ref", order="1")) == len(resources["Condition"]) + len(stays)
    told = dict(clinic.ask("encounter, epoch(t_end) - epoch(t_start)"))
    for name, period in stays:
        lasted = datetime.fromisoformat(period["end"]) - datetime.fromisoformat(period["start"])
        assert told[name] == pytest.approx(lasted.total_seconds())


def test_synthea_observations_once_their_patients_are_known(clinic: Clinic, checkout: Path):
    """The data set's observations are about patients whom it does not hold: make them up."""
    text = (shared(checkout, "fhir-synthea-import") / "Observation.ndjson").read_text()
    resources = [json.loads(line) for line in text.splitlines()]
    names = sorted({resource["subject"]["reference"].removeprefix("Patient/") for resource in resources})
    clinic.write("Observation.ndjson", text)
    report = clinic.ingest(*(patient(name) for name in names))
    components = sum(len(resource.get("component", [])) for resource in resources)
    assert report.set_aside == 0
    assert report.events == sum(len(r["code"]["coding"]) for r in resources) + components
    given = sorted(r["valueQuantity"]["value"] for r in resources if "valueQuantity" in r)
    [(told,)] = clinic.ask("list(num ORDER BY num) FILTER (parent_event IS NULL)", order="1")
    assert [value for value in told if value is not None] == given


def test_us_core_examples(clinic: Clinic, checkout: Path):
    folder = shared(checkout, "us-core-examples")
    clinic.mapping_file.write_text(clinic.mapping + "servers: [http://example.org/fhir]\n", encoding="utf-8")
    report = ingest(clinic.mapping_file, folder, clinic.timeline, SECRET)
    assert report.patients == 4
    reasons = {reason for file in report.files for reason in file.set_aside if "type is not read" not in reason}
    assert reasons == {"does not say when it was", "has no period of observation"}
    with open_timeline(clinic.timeline).connect() as connection:
        absent = connection.execute(
            "SELECT polarity, value_code FROM events WHERE source_ref = 'Observation/bp-data-absent' AND parent_event IS NOT NULL ORDER BY ALL"
        ).fetchall()
        [(inside,)] = connection.execute(
            "SELECT count(*) FROM events WHERE kind = 'medication' AND code IS NULL"
        ).fetchall()
    assert ("unknown", "unknown") in absent
    assert inside == 0
