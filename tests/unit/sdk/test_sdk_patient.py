"""From the hospital's counter to the patient's screen: proofs out of made-up runs, held against the golden receipts."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import record_samples as made_up
from typer.testing import CliRunner

from rapha.cli.receipt import app
from rapha.errors import Conflict, Unproven
from rapha.node import patients
from rapha.proof import patient
from rapha.records.patient import PatientProof
from rapha.sdk.folder import read_keys, read_patient_secret, standing_claims

FOLDERS = Path(made_up.__file__).resolve().parent / "receipts"
GOOD = FOLDERS / "good"
IN, OUT = 3, 4711


@pytest.fixture
def proof_of(monkeypatch, tmp_path):
    """The proof about one subject of the golden run at north."""
    people = made_up.patients("north")
    monkeypatch.setattr(patients, "read_patients", lambda folder: people)
    approval = made_up.approval(made_up.example("diabetes-within-5-years"), "north")
    return lambda subject: patients.prove(
        made_up.SITES["north"], made_up.PATIENTS_SECRET, subject, {tmp_path: approval}
    )


@pytest.fixture
def claims():
    return standing_claims([GOOD], "north", read_keys(FOLDERS / "pinned.json")).claims


def secret_of(subject):
    return patients.patient_secret(made_up.PATIENTS_SECRET, subject)


def test_who_was_in_and_who_was_not(proof_of, claims):
    assert patient.check_run(proof_of(IN).runs[0], claims, secret_of(IN))
    assert not patient.check_run(proof_of(OUT).runs[0], claims, secret_of(OUT))


def test_a_proof_about_somebody_else_is_told_by_the_secret(proof_of, claims):
    with pytest.raises(Unproven, match="somebody else"):
        patient.check_run(proof_of(OUT).runs[0], claims, secret_of(IN))


def test_a_run_without_its_receipt_is_not_believed(proof_of, claims):
    with pytest.raises(Unproven, match="no receipt here"):
        patient.check_run(proof_of(IN).runs[0], {}, None)


def test_a_commitment_that_is_not_opened_is_refused(proof_of, claims):
    [run] = proof_of(IN).runs
    for change in ({"nonce": None}, {"rows": None}, {"rows": "0" * 64}, {"nonce": "0" * 64}):
        with pytest.raises(Unproven):
            patient.check_run(run.model_copy(update=change), claims, secret_of(IN))


def test_every_field_of_a_proof_counts(proof_of, claims):
    for subject in (IN, OUT):
        [run] = proof_of(subject).runs
        whole = run.as_json()
        for place in ("token", "path.found.0", "path.found.1", "path.siblings.0", "approval", "study_digest"):
            value = json.loads(json.dumps(whole))
            inner, (*steps, last) = value, [int(p) if p.isdigit() else p for p in place.split(".")]
            for step in steps:
                inner = inner[step]
            if inner is None or (isinstance(inner, list) and not inner):
                continue
            inner[last] = inner[last][:-1] + ("0" if inner[last][-1] != "0" else "1")
            with pytest.raises(Unproven):
                patient.check_run(type(run).model_validate(value), claims, secret_of(subject))


def test_the_proof_that_was_not_asked_for_is_not_made(proof_of):
    patients.check_used(proof_of(IN), used=True)
    with pytest.raises(Conflict, match="was in 1 of these 1"):
        patients.check_used(proof_of(IN), used=False)
    with pytest.raises(Conflict, match="was not in 1"):
        patients.check_used(proof_of(OUT), used=True)


def test_a_proof_is_small(proof_of):
    assert len(proof_of(IN).as_bytes()) < 2_000


def test_the_command_says_it(proof_of, tmp_path):
    (tmp_path / "proof.json").write_bytes(proof_of(OUT).as_bytes())
    command = ["verify-patient", str(tmp_path / "proof.json"), str(GOOD), "--secret", secret_of(OUT).hex()]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    assert "was NOT in the run at north" in said.output
    assert secret_of(OUT).hex() not in said.output


def test_the_command_says_whose_keys_and_of_which_runs_the_proof_is_silent(proof_of, tmp_path):
    approval = made_up.approval(made_up.example("time-to-death"), "north")
    other = patients.prove(made_up.SITES["north"], made_up.PATIENTS_SECRET, OUT, {tmp_path: approval})
    (tmp_path / "proof.json").write_bytes(proof_of(OUT).as_bytes())
    said = CliRunner().invoke(app, ["verify-patient", str(tmp_path / "proof.json"), str(GOOD)])
    assert "Who holds the keys" in said.output and "does not speak of that run" not in said.output
    pinned = ["--keys", str(FOLDERS / "pinned.json")]
    said = CliRunner().invoke(app, ["verify-patient", str(tmp_path / "proof.json"), str(GOOD), *pinned])
    assert said.exit_code == 0 and "Who holds the keys" not in said.output
    claims = standing_claims([GOOD], "north", None).claims
    [remark] = patient.silent_on(other, claims)
    assert "in diabetes-within-5-years, under sha256:" in remark and "does not speak of that run" in remark
    assert patient.silent_on(proof_of(OUT), claims) == ()


def without_north(folder):
    """The golden folder, from which the hospital's own files were taken out."""
    shutil.copytree(GOOD, folder)
    for file in [*folder.rglob("north*")]:
        file.unlink()
    return folder


