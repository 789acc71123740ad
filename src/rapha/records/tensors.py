"""The tensors a study declares: what travels, name by name, shape by shape. From the study alone, without torch.

Whoever reads tensors from somebody else (hub, gate, workload) compares them with these tables first.

    statistics  prepare, one site -> hub    features.count/mean/variance [F] F64, for a sequence also sequence.* [C]
    start       hub -> round 1              features.mean/scale [F] F32, for a sequence also sequence.* [C]
                                            both of a numeric outcome also outcome.* [1], but for a gwas
    weights     every round after           the start, and the layers; all F32. Of a gwas the start, its sums and components; these F64

F is the number of features that are numbers, in the order of the study; C the number of concepts of the
sequence. A model reads each feature twice, as (standardised value or 0, 1 where missing): 2F wide, values first.
It gives one number a row, or of a categorical outcome one logit a class.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, assert_never

from pydantic import Field

from rapha.records.association import Gwas, shapes_of
from rapha.records.dense import DenseFeature, ImageFeature
from rapha.records.feature import SequenceFeature
from rapha.records.language import CausalLora
from rapha.records.learning import (
    Cox,
    DeepSurvival,
    Exported,
    Gru,
    ImageClassifier,
    Joining,
    LateFusion,
    LinearModel,
    Logistic,
    Mlp,
    Script,
    TextClassifier,
    VariantClassifier,
    reader_of,
)
from rapha.records.readers import Shapes
from rapha.records.record import Record
from rapha.records.release import ReasonCode
from rapha.records.segmenter import Segmenter, SegmentMask
from rapha.records.study import Study

STEP_INPUTS = 3
"""What a step of a sequence gives beside its concept: standardised value, 1 where it has none, log of days."""

_BYTES = {"F32": 4, "F64": 8, "BF16": 2, "I8": 1}


class TensorSpec(Record):
    """Shape and element type of one tensor, in the words of safetensors."""

    shape: tuple[Annotated[int, Field(ge=0)], ...]
    dtype: Literal["F32", "F64", "BF16", "I8"]

    @property
    def elements(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of the elements."""
        return self.elements * _BYTES[self.dtype]


Declared = dict[str, TensorSpec]


class Mismatch(NamedTuple):
    """The first tensor that is not as declared: why, which, and what was expected."""

    reason: ReasonCode
    tensor: str
    detail: str


def feature_names(study: Study) -> tuple[str, ...]:
    """Names of the features that are numbers, in the order of the study."""
    return tuple(f.name for f in study.features if not isinstance(f, SequenceFeature | DenseFeature))


def sequence_of(study: Study) -> SequenceFeature | None:
    """The sequence the study asks for, if it does."""
    return next((f for f in study.features if isinstance(f, SequenceFeature)), None)


def dense_of(study: Study) -> tuple[DenseFeature, ...]:
    """The features that are arrays, in the order of the study."""
    return tuple(f for f in study.features if isinstance(f, DenseFeature))


def mask_of(study: Study) -> SegmentMask | None:
    """What a segment outcome is learnt from, on the array of the study's image."""
    image = next((f for f in study.features if isinstance(f, ImageFeature)), None)
    if not study.outcome.drawn or image is None:
        return None
    of, *beside = study.outcome.drawn
    return SegmentMask(of=of, beside=tuple(beside), during=image.during, pick=image.pick, image=image)


def learns_in_deviations(study: Study) -> bool:
    """Whether the network gives the outcome in standard deviations from its mean."""
    return study.outcome.numeric and not isinstance(study.model, Gwas)


def outputs_of(study: Study) -> int:
    """How many numbers a network gives for each row, or for each voxel of it: one, or one for each class of a categorical outcome, or
    one for each of several segments and for the background before them."""
    return len(study.outcome.classes or study.outcome.voxel_classes) or 1


def declared_statistics(study: Study) -> Declared:
    """What `prepare` gives: count, mean and population variance of what is not missing among the training rows."""
    return _per_input(study, ("count", "mean", "variance"), "F64")


def declared_start(study: Study) -> Declared:
    """What the hub makes of the statistics, and round 1 starts from."""
    return _per_input(study, ("mean", "scale"), "F32")


def declared_weights(study: Study) -> Declared:
    """What a round of training gives, and every round but the first starts from."""
    if isinstance(study.model, Gwas):
        sums = {name: TensorSpec(shape=shape, dtype="F64") for name, shape in shapes_of(study).items()}
        return {**declared_start(study), **sums}
    layers = {name: TensorSpec(shape=shape, dtype="F32") for name, shape in _layers(study).items()}
    return {**declared_start(study), **layers}


