"""A study in the words of a clinician: plain sentences, grouped as one would tell them."""

from typing import NamedTuple, assert_never

from rapha.records.averaging import kind_of
from rapha.records.cohort_spec import (
    AgeCriterion,
    Criterion,
    Duration,
    EventCriterion,
    IndexEvent,
    ObservedCriterion,
    OutcomeSpec,
    SexCriterion,
    Window,
)
from rapha.records.feature import AggregateFeature, DemographicFeature, Feature, SequenceFeature
from rapha.records.learning import ArchitectureSpec, Cox, DeepSurvival, Gru, Logistic, Mlp, TrainingSpec
from rapha.records.study import DEATH, Concept, Study


class Section(NamedTuple):
    """A heading and its sentences."""

    title: str
    sentences: tuple[str, ...]


def in_words(study: Study) -> tuple[Section, ...]:
    """Everything a study asks, section by section."""
    cohort = study.cohort
    who = (
        _index(cohort.index),
        *(f"To be in: {_criterion(each)}." for each in cohort.include),
        *(f"Left out: {_criterion(each)}." for each in cohort.exclude),
    )
    return (
        Section("Purpose", (study.purpose.sentence,)),
        Section("Who is studied", who),
        Section("What is predicted", _outcome(study.outcome)),
        Section("What the model sees", tuple(_feature(each) for each in study.features)),
        Section("How it learns", (architecture_in_words(study.model), *_training(study.training), _split(study))),
        Section("What holds for every hospital", _terms(study)),
        Section("What the words mean", tuple(_concept(name, each) for name, each in study.concepts.items())),
    )


def architecture_in_words(model: ArchitectureSpec) -> str:
    """What kind of model it is, in one sentence."""
    match model:
        case Logistic():
            return "A logistic regression: one weight for every feature."
        case Mlp():
            return f"A neural network with {_layers(model.hidden)}."
        case Cox():
            return "A Cox proportional hazards model: one weight for every feature."
        case DeepSurvival():
            return f"A neural network with {_layers(model.hidden)}, trained as a Cox model (DeepSurv)."
        case Gru():
            return (
                f"A recurrent network (GRU, {model.hidden} units) that reads a patient's measurements in their order."
            )
        case _ as unreachable:
            assert_never(unreachable)


def outcome_in_words(outcome: OutcomeSpec) -> str:
    """The outcome as a phrase: `diabetes within 5 years after the index`."""
    return f"{outcome.event} within {_span(outcome.during.length)} after the index"


def _index(index: IndexEvent) -> str:
    return f"A patient enters at the {index.pick} record of {_or(index.of)}. That moment is the index."


def _criterion(criterion: Criterion) -> str:
    match criterion:
        case AgeCriterion(at_least=low, at_most=high):
            if high == 130:
                return f"aged {low} or over at the index"
            return f"aged {low} to {high} at the index" if low else f"aged {high} or under at the index"
        case SexCriterion():
            return f"{criterion.sex} sex"
        case ObservedCriterion():
            return f"under observation, without a gap, for {_span(criterion.before)} up to the index"
        case EventCriterion():
            return _events(criterion)
        case _ as unreachable:
            assert_never(unreachable)


def _events(criterion: EventCriterion) -> str:
    when = _window(criterion.during)
    match criterion.match:
        case "none":
            return f"no record of {_or(criterion.of)} {when}"
        case "all":
            return f"a record of {_and(criterion.of)} {when}"
        case "any":
            times = "a record" if criterion.at_least == 1 else f"at least {criterion.at_least} records"
            return f"{times} of {_or(criterion.of)} {when}"
        case _ as unreachable:
            assert_never(unreachable)


def _outcome(outcome: OutcomeSpec) -> tuple[str, ...]:
    length = _span(outcome.during.length)
    if outcome.kind == "time-to-event":
        first = f"The time from the index to {outcome.event}, followed for at most {length}."
        last = f"Patients are followed until then, or until {length} or their observation ends (censored)."
    else:
        first = f"Whether {outcome.event} is recorded in the {length} after the index."
        last = f"A patient not observed for the whole {length}, and without {outcome.event}, is unknown and set apart."
    if not outcome.competing:
        return first, last
    event = "death" if outcome.competing == DEATH else outcome.competing
    role = "ends the follow-up" if outcome.kind == "time-to-event" else "makes a patient neither case nor control"
    return first, f"If {event} comes first, it {role}.", last


