"""How the model learns: architecture, training, privacy terms."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rapha.records.association import Gwas
from rapha.records.averaging import AggregationSpec, Scaffold
from rapha.records.language import CausalLora
from rapha.records.moments import not_yet
from rapha.records.private import DifferentialPrivacy
from rapha.records.readers import READERS, ConvolutionReader, ReaderSpec, VariantReader, Width, WordReader
from rapha.records.record import Digest, Real, Record
from rapha.records.script import LARGEST_SCRIPT_BYTES, MOST_SHARDS
from rapha.records.segmenter import Segmenter

LARGEST_GRAPH_BYTES = 512 << 20
STANDARDS = frozenset({"features.mean", "features.scale", "sequence.mean", "sequence.scale"})
"""Tensors that travel beside a model's own."""
STANDARDS_OF_ALL = STANDARDS | {"outcome.mean", "outcome.scale"}

TensorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$", max_length=200)]
Sides = Annotated[tuple[Annotated[int, Field(ge=0, le=1 << 27)], ...], Field(max_length=8)]
Fraction = Annotated[Real, Field(ge=0, lt=1)]


class Logistic(Record):
    """One linear layer: a binary outcome, or a categorical one (multinomial: one logit a class, no class the reference)."""

    architecture: Literal["logistic"] = "logistic"


class LinearModel(Record):
    """One linear layer, numeric outcome."""

    architecture: Literal["linear"] = "linear"


class Mlp(Record):
    """Linear layers with ReLU; binary, numeric or categorical outcome."""

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
    """A GRU over the `sequence` feature, its last state joined with the other features; binary,
    numeric or categorical outcome."""

    architecture: Literal["gru"] = "gru"
    hidden: Width = 64
    embedding: Width = 16


class TextClassifier(WordReader):
    """What reads the words of one `note`, joined with the other features; binary or categorical outcome."""

    architecture: Literal["text-classifier"] = "text-classifier"


class ImageClassifier(ConvolutionReader):
    """What reads one `image`, joined with the other features; binary or categorical outcome."""

    architecture: Literal["image-classifier"] = "image-classifier"


class VariantClassifier(VariantReader):
    """What reads the variants of one `genotypes`, joined with the other features; binary or categorical outcome."""

    architecture: Literal["variant-classifier"] = "variant-classifier"


class LateFusion(Record):
    """A reader of its own for each dense feature, one to `MOST_DENSE` of any kind, and layers of the widths `hidden` with ReLU
    over the features that are numbers; all joined, and under a `head` of such layers; binary,
    numeric or categorical outcome.

    `note`, `image` and `genotypes` say how features of that kind are read; without them, as the reader's own defaults say.
    """

    architecture: Literal["late-fusion"] = "late-fusion"
    note: WordReader | None = None
    image: ConvolutionReader | None = None
    genotypes: VariantReader | None = None
    hidden: Annotated[tuple[Width, ...], Field(max_length=4)] = (16,)
    head: Annotated[tuple[Width, ...], Field(max_length=4)] = (16,)

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study keeps its digest when another kind of reader becomes possible."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if value is not None}

    @property
    def said(self) -> tuple[str, ...]:
        """The kinds of dense features of which it is said how they are read."""
        return tuple(kind for kind in READERS if getattr(self, kind) is not None)


