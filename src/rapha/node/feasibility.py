"""How many patients would a study have here? Answered by the rules alone, with noise, and so often and no more.

docs/adr/0014-counts-without-a-yes.md says why noise. The answer is kept before it leaves: a crash, or a hub that lost it, gets
the same numbers again, and not another draw of the noise that could be averaged with the first.
"""

import threading
from datetime import timedelta
from typing import NamedTuple

from rapha.canonical import digest
from rapha.clock import Clock, coarse
from rapha.egress.classes import class_rows
from rapha.egress.disclosure import suppress_noised
from rapha.egress.noise import gaussian
from rapha.errors import CohortRefused
from rapha.node import reading
from rapha.node.approvals import Approvals
from rapha.node.configuration import Home
from rapha.node.reader import Reader
from rapha.node.register import Register
from rapha.policy.feasibility import Asked, refusal
from rapha.records.metrics import ClassRows, Count
from rapha.records.release import ReasonCode
from rapha.records.site import Answered, Dispatch
from rapha.records.study import Study

A_DAY = timedelta(days=1)


class Counted(NamedTuple):
    """What is told of a cohort: patients, those with the outcome, and of which class."""

    patients: Count
    events: Count
    classes: tuple[ClassRows, ...]


class Questions:
    """One question at a time: what the rules allow for a day cannot be passed by asking twice at once."""

    def __init__(self, home: Home, approvals: Approvals, register: Register, clock: Clock, reader: Reader) -> None:
        self._home, self._approvals, self._register, self._clock = home, approvals, register, clock
        self._reader = reader
        self._one_at_a_time = threading.Lock()

    def answer(self, dispatch: Dispatch, study: Study) -> Answered | ReasonCode:
        """The answer, kept; or the reason why there is none. Numbered, so that an auditor can tick it off. Raises Conflict: an ingest changed
        the timeline meanwhile; nothing is kept, and the hub asks again."""
        with self._one_at_a_time:
            now, rules = self._clock(), self._approvals.rules()
            timeline = self._reader.ask(reading.timeline, self._home.folder)
            # 1. The same question on the same timeline is one question: it has one answer.
            asked = digest(f"{study.digest} {timeline}".encode())
            before = self._register.answer_to(asked)
            # 2. The rules name the researcher, and have an answer left for them.
            today, in_all = self._register.questions(dispatch.researcher, now - A_DAY)
            standing = Asked(today=today, in_all=in_all, before=before is not None)
            if reason := refusal(self._approvals.request(dispatch, study), rules, standing):
                return reason
            # 3. Patients are counted, the noise is added, and what is small is suppressed.
            try:
                counted = _same(before) if before else self._counted(study, timeline)
            except CohortRefused as refused:
                return refused.reason  # type: ignore[return-value]
            answer = Answered(
                dispatch=dispatch.id,
                study_digest=dispatch.study_digest,
                site=self._home.configuration.site_id,
                policy_digest=rules.digest,
                patients=counted.patients,
                events=counted.events,
                classes=counted.classes,
                at=coarse(now),
            )
            # 4. It is kept, and counted against the rules, before it leaves.
            self._register.keep_answer(answer, dispatch.researcher, asked)
            return answer

    def _counted(self, study: Study, timeline: str) -> Counted:
        """What may leave of the timeline of this digest. The study may not ask for less than the site's minimum: the rules say so. Of classes each is a number of
        its own, with noise of its own: a patient is in one of them, so that all together tell of no patient more than one."""
        smallest, outcome = study.privacy.min_cohort, study.outcome
        exact = self._reader.ask(reading.size, self._home.folder, study, timeline)
        if not exact.classes:
            return Counted(*suppress_noised(exact.events + gaussian(), exact.others + gaussian(), smallest), ())
        noised = [number + gaussian() for number in exact.classes]
        nobody = noised[0] if outcome.none == "class" else 0
        both = suppress_noised(sum(noised) - nobody, nobody, smallest)
        return Counted(*both, class_rows([max(number, 0) for number in noised], outcome.classes, smallest))


def _same(before: Answered) -> Counted:
    return Counted(before.patients, before.events, before.classes)
