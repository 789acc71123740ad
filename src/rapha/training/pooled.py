"""Without a federation: train on rows at hand, measure any weights on rows at hand.

What each hospital's own model is made with, and the model of the pooled rows where a demonstration may have them.
For the bits of a sandbox, call `rapha.training.numerics.pin` first.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rapha.errors import TrainingFailed
from rapha.records.metrics import MeasuredModel
from rapha.records.outputs import RawEvaluation
from rapha.records.study import Study
from rapha.training.architectures import build
from rapha.training.architectures.network import Network
from rapha.training.dataset import Dataset, Floats, Rows, pool
from rapha.training.inputs import Inputs, Weights, make_inputs
from rapha.training.loop import train_round
from rapha.training.metrics import evaluation
from rapha.training.overlap import losses, masks, overlaps
from rapha.training.perplexity import text_figures
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, views_of

_ROWS_AT_ONCE, _BYTES_AT_ONCE = 8192, 256 << 20
"""How much is read at once to be scored: rows, and bytes of their arrays as float32."""
_COPIES = 64


def train_alone(study: Study, datasets: Sequence[Dataset], graph: bytes | None = None) -> tuple[Weights, RawEvaluation]:
    """Train as a federation of one would: own statistics, all rounds, on the training rows of all datasets together.

    Returns the weights, and their evaluation on the test rows of all datasets together, named `local`.

    Raises:
        TrainingFailed: as `train_round`.
    """
    together = pool(datasets)
    start = start_of(feature_statistics(study, together.train))
    network = build(study, graph)
    load_into(network, start)
    inputs = make_inputs(together.train, start)
    for number in range(1, study.training.rounds + 1):
        train_round(study, network, inputs, number)
    weights = views_of(network)
    return weights, evaluation(score(network, make_inputs(together.test, weights)), together.test, "local")


def evaluate_on(
    study: Study,
    weights: Mapping[str, npt.NDArray[np.float32]],
    rows: Rows,
    model: MeasuredModel = "federated",
    graph: bytes | None = None,
) -> RawEvaluation:
    """Measure weights of the study's model on these rows. Raises TrainingFailed."""
    network = build(study, graph)
    load_into(network, weights)
    inputs = make_inputs(rows, weights)
    found = evaluation(score(network, inputs), rows, model)
    return found.model_copy(update={"figures": found.figures + text_figures(network, inputs)})


def _rows_at_once(inputs: Inputs) -> int:
    """A segmenter keeps several copies of an image, as wide as its first level."""
    copies = 1 if inputs.masks is None else _COPIES
    bytes_a_row = 4 * copies * sum(math.prod(arrays.shape) for arrays in inputs.arrays.values())
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(bytes_a_row, 1)))


def score(network: Network, inputs: Inputs) -> Floats:
    """What the network gives for each row [n]: logits, log hazards, or numbers in the unit of the outcome; of classes
    logits [n, K]. float64. Of a segment outcome
    not the masks, which would not fit into memory, but how they lie on the rows' own: [n, 2], Dice and loss; of several [n, 2 + segments],
    the Dice of each after the mean and the loss.

    Raises:
        TrainingFailed: a score is not a number (`not-finite`).
    """
    network.eval()
    with torch.inference_mode():
        blocks = [
            _scored(network, inputs, rows) for rows in torch.split(torch.arange(len(inputs)), _rows_at_once(inputs))
        ]
    scores = torch.cat(blocks).double().numpy()
    if not np.isfinite(scores).all():
        raise TrainingFailed("the model gives what is not a number: lower the learning rate", "not-finite")
    if network.outcome is None:
        return scores
    numbers: Floats = scores * network.outcome.scale.double().numpy() + network.outcome.mean.double().numpy()
    return numbers


def _scored(network: Network, inputs: Inputs, rows: Tensor) -> Tensor:
    given: Tensor = network(inputs, rows)
    if inputs.masks is None:
        return given
    mask = masks(inputs.masks, rows, given)
    dice = overlaps(given, mask)
    each = dice if dice.shape[1] > 1 else dice[:, :0]
    return torch.cat([dice.mean(1, keepdim=True), losses(given, mask).double().unsqueeze(1), each], dim=1)
