"""The end of a study: the metrics of all sites, the aggregation signed by the hub, the list of files to fetch."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.hub.blobs import Blobs, put, read
from rapha.hub.freezes import freeze_files, seal_of
from rapha.hub.graphs import graph_of
from rapha.hub.pooling import pooled_scores, pooled_segments, round_scores
from rapha.hub.provenance import code_digest, packages
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.refusals import logged_files, refusals_of
from rapha.hub.released import best_so_far
from rapha.hub.signer import Signer
from rapha.hub.site_keys import keys_of
from rapha.hub.small_blobs import SMALL_BYTES
from rapha.hub.store.tables import DispatchRow, RoundRow, SiteRow, StampedReleaseRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.hub.updates import done_tasks, updates_of
from rapha.proof.claim import BASE_FILE, GRAPH_FILE, POOLED_METRICS_FILE, SCRIPT_FILE, WEIGHTS_FILE
from rapha.proof.envelope import seal
from rapha.proof.freeze import FREEZES
from rapha.proof.model_signing import MODEL_SIGNATURE_FILE, model_signature
from rapha.proof.statement import aggregation_statement
from rapha.proof.timestamp import time_of
from rapha.proof.window import second_of
from rapha.records.averaging import kind_of
from rapha.records.metrics import SiteMetrics, StudyMetrics
from rapha.records.receipt import Aggregation, Receipt, RoundMembers
from rapha.records.record import Digest, StudyId
from rapha.records.site import Approval
from rapha.records.study import Study
from rapha.records.task import Update
from rapha.records.wire import DeliveredFile, Delivery, ReleaseParcel, TrustedKey, TrustedKeys, Window


@dataclass(frozen=True)
class Account:
    """All that the hub knows of a study that is done. `rounds`: number -> (updates by site, weights that came out). `released_round`: where
    the study asks for the best. `refusals`: path
    -> file of each signed refusal that is in the log; `waiting`: there is one that is not yet. `freezes`: the same of what hospitals with a
    release froze before it. `stamped`: site -> certificate and time stamp of its
    release, of those that were taken with one."""

    study_id: str
    study: Study
    rounds: Mapping[int, tuple[Mapping[str, Update], Digest]]
    releases: Mapping[str, ReleaseParcel]
    approvals: Mapping[str, Approval]
    denials: Mapping[str, str]
    refusals: Mapping[str, bytes]
    freezes: Mapping[str, bytes]
    waiting: bool
    keys: tuple[TrustedKey, ...]
    released_round: int | None
    stamped: Mapping[str, tuple[bytes, bytes]]

    @property
    def ended(self) -> str:
        """Whose receipt no reader would believe any more, since its key was revoked; empty where there is none."""
        for site, parcel in self.releases.items():
            stamped = self.stamped.get(site)
            if self._ended(parcel.receipt.signatures[0].keyid, stamped[1] if stamped else None, None):
                return f"the key that {site} signed its release with was revoked before the delivery"
            frozen = f"{FREEZES}{site}.json"
            if frozen in self.freezes and self._ended(*seal_of(self.freezes, frozen)):
                return f"the key that {site} signed its freeze with was revoked before the delivery"
        return ""

    def _ended(self, keyid: str, stamp: bytes | None, place: int | None) -> bool:
        """Whether what a key signed is believed no more; `place`: in the log, None of what is still to come into it."""
        window = next(key for key in self.keys if key.keyid == keyid).window or Window()
        late = window.end is not None and stamp is not None and second_of(time_of(stamp)) >= window.end
        return late or (window.below is not None and (place is None or place >= window.below))

    @property
    def weights(self) -> Digest:
        """The final model."""
        return self.rounds[self.released_round or max(self.rounds)][1]


def account_of(session: Session, row: StudyRow) -> Account:
    """Gather it, once the evaluation is closed. Denials hold every site that did not stay, with its reason;
    approvals also those of them whose updates went into a round before."""
    rounds: dict[int, tuple[dict[str, Update], Digest]] = {}
    closed = select(RoundRow).where(RoundRow.study_id == row.id, RoundRow.weights_out.is_not(None))
    for round_ in session.scalars(closed.order_by(RoundRow.number)):
        rounds[round_.number] = (updates_of(session, row.id, round_.number), round_.weights_out or "")
    best = best_so_far(session, row.id, study_of(row.study), max(rounds))
    parcels = session.scalars(done_tasks(row.id).where(TaskRow.do == "evaluate")).all()
    stamps = {task.site: session.get(StampedReleaseRow, task.id) for task in parcels}
    dispatches = session.scalars(
        select(DispatchRow).where(DispatchRow.study_id == row.id).order_by(DispatchRow.site)
    ).all()
    went_in = {site for updates, _ in rounds.values() for site in updates}
    took_part = [d for d in dispatches if d.answer and (d.state != "denied" or d.site in went_in)]
    refused = refusals_of(session, dispatches)
    files = {d.site: logged_files(session, d) for d in dispatches if d.site in refused}
    signed = [d for d in dispatches if d in took_part or d.site in refused]
    releases = {task.site: ReleaseParcel.from_bytes(task.result or b"") for task in parcels}
    named = {site for site, parcel in releases.items() if parcel.release.freeze}
    return Account(
        study_id=row.id,
        study=study_of(row.study),
        rounds=rounds,
        releases=releases,
        approvals={d.site: Approval.from_bytes(d.answer or b"") for d in took_part},
        denials={d.site: d.reason or "not-approved" for d in dispatches if d.state in ("denied", "failed")},
        refusals={path: data for found in files.values() for path, data in found.items()},
        freezes=freeze_files(session, (d for d in dispatches if d.site in named)),
        waiting=not all(files.values()),
        keys=tuple(key for d in signed for key in keys_of(session, d.site)),
        released_round=(best or max(rounds)) if study_of(row.study).training.keep else None,
        stamped={site: (one.certificate, one.stamp) for site, one in stamps.items() if one},
    )


def _beside_the_others(blobs: Blobs, weights: Digest) -> Digest:
    """Weights that may lie in the database, also where the other files of a delivery do: they outlast their rounds."""
    if (blobs.size_bytes(weights) or 0) <= SMALL_BYTES:
        put(blobs, read(blobs, weights))
    return weights


def make_delivery(blobs: Blobs, account: Account, signer: Signer, desk: ReceiptDesk) -> Delivery:
    """Write metrics, receipts and keys as blobs, sign, log, and list the files: only of what the study asked back."""
    sites = {site: read(blobs, parcel.release.metrics) for site, parcel in account.releases.items()}
    metrics = put(blobs, _study_metrics(account, sites).as_bytes())
    known = TrustedKeys(keys=(signer.trusted, *desk.trusted, *account.keys))
    receipts = {"receipts/aggregation.json": _signed_aggregation(account, metrics, signer)}
    receipts |= {f"receipts/{site}.json": parcel.receipt for site, parcel in account.releases.items()}
    stamped = {f"receipts/{site}.json": shown for site, shown in account.stamped.items()}
    proofs = {**desk.logged(receipts, {key.keyid: key for key in known.keys}, stamped, account.freezes)}
    proofs |= account.refusals
    found = {
        "study.json": put(blobs, account.study.as_bytes()),
        "receipts/keys.json": put(blobs, known.as_bytes()),
        **{path: put(blobs, proof) for path, proof in proofs.items()},
    }
    if "weights" in account.study.release:
        found[WEIGHTS_FILE] = _beside_the_others(blobs, account.weights)
        found |= {_beside(account.study): graph} if (graph := graph_of(account.study)) else {}
    if "metrics" in account.study.release:
        found[POOLED_METRICS_FILE] = metrics
        found |= {f"metrics/{site}.json": parcel.release.metrics for site, parcel in account.releases.items()}
    found[MODEL_SIGNATURE_FILE] = put(blobs, model_signature(account.study.study, found, signer.key))
    files = (
        DeliveredFile(path=path, blob=blob, size_bytes=blobs.size_bytes(blob) or 0)
        for path, blob in sorted(found.items())
    )
    return Delivery(study_id=StudyId(account.study_id), study=account.study, files=tuple(files))


def _beside(study: Study) -> str:
    return {"script": SCRIPT_FILE, "causal-lora": BASE_FILE}.get(study.model.architecture, GRAPH_FILE)


def _study_metrics(account: Account, sites: Mapping[str, bytes]) -> StudyMetrics:
    figures = tuple(SiteMetrics.from_bytes(sites[site]) for site in sorted(sites))
    return StudyMetrics(
        study=account.study.study,
        study_digest=account.study.digest,
        pooled=pooled_scores(figures),
        segments=pooled_segments(figures, account.study.outcome.segments),
        sites=figures,
        history=tuple(round_scores(number, updates) for number, (updates, _) in account.rounds.items() if number > 0),
    )


def _signed_aggregation(account: Account, metrics: Digest, signer: Signer) -> Receipt:
    aggregation = Aggregation(
        study_digest=account.study.digest,
        study=account.study.study,
        hub=signer.name,
        method=kind_of(account.study.training.aggregation) or "",
        approvals={site: approval.digest for site, approval in account.approvals.items()},
        denials=dict(account.denials),
        rounds=tuple(
            RoundMembers(
                round=number,
                updates={site: update.weights_out for site, update in updates.items()},
                weights_of_sites={site: update.weight for site, update in updates.items()},
                weights_out=weights_out,
            )
            for number, (updates, weights_out) in account.rounds.items()
        ),
        weights=account.weights,
        metrics=metrics,
        code=code_digest(),
        packages=packages(),
        released_round=account.released_round,
        freezes={site: one.release.freeze for site, one in account.releases.items() if one.release.freeze} or None,
        updates=None if (form := account.study.training.updates) == "float32" else form,
    )
    files = {WEIGHTS_FILE: account.weights, POOLED_METRICS_FILE: metrics}
    return seal(aggregation_statement(aggregation, files, secrets.token_hex(16), signer.clock()), signer.key)


def trusted_keys(session: Session, signer: Signer, desk: ReceiptDesk) -> TrustedKeys:
    """The public keys of this hub, of its log and witnesses, and of every site enrolled here, also those of before with their windows."""
    sites = session.scalars(select(SiteRow.id).order_by(SiteRow.id))
    of_sites = (key for site in sites for key in keys_of(session, site))
    return TrustedKeys(keys=(signer.trusted, *desk.trusted, *of_sites))