class Exported(Record):
    """A model of the researcher's own, as a `torch.export` graph; a logit a row for a binary outcome, a log hazard for a
    time-to-event outcome.

    `graph`: digest of its `.pt2` file, of `size_bytes`, which travels beside the study. `parameters`: what is learnt, `running`:
    what a batch norm keeps of the rows; by the researcher's own names. The sandbox holds both against the file.
    """

    architecture: Literal["exported"] = "exported"
    graph: Digest
    size_bytes: Annotated[int, Field(ge=1, le=LARGEST_GRAPH_BYTES)]
    parameters: Annotated[dict[TensorName, Sides], Field(min_length=1, max_length=5000)]
    running: Annotated[dict[TensorName, Sides], Field(max_length=5000)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _apart(self) -> "Exported":
        if taken := sorted(
            (set(self.parameters) & set(self.running)) | (STANDARDS & {*self.parameters, *self.running})
        ):
            raise PydanticCustomError(
                "tensor",
                "model: the tensor `{name}` is there twice, or its name is one of ours: rename it",
                {"name": taken[0]},
            )
        return self


class Script(Record):
    """A training script of the researcher's own: Python that runs in a sandbox of its own, `docs/scripts.md` says how it is called.

    `script`: digest of its file, of `size_bytes`, which travels beside the study. `tensors`: what it gives back, all F32; nothing else
    is read of it. `mode`: B or C, see `records/script.py`. `shards`: in mode B, in how many the patients are dealt. `seconds`: how long
    one call may take, and in mode B how long each takes. `predicts`: it has a `predict`, so that the model can be measured and audited.
    """

    architecture: Literal["script"] = "script"
    mode: Literal["B", "C"]
    script: Digest
    size_bytes: Annotated[int, Field(ge=1, le=LARGEST_SCRIPT_BYTES)]
    tensors: Annotated[dict[TensorName, Sides], Field(min_length=1, max_length=1000)]
    seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    shards: Annotated[int, Field(ge=2, le=MOST_SHARDS)] | None = None
    predicts: bool = False

    @model_validator(mode="after")
    def _named(self) -> "Script":
        if taken := sorted(STANDARDS_OF_ALL & set(self.tensors)):
            raise PydanticCustomError(
                "tensor", "model: the tensor `{name}` is one of ours: rename it", {"name": taken[0]}
            )
        return self


def file_beside(model: "ArchitectureSpec") -> tuple[Digest, int] | None:
    """Digest and size of the file that travels beside the study, where it has one: a graph, a script, or the base of an adapter."""
    match model:
        case Exported():
            return model.graph, model.size_bytes
        case Script():
            return model.script, model.size_bytes
        case CausalLora():
            return model.base, model.size_bytes
        case _:
            return None


Joining = TextClassifier | ImageClassifier | VariantClassifier | LateFusion
"""The architectures that join readers with the features that are numbers."""


def reader_of(model: Joining, kind: str) -> ReaderSpec:
    """What reads a dense feature of a kind that the architecture reads."""
    if not isinstance(model, LateFusion):
        return model
    said: ReaderSpec | None = getattr(model, kind)
    return said or READERS[kind]()


_LATER = ("transformer", "polygenic", "wearable")


def _known(value: Any) -> Any:
    if isinstance(value, dict) and value.get("architecture") in _LATER:
        raise not_yet(f"the architecture `{value['architecture']}`")
    return value


ArchitectureSpec = Annotated[
    Annotated[
        Logistic
        | LinearModel
        | Mlp
        | Cox
        | DeepSurvival
        | Gru
        | TextClassifier
        | ImageClassifier
        | VariantClassifier
        | Segmenter
        | Gwas
        | LateFusion
        | Exported
        | Script
        | CausalLora,
        Field(discriminator="architecture"),
    ],
    BeforeValidator(_known),
]
LEARNS: dict[str, tuple[str, ...]] = {
    "logistic": ("binary", "categorical"),
    "linear": ("numeric",),
    "mlp": ("binary", "numeric", "categorical"),
    "cox": ("time-to-event",),
    "deep-survival": ("time-to-event",),
    "gru": ("binary", "numeric", "categorical"),
    "text-classifier": ("binary", "categorical"),
    "image-classifier": ("binary", "categorical"),
    "variant-classifier": ("binary", "categorical"),
    "segmenter": ("segment",),
    "gwas": ("numeric", "binary"),
    "late-fusion": ("binary", "numeric", "categorical"),
    "exported": ("binary", "time-to-event"),
    "script": ("binary", "numeric", "time-to-event"),
    "causal-lora": ("binary",),
}
"""The kinds of outcome that an architecture learns."""
LAST_LAYER_KNOWN = ("logistic", "linear", "mlp", "cox", "deep-survival", "gru", "text-classifier", "image-classifier", "segmenter",
                    "variant-classifier", "late-fusion")  # fmt: skip
"""The architectures of which `declared_head` names a last layer: those a hospital can have a head of its own of."""
MOST_DENSE = 8


class Reads(NamedTuple):
    """Of these kinds of features an architecture reads one, or `at_least` to `at_most`, in all; of other arrays and sequences
    none."""

    kinds: tuple[str, ...] = ()
    at_most: int = 1
    at_least: int = 1


READS: dict[str, Reads] = {
    "gru": Reads(("sequence",)),
    "text-classifier": Reads(("note",)),
    "causal-lora": Reads(("note",)),
    "image-classifier": Reads(("image",)),
    "variant-classifier": Reads(("genotypes",)),
    "segmenter": Reads(("image",)),
    "gwas": Reads(("genotypes",)),
    "late-fusion": Reads(tuple(READERS), MOST_DENSE),
    "exported": Reads(("sequence", *READERS), MOST_DENSE + 1, at_least=0),
}
"""The architectures that read more than numbers."""


METRICS_OF: dict[str, tuple[str, ...]] = {
    "binary": ("auroc", "auprc", "brier"),
    "time-to-event": ("c_index",),
    "numeric": ("r2", "mae", "rmse"),
    "categorical": ("macro_auroc", "accuracy"),
    "segment": ("dice",),
}
"""Of each kind of outcome: the figures by which rounds can be compared."""
JudgingMetric = Literal["auroc", "auprc", "c_index", "brier", "r2", "mae", "rmse", "macro_auroc", "accuracy", "dice"]


UpdateForm = Literal["float32", "bf16", "int8"]
"""In what form updates travel; see `rapha.records.travel`."""


class EarlyStopping(Record):
    """End training before `rounds`, once `metric` was no better than its best for `patience` rounds.

    The metric is that of the validation patients, the sites' figures averaged by training rows; each site scores what it
    trained in that round. A round in which too few patients allow no figure counts as none.
    """

    metric: JudgingMetric
    patience: Annotated[int, Field(ge=1, le=1000)] = 5


class KeepBest(Record):
    """Release the weights of the round whose validation figure `best` was best, the first of equals, and not those of the last.

    The figure is that of `EarlyStopping`: each site scores what it trained in that round. Where no round has one, the last counts.
    """

    best: JudgingMetric


class TrainingSpec(Record):
    """`rounds` of `local_epochs` at each site; `deadline_minutes` closes a round with those who answered. `personal`: after the
    last round each site tunes the last layer of its own; that one stays there."""

    rounds: Annotated[int, Field(ge=1, le=1000)] = 20
    local_epochs: Annotated[int, Field(ge=1, le=100)] = 1
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[Real, Field(gt=0, le=10)] = 0.001
    weight_decay: Annotated[Real, Field(ge=0, le=1)] = 0.0
    aggregation: AggregationSpec = "fedavg"
    early_stopping: EarlyStopping | None = None
    keep: KeepBest | None = None
    updates: UpdateForm = "float32"
    personal: Literal["head"] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    deadline_minutes: Annotated[int, Field(ge=1, le=43_200)] = 60

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not asked for is not written: a study keeps its digest when a new term becomes possible."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key not in UNASKED or value != UNASKED[key]}

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("aggregation") == "krum":
            raise not_yet(f"the aggregation `{value['aggregation']}`")
        return value

    @model_validator(mode="after")
    def _plain_steps(self) -> "TrainingSpec":
        if not isinstance(self.aggregation, Scaffold):
            return self
        if self.optimizer != "sgd":
            raise PydanticCustomError(
                "learnable",
                "`scaffold` corrects plain gradient steps: write `optimizer: sgd`, and a learning rate for it",
            )
        if self.keep is not None:
            raise PydanticCustomError(
                "learnable", "`keep` cannot be had with `scaffold` yet: its last round is released"
            )
        return self


UNASKED = {"early_stopping": None, "keep": None, "updates": "float32", "personal": None}
"""What a study that does not ask for it is written without."""

LEAST_HELD_OUT = 5
"""Per cent of the patients: fewer tell nothing."""


class SplitSpec(Record):
    """By patient, by a keyed hash: the same patient is on the same side in every round. Nobody is held out (0) where nothing
    is measured on those who are: in a `gwas`."""

    test_percent: Annotated[int, Field(ge=0, le=50)] = 25
    validation_percent: Annotated[int, Field(ge=0, le=40)] = 10

    @model_validator(mode="after")
    def _enough_or_nobody(self) -> "SplitSpec":
        for name in ("test_percent", "validation_percent"):
            if 0 < getattr(self, name) < LEAST_HELD_OUT:
                raise PydanticCustomError("split", "{name}: at least {least}", {"name": name, "least": LEAST_HELD_OUT})
        return self


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
