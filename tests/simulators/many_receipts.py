"""A model folder of many hospitals, each with a key, a certificate, a stamp and checkpoints of its own: all hold, and none shares a signature."""

from pathlib import Path

import record_samples as made_up
import small_authority
import small_log
from certified_folder import small_trust_config
from receipt_samples import AGGREGATION, HUB, WEIGHTS, Files

from rapha.canonical import digest
from rapha.proof.certified import TRUST_CONFIG_FILE, certified_path
from rapha.proof.claim import POOLED_METRICS_FILE, WEIGHTS_FILE
from rapha.proof.envelope import seal
from rapha.proof.statement import aggregation_statement, site_statement
from rapha.records.receipt import Aggregation
from rapha.records.record import SiteId
from rapha.records.release import Release
from rapha.records.study import Study
from rapha.records.wire import TrustedKey, TrustedKeys


def write_folder(into: Path, hospitals: int) -> TrustedKeys:
    """The folder, in a directory that is not there yet. The keys of all who signed, as a reader pins them."""
    files, pinned = many_receipts(hospitals)
    for path, data in files.items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        (into / path).write_bytes(data)
    return pinned


def many_receipts(hospitals: int) -> tuple[Files, TrustedKeys]:
    """Path -> bytes, and those keys."""
    study = made_up.example("diabetes-within-5-years")
    sites = tuple(f"hospital-{number:04d}" for number in range(hospitals))
    files = {"study.json": study.as_bytes(), WEIGHTS_FILE: WEIGHTS, POOLED_METRICS_FILE: b'{"sites":"many"}'}
    files[TRUST_CONFIG_FILE] = small_trust_config()
    for site in sites:
        metrics = made_up.metrics("north").model_copy(update={"site": site}).as_bytes()
        release = _release(study, site, digest(metrics))
        named = {WEIGHTS_FILE: release.weights, f"metrics/{site}.json": release.metrics}
        files[f"metrics/{site}.json"] = metrics
        _signed(files, f"receipts/{site}.json", site_statement(release, named, _nonce(site), made_up.AT), site, "node")
    whole = _aggregation(study, sites, digest(files[POOLED_METRICS_FILE]))
    named = {WEIGHTS_FILE: whole.weights, POOLED_METRICS_FILE: whole.metrics}
    _signed(files, AGGREGATION, aggregation_statement(whole, named, _nonce(HUB), made_up.AT), HUB, "hub")
    pinned = _pinned(sites)
    return {**files, "receipts/keys.json": pinned.as_bytes()}, pinned


def _release(study: Study, site: str, metrics: str) -> Release:
    like = made_up.release(study, "north", digest(WEIGHTS))
    return like.model_copy(
        update={
            "site": SiteId(site),
            "approval": made_up.blob(f"approval of {site}"),
            "cohort": like.cohort.model_copy(update={"site": SiteId(site)}),
            "rounds": made_up.rounds_of(site),
            "metrics": metrics,
        }
    )


def _aggregation(study: Study, sites: tuple[str, ...], pooled: str) -> Aggregation:
    like = made_up.aggregation(study, ("north",), digest(WEIGHTS), pooled)
    rounds = tuple(
        members.model_copy(
            update={
                "updates": {site: made_up.blob(f"update {members.round} of {site}") for site in sites},
                "weights_of_sites": dict.fromkeys(sites, 1200),
            }
        )
        for members in like.rounds
    )
    approvals = {site: made_up.blob(f"approval of {site}") for site in sites}
    return like.model_copy(update={"approvals": approvals, "rounds": rounds})


def _signed(files: Files, path: str, payload: bytes, owner: str, role: str) -> None:
    private = made_up.private_key(owner)
    receipt = seal(payload, private)
    files[path] = small_log.logged(receipt, private.public_key()).as_bytes()
    signer = made_up.trusted(owner, role)
    files[certified_path(path)] = small_log.certified(receipt, signer, small_authority.authority(HUB))


def _pinned(sites: tuple[str, ...]) -> TrustedKeys:
    owners: tuple[TrustedKey, ...] = (made_up.trusted(HUB, "hub"), *map(made_up.trusted, sites))
    log = (small_log.trusted_log(), small_log.trusted_witness())
    return TrustedKeys(keys=(*owners, *log, *small_authority.authority(HUB).trusted))


def _nonce(owner: str) -> str:
    return digest(b"nonce of " + owner.encode())[7:39]
