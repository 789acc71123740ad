"""What is public of a completed study: its name and digest, who took part, at which tier, who refused and by which code.

A study that is not completed is nobody's business but its researcher's and its hospitals'. Statements, figures and weights are
not public either: whoever was given the model folder has them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rapha.hub.blobs import Blobs, read
from rapha.hub.store.tables import SiteKeyRow, SiteRow, StudyRow
from rapha.proof.bundle import entry_of, read_bundle
from rapha.proof.claim import AGGREGATION_RECEIPT, AggregationClaim, SiteClaim
from rapha.proof.envelope import unverified_payload
from rapha.proof.freeze import FREEZES, FreezeClaim, parse_freeze
from rapha.proof.refusal import REFUSALS, RefusalClaim, parse_refusal
from rapha.proof.shown import Claim, claimed_tier
from rapha.proof.statement import parse_statement
from rapha.records.wire import Delivery

PAGE_ROWS = 25
_COMPLETED = StudyRow.state == "completed"


@dataclass(frozen=True)
class StudyLine:
    """A completed study in a list."""

    id: str
    name: str
    digest: str


@dataclass(frozen=True)
class Evidence:
    """A receipt, refusal or freeze of a study, and its place in the log. `what`: receipt, refusal, freeze or aggregation; `detail`: its tier,
    or the stage and code of a refusal."""

    signer: str
    what: str
    detail: str
    keyid: str
    index: int


def completed(session: Session, page: int) -> list[StudyLine]:
    """The completed studies of that page (from 0), the newest first; one more than PAGE_ROWS where there is another page."""
    rows = session.execute(
        select(StudyRow.id, StudyRow.name, StudyRow.digest)
        .where(_COMPLETED)
        .order_by(StudyRow.created_at.desc(), StudyRow.id)
        .offset(page * PAGE_ROWS)
        .limit(PAGE_ROWS + 1)
    )
    return [StudyLine(*row) for row in rows]


def one(session: Session, blobs: Blobs, study_id: str) -> tuple[StudyLine, list[Evidence]] | None:
    """A completed study and its evidence; None where there is none of that id, or it is not completed."""
    row = session.get(StudyRow, study_id)
    if row is None or row.state != "completed":
        return None
    files = {file.path: file.blob for file in Delivery.from_bytes(row.delivery or b"").files}
    paths = sorted(
        path for path in files if path.startswith(("receipts/", REFUSALS, FREEZES)) and path != "receipts/keys.json"
    )
    return StudyLine(row.id, row.name, row.digest), [_evidence(path, read(blobs, files[path])) for path in paths]


def sites(session: Session, page: int) -> list[tuple[str, str, bool]]:
    """(name, keyid, whether that key was revoked) of the enrolled hospitals of that page; one more than PAGE_ROWS where there is another page."""
    asked = select(SiteRow.id, SiteRow.keyid, SiteRow.public_key).order_by(SiteRow.id)
    rows = session.execute(asked.offset(page * PAGE_ROWS).limit(PAGE_ROWS + 1))
    return [(site, keyid, not public_key) for site, keyid, public_key in rows]


def owners(session: Session, keyids: Iterable[str]) -> Mapping[str, str]:
    """keyid -> hospital, of those that are enrolled here."""
    rows = session.execute(select(SiteKeyRow.keyid, SiteKeyRow.site).where(SiteKeyRow.keyid.in_(set(keyids))))
    return {row.keyid: row.site for row in rows}


def counts(session: Session) -> tuple[int, int]:
    """How many studies are completed, and how many hospitals are enrolled."""
    studies = session.scalar(select(func.count()).select_from(StudyRow).where(_COMPLETED))
    return studies or 0, session.scalar(select(func.count()).select_from(SiteRow)) or 0


def _evidence(path: str, data: bytes) -> Evidence:
    """Of a bundle that this hub verified when it came, and delivered."""
    bundle = read_bundle(data)
    payload, keyid = unverified_payload(bundle.dsseEnvelope), bundle.dsseEnvelope.signatures[0].keyid
    claim = _claim(path, payload)
    index = int(entry_of(bundle).logIndex)
    if isinstance(claim, FreezeClaim):
        return Evidence(claim.freeze.site, "freeze", "before the run", keyid, index)
    if isinstance(claim, RefusalClaim):
        refusal = claim.refusal
        return Evidence(refusal.site, "refusal", f"{refusal.stage}: {refusal.reason}", keyid, index)
    if isinstance(claim, SiteClaim):
        return Evidence(claim.release.site, "receipt", _tier(claim), keyid, index)
    assert isinstance(claim, AggregationClaim) and path == AGGREGATION_RECEIPT
    return Evidence(claim.aggregation.hub, "aggregation", _tier(claim), keyid, index)


def _claim(path: str, payload: bytes) -> Claim:
    if path.startswith(FREEZES):
        return parse_freeze(payload)
    return parse_refusal(payload) if path.startswith(REFUSALS) else parse_statement(payload)


def _tier(claim: SiteClaim | AggregationClaim) -> str:
    """Worked out of what was signed, whatever the signer calls it. T1 itself is the verdict of whoever has a second machine's word."""
    return "T0, T1 claimed" if claimed_tier(claim) == "T1" else "T0"
