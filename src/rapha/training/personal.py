"""A last layer of the hospital's own: the shared model's, tuned on this site's training rows after the last round. It never leaves."""

from rapha.errors import TrainingFailed
from rapha.records.study import Study
from rapha.records.tensors import declared_head
from rapha.training.architectures.network import Network
from rapha.training.dataset import Dataset
from rapha.training.inputs import Inputs, Weights
from rapha.training.loop import train_round
from rapha.training.metrics import figures
from rapha.training.pooled import score
from rapha.training.weights import load_into, weights_of

PASSES = 10
"""Over the training rows, at most: as many as make the head better on the validation rows."""
_JUDGES = ("loss", "rmse")
"""The figure a pass is judged by, lower is better: of a numeric outcome there is no `loss`."""


def tune_head(study: Study, network: Network, train: Inputs, validation: Inputs, dataset: Dataset) -> Weights:
    """Tune the network in place, and give its head: the tensors of `declared_head`, as after the pass that was best on the validation
    rows; those that it came with where none was better, or these rows tell nothing. Nothing but the head is changed. Same weights
    and rows, same bits.
    """
    head, began = set(declared_head(study)), weights_of(network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in head)
    best, lowest = began, _judged(network, validation, dataset)
    one_pass = study.model_copy(update={"training": study.training.model_copy(update={"local_epochs": 1})})
    for number in range(1, PASSES + 1):
        try:
            train_round(one_pass, network, train, study.training.rounds + number)
            found = _judged(network, validation, dataset)
        except TrainingFailed:  # too few events, or numbers that run away: what was best before stands
            break
        if lowest is not None and found is not None and found < lowest:
            best, lowest = weights_of(network), found
    load_into(network, best)
    return {name: best[name] for name in declared_head(study)}


def _judged(network: Network, validation: Inputs, dataset: Dataset) -> float | None:
    if not len(validation):
        return None
    found = {figure.name: figure.value for figure in figures(score(network, validation), dataset.validation)}
    return next((found[name] for name in _JUDGES if name in found), None)