def _feature(feature: Feature) -> str:
    match feature:
        case AggregateFeature():
            names = {"count": "Number of records", "any": "Whether there is any record", "mean": "Mean value"}
            what = names.get(feature.aggregate, f"{_FULL.get(feature.aggregate, feature.aggregate).capitalize()} value")
            return f"{what} of {feature.of} {_window(feature.during)}."
        case DemographicFeature():
            return {"age": "Age at the index.", "sex": "Sex."}[feature.demographic]
        case SequenceFeature():
            return f"The last {feature.at_most} records of {_and(feature.of)}, in order, {_window(feature.during)}."
        case _ as unreachable:
            assert_never(unreachable)


_FULL = {"min": "lowest", "max": "highest"}


def _window(window: Window) -> str:
    length = f"in the {_span(window.length)} " if window.length else "at any time "
    ends = {"until": "up to and including the index", "before": "before the index", "from": "after the index"}
    return length + ends[window.relation]


def _span(length: Duration | None) -> str:
    """`1 year`, `2 years`; an outcome always has a length."""
    if length is None:
        return "time"
    return f"{length.count} {length.unit[:-1] if length.count == 1 else length.unit}"


def _training(training: TrainingSpec) -> tuple[str, ...]:
    epochs = "one pass" if training.local_epochs == 1 else f"{training.local_epochs} passes"
    return (
        f"{training.rounds} rounds: in each, every hospital makes {epochs} over its own patients, and the results are "
        f"{_WAYS[kind_of(training.aggregation) or '']}.",
        *_stopping(training),
    )


def _stopping(training: TrainingSpec) -> tuple[str, ...]:
    if not (terms := training.early_stopping):
        return ()
    return (
        f"Training ends early once the {terms.metric} of the patients it is followed on was no better for "
        f"{terms.patience} {'round' if terms.patience == 1 else 'rounds'}.",
    )


_WAYS = {
    "fedavg": "averaged by number of training patients (federated averaging)",
    "fedprox": "averaged by number of training patients, each hospital being held near to where the round began (FedProx)",
    "fedavgm": "averaged by number of training patients, and the model moved by that change with momentum (FedAvgM)",
    "fedadam": "averaged by number of training patients, and the model moved by that change as Adam would (FedAdam)",
    "fedyogi": "averaged by number of training patients, and the model moved by that change as Yogi would (FedYogi)",
    "median": "merged by the median of each number, every hospital counting alike",
    "trimmed-mean": "averaged without the highest and lowest of each number, every hospital counting alike",
    "norm-clip": "averaged by number of training patients, a change that is too long being shortened first",
}


def _split(study: Study) -> str:
    split = study.split
    return (
        f"Of each hospital's patients {split.test_percent} % are held out to test the final model, and "
        f"{split.validation_percent} % to follow the training; no patient is on two sides."
    )


def _terms(study: Study) -> tuple[str, ...]:
    least, some = study.sites.at_least, study.privacy.min_cohort
    only = f" Only these are asked: {_and(study.sites.only)}." if study.sites.only else ""
    return (
        f"At least {least} hospital{'s' if least > 1 else ''} must take part in every round.{only}",
        f"No hospital trains on fewer than {some} patients, and no count of fewer is shown.",
        f"Asked back: {_and(study.release)}, and a signed receipt from every hospital. No patient's data leaves.",
        "No differential privacy is applied.",
    )


def _concept(name: str, concept: Concept) -> str:
    codes = "code" if len(concept.codes) == 1 else "codes"
    return f"{name}: {codes} {_or(concept.codes)} ({concept.system})."


def _layers(hidden: tuple[int, ...]) -> str:
    plural = "s" if len(hidden) > 1 else ""
    return f"{len(hidden)} hidden layer{plural} of {_and(tuple(map(str, hidden)))} units"


def _or(words: tuple[str, ...]) -> str:
    return _joined(words, "or")


def _and(words: tuple[str, ...]) -> str:
    return _joined(words, "and")


def _joined(words: tuple[str, ...], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]
