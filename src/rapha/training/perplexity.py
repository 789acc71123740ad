"""How well a language model foresees notes that it did not learn from: perplexity, with the adapter and of the base alone."""

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
    outcome's word. None of another model, or without rows."""
    if not isinstance(network, CausalAdapter) or not len(inputs):
        return ()
    with network.adapter_left_out():
        before = row_surprise(network, inputs)
    return (_figure("perplexity", row_surprise(network, inputs)), _figure("perplexity_before", before))


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
