"""How many patients a study would have: the hospitals' answers side by side, and what they come to."""

import math
from collections.abc import Iterable, Sequence

from rapha.egress.noise import DEVIATION
from rapha.records.metrics import ClassRows, Count
from rapha.records.record import Digest, Record, SiteId, StudyId
from rapha.records.release import ReasonCode
from rapha.records.site import SiteProfile
from rapha.records.study import Study
from rapha.records.wire import StudyStatus

ROUNDED_BY = 2


def margin_of(numbers: int) -> int:
    """By how much the sum of so many numbers of an answer is off at most, 95 times of 100: two standard deviations of their noise.
    Patients are two numbers, those with the outcome and those without it; or one for each class."""
    return math.ceil(2 * DEVIATION * math.sqrt(numbers))


class Range(Record):
    """From so many to so many, 95 times of 100."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


class SiteAnswer(Record):
    """`state`: answered, denied, offered (not yet answered) or withdrawn. `lacks`: concepts of the study of which the site's
    profile lists no code."""

    site: SiteId
    state: str
    patients: Count | None = None
    events: Count | None = None
    classes: tuple[ClassRows, ...] = ()
    reason: ReasonCode | None = None
    lacks: tuple[str, ...] = ()


class Feasibility(Record):
    """What all hospitals said, up to now. `waiting`: how many have not. The ranges are over those that answered."""

    study_id: StudyId
    study: str
    study_digest: Digest
    state: str
    reason: str | None = None
    sites: tuple[SiteAnswer, ...]
    waiting: int
    patients: Range | None = None
    events: Range | None = None


def feasibility_of(status: StudyStatus, study: Study | None, profiles: Iterable[SiteProfile]) -> Feasibility:
    """The answers in a status. Without the study itself it is not said what a profile lacks; of a study of a number, in which
    nobody is a case, no events are told."""
    cases = study is None or study.outcome.has_cases
    by_site = {profile.site: profile for profile in profiles}
    sites = tuple(
        SiteAnswer(
            site=each.site,
            state=each.state,
            patients=each.feasible,
            events=each.events if cases else None,
            classes=each.classes,
            reason=each.reason,
            lacks=lacking(study, by_site[each.site]) if study and each.site in by_site else (),
        )
        for each in status.dispatches
    )
    answered = [site for site in sites if site.state == "answered"]
    parts = max([2, *(sum(len(group.classes) for group in site.classes) for site in answered)])
    return Feasibility(
        study_id=status.study_id,
        study=status.study,
        study_digest=status.study_digest,
        state=status.state,
        reason=status.reason,
        sites=sites,
        waiting=sum(site.state == "offered" for site in sites),
        patients=total([site.patients for site in answered if site.patients], margin_of(parts)),
        events=total([site.events for site in answered if site.events], margin_of(max(parts - 1, 1))),
    )


def total(counts: Sequence[Count], margin: int) -> Range | None:
    """What counts with noise come to: None where there is none.

    Noise of several sites is partly undone by itself, so that the margin grows with the root of their number. A count that is
    `below` may be nobody, or that and the margin more.
    """
    if not counts:
        return None
    shown = [count.about for count in counts if count.about is not None]
    hidden = [count.below for count in counts if count.below is not None]
    off = math.ceil(margin * math.sqrt(len(shown))) + ROUNDED_BY * len(shown)
    least, most = max(sum(shown) - off, 0), sum(shown) + off
    return Range(low=least, high=most + sum(below - 1 + margin for below in hidden))


def lacking(study: Study, profile: SiteProfile) -> tuple[str, ...]:
    """Concepts of which the profile lists no code. What the site's vocabulary decides cannot be said from here."""
    listed = {(line.system, line.code) for line in profile.coverage}
    used = {name: study.concepts[name] for name in study.mentioned() if name in study.concepts}
    return tuple(
        name for name, each in used.items() if not each.beyond_profiles and not set(each.written_codes()) & listed
    )
