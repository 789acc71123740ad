"""Where in the public log is what a hospital signed at the end of a run? Its own node asks, and holds the answer against the log that it keeps."""

from sqlalchemy.orm import Session

from rapha.hub.blobs import Blobs, read
from rapha.hub.dispatches import own_dispatch
from rapha.hub.refusals import logged_files
from rapha.hub.store.tables import StudyRow
from rapha.proof.certified import certified_path
from rapha.records.logged import LoggedReceipt, ReceiptPlace
from rapha.records.record import Digest, SiteId
from rapha.records.wire import Delivery


def place_of(session: Session, blobs: Blobs, site: SiteId, dispatch: str) -> ReceiptPlace:
    """Of a release or a refusal of this site; both files as they are delivered.

    Raises:
        NotPermitted: no such dispatch of this site.
        Conflict: it asks for a count alone, of which nothing is signed.
    """
    row = own_dispatch(session, site, dispatch, "training")
    study = session.get_one(StudyRow, row.study_id)
    paths = f"receipts/{site}.json", certified_path(f"receipts/{site}.json")
    files = [read(blobs, one) for one in _delivered(study, paths)] or list(logged_files(session, row).values())
    return ReceiptPlace(study=study.state, logged=LoggedReceipt.of_files(*files) if files else None)


def _delivered(study: StudyRow, paths: tuple[str, str]) -> list[Digest]:
    """Both or none: a hospital that refused has no release in the delivery."""
    files = Delivery.from_bytes(study.delivery).files if study.delivery else ()
    listed = {file.path: file.blob for file in files}
    return [listed[path] for path in paths] if listed.keys() >= set(paths) else []
