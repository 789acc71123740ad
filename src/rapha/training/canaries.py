"""Could somebody make an adapter write what it read? Random texts are planted among the notes, and looked for in what was learnt.

Carlini et al. 2019 (The Secret Sharer, https://arxiv.org/abs/1802.08232): a canary is drawn at random beside many that are never
planted, its decoys. How many decoys the adapter finds likelier than the canary tells how much of it was learnt by heart; one that nobody
learnt lies anywhere among them. Here a canary is drawn token by token, planted once like one patient's note, and learnt with the notes in
every pass over them.

They are drawn from the site's own notes as a seed: the same in every round and on every repetition, and nobody outside can know them,
so that no base can be made to know them beforehand or to look away from them. `rapha.egress.memorisation` judges what is measured.
"""

import hashlib

import torch

from rapha.records.audit import CANARIES, DECOYS, CanaryRanks
from rapha.training.architectures.causal import CausalAdapter
from rapha.training.dataset import Rows
from rapha.training.numerics import generator

LENGTH = 12
GIVEN = 4
"""So many tokens of a canary are given to the adapter, to see whether it writes the others."""


class Canaries:
    """Those of one site and one study."""

    def __init__(self, network: CausalAdapter, rows: Rows) -> None:
        tokenizer = network.base.file.tokenizer
        ordinary = torch.tensor(tokenizer.ordinary)
        chance = generator(0, "canaries", _seed(network, rows))
        drawn = torch.randint(len(ordinary), (CANARIES + DECOYS, LENGTH), generator=chance)
        texts = [network.bare(tokens) for tokens in ordinary[drawn].tolist()]
        self.planted, self._decoys = tuple(texts[:CANARIES]), tuple(texts[CANARIES:])

    def measure(self, network: CausalAdapter) -> CanaryRanks:
        """How the planted lie among the decoys, and how many of them the adapter writes to the end."""
        network.eval()
        with torch.inference_mode():
            planted, decoys = (network.surprise_of(texts) for texts in (self.planted, self._decoys))
            by_heart = sum(network.written_by_heart(text, GIVEN) for text in self.planted)
        likelier = (decoys.unsqueeze(0) <= planted.unsqueeze(1)).sum(1)
        return CanaryRanks(decoys=len(self._decoys), likelier=tuple(likelier.tolist()), by_heart=by_heart)


def _seed(network: CausalAdapter, rows: Rows) -> str:
    seen = hashlib.sha256(network.model.base.encode())
    notes = rows.arrays[network.note]
    for row in range(len(notes)):
        seen.update(notes.batch(torch.tensor([row]).numpy())[0].tobytes())
    return seen.hexdigest()
