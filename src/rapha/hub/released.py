"""Which round's weights a study releases: those of the last one, or of the best where the study asks for it.

The best weights so far are among what a round keeps for the next, behind what its way of averaging keeps.
"""

from sqlalchemy.orm import Session

from rapha.hub.averaging import kept_between_rounds
from rapha.hub.early_stopping import best_round
from rapha.hub.store.tables import RoundRow
from rapha.hub.updates import updates_of
from rapha.records.record import Digest
from rapha.records.study import Study


def best_so_far(session: Session, study_id: str, study: Study, number: int) -> int | None:
    """Of rounds 1 to `number`, of which all updates are in; None where the study does not ask, or no round has a figure."""
    keep = study.training.keep
    if keep is None:
        return None
    return best_round(keep.best, [updates_of(session, study_id, each) for each in range(1, number + 1)])


def kept_for_averaging(study: Study, before: RoundRow | None) -> list[Digest]:
    """What the way of averaging kept after the round before."""
    return kept_by(before)[: len(kept_between_rounds(study.training.aggregation))]


def best_weights(study: Study, before: RoundRow | None) -> list[Digest]:
    """The best weights up to the round before, by themselves in a list; none where there are none."""
    return kept_by(before)[len(kept_between_rounds(study.training.aggregation)) :]


def kept_by(row: RoundRow | None) -> list[Digest]:
    """What of a round is kept for the next one."""
    return row.kept.split() if row and row.kept else []


def superseded(weights_in: str | None, before: RoundRow | None) -> set[str]:
    """What a round began with, and what the round before it kept: the round after it needs neither."""
    return {each for each in (weights_in, *kept_by(before)) if each}
