"""MAY IT BE COUNTED? Without a study that trains, for somebody who only asks. Pure; deny by default.

What is asked for without a person's yes is the one question that can be asked again and again: so the site's rules name who
may, how often a day, and how many answers the hospital ever gives.
"""

from rapha.policy.decide import PERMIT, Request
from rapha.policy.rules import SiteRules
from rapha.records.record import Record
from rapha.records.release import ReasonCode

_OF_THE_DATA = ("modalities", "purposes", "conditions", "minimum_cohort", "cedar")
"""Lines of the permit that hold for a count too; nothing is trained, so no model and no sandbox is asked about, but by the hospital's own permit."""


class Asked(Record):
    """What was answered so far: to this researcher within a day, and in all, each question once. `before`: whether this very
    question was answered, on the same timeline."""

    today: int
    in_all: int
    before: bool


def refusal(request: Request, rules: SiteRules, asked: Asked) -> ReasonCode | None:
    """Why this may not be counted, or None. Never raises: what breaks, refuses (`internal`).

    1. the rules offer feasibility; 2. they name the researcher; 3. the lines of the permit about data hold;
    4. the researcher's day is not full; 5. an answer is left, or this very question has had its own.
    """
    try:
        offered = rules.feasibility
        if offered is None:
            return "feasibility-not-offered"
        if request.researcher not in offered.researchers:
            return "researcher-not-allowed"
        for condition in PERMIT:
            if condition.line in _OF_THE_DATA and condition.holds(request.facts, rules) is not True:
                return condition.reason
        if asked.today >= offered.a_day:
            return "asked-too-often"
        if asked.in_all >= offered.in_all and not asked.before:
            return "answers-used-up"
    except Exception:
        return "internal"
    return None
