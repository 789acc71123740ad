"""Who was learned from? The strongest cheap attack on a model, made by its own trainer before anyone else can make it.

RMIA in its offline form (Zarifzadeh, Liu and Shokri 2024, https://arxiv.org/abs/2312.03262): a row that the model knows
better than models do which never saw it was likely learned from. Those are two references, each trained on one random half
of the training rows: of a training row the one counts that did not have it, of a held-out row either, by the toss of a coin.
The references learn from no held-out row and never leave. They are trained for a quarter of the rounds, and at least one: on
made-up hospitals that tells members as well as, or better than, the whole training does, at a quarter of its cost.

The attack compares a row with each of many others; what is asked here, the share of pairs of a member and a held-out row in
which the member is the better known, follows from the one ratio of each row alone.
"""

import math

import numpy as np
import numpy.typing as npt
import torch

from rapha.errors import TrainingFailed
from rapha.records.audit import BEST, Guesses, RawAudit
from rapha.records.language import learns_text
from rapha.records.study import Study
from rapha.training.architectures import build
from rapha.training.architectures.network import Network
from rapha.training.classes import log_likelihood
from rapha.training.dataset import Dataset, Floats, Ints, Rows
from rapha.training.discrimination import auroc
from rapha.training.inputs import Inputs, Weights, make_inputs
from rapha.training.loop import train_round
from rapha.training.losses import learns_to_write
from rapha.training.numerics import generator
from rapha.training.perplexity import row_surprise
from rapha.training.pooled import score
from rapha.training.weights import load_into

PROBABLE = ("binary", "categorical")
"""The kinds of outcome of which a row has a probability."""

REFERENCE_SHARE = 4
"""References are trained for one round in so many."""

_CALIBRATION = 0.3
"""`a` of the paper's offline form: how much a model without the row underestimates what the public knows of it."""


