"""What a network is trained to make small, of a kind of outcome that each row has by itself."""

from typing import TypeGuard

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from rapha.training.architectures.causal import CausalAdapter
from rapha.training.architectures.network import Network
from rapha.training.inputs import Inputs
from rapha.training.overlap import losses, masks


def row_loss(network: Network, inputs: Inputs, rows: Tensor, reduction: str = "mean") -> Tensor:
    """The loss of these rows, their mean or `sum`: of a class cross-entropy of the softmax, of a number the squared distance in
    standard deviations, of a segment `overlap.losses`, of a case or control cross-entropy, of a text that of its tokens and of its outcome's word. A time-to-event
    outcome has none by row: see `loop.py`."""
    if learns_to_write(network):
        lesson = network.lesson(inputs, rows)
        return lesson.sum() if reduction == "sum" else lesson.mean()
    given = network(inputs, rows)
    if inputs.masks is not None:
        apart = losses(given, masks(inputs.masks, rows, given))
        return apart.sum() if reduction == "sum" else apart.mean()
    if inputs.label is not None:
        return cross_entropy(given, inputs.label[rows], reduction=reduction)
    if inputs.value is not None:
        return mse_loss(given, inputs.value[rows], reduction=reduction)
    return binary_cross_entropy_with_logits(given, inputs.event[rows], reduction=reduction)


def learns_to_write(network: Network) -> TypeGuard[CausalAdapter]:
    """Whether it learns the texts themselves, whatever came of the patients."""
    return isinstance(network, CausalAdapter) and network.model.generative
