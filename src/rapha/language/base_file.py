"""A base model in one file: safetensors, with `config` and `tokenizer` of the model as JSON in its metadata. Nothing in it can run.

Read to the byte: the header is JSON with no second reading, the tensors are exactly those of a Llama of that configuration, lie side by
side and fill the file. `rapha.pack_base` writes it of a folder in the form of Hugging Face.
"""

import json
import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from rapha.errors import TrainingFailed
from rapha.language.byte_pairs import BytePairs, refused
from rapha.records.language import LARGEST_BASE_BYTES, MOST_LAYERS, PROJECTIONS, CausalLora, Side, base_name
from rapha.records.record import Record
from rapha.strict_json import NotStrict, strict_json

MOST_HEADER_BYTES = 64 << 20
BYTES_OF = {"F32": 4, "F16": 2, "BF16": 2}
_IGNORED = {
    "architectures", "bos_token_id", "eos_token_id", "pad_token_id", "transformers_version", "torch_dtype", "dtype",
    "use_cache", "pretraining_tp", "initializer_range", "attention_dropout", "_name_or_path", "is_llama_config",
    "rope_interleaved", "transformers.js_config", "rope_scaling", "rope_parameters", "rope_theta", "return_dict",
    "output_hidden_states", "output_attentions", "id2label", "label2id", "problem_type", "chunk_size_feed_forward",
    "is_encoder_decoder", "is_decoder", "cross_attention_hidden_size", "add_cross_attention", "tie_encoder_decoder",
}  # fmt: skip
"""Of a configuration, what changes nothing here, or is looked at by itself."""


class Shape(Record):
    """How a Llama is built: what of its configuration changes what it computes."""

    model_type: Literal["llama"]
    vocab_size: Annotated[int, Field(ge=256, le=262_144)]
    hidden_size: Side
    intermediate_size: Side
    num_hidden_layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)]
    num_attention_heads: Annotated[int, Field(ge=1, le=512)]
    num_key_value_heads: Annotated[int, Field(ge=1, le=512)]
    head_dim: Annotated[int, Field(ge=2, le=1024)]
    max_position_embeddings: Annotated[int, Field(ge=16, le=1 << 20)]
    rms_norm_eps: Annotated[float, Field(gt=0, le=1)]
    hidden_act: Literal["silu"]
    tie_word_embeddings: bool
    attention_bias: Literal[False] = False
    mlp_bias: Literal[False] = False

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """[out, in] of the matrices of a layer."""
        queries, keys = self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        hidden, inner = self.hidden_size, self.intermediate_size
        return {
            "q_proj": (queries, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden), "o_proj": (hidden, queries),
            "gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner),
        }  # fmt: skip

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """All that a file of such a model holds."""
        found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocab_size, self.hidden_size)}
        for layer in range(self.num_hidden_layers):
            found |= {f"{base_name(layer, name)}.weight": self.projections[name] for name in PROJECTIONS}
            for norm in ("input_layernorm", "post_attention_layernorm"):
                found[f"model.layers.{layer}.{norm}.weight"] = (self.hidden_size,)
        found["model.norm.weight"] = (self.hidden_size,)
        if not self.tie_word_embeddings:
            found["lm_head.weight"] = (self.vocab_size, self.hidden_size)
        return found


class Span(NamedTuple):
    """Where a tensor lies in the file."""

    shape: tuple[int, ...]
    element: Literal["F32", "F16", "BF16"]
    content: memoryview


Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]
"""Element type, shape and bytes, by name."""


class BaseModelFile(NamedTuple):
    """A base, read. `theta` is of its rotary positions; `first` the token that each text begins with, where there is one."""

    shape: Shape
    theta: float
    first: int | None
    tokenizer: BytePairs
    tensors: dict[str, Span]
    said: dict[str, str]
    """`config` and `tokenizer` as they are written."""


def read_base(data: bytes) -> BaseModelFile:
    """Raises TrainingFailed: `graph-refused`."""
    header, body = _header(data)
    said = header.pop("__metadata__", None)
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise refused("it has no metadata; rapha.pack_base writes it")
    config, tokenizer = (_json(said, name) for name in ("config", "tokenizer"))
    shape = shape_of(config)
    tokens = BytePairs(tokenizer)
    if tokens.size > shape.vocab_size:
        raise refused("its tokenizer has more tokens than the model")
    first = config.get("bos_token_id")
    if first is not None and (type(first) is not int or not 0 <= first < shape.vocab_size):
        raise refused("`bos_token_id` is no token of it")
    return BaseModelFile(shape, theta_of(config), first, tokens, _tensors(header, body, shape.tensors), dict(said))