class Membership:
    """The audit of one site's models. `start` is what training began with: the standards of the inputs; `graph` the file of an
    exported model."""

    def __init__(self, study: Study, dataset: Dataset, start: Weights, graph: bytes | None = None) -> None:
        self._study, self._dataset = study, dataset
        self._parts = [make_inputs(rows, start) for rows in (dataset.train, dataset.validation, dataset.test)]
        chance = generator(study.training.seed, "audit")
        self._half = torch.randperm(len(dataset.train), generator=chance).numpy() % 2 == 0
        coins = torch.randint(0, 2, (len(dataset.validation) + len(dataset.test),), generator=chance).numpy() == 0
        self._first_had = np.concatenate([self._half, coins])
        self._enough = math.ceil(study.training.rounds / REFERENCE_SHARE)
        self._others: tuple[int, Floats] | None = None
        self._references = [
            _Reference(study, dataset.train.take(np.flatnonzero(half)), start, graph) for half in self._halves()
        ]

    def measure(self, network: Network, number: int, guesses: Guesses | None = None) -> RawAudit:
        """The audit of a model after round `number`. `recognised` is None where there is nothing to compare, or a half of the rows
        is too few to train a reference."""
        members, held_out = len(self._dataset.train), len(self._dataset.validation) + len(self._dataset.test)
        share, best = None, 0
        if members > 1 and held_out:
            try:
                share, best = self._recognised(network, number)
            except TrainingFailed as failed:
                if failed.reason not in ("too-few-events", "cohort-empty"):
                    raise
        return RawAudit(members=members, held_out=held_out, recognised=share, best_known=best, guesses=guesses)

    def _recognised(self, network: Network, number: int) -> tuple[float | None, int]:
        known = self._likelihood(network) - self._of_references(min(number, self._enough))
        return _told(known, len(self._dataset.train))

    def _of_references(self, rounds: int) -> Floats:
        """What each row's likelihood is said to be without it; once the references are trained, it stays."""
        if self._others is None or self._others[0] != rounds:
            first, second = (self._likelihood_without(reference, rounds) for reference in self._references)
            probable = self._study.outcome.kind in PROBABLE and not learns_text(self._study)
            of_others = _by_others(np.where(self._first_had, second, first), probable)
            self._others = (rounds, of_others)
        return self._others[1]

    def _likelihood_without(self, reference: "_Reference", rounds: int) -> Floats:
        """By a reference, which is let go of once it is trained as far as it ever is: it may be as large as the model."""
        found = self._likelihood(reference.after(rounds))
        if rounds == self._enough:
            reference.let_go()
        return found

    def _halves(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        return self._half, ~self._half

    def _likelihood(self, network: Network) -> Floats:
        """The log-likelihood of each row's outcome [n], of a text that of a token on average, of a number but for what all rows have alike: training rows, then those held
        out."""
        if learns_to_write(network):
            return -np.concatenate([row_surprise(network, part) for part in self._parts])
        parts = (self._dataset.train, self._dataset.validation, self._dataset.test)
        labels = [rows.label for rows in parts if rows.label is not None]
        scores = np.concatenate([score(network, part) for part in self._parts])
        if any(rows.masks is not None for rows in parts):  # how well a patient's mask is known is its loss
            return -scores[:, 1]
        if (values := self._values()) is not None:
            return -((scores - values) ** 2)
        if labels:
            return log_likelihood(scores, np.concatenate(labels))
        event = np.concatenate([part.event.numpy() for part in self._parts])
        times = [part.time for part in self._parts if part.time is not None]
        return row_likelihood(scores, event.astype(np.int64), np.concatenate(times) if times else None)

    def _values(self) -> Floats | None:
        """What came of each row, of a numeric outcome, in its unit."""
        parts = (self._dataset.train, self._dataset.validation, self._dataset.test)
        values = [rows.value for rows in parts if rows.value is not None]
        return np.concatenate(values) if values else None


def measure_scores(study: Study, dataset: Dataset, scores: Floats, others: Floats | None) -> RawAudit:
    """The audit of a model that nobody but its own script can read: of each row the score it has, and the one that a reference without
    the row gives it, training rows first, then those held out. `recognised` is None where there are no references."""
    members, held_out = len(dataset.train), len(dataset.validation) + len(dataset.test)
    if others is None or not members or not held_out:
        return RawAudit(members=members, held_out=held_out, recognised=None, best_known=0, guesses=None)
    probable = study.outcome.kind in PROBABLE
    known = _of_scores(dataset, scores) - _by_others(_of_scores(dataset, others), probable)
    share, best = _told(known, members)
    return RawAudit(members=members, held_out=held_out, recognised=share, best_known=best, guesses=None)


def _of_scores(dataset: Dataset, scores: Floats) -> Floats:
    parts = (dataset.train, dataset.validation, dataset.test)
    values = [rows.value for rows in parts if rows.value is not None]
    if values:
        return -((scores - np.concatenate(values)) ** 2)
    times = [rows.time for rows in parts if rows.time is not None]
    event = np.concatenate([rows.event for rows in parts])
    return row_likelihood(scores, event, np.concatenate(times) if times else None)


def _told(known: Floats, learned: int) -> tuple[float | None, int]:
    """The share of pairs in which one of the first `learned` rows is the better known, and how many of them are among the best known."""
    members = np.zeros(len(known), dtype=np.int64)
    members[:learned] = 1
    found = auroc(known, members)
    best = np.lexsort((members, -known))[: len(known) // BEST]  # of rows known alike, those held out first
    return None if found is None else found.value, int(members[best].sum())


class _Reference:
    """A model of one half of the training rows, trained as far as it is asked for and no further."""

    def __init__(self, study: Study, rows: Rows, start: Weights, graph: bytes | None) -> None:
        self._study, self._start, self._graph = study, start, graph
        self._inputs: Inputs = make_inputs(rows, start)
        self._rounds = 0
        self._network: Network | None = None

    def after(self, number: int) -> Network:
        """As it is after that many rounds, whatever was asked for before."""
        if self._network is None or number < self._rounds:
            self._rounds, self._network = 0, build(self._study, self._graph)
            load_into(self._network, self._start)
        while self._rounds < number:
            self._rounds += 1
            train_round(self._study, self._network, self._inputs, self._rounds)
        return self._network

    def let_go(self) -> None:
        """Hold no network; asked again, it is trained again."""
        self._rounds, self._network = 0, None


def row_likelihood(scores: Floats, event: Ints, time: Floats | None) -> Floats:
    """The log-likelihood of each row's outcome under its score.

    binary: that of the label. time-to-event: that of what was seen of the row, with Breslow's baseline hazard of all rows,
    which is the same function of time for members and others.
    """
    if time is None:
        return -(np.logaddexp(0, scores) - scores * event)
    scores = scores - scores.max()  # of which it does not depend, and exp keeps within bounds
    order = np.argsort(-time, kind="stable")
    last = np.searchsorted(-time[order], -time[order], side="right") - 1
    log_at_risk = np.logaddexp.accumulate(scores[order])[last]
    jumps = event[order] * np.exp(-log_at_risk)
    # From the latest time to the earliest: the hazard up to a time is all that is left from its place on, ties together.
    first = np.searchsorted(-time[order], -time[order], side="left")
    hazard = np.cumsum(jumps[::-1])[::-1][first]
    found = np.empty_like(scores)
    found[order] = event[order] * (scores[order] - log_at_risk) - hazard * np.exp(scores[order])
    return found


def _by_others(log_likelihood: Floats, is_probability: bool) -> Floats:
    """log of what a row's likelihood is said to be over all models, from that of one without it. A likelihood of a time or a
    number is no probability, and is taken as it is."""
    if not is_probability:
        return log_likelihood
    means: Floats = np.log(((1 + _CALIBRATION) * np.exp(log_likelihood) + 1 - _CALIBRATION) / 2)
    return means
