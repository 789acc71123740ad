"""SCAFFOLD's control variates: what travels, what stays, and the one rule by which hub and hospital renew them.

Karimireddy et al. 2020, https://arxiv.org/abs/1910.06378, algorithm 1, option II. Of each learnt tensor the hub has the mean
gradient of all hospitals, which goes out beside the weights as `variate:NAME`; a hospital has its own, which never leaves. A
hospital's steps are corrected by the difference. What renews both follows from the weights that a round began with and
those that came back, so nothing but weights comes back, and the hub's is the mean of the hospitals' by construction.
"""

from rapha.records.averaging import Scaffold
from rapha.records.learning import Exported, TrainingSpec
from rapha.records.study import Study
from rapha.records.tensors import Declared, declared_start, declared_weights

VARIATE = "variate:"
"""Before the name of the tensor that it is of; no study's own tensor has a colon in its name."""


def declared_variates(study: Study) -> Declared:
    """What the hub's, or a hospital's own, variates are; nothing of another way than SCAFFOLD."""
    if not isinstance(study.training.aggregation, Scaffold):
        return {}
    running = study.model.running if isinstance(study.model, Exported) else {}
    kept = {*declared_start(study), *running}
    return {f"{VARIATE}{name}": spec for name, spec in declared_weights(study).items() if name not in kept}


def declared_given(study: Study, number: int) -> Declared:
    """What training round `number` starts from: of the first one the start, of every other weights, and variates beside them."""
    return declared_start(study) if number == 1 else {**declared_weights(study), **declared_variates(study)}


def local_steps(training: TrainingSpec, rows: int) -> int:
    """How many steps a hospital of about `rows` training rows takes in a round: `rows` as they leave, rounded, so that hub and
    hospital reckon alike. Where the true number is another, both variates are off by the same share, and right where they
    come to rest."""
    return training.local_epochs * -(-rows // training.batch_size)
