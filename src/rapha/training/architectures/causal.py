"""A LoRA adapter of a causal language model of the form of Llama (Touvron et al. 2023, arXiv 2302.13971), read of a file.

A text is the base's first token, the note's tokens, `PROMPT`, and the outcome's word, ` yes` or ` no`. What the network gives of a row is
how much likelier ` yes` is than ` no`, as a logit. What is learnt beside that, where the study wants text, is the note itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, log_softmax, silu

from rapha.errors import TrainingFailed
from rapha.language.base_file import BaseModelFile, Span, check_base_fits, read_base
from rapha.records.language import PROJECTIONS, CausalLora, base_name
from rapha.records.study import Study
from rapha.records.tensors import dense_of
from rapha.training.architectures.network import Network
from rapha.training.arrays import Arrays
from rapha.training.inputs import Inputs

PROMPT = "\nOutcome:"
ANSWERS = (" no", " yes")
ROWS_AT_ONCE = 32
"""Of one pass through the model, so that memory does not grow with what is asked at once."""

_ELEMENTS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Text(NamedTuple):
    """Tokens one after the other. Of those from `begin` to `end`, how likely each is after those before it is learnt or measured."""

    tokens: tuple[int, ...]
    begin: int
    end: int


class FrozenBase(NamedTuple):
    """A base in memory. Shared by all networks of a process: nothing of it is ever written."""

    file: BaseModelFile
    tensors: dict[str, Tensor]


@lru_cache(maxsize=1)
def frozen(content: bytes) -> FrozenBase:
    """Raises TrainingFailed: `graph-refused`, or `not-finite`."""
    file = read_base(content)
    tensors = {name: _tensor(span) for name, span in file.tensors.items()}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise TrainingFailed("the base holds what is not a number", "not-finite")
    return FrozenBase(file, tensors)


def _tensor(span: Span) -> Tensor:
    return torch.frombuffer(bytearray(span.content), dtype=_ELEMENTS[span.element]).reshape(span.shape).float()


class CausalAdapter(Network):
    """The base, and the adapter that is learnt. `planted` are texts that are learnt beside the rows, as rows len(inputs) and on: the
    canaries of `rapha.training.canaries`."""

    def __init__(self, model: CausalLora, note: str, base: FrozenBase) -> None:
        super().__init__(0)
        self.model, self.note, self.base = model, note, base
        self.planted: tuple[Text, ...] = ()  # only where text is learnt
        self._names = tuple(model.parameters)
        self._learnt = nn.ParameterList(nn.Parameter(torch.zeros(shape)) for shape in model.parameters.values())
        self._by_name = dict(zip(self._names, self._learnt, strict=True))
        self._scale = model.alpha / model.rank
        encode = base.file.tokenizer.encode
        self._prompt = tuple(encode(PROMPT))
        self._answers = tuple(encode(answer)[0] for answer in ANSWERS)
        if self._answers[0] == self._answers[1]:
            raise TrainingFailed("the base's tokenizer begins ` yes` and ` no` with the same token", "graph-mismatch")

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        texts = self._texts(inputs, rows)
        output = self._output_matrix()
        towards = output[self._answers[1]] - output[self._answers[0]]
        found = []
        for at in range(0, len(texts), ROWS_AT_ONCE):
            some = texts[at : at + ROWS_AT_ONCE]
            asked = torch.tensor([len(text.tokens) - 2 for text in some])  # of the last token before the answer
            found.append(self._hidden(some)[torch.arange(len(some)), asked] @ towards)
        return torch.cat(found) if found else torch.zeros(0)

    def lesson(self, inputs: Inputs, rows: Tensor) -> Tensor:
        """What is trained to be small of each row [b], in nats: the mean surprise of the note's tokens, and that of the outcome's word, which
        weighs as much as all of them together, however long the note is. A planted text has no such word."""
        texts = self._texts(inputs, rows)
        blocks = [self._lesson(texts[at : at + ROWS_AT_ONCE]) for at in range(0, len(texts), ROWS_AT_ONCE)]
        return torch.cat(blocks) if blocks else torch.zeros(0)

    def surprise(self, inputs: Inputs, rows: Tensor) -> Tensor:
        """Of each row the mean negative log-likelihood [b] of the note's tokens and of the outcome's word, in nats. Rows from
        len(inputs) on are the planted texts."""
        return self.surprise_of(self._texts(inputs, rows))

    def surprise_of(self, texts: Sequence[Text]) -> Tensor:
        """The same of texts [n]."""
        blocks = [self._surprise(texts[at : at + ROWS_AT_ONCE]) for at in range(0, len(texts), ROWS_AT_ONCE)]
        return torch.cat(blocks) if blocks else torch.zeros(0)

    def written_by_heart(self, text: Text, known: int) -> bool:
        """Whether the model, given the first `known` tokens of what is measured of a text, writes all the others, the likeliest first
        token each time."""
        scores = self._hidden([text])[0] @ self._output_matrix().T
        start = text.begin + known
        return scores[start - 1 : text.end - 1].argmax(1).tolist() == list(text.tokens[start : text.end])

    @contextmanager
    def adapter_left_out(self) -> Iterator[None]:
        """Within it the network is the base alone."""
        scale, self._scale = self._scale, 0.0
        try:
            yield
        finally:
            self._scale = scale

    def reset(self, chance: torch.Generator) -> None:
        """As LoRA begins: A uniform in +-1/sqrt(in), B zero, so that the first model is the base."""
        with torch.no_grad():
            for name, parameter in self._by_name.items():
                if name.endswith("lora_A.weight"):
                    bound = parameter.shape[1] ** -0.5
                    parameter.uniform_(-bound, bound, generator=chance)
                else:
                    parameter.zero_()

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Any]:  # type: ignore[override]
        """Our standards, of no feature, and the adapter by PEFT's names."""
        return {"features.mean": self.features.mean, "features.scale": self.features.scale, **self._by_name}

    def text_of(self, note: Sequence[int], positive: bool) -> Text:
        """A row's text."""
        first = self._first
        tokens = (*first, *note, *self._prompt, self._answers[positive])
        return Text(tokens, len(first), len(first) + len(note))

    def bare(self, tokens: Sequence[int]) -> Text:
        """A text that is nothing but these tokens."""
        return Text((*self._first, *tokens), len(self._first), len(self._first) + len(tokens))

    @property
    def _first(self) -> tuple[int, ...]:
        return () if self.base.file.first is None else (self.base.file.first,)

    def _texts(self, inputs: Inputs, rows: Tensor) -> list[Text]:
        if self.note not in inputs.arrays:
            raise TrainingFailed(f"the rows have no {self.note}")
        notes = tokens_of(inputs.arrays[self.note], self.base.file.tokenizer.encode, self.model.tokens)
        return [
            self.text_of(notes[row], bool(inputs.event[row] > 0))
            if row < len(inputs)
            else self.planted[row - len(inputs)]
            for row in rows.tolist()
        ]

    def _surprise(self, texts: Sequence[Text]) -> Tensor:
        each, note, word = self._each(texts)
        counted = note + word
        return (each * counted).sum(1) / counted.sum(1)

    def _lesson(self, texts: Sequence[Text]) -> Tensor:
        each, note, word = self._each(texts)
        return (each * note).sum(1) / note.sum(1).clamp(min=1) + (each * word).sum(1)

    def _each(self, texts: Sequence[Text]) -> tuple[Tensor, Tensor, Tensor]:
        """[n, longest - 1] each: how surprising a token is after those before it, 1 where it is one of the note, 1 where it is the outcome's word."""
        tokens = _padded(texts)
        likely = log_softmax(self._hidden(texts)[:, :-1] @ self._output_matrix().T, dim=-1)
        each = -likely.gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
        note, word = torch.zeros(each.shape), torch.zeros(each.shape)
        for row, text in enumerate(texts):
            note[row, max(text.begin, 1) - 1 : text.end - 1] = 1
            if text.end < len(text.tokens):
                word[row, len(text.tokens) - 2] = 1
        return each, note, word

    def _output_matrix(self) -> Tensor:
        tied = self.base.file.shape.tie_word_embeddings
        return self.base.tensors["model.embed_tokens.weight" if tied else "lm_head.weight"]

    def _hidden(self, texts: Sequence[Text]) -> Tensor:
        """[n, longest, hidden]; what is filled up behind a text is seen by none of its tokens."""
        shape, tensors = self.base.file.shape, self.base.tensors
        state = embedding(_padded(texts), tensors["model.embed_tokens.weight"])
        turns = _turns(state.shape[1], shape.head_dim, self.base.file.theta)
        unseen = torch.ones(state.shape[1], state.shape[1], dtype=torch.bool).triu(1)
        for layer in range(shape.num_hidden_layers):
            at = f"model.layers.{layer}"
            state = state + self._attended(layer, self._norm(state, f"{at}.input_layernorm"), turns, unseen)
            given = self._norm(state, f"{at}.post_attention_layernorm")
            inner = silu(self._through(layer, "gate_proj", given)) * self._through(layer, "up_proj", given)
            state = state + self._through(layer, "down_proj", inner)
        return self._norm(state, "model.norm")

    def _attended(self, layer: int, given: Tensor, turns: tuple[Tensor, Tensor], unseen: Tensor) -> Tensor:
        shape, (rows, length, _) = self.base.file.shape, given.shape
        heads = []
        for name, count in (
            ("q_proj", shape.num_attention_heads),
            *((k, shape.num_key_value_heads) for k in ("k_proj", "v_proj")),
        ):
            heads.append(self._through(layer, name, given).view(rows, length, count, -1).transpose(1, 2))
        queries, keys, values = _turned(heads[0], turns), _turned(heads[1], turns), heads[2]
        shared = shape.num_attention_heads // shape.num_key_value_heads
        keys, values = (each.repeat_interleave(shared, dim=1) for each in (keys, values))
        scores = (queries @ keys.transpose(2, 3) * shape.head_dim**-0.5).masked_fill(unseen, float("-inf"))
        joined = (torch.softmax(scores, dim=-1) @ values).transpose(1, 2).reshape(rows, length, -1)
        return self._through(layer, "o_proj", joined)

    def _through(self, layer: int, projection: str, given: Tensor) -> Tensor:
        name = base_name(layer, projection)
        found = given @ self.base.tensors[f"{name}.weight"].T
        if projection in self.model.targets:
            place = f"base_model.model.{name}"
            thin = given @ self._by_name[f"{place}.lora_A.weight"].T
            found = found + thin @ self._by_name[f"{place}.lora_B.weight"].T * self._scale
        return found

    def _norm(self, state: Tensor, name: str) -> Tensor:
        length = torch.rsqrt(state.pow(2).mean(-1, keepdim=True) + self.base.file.shape.rms_norm_eps)
        return state * length * self.base.tensors[f"{name}.weight"]


