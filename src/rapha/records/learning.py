"""How the model learns: architecture, training, privacy terms."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from rapha.records.averaging import AggregationSpec
from rapha.records.moments import not_yet
from rapha.records.private import DifferentialPrivacy
from rapha.records.record import Real, Record

Width = Annotated[int, Field(ge=1, le=4096)]
Fraction = Annotated[Real, Field(ge=0, lt=1)]


class Logistic(Record):
    """One linear layer, binary outcome."""

    architecture: Literal["logistic"] = "logistic"


class Mlp(Record):
    """Linear layers with ReLU, binary outcome."""

    architecture: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (64, 32)
    dropout: Fraction = 0.0


class Cox(Record):
    """Linear risk, Cox partial likelihood (Breslow ties), time-to-event outcome."""

    architecture: Literal["cox"] = "cox"


class DeepSurvival(Record):
    """An mlp risk under the Cox partial likelihood (DeepSurv), time-to-event outcome."""

    architecture: Literal["deep-survival"] = "deep-survival"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (64, 32)
    dropout: Fraction = 0.0


class Gru(Record):
    """A GRU over the `sequence` feature, its last state joined with the other features; binary outcome."""

    architecture: Literal["gru"] = "gru"
    hidden: Width = 64
    embedding: Width = 16


class TextClassifier(Record):
    """The mean of learnt vectors of the words of one `note`, hashed to `buckets`, joined with the other features
    (fastText: Joulin et al. 2017, EACL); binary outcome."""

    architecture: Literal["text-classifier"] = "text-classifier"
    buckets: Annotated[int, Field(ge=64, le=1_048_576)] = 4096
    embedding: Width = 16


class ImageClassifier(Record):
    """Convolutions of 3 over one `image`, each halving its sides, with group normalisation (whose figures do not depend on who
    else is in the batch, so that averaging sites is sound) and ReLU; the highest over what is left, joined with the other
    features; binary outcome."""

    architecture: Literal["image-classifier"] = "image-classifier"
    channels: Annotated[tuple[Annotated[int, Field(ge=1, le=512)], ...], Field(min_length=1, max_length=6)] = (
        8,
        16,
        32,
    )


_LATER = (
    "transformer", "segmenter", "lora", "polygenic", "wearable", "exported",
)  # fmt: skip


def _known(value: Any) -> Any:
    if isinstance(value, dict) and value.get("architecture") in _LATER:
        raise not_yet(f"the architecture `{value['architecture']}`")
    if isinstance(value, dict) and "script" in value:
        raise not_yet("a training script of one's own")
    return value


ArchitectureSpec = Annotated[
    Annotated[
        Logistic | Mlp | Cox | DeepSurvival | Gru | TextClassifier | ImageClassifier,
        Field(discriminator="architecture"),
    ],
    BeforeValidator(_known),
]
SURVIVAL = ("cox", "deep-survival")
READS: dict[str, str] = {"gru": "sequence", "text-classifier": "note", "image-classifier": "image"}
"""Of each architecture that reads more than numbers: the kind of feature of which a study has exactly one."""


class EarlyStopping(Record):
    """End training before `rounds`, once `metric` was no better than its best for `patience` rounds.

    The metric is that of the validation patients, the sites' figures averaged by training rows; each site scores what it
    trained in that round. A round in which too few patients allow no figure counts as none.
    """

    metric: Literal["auroc", "auprc", "c_index", "brier"]
    patience: Annotated[int, Field(ge=1, le=1000)] = 5


class TrainingSpec(Record):
    """`rounds` of `local_epochs` at each site; `deadline_minutes` closes a round with those who answered."""

    rounds: Annotated[int, Field(ge=1, le=1000)] = 20
    local_epochs: Annotated[int, Field(ge=1, le=100)] = 1
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[Real, Field(gt=0, le=10)] = 0.001
    weight_decay: Annotated[Real, Field(ge=0, le=1)] = 0.0
    aggregation: AggregationSpec = "fedavg"
    early_stopping: EarlyStopping | None = None
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    deadline_minutes: Annotated[int, Field(ge=1, le=43_200)] = 60

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not asked for is not written: a study keeps its digest when a new term becomes possible."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "early_stopping" or value is not None}

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        later = ("scaffold", "krum")
        if isinstance(value, dict) and value.get("aggregation") in later:
            raise not_yet(f"the aggregation `{value['aggregation']}`")
        return value


class SplitSpec(Record):
    """By patient, by a keyed hash: the same patient is on the same side in every round."""

    test_percent: Annotated[int, Field(ge=5, le=50)] = 25
    validation_percent: Annotated[int, Field(ge=5, le=40)] = 10


class PrivacyTerms(Record):
    """`min_cohort`: no site trains on, and no count is shown of, fewer patients than this."""

    min_cohort: Annotated[int, Field(ge=10, le=1_000_000)] = 25
    differential_privacy: DifferentialPrivacy | None = None

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As in `TrainingSpec`: what is not asked for is not written."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "differential_privacy" or value is not None}

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, dict) and "secure_aggregation" in value:
            raise not_yet("secure aggregation")
        return value
