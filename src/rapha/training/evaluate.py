"""The federated model on this site's held-out patients, and beside it the site's own."""

from rapha.errors import TrainingFailed
from rapha.records.association import Gwas
from rapha.records.outputs import RawEvaluation, RawEvaluations
from rapha.records.study import Study
from rapha.training.dataset import Dataset
from rapha.training.inputs import Weights
from rapha.training.pooled import evaluate_on, train_alone


def evaluate_site(study: Study, weights: Weights, dataset: Dataset, graph: bytes | None = None) -> RawEvaluations:
    """Both models on the same test rows; the own model had the same architecture, seed and number of epochs.

    Raises:
        TrainingFailed: the federated model gives what is not a number (`not-finite`).

    Under differential privacy: how many rows there are, and no figure. Figures of held-out patients are not accounted
    for, and an own model would be one without noise. A GWAS has no figures: its result is its sums.
    """
    if study.privacy.differential_privacy or isinstance(study.model, Gwas):
        test = dataset.test
        counted = RawEvaluation(
            model="federated", positives=test.positives, negatives=len(test) - test.positives, figures=()
        )
        return RawEvaluations(evaluations=(counted,))
    return RawEvaluations(
        evaluations=(evaluate_on(study, weights, dataset.test, graph=graph), *_own(study, dataset, graph))
    )


def _own(study: Study, dataset: Dataset, graph: bytes | None) -> tuple[RawEvaluation, ...]:
    try:
        return (train_alone(study, [dataset], graph)[1],)
    except TrainingFailed:
        # A site too small to learn alone has no model of its own to compare with; the federated one stands.
        return ()
