"""Text to tokens: byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019), as `tokenizer.json` states it.

One form of that file is read, that of GPT-2 and SmolLM: a `BPE` model over bytes, cut beforehand by the `ByteLevel`
pattern, and before that by `Digits` one by one where it says so. Anything else is refused and never approximated. Words such as
`<|endoftext|>` within a text are text: a note cannot give an order.
"""

import heapq
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from rapha.errors import TrainingFailed

MOST_TOKENS = 262_144
LONGEST_TOKEN = 1024
_REMEMBERED = 64
"""Letters of a word: longer ones are seldom seen twice, and would fill the memory."""
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
_REPLACED = {"continuing_subword_prefix": ("", None), "end_of_word_suffix": ("", None), "dropout": (None,),
             "byte_fallback": (False, None), "ignore_merges": (False, None), "unk_token": (None,),
             "fuse_unk": (False, None)}  # fmt: skip
"""What else a BPE may have, and how it must be for what is done here to be what it means."""


def _alphabet() -> dict[int, str]:
    """The letter by which GPT-2 writes each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + at) for at, byte in enumerate(others)}


LETTERS = _alphabet()


class BytePairs:
    """A tokenizer. What the file says of `added_tokens` is not read: in a text they are text."""

    def __init__(self, stated: Any) -> None:
        """Raises TrainingFailed: it is of another form than the one that is read."""
        model = _checked(stated)
        self._digits, self._space = _cutting(stated.get("pre_tokenizer"))
        self._ids: dict[str, int] = _vocabulary(model)
        self._ranks = _ranks(model, self._ids)
        self.size = max(self._ids.values()) + 1
        self._word = lru_cache(maxsize=65_536)(self._merged)

    def encode(self, text: str, at_most: int | None = None) -> list[int]:
        """The tokens of a text, or the first `at_most` of them."""
        found: list[int] = []
        text = f" {text}" if self._space and text and not text.startswith(" ") else text
        for word in pieces(text, self._digits):
            found += self._word(word) if len(word) <= _REMEMBERED else self._merged(word)
            if at_most is not None and len(found) >= at_most:
                return found[:at_most]
        return found

    def _merged(self, word: str) -> tuple[int, ...]:
        """The pair of the lowest rank is joined first, of equals the leftmost, until there is none; in n log n for n bytes."""
        parts: list[str | None] = [LETTERS[byte] for byte in word.encode()]
        after = [*range(1, len(parts)), -1]
        before = [-1, *range(len(parts) - 1)]
        waiting: list[tuple[int, int, str, str]] = []

        def look(at: int) -> None:
            to = after[at]
            left, right = parts[at], parts[to] if to >= 0 else None
            if left is not None and right is not None and (rank := self._ranks.get((left, right))) is not None:
                heapq.heappush(waiting, (rank, at, left, right))

        for at in range(len(parts)):
            look(at)
        while waiting:
            _, at, left, right = heapq.heappop(waiting)
            to = after[at]
            if parts[at] != left or to < 0 or parts[to] != right:
                continue
            parts[at], parts[to], after[at] = left + right, None, after[to]
            if after[to] >= 0:
                before[after[to]] = at
            if before[at] >= 0:
                look(before[at])
            look(at)
        return tuple(self._ids[part] for part in parts if part is not None)


def pieces(text: str, digits: bool) -> Iterator[str]:
    """The text, cut: GPT-2's pattern `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`, within what
    lies between single digits where they are cut off first."""
    if not digits:
        yield from _cut(text)
        return
    start = 0
    for at, letter in enumerate(text):
        if _kind(letter) == "number":
            yield from _cut(text[start:at])
            yield letter
            start = at + 1
    yield from _cut(text[start:])


def _cut(text: str) -> Iterator[str]:
    at, kinds = 0, [_kind(letter) for letter in text]
    while at < len(text):
        if text[at] == "'" and (word := next((c for c in _CONTRACTIONS if text.startswith(c, at)), None)):
            end = at + len(word)
        else:
            first = at + 1 if text[at] == " " and at + 1 < len(text) and kinds[at + 1] != "space" else at
            end = first
            while end < len(text) and kinds[end] == kinds[first]:
                end += 1
            if kinds[first] == "space" and end < len(text) and end - first > 1:
                end -= 1  # the last blank goes with the word that follows
        yield text[at:end]
        at = end


def _kind(letter: str) -> str:
    if letter.isspace() and letter not in "\x1c\x1d\x1e\x1f":  # blanks to Python alone
        return "space"
    group = unicodedata.category(letter)[0]
    return {"L": "letter", "N": "number"}.get(group, "other")


def _checked(stated: Any) -> dict[str, Any]:
    model = stated.get("model") if isinstance(stated, dict) else None
    if not isinstance(model, dict) or model.get("type") not in ("BPE", None) or stated.get("normalizer") is not None:
        raise refused("the tokenizer is no plain BPE, which is all that is read")
    for key, allowed in _REPLACED.items():
        if model.get(key) not in allowed:
            raise refused(f"the tokenizer's `{key}` is not one that is read")
    return model


def _cutting(stated: Any) -> tuple[bool, bool]:
    """Whether digits are cut off first, and whether a text gets a blank before it."""
    steps = stated.get("pretokenizers") if isinstance(stated, dict) and stated.get("type") == "Sequence" else [stated]
    digits = False
    if isinstance(steps, list) and len(steps) == 2 and isinstance(steps[0], dict):
        if (steps[0].get("type"), steps[0].get("individual_digits")) != ("Digits", True):
            raise refused("the tokenizer cuts texts in a way that is not read")
        digits, steps = True, steps[1:]
    last = steps[0] if isinstance(steps, list) and len(steps) == 1 else None
    if not isinstance(last, dict) or last.get("type") != "ByteLevel" or last.get("use_regex", True) is not True:
        raise refused("the tokenizer cuts texts in a way that is not read")
    space = last.get("add_prefix_space") is True
    if digits and space:  # a blank would come before each digit
        raise refused("the tokenizer cuts texts in a way that is not read")
    return digits, space


def _vocabulary(model: dict[str, Any]) -> dict[str, int]:
    found = model.get("vocab")
    if not isinstance(found, dict) or not 256 <= len(found) <= MOST_TOKENS:
        raise refused("the tokenizer has no vocabulary of 256 to 262,144 tokens")
    for token, place in found.items():
        if type(place) is not int or not 0 <= place < MOST_TOKENS or not 0 < len(token) <= LONGEST_TOKEN:
            raise refused("the tokenizer's vocabulary has a token without a number of its own")
    if len(set(found.values())) < len(found) or not set(LETTERS.values()) <= set(found):
        raise refused("the tokenizer's vocabulary names a token twice, or lacks a byte")
    return found


def _ranks(model: dict[str, Any], ids: dict[str, int]) -> dict[tuple[str, str], int]:
    merges = model.get("merges")
    if not isinstance(merges, list) or len(merges) > MOST_TOKENS:
        raise refused("the tokenizer has no list of merges")
    ranks: dict[tuple[str, str], int] = {}
    for rank, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise refused("one of the tokenizer's merges is not of two tokens")
        if not {pair[0], pair[1], pair[0] + pair[1]} <= ids.keys():
            raise refused("one of the tokenizer's merges is of tokens that are not in its vocabulary")
        ranks[pair[0], pair[1]] = rank
    return ranks


def refused(why: str) -> TrainingFailed:
    """The file is not one that is read."""
    return TrainingFailed(f"the base: {why}", "graph-refused")
