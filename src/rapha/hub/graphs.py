"""The graph of a researcher's own model: a blob that comes before its study, goes to its sites, and is delivered with it.

The hub never reads one: it holds bytes under their digest, and gives them to those whom the study was sent to.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.errors import Conflict
from rapha.hub.blobs import Blobs
from rapha.hub.store.changes import Change
from rapha.hub.store.tables import DeliveredRow, DispatchRow, StudyRow
from rapha.hub.studies import study_of
from rapha.records.learning import Exported
from rapha.records.record import Digest, SiteId
from rapha.records.study import Study


def graph_of(study: Study) -> Digest | None:
    """The blob that the study names; None where its model is none of the researcher's own."""
    return study.model.graph if isinstance(study.model, Exported) else None


def keep(change: Change, blobs: Blobs, study_id: str, study: Study) -> None:
    """Keep the graph for as long as the study is known.

    Raises:
        Conflict: it is not here, or of another size than the study says.
    """
    if not isinstance(study.model, Exported):
        return
    if blobs.size_bytes(study.model.graph) != study.model.size_bytes:
        raise Conflict(
            f"the graph {study.model.graph} of this study is not here: upload it first, then hand the study in"
        )
    change.session.merge(DeliveredRow(digest=study.model.graph, study_id=study_id))


def was_sent_to(session: Session, site: SiteId, digest: str) -> bool:
    """Whether this is the graph of a study that was sent to this site, and that the site has not said no to."""
    sent = (
        select(StudyRow.study)
        .join(DeliveredRow, DeliveredRow.study_id == StudyRow.id)
        .join(DispatchRow, DispatchRow.study_id == StudyRow.id)
        .where(DeliveredRow.digest == digest, DispatchRow.site == site)
        .where(DispatchRow.state.in_(("offered", "pending", "approved")))
    )
    return any(graph_of(study_of(stored)) == digest for stored in session.scalars(sent))