def check_base_fits(model: CausalLora, base: BaseModelFile) -> None:
    """Raises TrainingFailed: `graph-mismatch`: the base is of another size than the study states, or reads shorter texts."""
    if (base.shape.num_hidden_layers, base.shape.projections) != (model.layers, dict(model.projections)):
        raise TrainingFailed("the base is of another size than the study states", "graph-mismatch")
    if model.tokens + 32 > base.shape.max_position_embeddings:
        longest = base.shape.max_position_embeddings - 32
        raise TrainingFailed(f"the base reads at most {longest} tokens of a note, not {model.tokens}", "graph-mismatch")


def shape_of(config: Any) -> Shape:
    """The shape that a configuration states. Raises TrainingFailed: it states what is not done here."""
    if not isinstance(config, dict):
        raise refused("its configuration is no table")
    asked = {key: value for key, value in config.items() if key not in _IGNORED}
    try:
        heads = asked.get("num_attention_heads", 1)
        asked.setdefault("num_key_value_heads", heads)
        if asked.get("head_dim") is None:
            asked["head_dim"] = asked["hidden_size"] // heads
        asked.setdefault("tie_word_embeddings", False)
        shape = Shape.model_validate(asked)
    except (ValidationError, KeyError, TypeError, ZeroDivisionError) as error:
        places = [".".join(map(str, e["loc"])) for e in error.errors()] if isinstance(error, ValidationError) else []
        raise refused(f"its configuration is not of a Llama as it is read here: see {', '.join(places[:4])}") from None
    if shape.num_attention_heads % shape.num_key_value_heads or shape.head_dim % 2:
        raise refused("its heads cannot be dealt to its keys")
    return shape


def theta_of(config: dict[str, Any]) -> float:
    """The base of its rotary positions, which are of the plain kind alone."""
    stated = config.get("rope_parameters") or config.get("rope_scaling") or {}
    plain = isinstance(stated, dict) and stated.get("rope_type", stated.get("type", "default")) == "default"
    theta = (stated.get("rope_theta") if plain else None) or config.get("rope_theta", 10_000.0)
    if not plain or not isinstance(theta, int | float) or not 1 < theta < 1e9 or config.get("rope_interleaved"):
        raise refused("its rotary positions are not of the plain kind")
    return float(theta)


def _header(data: bytes) -> tuple[dict[str, Any], memoryview]:
    if not 8 < len(data) <= LARGEST_BASE_BYTES:
        raise refused(f"the file has {len(data)} bytes; a base has at most {LARGEST_BASE_BYTES}")
    length = int.from_bytes(data[:8], "little")
    if not 0 < length <= min(MOST_HEADER_BYTES, len(data) - 8):
        raise refused("it is no safetensors file")
    try:
        header = strict_json(memoryview(data)[8 : 8 + length])
    except NotStrict:
        header = None
    if not isinstance(header, dict):
        raise refused("it is no safetensors file")
    return header, memoryview(data)[8 + length :]


def _json(said: dict[str, str], name: str) -> Any:
    try:
        return strict_json(said[name].encode())
    except (KeyError, NotStrict, UnicodeEncodeError):
        raise refused(f"its metadata has no `{name}` that can be read; rapha.pack_base writes it") from None


def _tensors(header: dict[str, Any], body: memoryview, wanted: dict[str, tuple[int, ...]]) -> dict[str, Span]:
    if set(header) != set(wanted):
        odd = min(set(header) ^ set(wanted))
        raise refused(f"its tensors are not those of its configuration: see {odd[:80]}")
    found, ends = {}, 0
    try:
        placed = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
        for name, stated in placed:
            (start, end), element = stated["data_offsets"], stated["dtype"]
            size = math.prod(wanted[name]) * BYTES_OF[element]
            if tuple(stated["shape"]) != wanted[name] or start != ends or end - start != size:
                raise refused(f"its tensor {name[:80]} is of another shape, or lies elsewhere")
            found[name], ends = Span(wanted[name], element, body[start:end]), end
    except (KeyError, TypeError, ValueError):
        raise refused("its list of tensors cannot be read") from None
    if ends != len(body):
        raise refused("the file is longer or shorter than its tensors")
    return found


def written(config: bytes, tokenizer: bytes, tensors: Tensors) -> bytes:
    """The file of a base. The same parts give the same bytes."""
    return laid_out({"format": "pt", "config": config.decode(), "tokenizer": tokenizer.decode()}, tensors)


def laid_out(said: dict[str, str], tensors: Tensors) -> bytes:
    """A safetensors file with this metadata."""
    header: dict[str, Any] = {"__metadata__": said}
    body = bytearray()
    for name, (element, shape, content) in sorted(tensors.items()):
        header[name] = {
            "dtype": element, "shape": list(shape), "data_offsets": [len(body), len(body) + len(content)],
        }  # fmt: skip
        body += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(body)
