"""The graph or the script of a researcher's own model: a blob that comes before its study, goes to its sites, and is delivered with it.

The hub never reads one: it holds bytes under their digest, and gives them to those whom the study was sent to.
"""

import threading

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from rapha.errors import Conflict
from rapha.hub.blobs import Blobs
from rapha.hub.store.changes import Change
from rapha.hub.store.tables import DeliveredRow, DispatchRow, StudyRow
from rapha.hub.studies import study_of
from rapha.records.learning import file_beside
from rapha.records.lifecycle import FINAL
from rapha.records.record import Digest, SiteId
from rapha.records.study import Study

AT_ONCE = 4
"""Of one researcher."""


def graph_of(study: Study) -> Digest | None:
    """The blob that the study names; None where its model is none of the researcher's own."""
    beside = file_beside(study.model)
    return beside[0] if beside else None


def keep(change: Change, blobs: Blobs, row: StudyRow, study: Study) -> None:
    """Keep the graph until the study ends, and with its delivery from then on.

    Raises:
        Conflict: it is not here, or of another size than the study says.
    """
    if (beside := file_beside(study.model)) is None:
        return
    digest, size_bytes = beside
    if blobs.size_bytes(digest) != size_bytes:
        raise Conflict(f"the graph {digest} of this study is not here: upload it first, then hand the study in")
    if row.state not in FINAL["study"]:
        change.session.merge(DeliveredRow(digest=digest, study_id=row.id))


def let_go(change: Change, row: StudyRow) -> None:
    """The study has ended without a delivery: nothing of it stays for its sake."""
    change.session.execute(delete(DeliveredRow).where(DeliveredRow.study_id == row.id))


class Waiting:
    """Graphs that came and that no study names yet: of each researcher the newest few. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, list[Digest]] = {}

    def add(self, researcher: str, digest: Digest) -> list[Digest]:
        """Those whose place it takes: to be swept, where no study has named them since."""
        with self._lock:
            mine = [each for each in self._of.get(researcher, []) if each != digest] + [digest]
            self._of[researcher] = mine[-AT_ONCE:]
            return mine[:-AT_ONCE]


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
