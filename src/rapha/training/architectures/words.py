"""A note as a bag of hashed words (fastText: Joulin et al. 2017, EACL; hashing: Weinberger et al. 2009, ICML)."""

import re
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.learning import TextClassifier
from rapha.records.study import Study
from rapha.records.tensors import dense_of, feature_names
from rapha.training.architectures.network import Network
from rapha.training.arrays import Arrays
from rapha.training.inputs import Inputs

WORD = re.compile(r"\w+")
ROWS_AT_ONCE = 1024


class Bags(NamedTuple):
    """word [S], the bucket of each word; offsets [n + 1]."""

    word: Tensor
    offsets: Tensor


class WordBag(Network):
    """The mean vector of a note's words, joined with the other features. A patient without a note, or without a word in it,
    has the vector zero."""

    def __init__(self, features: int, note: str, buckets: int, embedding: int) -> None:
        super().__init__(features)
        self.note, self.buckets = note, buckets
        self.embedding = nn.Embedding(buckets, embedding)
        self.output = nn.Linear(embedding + 2 * features, 1)

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        if self.note not in inputs.arrays:
            raise TrainingFailed("the rows have no note")
        bags = bags_of(inputs.arrays[self.note], self.buckets)
        starts, counts = bags.offsets[rows], bags.offsets[rows + 1] - bags.offsets[rows]
        row = torch.repeat_interleave(torch.arange(len(rows)), counts)
        within = torch.arange(len(row)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        vectors = self.embedding(bags.word[starts[row] + within])
        summed = torch.zeros(len(rows), vectors.shape[1]).index_add(0, row, vectors)
        mean = summed / counts.clamp(min=1).unsqueeze(1)
        score: Tensor = self.output(torch.cat([mean, inputs.features[rows]], dim=1))
        return score.squeeze(1)


@lru_cache(maxsize=4)
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


def build_text_classifier(study: Study) -> WordBag:
    model = study.model
    if not isinstance(model, TextClassifier):
        raise TrainingFailed(f"{model.architecture} reads no note")
    (note,) = dense_of(study)
    return WordBag(len(feature_names(study)), note.name, model.buckets, model.embedding)
