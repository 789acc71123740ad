"""How well a language model foresees notes that it did not learn from: perplexity."""

import math

import numpy as np
import torch

from rapha.records.outputs import Figure
from rapha.training.architectures.causal import CausalAdapter
from rapha.training.architectures.network import Network
from rapha.training.dataset import Floats
from rapha.training.discrimination import interval
from rapha.training.inputs import Inputs


def text_figures(network: Network, inputs: Inputs) -> tuple[Figure, ...]:
    """Perplexity of these rows: the exponential of the mean over patients of the mean surprise of a note's tokens and of the
    outcome's word, each patient's cut off at that of a guess among all tokens. None of another model, or without rows.

    Cut off, since of a base that was made to find a phrase impossible one note with it would else be the figure. Of the base alone
    nothing is told: the researcher has it, and would learn what the notes say."""
    if not isinstance(network, CausalAdapter) or not len(inputs):
        return ()
    guess = math.log(network.base.file.tokenizer.size)
    return (_figure("perplexity", row_surprise(network, inputs).clip(max=guess)),)


def row_surprise(network: CausalAdapter, inputs: Inputs) -> Floats:
    """Of each row the mean surprise [n] of its tokens, in nats; float64."""
    network.eval()
    with torch.inference_mode():
        found: Floats = network.surprise(inputs, torch.arange(len(inputs))).double().numpy()
    return found


def _figure(name: str, surprise: Floats) -> Figure:
    estimate = interval(float(surprise.mean()), float(surprise.std()) / len(surprise) ** 0.5, 0.0, np.inf)
    value, low, high = (math.exp(min(each, 700.0)) for each in (estimate.value, estimate.low, estimate.high))
    return Figure.model_validate({"name": name, "value": value, "low": low, "high": high})
