"""Who is in and what is seen, as sentences."""

from typing import assert_never

from rapha.records.cohort_spec import (
    AgeCriterion,
    BothCriterion,
    Criterion,
    EitherCriterion,
    EventCriterion,
    IndexEvent,
    NotCriterion,
    ObservedCriterion,
    SexCriterion,
    ValueRange,
    WithinCriterion,
)
from rapha.records.dense import GenotypesFeature, ImageFeature, NoteFeature
from rapha.records.feature import AggregateFeature, DemographicFeature, Feature, SequenceFeature
from rapha.records.moments import Bound, Duration, Window


def index_in_words(index: IndexEvent) -> str:
    """When a patient enters."""
    event = f"record of {or_words(index.of)}"
    event = (
        f"the end of {'each' if index.pick == 'every' else 'the ' + index.pick} {event}"
        if index.at == "end"
        else (f"every {event}" if index.pick == "every" else f"the {index.pick} {event}")
    )
    if index.washout:
        event += f", if observed for the {span(index.washout)} before it without any"
    moment = f"{span(index.after).capitalize()} after it" if index.after else "That moment"
    again = " One patient may enter several times." if index.pick == "every" else ""
    return f"A patient enters at {event}. {moment} is the index.{again}"


def criterion_in_words(criterion: Criterion) -> str:
    """A condition, as the rest of a sentence."""
    match criterion:
        case AgeCriterion(at_least=low, at_most=high):
            if high == 130:
                return f"aged {low} or over at the index"
            return f"aged {low} to {high} at the index" if low else f"aged {high} or under at the index"
        case SexCriterion():
            return f"{criterion.sex} sex"
        case ObservedCriterion():
            return f"under observation, without a gap, for {span(criterion.before)} up to the index"
        case EventCriterion():
            return _events(criterion)
        case WithinCriterion():
            return "still in the stay at the index"
        case BothCriterion():
            return "(" + " and ".join(criterion_in_words(one) for one in criterion.of) + ")"
        case EitherCriterion():
            return "(" + " or ".join(criterion_in_words(one) for one in criterion.of) + ")"
        case NotCriterion():
            return f"not known to meet: {criterion_in_words(criterion.of)}"
        case _ as unreachable:
            assert_never(unreachable)


def _events(criterion: EventCriterion) -> str:
    when = window_in_words(criterion.during)
    value = f" {range_in_words(criterion.value)}" if criterion.value else ""
    match criterion.match:
        case "none":
            return f"no record of {or_words(criterion.of)}{value} {when}"
        case "all":
            return f"a record of {and_words(criterion.of)}{value} {when}"
        case "any":
            return f"{_times(criterion.at_least, criterion.at_most)} of {or_words(criterion.of)}{value} {when}"
        case _ as unreachable:
            assert_never(unreachable)


def _times(low: int, high: int | None) -> str:
    if high is None:
        return "a record" if low == 1 else f"at least {low} records"
    if low == high:
        return f"exactly {low} record{'' if low == 1 else 's'}"
    return f"{low} to {high} records" if low else f"at most {high} record{'' if high == 1 else 's'}"


def range_in_words(value: ValueRange) -> str:
    """`above 2.0 mg/dL`"""
    bounds = {"above": value.above, "at least": value.at_least, "below": value.below, "at most": value.at_most}
    said = " and ".join(f"{word} {limit:g}" for word, limit in bounds.items() if limit is not None)
    return said + (" in any unit" if value.unit == "any" else f" {value.unit}")


def feature_in_words(feature: Feature) -> str:
    """What the model sees, as a sentence."""
    match feature:
        case AggregateFeature():
            return _aggregate(feature)
        case DemographicFeature():
            return {"age": "Age at the index.", "sex": "Sex."}[feature.demographic]
        case SequenceFeature():
            when = window_in_words(feature.during)
            return f"The last {feature.at_most} records of {and_words(feature.of)}, in order, {when}."
        case GenotypesFeature():
            when = window_in_words(feature.during)
            return f"The copies of {len(feature.variants):,} variants ({feature.build}) in the {feature.pick} {feature.of} {when}."
        case ImageFeature():
            size = " x ".join(map(str, feature.shape))
            when, own = window_in_words(feature.during), ""
            if feature.intensity == "percentiles":
                own = ", scaled by percentiles {:g} and {:g} of its own values".format(*feature.window)
            return f"The pixels of the {feature.pick} {feature.of} {when}, as {size}{own}."
        case NoteFeature():
            when = window_in_words(feature.during)
            return f"The text of the {feature.pick} {feature.of} {when}, up to {feature.at_most} bytes."
        case _ as unreachable:
            assert_never(unreachable)


_AGGREGATES = {
    "first": "First value",
    "last": "Last value",
    "min": "Lowest value",
    "max": "Highest value",
    "mean": "Mean value",
    "sum": "Sum of the values",
    "count": "Number of records",
    "any": "Whether there is any record",
    "since": "Days since the last record",
}


def _aggregate(feature: AggregateFeature) -> str:
    when = window_in_words(feature.during)
    if feature.per:
        return f"Change per {feature.per} (slope) of {feature.of} {when}."
    if feature.baseline:
        base = f"the {_AGGREGATES[feature.baseline.pick].lower()} {window_in_words(feature.baseline.during)}"
        return f"Last value of {feature.of} {when}, divided by {base}."
    return f"{_AGGREGATES[feature.aggregate]} of {feature.of} {when}."


def window_in_words(window: Window) -> str:
    """`in the 2 years up to and including the index`"""
    anchor = bound_in_words(window.anchor)
    if window.end:
        return f"from {anchor} to {bound_in_words(window.end)}"
    length = f"in the {span(window.length)} " if window.length else "at any time "
    ends = {"until": f"up to and including {anchor}", "before": f"before {anchor}", "from": f"after {anchor}"}
    return length + ends[window.relation]


def bound_in_words(bound: Bound) -> str:
    """`24 hours after the index`"""
    anchors = {
        "index": "the index",
        "encounter start": "the start of the stay",
        "encounter end": "the end of the stay",
        "next": f"the next {bound.concept}",
        "last": f"the last {bound.concept}",
    }
    anchor = anchors[bound.anchor]
    return f"{span(bound.offset)} {bound.side} {anchor}" if bound.offset else anchor


def span(length: Duration) -> str:
    """`1 year`, `2 years`"""
    return f"{length.count} {length.unit[:-1] if length.count == 1 else length.unit}"


def or_words(words: tuple[str, ...]) -> str:
    """`a, b or c`"""
    return _listed(words, "or")


def and_words(words: tuple[str, ...]) -> str:
    """`a, b and c`"""
    return _listed(words, "and")


def _listed(words: tuple[str, ...], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]
