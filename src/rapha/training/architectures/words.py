"""A note as a bag of hashed words (fastText: Joulin et al. 2017, EACL; hashing: Weinberger et al. 2009, ICML)."""

import re
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.dense import DenseFeature
from rapha.records.learning import MOST_DENSE
from rapha.records.readers import ReaderSpec, WordReader
from rapha.training.architectures.reader import Reader
from rapha.training.arrays import Arrays

WORD = re.compile(r"\w+")
ROWS_AT_ONCE = 1024


class Bags(NamedTuple):
    """word [S], the bucket of each word; offsets [n + 1]."""

    word: Tensor
    offsets: Tensor


class WordBag(Reader):
    """The mean vector of a note's words; zero where there is no word in it."""

    def __init__(self, buckets: int, embedding: int) -> None:
        super().__init__(embedding)
        self.buckets = buckets
        self.embedding = nn.Embedding(buckets, embedding)

    def forward(self, arrays: Arrays, rows: Tensor) -> Tensor:
        bags = bags_of(arrays, self.buckets)
        starts, counts = bags.offsets[rows], bags.offsets[rows + 1] - bags.offsets[rows]
        row = torch.repeat_interleave(torch.arange(len(rows)), counts)
        within = torch.arange(len(row)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        vectors = self.embedding(bags.word[starts[row] + within])
        summed = torch.zeros(len(rows), vectors.shape[1]).index_add(0, row, vectors)
        return summed / counts.clamp(min=1).unsqueeze(1)


@lru_cache(
    maxsize=6 * MOST_DENSE
)  # of every note that a study may have: three splits, and those of the site's own model
def bags_of(notes: Arrays, buckets: int) -> Bags:
    """The words of each note, in lower case, as buckets. Read once: notes do not change between rounds."""
    words: list[int] = []
    offsets = [0]
    for start in range(0, len(notes), ROWS_AT_ONCE):
        for note in notes.batch(np.arange(start, min(start + ROWS_AT_ONCE, len(notes)))):
            text = note.tobytes().rstrip(b"\0").decode("utf-8", "replace").lower()
            words += [crc32(word.encode()) % buckets for word in WORD.findall(text)]
            offsets.append(len(words))
    return Bags(torch.tensor(words, dtype=torch.int64), torch.tensor(offsets, dtype=torch.int64))


def build_words(spec: ReaderSpec, note: DenseFeature) -> WordBag:
    if not isinstance(spec, WordReader):
        raise TrainingFailed("a note is read word by word")
    return WordBag(spec.buckets, spec.embedding)
