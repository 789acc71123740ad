"""What is predicted, as sentences."""

from rapha.records.outcome import OutcomeSpec, RiseRule, ValueRule
from rapha.records.study import DEATH
from rapha.sdk.cohort_words import bound_in_words, or_words, range_in_words, span


def outcome_in_words(outcome: OutcomeSpec) -> str:
    """The outcome as a phrase: `diabetes within 5 years after the index`."""
    if outcome.drawn:
        return f"the voxels of {' and '.join(outcome.drawn)} in the image"
    return f"{_event(outcome)} {_within(outcome)}"


def outcome_sentences(outcome: OutcomeSpec) -> tuple[str, ...]:
    """What is predicted, what competes, and who is set apart."""
    if outcome.segments:
        *others, last = outcome.segments
        return (
            f"Which voxels of the image belong to {', '.join(others)} or {last}, as segmentations of that very image say; a voxel of several "
            "is of the one named first.",
            "A patient on whose image somebody has not drawn every one of them, or one differently twice, is unknown and set apart.",
        )
    if outcome.segment is not None:
        return (
            f"Which voxels of the image belong to {outcome.segment}, as a segmentation of that very image says.",
            "A patient whose image nobody has segmented, or two differently, is unknown and set apart.",
        )
    event, length = _event(outcome), _length(outcome)
    match outcome.kind:
        case "time-to-event":
            first = f"The time from the index to {event}, followed for at most {length}."
            last = f"Patients are followed until then, or until {length} or their observation ends (censored)."
        case "binary":
            first = f"Whether {event} is recorded in the {length} after the index."
            last = f"A patient not observed for the whole {length}, and without {event}, is unknown and set apart."
        case "categorical":
            first = f"Which of {event} is recorded first in the {length} after the index, or none."
            last = f"A patient not observed for the whole {length}, and without any, is unknown and set apart."
            if outcome.none == "set-apart":
                first, last = first.replace(", or none.", "."), "A patient without any is unknown and set apart."
        case "numeric":
            first = f"The {event} in the {length} after the index."
            last = "A patient without such a number is unknown and set apart."
    if outcome.during.end:
        first = f"{first[:-1]}: {_within(outcome)}."
    elif outcome.during.anchor.offset:
        first = (
            f"{first.removesuffix(' after the index.').removesuffix('.')} from {bound_in_words(outcome.during.anchor)}."
        )
    if not outcome.competing:
        return first, last
    event = or_words(tuple("death" if name == DEATH else name for name in outcome.competing))
    roles = {"time-to-event": "ends the follow-up", "categorical": "sets the patient apart"}
    role = roles.get(outcome.kind, "makes a patient neither case nor control")
    return first, f"If {event} comes first, it {role}.", last


def _event(outcome: OutcomeSpec) -> str:
    match outcome.event:
        case ValueRule() as rule:
            return f"{rule.first} {range_in_words(rule.value)}"
        case RiseRule() as rule:
            return _rise(rule)
        case None if outcome.value:
            if outcome.value.per:
                return f"change of {outcome.value.of} per {outcome.value.per} (slope)"
            return f"{outcome.value.pick} {outcome.value.of}"
        case None:
            return or_words(outcome.events)
        case name:
            return name


def _rise(rule: RiseRule) -> str:
    ways = []
    if rule.ratio is not None and rule.within is not None:
        ways.append(f"to {rule.ratio:g} times the lowest of {span(rule.within)}")
    if rule.by is not None and rule.by_within is not None:
        ways.append(f"by {rule.by:g} {rule.unit} within {span(rule.by_within)}")
    return f"a rise of {rule.rise} {' or '.join(ways)}"


def _length(outcome: OutcomeSpec) -> str:
    return span(outcome.during.length) if outcome.during.length else "time"


def _within(outcome: OutcomeSpec) -> str:
    start = bound_in_words(outcome.during.anchor)
    if outcome.during.end:
        return f"between {start} and {bound_in_words(outcome.during.end)}"
    return f"within {_length(outcome)} after {start}"
