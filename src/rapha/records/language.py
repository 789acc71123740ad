"""A causal language model that travels with a study, and the LoRA adapter that is learnt of it: what a study says of both.

The base is a file of the researcher's, named by its digest; nothing of it is learnt. Of some of its matrices W the adapter learns
two thin ones, A [rank, in] and B [out, rank], and W is then read as W + alpha / rank * B A (Hu et al. 2022, ICLR, arXiv 2106.09685).
Only these travel back, under the names that PEFT gives them.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.averaging import Scaffold
from rapha.records.record import Digest, Real, Record

if TYPE_CHECKING:
    from rapha.records.study import Study

LARGEST_BASE_BYTES = 512 << 20
PROJECTIONS = {
    "q_proj": "self_attn", "k_proj": "self_attn", "v_proj": "self_attn", "o_proj": "self_attn",
    "gate_proj": "mlp", "up_proj": "mlp", "down_proj": "mlp",
}  # fmt: skip
"""The matrices of a layer of a Llama, and the part of it that each is in."""
Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MOST_LAYERS = 128
LARGEST_BATCH = 32
Side = Annotated[int, Field(ge=1, le=65_536)]


class CausalLora(Record):
    """A LoRA adapter of a causal language model of the form of Llama, over one `note`; binary outcome.

    `base`: digest of the model's file, of `size_bytes`, which travels beside the study; `layers` and `projections` [out, in] are how
    large it is. The sandbox holds them against the file. `learns`: `text`, the note's tokens one after the other and the outcome's word
    after them; or `outcome`, that word alone. `tokens`: how many of a note are read.
    """

    architecture: Literal["causal-lora"] = "causal-lora"
    base: Digest
    size_bytes: Annotated[int, Field(ge=1, le=LARGEST_BASE_BYTES)]
    layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)]
    projections: Annotated[dict[Projection, tuple[Side, Side]], Field(min_length=len(PROJECTIONS))]
    learns: Literal["text", "outcome"]
    rank: Annotated[int, Field(ge=1, le=256)] = 8
    alpha: Annotated[Real, Field(gt=0, le=1024)] = 16.0
    targets: Annotated[tuple[Projection, ...], Field(min_length=1, max_length=len(PROJECTIONS))] = ("q_proj", "v_proj")
    tokens: Annotated[int, Field(ge=8, le=4096)] = 256

    @model_validator(mode="after")
    def _each_once(self) -> "CausalLora":
        if len(set(self.targets)) < len(self.targets):
            raise PydanticCustomError("lora", "model.targets: one is named twice")
        return self

    @property
    def generative(self) -> bool:
        """Whether the adapter learns to write: one that does could write what a patient's note says."""
        return self.learns == "text"

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """The adapter's tensors, layer by layer."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.layers):
            for target in self.targets:
                out, given = self.projections[target]
                place = adapter_name(layer, target)
                shapes |= {f"{place}.lora_A.weight": (self.rank, given), f"{place}.lora_B.weight": (out, self.rank)}
        return shapes


def reads_language(study: "Study") -> bool:
    """Whether a study's model is a language model."""
    return isinstance(study.model, CausalLora)


def learns_text(study: "Study") -> bool:
    """Whether what is released of a study could write text."""
    return isinstance(study.model, CausalLora) and study.model.generative


def base_name(layer: int, projection: str) -> str:
    """The module of the base that a projection is."""
    return f"model.layers.{layer}.{PROJECTIONS[projection]}.{projection}"


def adapter_name(layer: int, projection: str) -> str:
    """The same, as PEFT names it in an adapter's file."""
    return f"base_model.model.{base_name(layer, projection)}"


def check_language(study: "Study") -> None:
    """Raises PydanticCustomError where a language model is to read what it cannot."""
    if not isinstance(study.model, CausalLora):
        return
    if others := [feature.name for feature in study.features if feature.kind != "note"]:
        raise PydanticCustomError(
            "language",
            "features: `causal-lora` reads one `note` and no numbers: leave `{name}` out",
            {"name": others[0]},
        )
    if study.privacy.differential_privacy is None and study.training.batch_size > LARGEST_BATCH:
        raise PydanticCustomError(
            "language",
            "training.batch_size: `causal-lora` keeps a whole batch in memory: at most {most}",
            {"most": LARGEST_BATCH},
        )
    if study.model.generative and isinstance(study.training.aggregation, Scaffold):
        raise PydanticCustomError(
            "language",
            "training.aggregation: `scaffold` counts steps over patients, and `learns: text` takes more, over texts that are planted among "
            "them: take another",
        )
