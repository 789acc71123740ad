"""Train one round with differential privacy: DP-SGD (Abadi et al. 2016, https://arxiv.org/abs/1607.00133, algorithm 1).

1. Who is in a step is drawn patient by patient, each with the study's `sampling_rate`, and with all of their rows; nobody at all
   is a step too.
2. Each row's gradient, over all parameters together, is shortened to `clip`, and then a patient's, the sum of those of their rows: rows
   that cancel, however long, would else drown whatever is added up beside them.
3. Gaussian noise of `noise_multiplier * clip` is added to their sum.
4. The sum is divided by a number of the study's own, never by how many patients or rows there are; AdamW does the rest.
5. The noise that was added is measured, and a round with less of it than it must have does not leave.
6. Planted patients, each with a coordinate of the gradient to itself, in or out by the toss of a coin, go through steps 1, 3 and 4
   beside the real ones; who was in is guessed from what comes out (`rapha.egress.memorisation` judges it). They cost the
   model nothing: no weight is of their coordinates.

Chance is the operating system's, byte for byte: no seed, of the study's or ours, can bring the noise back.
"""

import math
import os
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.audit import Guesses
from rapha.records.private import DifferentialPrivacy
from rapha.records.study import Study
from rapha.training.accounting import mechanism_of
from rapha.training.architectures.causal import CausalAdapter
from rapha.training.architectures.exported import Interpreter
from rapha.training.architectures.network import Network
from rapha.training.by_patient import Patients, each_patients, squared_lengths
from rapha.training.dataset import Floats
from rapha.training.inputs import Inputs
from rapha.training.loop import planted_in
from rapha.training.losses import row_loss
from rapha.training.optimizers import make_optimizer

_SHORTER = 1 - 1e-6
"""Rounding may make a shortened gradient longer; this much shorter it stays within `clip`."""

_DEVIATIONS = 6.0

PLANTED, GUESSES = 32_768, 8192
"""Patients of the audit, and of how many of them it is said that they were in. Without noise those are all right, wherever a pass over
the patients has each in it once on average: some 10,400 are seen at all."""


def train_privately(study: Study, network: Network, inputs: Inputs, number: int) -> Guesses:
    """Train the network in place for `local_epochs`; returns the guesses of who of the planted was in. Two calls never give the
    same weights.

    Raises:
        TrainingFailed: no rows (`cohort-empty`), a weight that is no number (`not-finite`), the noise is not what it
            has to be (`noise-missing`), or an architecture whose gradients are not known by row (`not-yet-possible`).
    """
    terms = study.privacy.differential_privacy
    if terms is None:
        raise TrainingFailed("the study asks for no differential privacy", "internal")
    if not len(inputs):
        raise TrainingFailed("there are no training rows: widen the cohort", "cohort-empty")
    deviation = mechanism_of(study).noise_multiplier * terms.clip
    check, planted = NoiseCheck(deviation), Planted(terms)
    patients = Patients(inputs.patient, len(inputs), planted_in(network))
    optimizer = make_optimizer(study.training, network.parameters())
    network.train()
    by_chance = int.from_bytes(os.urandom(8)) >> 1  # by a seed, one patient more would shift the dropout of others
    network.noise = torch.Generator().manual_seed(by_chance)
    for _ in range(study.training.local_epochs * terms.steps_per_epoch):
        _step(network, inputs, patients, terms, deviation, study.privacy.min_cohort, check, planted)
        optimizer.step()
    network.eval()
    check.passed()
    for parameter in network.parameters():
        if not torch.isfinite(parameter).all():
            raise TrainingFailed("a weight is no longer a number: lower the learning rate", "not-finite")
    return planted.guesses()


