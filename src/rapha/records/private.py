"""Differential privacy as a study asks for it, and what a study that asks for it cannot ask for besides."""

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic_core import PydanticCustomError

from rapha.records.averaging import FedProx
from rapha.records.feature import AggregateFeature, DemographicFeature
from rapha.records.record import Real, Record, Word

if TYPE_CHECKING:
    from rapha.records.study import Study

PATIENT = "patient"
"""A column of the frozen rows: which of them are one patient's, by numbers that mean nothing else."""
LEARNERS = ("logistic", "mlp", "exported", "script", "causal-lora")
SCALES_IN_A_RANGE = 4
"""A range is taken for two standard deviations to each side of its middle."""

Range = tuple[Real, Real]


class DifferentialPrivacy(Record):
    """(epsilon, delta) for the weights of all rounds of one site together, adding or removing one patient.

    `clip`: the longest gradient of one patient. `sampling_rate`: the chance of a patient to be in a step; an epoch has
    1 / sampling_rate steps. `ranges`: where the values of a feature lie, by the feature's name or its concept's.
    """

    epsilon: Annotated[Real, Field(gt=0, le=20)]
    delta: Annotated[Real, Field(ge=1e-12, le=1e-4)]
    clip: Annotated[Real, Field(gt=0, le=1000)] = 1.0
    sampling_rate: Annotated[Real, Field(ge=0.001, le=0.5)] = 0.05
    ranges: dict[Word, Range] = Field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the patients."""
        return math.ceil(1 / self.sampling_rate)


def check_private(study: "Study") -> None:
    """Raises PydanticCustomError where a study asks for differential privacy, and for what cannot be had with it."""
    terms = study.privacy.differential_privacy
    if terms is None:
        return
    training = study.training
    reasons = (
        (study.model.architecture == "exported" and bool(study.model.running),
         "model: a batch norm's running figures are of patients and get no noise: with differential privacy use a group norm or a "
         "layer norm"),
        (study.model.architecture not in LEARNERS,
         f"model: `{study.model.architecture}` cannot be trained with differential privacy yet; {', '.join(LEARNERS)} can"),
        (study.outcome.kind == "numeric",
         "outcome: a numeric outcome cannot be had with differential privacy yet: its mean and scale are measured on patients"),
        (study.model.architecture == "script" and study.cohort.index.pick == "every",
         "cohort.index: `every` gives a patient several rows; a script of mode B is given shards of one row a patient: "
         "use `first` or `last`"),
        (study.model.architecture == "script" and terms.sampling_rate != 0.05,
         "privacy.differential_privacy.sampling_rate: a script of mode B sees each shard whole: leave it out"),
        (training.optimizer != "adamw",
         "training.optimizer: differential privacy wants `adamw`: the length of its steps tells nothing of how many "
         "patients a hospital has"),
        (isinstance(training.aggregation, FedProx),
         "training.aggregation: `fedprox` cannot be had with differential privacy yet"),
        (training.early_stopping is not None,
         "training.early_stopping: it is decided by figures of patients, which do not leave under differential privacy"),
        (training.keep is not None,
         "training.keep: it is decided by figures of patients, which do not leave under differential privacy"),
        (training.batch_size != 256,
         "training.batch_size: with differential privacy the `sampling_rate` says who is in a step; leave it out"),
    )  # fmt: skip
    for wrong, sentence in reasons:
        if wrong:
            raise PydanticCustomError("private", "{sentence}", {"sentence": sentence})
    feature_ranges(study)


def counts_by_patient(study: "Study") -> bool:
    """Whether the rows say whose they are, for a patient may have several."""
    return study.cohort.index.pick == "every"


def feature_ranges(study: "Study") -> tuple[Range, ...]:
    """The declared range of each feature, in the order of the study.

    Raises:
        PydanticCustomError: a feature has none, one is empty, or one is of no feature.
    """
    terms = study.privacy.differential_privacy
    assert terms is not None
    known: set[str] = set()
    found = []
    for feature in study.features:
        if study.model.architecture == "causal-lora":  # a note has no mean
            continue
        short = feature.of if isinstance(feature, AggregateFeature) else feature.name
        own = terms.ranges.get(feature.name, terms.ranges.get(short) if isinstance(short, str) else None)
        if own is None or not isinstance(feature, AggregateFeature | DemographicFeature):
            _refuse(
                f"privacy.differential_privacy.ranges: `{short}` needs a range, such as `{short}: [10, 120]`: a mean "
                "and a scale measured on patients would tell of them outside of the guarantee"
            )
        elif not own[0] < own[1]:
            _refuse(f"privacy.differential_privacy.ranges: `{short}`: the lower end comes first, as in [10, 120]")
        else:
            found.append(own)
        known |= {feature.name, str(short)}
    if stray := sorted(set(terms.ranges) - known):
        _refuse(f"privacy.differential_privacy.ranges: `{stray[0]}` is of no feature of the study")
    return tuple(found)


def declared_moments(study: "Study") -> tuple[tuple[float, float], ...]:
    """(mean, scale) of each feature, from its declared range alone: nothing of it was measured on a patient."""
    return tuple(((low + high) / 2, (high - low) / SCALES_IN_A_RANGE) for low, high in feature_ranges(study))


def _refuse(sentence: str) -> None:
    raise PydanticCustomError("private", "{sentence}", {"sentence": sentence})
