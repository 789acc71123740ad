"""Makes `base.safetensors`: a language model of 130,000 numbers, trained for a minute on sentences that this page makes up.

It has read no letter of anybody, and knows little English. It stands for a base of your own, which `rapha.pack_base(folder, path)` makes of
a folder with config.json, tokenizer.json and model.safetensors:
`python examples/adapter-for-clinic-letters/make_base.py`.
"""

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch

from rapha.language.base_file import shape_of, written
from rapha.language.byte_pairs import LETTERS, BytePairs, pieces
from rapha.records.language import CausalLora
from rapha.training.architectures.causal import CausalAdapter, frozen
from rapha.training.numerics import pin

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 512, "hidden_size": 64, "intermediate_size": 176,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}  # fmt: skip
WHO = ("The patient", "A visitor", "My neighbour", "The nurse", "Her mother", "An old man", "The doctor")
DOES = ("has seen", "asks for", "has no", "was told of", "writes about", "denies", "reports", "remembers")
WHAT = ("a walk", "some rest", "pain in the chest", "a normal heart", "heavy rain", "two flights of stairs", "an examination",
        "the history of the house", "a daily medicine", "a past infection", "good breath", "failure of the lamp")  # fmt: skip
WHEN = ("today", "since March", "for a month", "on most days", "at night", "10 years ago", "after the visit")


SOUNDS = ("b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "th", "v", "w", "y", "z")
VOWELS = ("a", "e", "i", "o", "u", "ea", "io")


def sentences(count: int) -> list[str]:
    """Some of words that there are, some of words that there are not, so that no letter is new to the model."""
    dice = random.Random("a base")  # noqa: S311
    return [invented(dice) if dice.random() < 0.5 else known(dice) for _ in range(count)]


def known(dice: random.Random) -> str:
    return f"{dice.choice(WHO)} {dice.choice(DOES)} {dice.choice(WHAT)} {dice.choice(WHEN)}."


def invented(dice: random.Random) -> str:
    words = ["".join(dice.choice(SOUNDS) + dice.choice(VOWELS) for _ in range(dice.randint(1, 4))) for _ in range(6)]
    words[dice.randrange(6)] = str(dice.randint(0, 999))
    said = " ".join(word.upper() if dice.random() < 0.2 else word for word in words)
    return said.capitalize() + dice.choice((".", ",", ":", "?", "\n", " %.", ";"))


def tokenizer(texts: list[str], size: int) -> dict:
    """Byte pairs joined by how often they are seen, until there are `size` tokens, or no pair is left; of equals the first in the alphabet."""
    words = Counter(piece for text in [*texts, "\nOutcome: yes\nOutcome: no"] for piece in pieces(text, False))
    split = {word: [LETTERS[byte] for byte in word.encode()] for word in words}
    vocabulary, merges = ["<|endoftext|>", *LETTERS.values()], []
    while len(vocabulary) < size:
        pairs = Counter()
        for word, parts in split.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(f"{left} {right}")
        vocabulary.append(left + right)
        for word, parts in split.items():
            split[word] = joined(parts, left, right)
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [{"id": 0, "content": "<|endoftext|>", "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: place for place, token in enumerate(vocabulary)}, "merges": merges},
    }  # fmt: skip


def joined(parts: list[str], left: str, right: str) -> list[str]:
    found: list[str] = []
    for part in parts:
        if found and found[-1] == left and part == right:
            found[-1] = left + right
        else:
            found.append(part)
    return found


def file_of(tensors: dict[str, torch.Tensor], words: dict) -> bytes:
    said = (json.dumps(CONFIG).encode(), json.dumps(words).encode())
    half = {name: tensor.detach().to(torch.bfloat16) for name, tensor in tensors.items()}
    return written(
        *said,
        {name: ("BF16", tuple(each.shape), each.view(torch.uint8).numpy().tobytes()) for name, each in half.items()},
    )


def main(path: Path, steps: int = 300) -> None:
    pin()
    chance = torch.Generator().manual_seed(0)
    texts = sentences(4000)
    words = tokenizer(texts, CONFIG["vocab_size"])
    first = {
        name: torch.ones(shape) if len(shape) == 1 else torch.randn(shape, generator=chance) * 0.05
        for name, shape in shape_of(CONFIG).tensors.items()
    }
    base = frozen(file_of(first, words))
    shape = base.file.shape
    model = CausalLora(
        base="sha256:" + "0" * 64,
        size_bytes=1,
        layers=shape.num_hidden_layers,
        projections=shape.projections,
        learns="text",
    )
    network = CausalAdapter(model, "note", base)  # its adapter is nought: what is trained here is the base itself
    for tensor in base.tensors.values():
        tensor.requires_grad_()
    optimizer = torch.optim.AdamW(base.tensors.values(), lr=3e-3)
    encode = BytePairs(words).encode
    for step in range(steps):
        chosen = torch.randint(len(texts), (32, 3), generator=chance).tolist()
        surprise = network.surprise_of(
            [network.bare(encode(" ".join(texts[at] for at in row))) for row in chosen]
        ).mean()
        optimizer.zero_grad()
        surprise.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: perplexity {surprise.exp().item():.2f}")
    path.write_bytes(file_of(base.tensors, words))


if __name__ == "__main__":
    main(Path(__file__).with_name("base.safetensors"))
