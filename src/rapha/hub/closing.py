"""A round is closed and the next one opened, in one transaction; also in the one that takes the last update, where all of it is small.

light: all that it is made of lies in the database      with the last update, under its lock
any other                                               by who drives the study: made first, and then closed
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from rapha.errors import Conflict
from rapha.hub import retention
from rapha.hub.aggregation import Combined, Part, combined, merged_statistics
from rapha.hub.assignments import inline_weights
from rapha.hub.blobs import Blobs
from rapha.hub.held import HeldUpdates
from rapha.hub.opening import Opened, open_round
from rapha.hub.pooling import mean_scores
from rapha.hub.progress import CloseRound, OpenRound, next_step
from rapha.hub.released import best_weights, kept_for_averaging, superseded
from rapha.hub.settled import Settled, settled_of
from rapha.hub.small_blobs import SMALL_BYTES, InHand, keep_small, which_small
from rapha.hub.standing import standing_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import RoundRow, StudyRow
from rapha.hub.tasks import score_facts
from rapha.records.lifecycle import FINAL
from rapha.records.tensors import declared_start, declared_weights
from rapha.records.wire import Work

LIGHT_BYTES = 1 << 20
"""Of all that a round is made of, for which nobody else's transaction waits: its average takes some milliseconds."""
_log = structlog.get_logger()


@dataclass(frozen=True)
class Closed:
    """A round that was closed, once its transaction is kept: the study, what was opened with it, where the weights of that may be read, and
    the blobs to sweep once the sites have their work."""

    study: str
    opened: Opened | None
    blobs: Blobs
    let_go: set[str]


class Closing:
    """Closes rounds of which nobody is awaited any more. May be asked by several at once: who comes second finds it closed."""

    def __init__(self, store: Store, blobs: Blobs, held: HeldUpdates) -> None:
        self._store, self._blobs, self._held = store, blobs, held

    def close(self, study: str, settled: Settled) -> Closed | None:
        """Make the average, then close the round with it. None: it was ended or closed meanwhile, or the average has to be made again.

        Raises:
            Conflict: weights of an earlier round, which it keeps, are lost.
            DiskFull: there is no room for the average.
        """
        blobs = InHand(self._blobs, settled.small)
        made = self._made(settled, blobs)
        with self._store.changing() as change:
            row = change.session.get_one(StudyRow, study)
            round_ = change.session.get_one(RoundRow, (study, settled.number))
            if row.state in FINAL["study"] or round_.closed_at is not None:
                return None  # cancelled meanwhile, or closed by another hub
            if made and not self._is_whole(change, settled, made, blobs.made):
                return None  # another study with the same bits let go of them in between: made again
            return self._closed(change, row, settled, made, blobs)

    def close_with_last(self, change: Change, study: str) -> Closed | None:
        """Close the round of which this change took the last update, within it. None: it is left to who drives the study, and says what
        is wrong there; nothing was changed."""
        row = change.session.get_one(StudyRow, study)
        try:
            with (
                change.session.begin_nested()
            ):  # what a server refuses within it ends it alone, and the update is taken
                ready = self._light(change, row)
        except Exception as problem:  # no site's fault, whose update this is: who drives the study meets it again
            _log.warning("a round is not closed with its last update", study=study, problem=type(problem).__name__)
            return None
        return self._closed(change, row, *ready) if ready else None

    def _light(self, change: Change, row: StudyRow) -> tuple[Settled, Combined | None, InHand] | None:
        """A round that waits for nobody any more and what comes of it; None where it is not light, or has to be made again."""
        standing = standing_of(change.session, row, change.at)
        if not isinstance(next_step(standing), CloseRound):
            return None
        settled = settled_of(change.session, row, standing)
        if settled is None or settled.do == "evaluate" or not settled.is_light(LIGHT_BYTES, SMALL_BYTES):
            return None
        blobs = InHand(self._blobs, settled.small)
        made = self._made(settled, blobs)
        if made and not self._is_whole(change, settled, made, blobs.made):
            return None
        return settled, made, blobs

    def answer(self, closed: Closed) -> None:
        """It is kept that the next round is open: those updates are answered that wait for it."""
        if (opened := closed.opened) is None:
            return
        inline = inline_weights(closed.blobs, opened.weights) if opened.given else None
        given = ((update, Work(task=task, weights=inline)) for update, task in opened.given.items())
        untold = {f"site:{work.task.site}" for update, work in given if not self._held.answer(update, work)}
        if untold:  # they wait no more: their polls may stand at another hub on this database
            with self._store.changing() as change:
                change.topics |= untold

    def _closed(self, change: Change, row: StudyRow, settled: Settled, made: Combined | None, blobs: InHand) -> Closed:
        round_ = change.session.get_one(RoundRow, (row.id, settled.number))
        keep_small(change, blobs.made)
        round_.closed_at = change.at
        if made:
            round_.weights_out, round_.kept = made.weights, " ".join(made.kept) or None
        facts = {"sites": " ".join(settled.updates), **score_facts(mean_scores(settled.updates))}
        if made and made.unlike:
            facts["unlike_others"] = " ".join(made.unlike)
            _log.warning("updates.unlike-others", study=row.id, round=settled.number, sites=facts["unlike_others"])
        change.tell("round.closed", "hub", study_id=row.id, round=settled.number, facts=facts)
        if settled.do == "evaluate":
            return Closed(row.id, None, blobs, set())
        action = next_step(standing_of(change.session, row, change.at))
        opened = None
        if isinstance(action, OpenRound):
            handed_in = {site: update.task for site, update in settled.updates.items()}
            after = {site: handed_in[site] for site in self._held.among(handed_in)}
            opened = open_round(change, row.id, action, after)
        gone = superseded(settled.weights_in, settled.before) if opened else ()
        return Closed(row.id, opened, blobs, retention.end_round(change, settled.updates, gone))

    def _is_whole(self, change: Change, settled: Settled, made: Combined, new: Mapping[str, bytes]) -> bool:
        """Whether all that comes of the round is in one of both places; `new` is not yet. Raises Conflict: an earlier round's is lost."""
        large = {made.weights, *made.kept} - new.keys()
        large -= which_small(change.session, large)
        lost = {each for each in large if self._blobs.size_bytes(each) is None}
        earlier = set(best_weights(settled.study, settled.before)) - {made.weights}
        if gone := earlier.intersection(lost):
            raise Conflict(f"{gone.pop()} of an earlier round is lost: restore it from a copy of the blobs")
        return not lost

    def _made(self, settled: Settled, blobs: Blobs) -> Combined | None:
        """What comes out of the round; None for the evaluation."""
        parts = [Part(site, update.weights_out, update.weight) for site, update in settled.updates.items()]
        study = settled.study
        if settled.do == "evaluate":
            return None
        if settled.do == "prepare":
            return Combined(merged_statistics(blobs, parts, declared_start(study)))
        # The first one starts from statistics and the study's seed.
        start = settled.weights_in if settled.number > 1 else None
        kept, way = kept_for_averaging(study, settled.before), study.training.aggregation
        made = combined(blobs, parts, declared_weights(study), way, start, kept, settled.drift, study.training.updates)
        best = [made.weights] if settled.best == settled.number else best_weights(study, settled.before)
        return replace(made, kept=(*made.kept, *best))