def declared_head(study: Study) -> Declared:
    """The last layer of the study's model, of those that the tables of architectures name; a model of one layer is its own head."""
    return {name: spec for name, spec in declared_weights(study).items() if name.startswith(("linear.", "output."))}


def mismatch(found: Mapping[str, TensorSpec], declared: Declared) -> Mismatch | None:
    """The first difference between the tensors found and those declared, or None where there is none.

    Of found and declared names, the declared ones are looked at first, in their order.
    """
    for name, want in declared.items():
        have = found.get(name)
        if have is None:
            return Mismatch("missing-tensor", name, f"expected {name} {list(want.shape)} {want.dtype}")
        if have.shape != want.shape:
            return Mismatch("wrong-shape", name, f"expected {list(want.shape)}, got {list(have.shape)}")
        if have.dtype != want.dtype:
            return Mismatch("wrong-dtype", name, f"expected {want.dtype}, got {have.dtype}")
    if extra := sorted(set(found) - set(declared)):
        return Mismatch("extra-tensor", extra[0], f"{len(extra)} more than the {len(declared)} declared")
    return None


def _per_input(study: Study, figures: tuple[str, ...], dtype: Literal["F32", "F64"]) -> Declared:
    widths = {"features": len(feature_names(study))}
    if sequence := sequence_of(study):
        widths["sequence"] = len(sequence.of)
    if learns_in_deviations(study):
        widths["outcome"] = 1
    return {
        f"{group}.{figure}": TensorSpec(shape=(width,), dtype=dtype)
        for group, width in widths.items()
        for figure in figures
    }


def _layers(study: Study) -> Shapes:
    model, width, given = study.model, 2 * len(feature_names(study)), outputs_of(study)
    match model:
        case Logistic() | LinearModel():
            return {"linear.weight": (given, width), "linear.bias": (given,)}
        case Cox():
            return {"linear.weight": (1, width)}
        case Mlp():
            return {**_hidden(width, model.hidden), "output.weight": (given, model.hidden[-1]), "output.bias": (given,)}
        case DeepSurvival():
            return {**_hidden(width, model.hidden), "output.weight": (1, model.hidden[-1])}
        case Gru():
            return _recurrent(model, width, len(concepts.of) if (concepts := sequence_of(study)) else 0, given)
        case TextClassifier() | ImageClassifier() | VariantClassifier():
            return _joined(study, model, hidden=(), head=())
        case LateFusion():
            return _joined(study, model, model.hidden, model.head)
        case Segmenter():
            return model.shapes(dense_of(study)[0], given)
        case Gwas():
            return {}
        case Exported():
            return {**model.parameters, **model.running}
        case CausalLora():
            return model.parameters
        case Script():
            return dict(model.tensors)
        case _ as unreachable:
            assert_never(unreachable)


def _joined(study: Study, model: Joining, hidden: tuple[int, ...], head: tuple[int, ...]) -> Shapes:
    """Of each dense feature what its reader gives and whether it is missing; of the numbers the last layer."""
    shapes: Shapes = {}
    width, numbers = 0, 2 * len(feature_names(study))
    for place, feature in enumerate(dense_of(study)):
        reader = reader_of(model, feature.kind)
        shapes |= {f"readers.{place}.{name}": shape for name, shape in reader.shapes(feature.dims).items()}
        width += reader.width + 1
    if numbers:
        shapes |= _hidden(numbers, hidden, "numbers")
        width += (numbers, *hidden)[-1]
    shapes |= _hidden(width, head, "head")
    given = outputs_of(study)
    return shapes | {"output.weight": (given, (width, *head)[-1]), "output.bias": (given,)}


def _hidden(width: int, hidden: tuple[int, ...], group: str = "layers") -> Shapes:
    shapes: Shapes = {}
    for place, (given, taken) in enumerate(zip((width, *hidden), hidden, strict=False)):
        shapes |= {f"{group}.{place}.weight": (taken, given), f"{group}.{place}.bias": (taken,)}
    return shapes


def _recurrent(model: Gru, width: int, concepts: int, given: int) -> Shapes:
    gates = 3 * model.hidden
    return {
        "embedding.weight": (concepts, model.embedding),
        "gru.weight_ih_l0": (gates, model.embedding + STEP_INPUTS),
        "gru.weight_hh_l0": (gates, model.hidden),
        "gru.bias_ih_l0": (gates,),
        "gru.bias_hh_l0": (gates,),
        "output.weight": (given, model.hidden + width),
        "output.bias": (given,),
    }
