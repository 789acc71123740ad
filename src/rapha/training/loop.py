"""Train one round: from the weights given, over this site's rows, in an order that the study's seed alone decides.

A binary outcome is learnt from batches of rows by cross-entropy, a categorical one by that of the softmax, a numeric one by the squared distance
in standard deviations, a segment by how its mask is overlapped, a text by cross-entropy of its tokens, canaries among them. A time-to-event outcome
is learnt from batches of rows *against whole
risk sets*: a patient's event is compared with everybody of the same stratum who was still under observation, not
only with the few of its batch, so that batch size changes the number of steps and not what is estimated. The rows of
an epoch are one stratum up to `STRATUM_ROWS`, and are dealt at random to equal strata beyond that.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from rapha.errors import TrainingFailed
from rapha.records.study import Study
from rapha.training.architectures.network import Network
from rapha.training.dataset import Floats
from rapha.training.inputs import Inputs, Weights
from rapha.training.losses import learns_to_write, row_loss
from rapha.training.numerics import generator
from rapha.training.optimizers import Correction, Pull, make_optimizer
from rapha.training.transcript import Recorder

STRATUM_ROWS = 16_384


def train_round(
    study: Study,
    network: Network,
    inputs: Inputs,
    number: int,
    correction: Weights | None = None,
    recorder: Recorder | None = None,
) -> float:
    """Train the network in place for `local_epochs`; returns the mean loss over the last epoch. `correction`: what is added to
    every gradient (SCAFFOLD).

    The mean is over rows, and over events for a time-to-event outcome. `recorder` writes down every step, and may want no more.

    Raises:
        TrainingFailed: no rows (`cohort-empty`), no events to learn a hazard from (`too-few-events`), or a loss or
            weight that is no number (`not-finite`).
    """
    if not len(inputs):
        raise TrainingFailed("there are no training rows: widen the cohort", "cohort-empty")
    if inputs.time is not None and not inputs.event.any():
        raise TrainingFailed("no training row has the event: nothing to learn a hazard from", "too-few-events")
    spec = study.training
    optimizer = make_optimizer(spec, network.parameters())
    pull, drift = Pull(spec, network.parameters()), Correction(network, correction)
    network.train()
    if recorder:
        recorder.begin(network, optimizer)
    loss = math.nan
    for epoch in range(spec.local_epochs):
        order = torch.randperm(
            len(inputs) + planted_in(network), generator=generator(spec.seed, "order", number, epoch)
        )
        network.noise = generator(spec.seed, "noise", number, epoch)
        total, weight = 0.0, 0
        for mean, terms, rows in _losses(network, inputs, order, spec.batch_size):
            if recorder and recorder.stopped:
                break
            torch.autograd.backward(mean)
            pull.add_gradients()
            drift.add_gradients()
            optimizer.step()
            total, weight = total + _finite(mean.item()) * terms, weight + terms
            if recorder:
                recorder.step(rows)
        loss = total / weight if weight else math.nan
    if recorder:
        recorder.end()
    network.eval()
    for parameter in network.parameters():
        for end in torch.aminmax(parameter.detach()):  # a NaN is either; nothing of the parameter's size is made
            _finite(float(end))
    return loss


def planted_in(network: Network) -> int:
    """How many texts are learnt beside the rows: the canaries of an adapter that learns to write."""
    return len(network.planted) if learns_to_write(network) else 0


def _losses(network: Network, inputs: Inputs, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, int, Tensor]]:
    """The mean loss of each step, over how many rows or events it is the mean, and which rows they are of."""
    if inputs.time is None or learns_to_write(network):
        for rows in torch.split(order, batch_size):
            yield row_loss(network, inputs, rows), len(rows), rows
        return
    for stratum in order.chunk(math.ceil(len(order) / STRATUM_ROWS)):
        yield from _hazard_losses(network, inputs, inputs.time, stratum, batch_size)


def _hazard_losses(
    network: Network, inputs: Inputs, time: Floats, stratum: Tensor, batch_size: int
) -> Iterator[tuple[Tensor, int, Tensor]]:
    """Breslow's partial likelihood (Biometrics 1974; 30:89) of the events of each batch within the stratum."""
    days = time[stratum.numpy()]
    by_time = np.argsort(-days, kind="stable")
    # The risk set of a patient ends with the last one of the same time: ties are at risk together.
    last = np.searchsorted(-days[by_time], -days, side="right") - 1
    place = np.empty_like(by_time)
    place[by_time] = np.arange(len(by_time))
    sorted_rows, ends, places = stratum[torch.from_numpy(by_time)], torch.from_numpy(last), torch.from_numpy(place)
    for batch in torch.split(torch.arange(len(stratum)), batch_size):
        cases = batch[inputs.event[stratum[batch]] > 0]
        if len(cases):
            scores = network(inputs, sorted_rows).double()
            highest = scores.detach().max()
            log_risk = (scores - highest).exp().cumsum(0).log() + highest
            yield (log_risk[ends[cases]] - scores[places[cases]]).mean(), len(cases), stratum[cases]


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise TrainingFailed("the loss or a weight is no longer a number: lower the learning rate", "not-finite")
    return value