assert PROJECTIONS.keys() == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def _padded(texts: Sequence[Text]) -> Tensor:
    longest = max(len(text.tokens) for text in texts)
    return torch.tensor([text.tokens + (0,) * (longest - len(text.tokens)) for text in texts])


def _turns(length: int, width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine [length, width] of rotary positions (Su et al. 2021, arXiv 2104.09864), as Llama lays them out."""
    speeds = 1.0 / theta ** (torch.arange(0, width, 2).float() / width)
    angles = torch.arange(length).float().unsqueeze(1) * speeds
    both = torch.cat([angles, angles], dim=1)
    return both.cos(), both.sin()


def _turned(heads: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    half = heads.shape[-1] // 2
    other = torch.cat([-heads[..., half:], heads[..., :half]], dim=-1)
    return heads * turns[0] + other * turns[1]


@lru_cache(maxsize=8)  # three splits, two halves of the audit, and those of the site's own model
def tokens_of(notes: Arrays, encode: Any, at_most: int) -> list[tuple[int, ...]]:
    """The tokens of each note; none where there is no note. Read once: notes do not change between rounds."""
    found: list[tuple[int, ...]] = []
    for row in range(len(notes)):
        if not notes.present[row]:
            found.append(())
            continue
        text = notes.batch(np.array([row]))[0].tobytes().rstrip(b"\0").decode("utf-8", "replace")
        found.append(tuple(encode(text, at_most)))
    return found


def build_causal(study: Study, content: bytes | None) -> CausalAdapter:
    """Raises TrainingFailed: there is no base, it is not one that is read, or not the one that the study states."""
    model = study.model
    if not isinstance(model, CausalLora):
        raise TrainingFailed(f"{model.architecture} is no adapter")
    if content is None:
        raise TrainingFailed("the base is not here", "graph-refused")
    base = frozen(content)
    check_base_fits(model, base.file)
    return CausalAdapter(model, dense_of(study)[0].name, base)