class Planted:
    """Patients of the audit: none of a hospital, and none of the model. Of those who are in, each step has a Poisson sample, with a
    gradient of the full length in a coordinate of their own."""

    def __init__(self, terms: DifferentialPrivacy) -> None:
        self._terms = terms
        self._inside = torch.zeros(PLANTED, dtype=torch.bool)
        self._inside[sampled(PLANTED, 0.5)] = True
        self._seen = torch.zeros(PLANTED, dtype=torch.float64)

    def gradients(self) -> Tensor:
        """Their part of the sum of gradients of one step [PLANTED], before its noise."""
        part = torch.zeros(PLANTED, dtype=torch.float64)
        drawn = sampled(PLANTED, self._terms.sampling_rate)
        part[drawn[self._inside[drawn]]] = self._terms.clip
        return part

    def see(self, noised: Tensor) -> None:
        """The same after the noise: all that a guess may be made from."""
        self._seen += noised

    def guesses(self) -> Guesses:
        """The largest sums are said to be of those who were in; of the others nothing is said."""
        likeliest = torch.argsort(self._seen, descending=True)[:GUESSES]
        return Guesses(planted=PLANTED, guesses=GUESSES, correct=int(self._inside[likeliest].sum()))


class NoiseCheck:
    """Measures the noise that was really added, over a round."""

    def __init__(self, deviation: float) -> None:
        self._deviation, self._squares, self._count = deviation, 0.0, 0

    def see(self, before: Tensor, after: Tensor) -> None:
        """A sum of gradients [P], before and after its noise."""
        self._squares += float(((after - before) ** 2).sum())
        self._count += before.numel()

    def passed(self) -> None:
        """Raises TrainingFailed (`noise-missing`) where the noise is six standard errors from what it has to be."""
        measured = math.sqrt(self._squares / max(self._count, 1))
        allowed = _DEVIATIONS / math.sqrt(2 * max(self._count, 1)) + 1e-6
        if not (self._deviation > 0 and abs(measured / self._deviation - 1) <= allowed):
            raise TrainingFailed("the noise that was added is not what the study's epsilon needs", "noise-missing")


def _step(
    network: Network,
    inputs: Inputs,
    patients: Patients,
    terms: DifferentialPrivacy,
    deviation: float,
    least: int,
    check: NoiseCheck,
    planted: Planted,
) -> None:
    parameters = list(network.parameters())
    rows, whose = patients.rows_of(sampled(len(patients), terms.sampling_rate))
    real = [part.reshape(-1) for part in clipped_sum(network, inputs, rows, terms.clip, whose)]
    flat = torch.cat([*real, planted.gradients()])
    noised = flat + torch.from_numpy(gaussian(flat.numel()) * deviation)
    planted.see(noised[-PLANTED:])
    flat, noised = flat[:-PLANTED], noised[:-PLANTED]
    check.see(flat, noised)
    noised /= terms.sampling_rate * least
    for parameter, part in zip(parameters, torch.split(noised, [p.numel() for p in parameters]), strict=True):
        parameter.grad = part.reshape(parameter.shape).to(parameter.dtype)


