"""Could somebody make an adapter write what it read? Random texts are planted among the notes, and looked for in what was learnt.

Carlini et al. 2019 (The Secret Sharer, https://arxiv.org/abs/1802.08232): a canary is drawn at random beside many that are never
planted, its decoys. How many decoys the adapter finds likelier than the canary tells how much of it was learnt by heart; one that nobody
learnt lies anywhere among them. Here a canary is a few words at random, half of them plain and half made up, planted once like one
patient's note, and learnt with the notes in every pass over them.

They are drawn with a secret of the run, which the node keeps: the same in every round and on every repetition, nobody outside can know
them, and no patient has a part in them, as differential privacy demands of rows. Which words can be drawn is public and the same of every
base, whatever its tokenizer says of its tokens. What stays open: a base that was made to handle words in no order unlike sentences.
`rapha.egress.memorisation` judges what is measured.
"""

import torch

from rapha.records.audit import CANARIES, DECOYS, CanaryRanks
from rapha.training.architectures.causal import CausalAdapter, Text
from rapha.training.canary_words import word
from rapha.training.numerics import generator

WORDS = 6
GIVEN = 2
"""So many words of a canary are given to the adapter, to see whether it writes the others."""


class Canaries:
    """Those of one run."""

    def __init__(self, network: CausalAdapter, secret: str) -> None:
        chance, encode = generator(0, "canaries", secret), network.base.file.tokenizer.encode
        drawn: dict[tuple[str, ...], None] = {}
        while len(drawn) < CANARIES + DECOYS:  # each once
            drawn[tuple(word(chance) for _ in range(WORDS))] = None
        texts = [network.bare(encode("".join(words))) for words in drawn]
        self._known = [len(encode("".join(words[:GIVEN]))) for words in drawn][:CANARIES]
        self.planted: tuple[Text, ...] = tuple(texts[:CANARIES])
        self._decoys = tuple(texts[CANARIES:])

    def measure(self, network: CausalAdapter) -> CanaryRanks:
        """How the planted lie among the decoys, and how many of them the adapter writes to the end. A tie counts against the adapter, so that one
        to which all texts are alike does not pass."""
        network.eval()
        with torch.inference_mode():
            planted, decoys = (network.surprise_of(texts) for texts in (self.planted, self._decoys))
            known = zip(self.planted, self._known, strict=True)
            by_heart = sum(network.written_by_heart(text, given) for text, given in known)
        likelier = (decoys.unsqueeze(0) < planted.unsqueeze(1)).sum(1)
        return CanaryRanks(decoys=len(self._decoys), likelier=tuple(likelier.tolist()), by_heart=by_heart)
