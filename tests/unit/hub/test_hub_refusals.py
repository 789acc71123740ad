"""Hospitals' signed refusals at the hub: verified at the door, logged, delivered, and judged by whoever fetches."""

import json
from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import bearer
from test_hub_life import offered, run_round, task_of

from rapha.canonical import base64_bytes, digest_file
from rapha.hub.app import API
from rapha.proof import keys
from rapha.proof.bundle import read_bundle
from rapha.proof.envelope import pae, unverified_payload
from rapha.proof.model_signing import MODEL_SIGNATURE_FILE
from rapha.proof.refusal import parse_refusal
from rapha.proof.statement import parse_statement
from rapha.proof.verify import judge
from rapha.records.receipt import Receipt
from rapha.records.refusal import Refusal
from rapha.sdk.delivery import _OURS
from rapha.sdk.folder import read_folder


def fetched(hub, study_id: str, token: str, folder: Path) -> Path:
    for file in hub.delivery(study_id, token).files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(hub.http.get(f"{API}/blobs/{file.blob}", headers=bearer(token)).content)
    return folder


def refusal_in(folder: Path, site: str) -> Refusal:
    bundle = read_bundle((folder / "refusals" / f"{site}.json").read_bytes())
    return parse_refusal(unverified_payload(bundle.dsseEnvelope)).refusal


def test_a_no_and_a_stopped_output_are_signed_logged_and_delivered(hub, token, sites, study_of, tmp_path):
    """South says no; west says yes, and its gate stops its first update."""
    north, south, west = sites
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    assert south.deny(offered(south), "too-few-events").status_code == 204
    for site in (north, west):
        site.approve(offered(site))
    run_round([north, west])
    work = task_of(west)
    assert west.fail(work.task, "not-finite").status_code == 204
    run_round([north])
    run_round([north])
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    verdicts = {verdict.subject: verdict for verdict in judge(read_folder(folder))}
    assert set(verdicts) == {
        "receipts/north.json", "receipts/aggregation.json", "refusals/south.json", "refusals/west.json",
    }  # fmt: skip
    assert all(verdict.ok for verdict in verdicts.values()), verdicts
    assert not any("signed no refusal" in said for said in verdicts["receipts/aggregation.json"].not_shown)
    said = {site: refusal_in(folder, site) for site in ("south", "west")}
    assert {site: (no.stage, no.reason) for site, no in said.items()} == {
        "south": ("policy", "cohort-not-answerable"),
        "west": ("gate", "not-finite"),
    }


def test_a_no_after_a_round_went_in_takes_nothing_from_what_the_others_proved(hub, token, sites, study_of, tmp_path):
    """A node that was set back to an old backup may say no where the hub has its yes, and updates under it."""
    north, south, west = sites
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    offers = {site.name: offered(site) for site in sites}
    assert west.deny(offers["west"]).status_code == 204
    for site in (north, south):
        site.approve(offers[site.name])
    run_round([north, south])
    assert south.deny(offers["south"], "steward-denied").status_code == 204
    assert (
        south.send("POST", f"/node/dispatches/{offers['south'].dispatch.id}/approval", south.approval).status_code
        == 409
    )
    run_round([north])
    run_round([north])
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    verdicts = {verdict.subject: verdict for verdict in judge(read_folder(folder))}
    assert all(verdict.ok for verdict in verdicts.values()), verdicts
    assert refusal_in(folder, "south").reason == "steward-denied"
    bundle = read_bundle((folder / "receipts" / "aggregation.json").read_bytes())
    said = parse_statement(unverified_payload(bundle.dsseEnvelope)).aggregation
    assert set(said.approvals) == {"north", "south"} and set(said.denials) == {"south", "west"}


def test_every_delivered_file_is_under_the_hubs_signature(hub, token, sites, study_of, tmp_path):
    north = sites[0]
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    for site in sites[1:]:
        site.deny(offered(site))
    north.approve(offered(north))
    for _ in range(3):
        run_round([north])
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    receipt = Receipt.model_validate(json.loads((folder / MODEL_SIGNATURE_FILE).read_bytes())["dsseEnvelope"])
    public = hub.hub.signer.key.public_key()
    keys.verify(public, base64_bytes(receipt.signatures[0].sig), pae(unverified_payload(receipt)))
    said = json.loads(unverified_payload(receipt))["predicate"]
    there = {p.relative_to(folder).as_posix(): digest_file(p)[7:] for p in folder.rglob("*") if p.is_file()}
    del there[MODEL_SIGNATURE_FILE]
    assert {one["name"]: one["digest"] for one in said["resources"]} == there
    assert {name.lower() for name in said["serialization"]["ignore_paths"]} == {*_OURS, MODEL_SIGNATURE_FILE}


def test_what_merely_broke_is_no_refusal(hub, token, sites, study_of, tmp_path):
    north, south, _ = sites
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    for site in (north, south):
        site.approve(offered(site))
    assert sites[2].deny(offered(sites[2])).status_code == 204
    run_round([north, south])
    assert south.fail(task_of(south).task, "sandbox-died").status_code == 204
    run_round([north])
    run_round([north])
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    assert {path.name for path in (folder / "refusals").iterdir()} == {"west.json"}
    gaps = next(v for v in judge(read_folder(folder)) if v.subject == "receipts/aggregation.json").not_shown
    assert any("south signed no refusal" in said for said in gaps)


@pytest.mark.parametrize("wrong", ["study", "reason", "key", "site"])
def test_a_refusal_that_says_something_else_is_not_taken(hub, token, sites, study_of, wrong):
    north, south, _ = sites
    hub.submit(study_of(rounds=1, at_least=1), token)
    offer = offered(south)
    other: dict[str, tuple[FakeSite, str, str]] = {
        "study": (south, "sha256:" + "0" * 64, "purpose-not-allowed"),
        "reason": (south, offer.dispatch.study_digest, "steward-denied"),
        "key": (north, offer.dispatch.study_digest, "purpose-not-allowed"),
    }
    if wrong == "site":
        south.name, kept = "north", south.name
        refusal = south.refusal(offer.dispatch.study_digest, "purpose-not-allowed")
        south.name = kept
    else:
        who, study, reason = other[wrong]
        refusal = who.refusal(study, reason)
    assert south.deny(offer, refusal=refusal).status_code == 422
    assert south.deny(offer).status_code == 204, "the true one is taken"