def test_a_folder_without_a_receipt_of_the_hospital_is_not_passed_over(proof_of, tmp_path):
    (tmp_path / "proof.json").write_bytes(proof_of(OUT).as_bytes())
    command = ["verify-patient", str(tmp_path / "proof.json"), str(GOOD), "--keys", str(FOLDERS / "pinned.json")]
    bare = without_north(tmp_path / "bare")
    assert "no receipt of north lies there" not in CliRunner().invoke(app, command).output
    said = CliRunner().invoke(app, [*command, str(bare)])
    assert said.exit_code == 0, said.output
    assert f"in the run of {bare}: no receipt of north lies there" in said.output
    assert f"updates of north went into {made_up.ROUNDS + 1} of its {made_up.ROUNDS + 1} rounds" in said.output
    (bare / "metrics.json").write_bytes(b"{}")
    said = CliRunner().invoke(app, [*command, str(bare)])
    assert "went into" not in said.output.replace("to say whether updates of north went into it", "")
    assert "Nor does a receipt of the hub hold there" in said.output


def test_of_a_hospital_that_gave_nothing_the_hub_says_so(tmp_path):
    aggregation = standing_claims([without_north(tmp_path / "bare")], "north", None).without[tmp_path / "bare"]
    assert "no update of west went into it" in patient.without_receipt("west", "bare", aggregation)


def test_two_lists_of_the_patients_of_one_run_are_refused(claims):
    [claim] = claims.values()
    assert patient.by_approval([claim, claim]) == claims
    cohort = claim.release.cohort.model_copy(update={"patients_root": "sha256:" + "0" * 64})
    other = replace(claim, release=claim.release.model_copy(update={"cohort": cohort}))
    with pytest.raises(Unproven, match="different lists of patients"):
        patient.by_approval([claim, other])


def test_an_empty_secret_is_not_taken_for_none(proof_of, tmp_path):
    """As an unset variable of a shell gives it."""
    (tmp_path / "proof.json").write_bytes(proof_of(OUT).as_bytes())
    said = CliRunner().invoke(app, ["verify-patient", str(tmp_path / "proof.json"), str(GOOD), "--secret", ""])
    assert isinstance(said.exception, Unproven) and "64 hex digits" in str(said.exception)


def test_a_proof_names_a_run_once(proof_of, tmp_path):
    proof = proof_of(OUT)
    (tmp_path / "proof.json").write_bytes(proof.model_copy(update={"runs": proof.runs * 2}).as_bytes())
    said = CliRunner().invoke(app, ["verify-patient", str(tmp_path / "proof.json"), str(GOOD)])
    assert isinstance(said.exception, Unproven) and "not a patient's proof" in str(said.exception)


def test_a_receipt_that_does_not_hold_is_not_relied_on():
    with pytest.raises(Unproven, match="does not hold"):
        standing_claims([FOLDERS / "edited-metrics"], "north", None)


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33])
def test_a_secret_that_is_none_is_refused_and_not_repeated(text):
    with pytest.raises(Unproven, match="64 hex digits") as told:
        read_patient_secret(text)
    assert not text or text not in str(told.value)


def test_tokens_of_two_runs_do_not_match(proof_of, monkeypatch, tmp_path):
    one = made_up.approval(made_up.example("diabetes-within-5-years"), "north")
    two = made_up.approval(made_up.example("time-to-death"), "north")
    proof = patients.prove(
        made_up.SITES["north"], made_up.PATIENTS_SECRET, IN, {tmp_path / "a": one, tmp_path / "b": two}
    )
    assert isinstance(proof, PatientProof)
    assert len({run.token for run in proof.runs}) == 2