def clipped_sum(
    network: Network, inputs: Inputs, rows: Tensor, clip: float, whose: Tensor | None = None
) -> list[Tensor]:
    """The sum over patients of each one's gradient of the loss, none longer than `clip`; one float64 tensor a parameter, in order: in
    float32 the factor of a long gradient may be no more than a bit or two, and a sum of thousands hides what one adds.

    `whose` [b]: whose each of the rows is, as `Patients.rows_of` gives it; None: each is of another patient. See `by_patient` for
    the lengths, for which no gradient has to be laid out.

    Raises:
        TrainingFailed: a parameter is of another kind of layer (`not-yet-possible`).
    """
    if isinstance(network, Interpreter | CausalAdapter):
        return _row_by_row(network, inputs, rows, clip, whose)
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    _check_only(layers, network.parameters())
    if not len(rows):
        return [torch.zeros_like(parameter, dtype=torch.float64) for parameter in network.parameters()]
    went_in: dict[nn.Module, Tensor] = {}
    came_back: dict[nn.Module, Tensor] = {}

    def remember(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        went_in[layer] = given[0].detach()
        out.register_hook(lambda gradient: came_back.__setitem__(layer, gradient))  # type: ignore[no-untyped-call]

    hooks = [layer.register_forward_hook(remember) for layer in layers]
    try:
        loss = row_loss(network, inputs, rows, "sum")
        torch.autograd.grad(loss, [layer.weight for layer in layers])
    finally:
        for hook in hooks:
            hook.remove()
    outer = [(came_back[layer].double(), went_in[layer].double(), layer.bias is not None) for layer in layers]
    factor = _shortening(squared_lengths(outer, None), clip * _SHORTER)
    if whose is not None:
        shortened = [(back * factor.unsqueeze(1), given, bias) for back, given, bias in outer]
        factor = factor * _shortening(squared_lengths(shortened, whose), clip * _SHORTER)
    whole = torch.isfinite(factor).unsqueeze(1)  # a patient whose gradient is no number counts for nothing
    sums: dict[Tensor, Tensor] = {}
    for layer, (gradients, given, _) in zip(layers, outer, strict=True):
        back = torch.where(whole, gradients * factor.unsqueeze(1), 0.0)
        sums[layer.weight] = back.T @ torch.where(whole, given, 0.0)
        if layer.bias is not None:
            sums[layer.bias] = back.sum(0)
    return [sums[parameter] for parameter in network.parameters()]


def _shortening(squared: Tensor, longest: float) -> Tensor:
    """What to multiply gradients [b] of these squared lengths by; NaN for one that is no number."""
    return torch.where(torch.isfinite(squared), (longest / squared.sqrt()).clamp(max=1.0), math.nan)


def _row_by_row(
    network: Interpreter | CausalAdapter, inputs: Inputs, rows: Tensor, clip: float, whose: Tensor | None
) -> list[Tensor]:
    """As `clipped_sum`, of a graph that may be anything, or of an adapter: it is run on one row at a time, so that no row's gradient can depend on
    another row, whatever the graph does. Nothing it keeps outlives a row (`running` figures are refused)."""
    if isinstance(network, Interpreter) and network.graph.shapes("running"):
        raise TrainingFailed("a batch norm's running figures get no noise", "not-yet-possible")
    parameters = list(network.parameters())
    sums = [torch.zeros_like(parameter, dtype=torch.float64) for parameter in parameters]
    for own in each_patients(rows, whose):  # none where nobody is drawn
        found = [torch.zeros_like(total) for total in sums]
        for row in own.reshape(-1, 1):
            loss = row_loss(network, inputs, row, "sum")
            parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
            _add(found, parts, _factor(parts, clip * _SHORTER))
        factor = _factor(found, clip * _SHORTER)
        if math.isfinite(factor):  # a patient with a row whose gradient is no number counts for nothing
            _add(sums, found, factor)
    return sums


def _factor(parts: Sequence[Tensor], longest: float) -> float:
    return float(_shortening(torch.stack([part.double().pow(2).sum() for part in parts]).sum(), longest))


def _add(sums: Sequence[Tensor], parts: Sequence[Tensor], factor: float) -> None:
    for total, part in zip(sums, parts, strict=True):
        total.add_(part.double(), alpha=factor)


def _check_only(layers: list[nn.Linear], parameters: Iterable[nn.Parameter]) -> None:
    known = {id(p) for layer in layers for p in layer.parameters()}
    if known != {id(p) for p in parameters}:
        raise TrainingFailed("this architecture cannot be trained with differential privacy yet", "not-yet-possible")


def sampled(patients: int, rate: float) -> Tensor:
    """The places of a Poisson sample: each of the patients by themselves, with this chance."""
    chance = np.frombuffer(os.urandom(8 * patients), dtype=np.uint64) >> np.uint64(11)
    return torch.from_numpy(np.flatnonzero(chance < rate * 2.0**53))


def gaussian(count: int) -> Floats:
    """So many normal numbers, from the operating system's chance.

    Each is half the sum of four: the gaps that float64 leaves in one would tell what was added to (Holohan and
    Braghin 2021, https://arxiv.org/abs/2107.10138).
    """
    pairs = 2 * count
    bits = np.frombuffer(os.urandom(16 * pairs), dtype=np.uint64) >> np.uint64(11)
    uniform = ((bits + 0.5) / 2.0**53).reshape(2, pairs)
    radius, angle = np.sqrt(-2 * np.log(uniform[0])), 2 * np.pi * uniform[1]
    normal: Floats = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)]).reshape(4, count).sum(0) / 2
    return normal
