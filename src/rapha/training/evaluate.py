"""The federated model on this site's held-out patients, and beside it the site's own."""

from rapha.errors import TrainingFailed
from rapha.records.association import Gwas
from rapha.records.outputs import RawEvaluation, RawEvaluations
from rapha.records.study import Study
from rapha.records.tensors import outputs_of
from rapha.training.dataset import Dataset, Floats, Rows
from rapha.training.inputs import Weights
from rapha.training.metrics import evaluation
from rapha.training.pooled import evaluate_on, train_alone


def evaluate_site(study: Study, weights: Weights, dataset: Dataset, graph: bytes | None = None) -> RawEvaluations:
    """Both models on the same test rows; the own model had the same architecture, seed and number of epochs.

    Raises:
        TrainingFailed: the federated model gives what is not a number (`not-finite`).

    Under differential privacy: how many rows there are, and no figure. Figures of held-out patients are not accounted
    for, and an own model would be one without noise. A GWAS has no figures: its result is its sums.
    """
    if study.privacy.differential_privacy or isinstance(study.model, Gwas):
        return RawEvaluations(evaluations=(_counted(study, dataset.test),))
    return RawEvaluations(
        evaluations=(evaluate_on(study, weights, dataset.test, graph=graph), *_own(study, dataset, graph))
    )


def evaluate_scores(study: Study, scores: Floats | None, dataset: Dataset) -> RawEvaluations:
    """What scores of all rows, those of the test rows last, come to on these; how many there are, where there are no scores or the study
    asks for differential privacy."""
    if scores is None or study.privacy.differential_privacy:
        return RawEvaluations(evaluations=(_counted(study, dataset.test),))
    test = scores[len(scores) - len(dataset.test) :]
    return RawEvaluations(evaluations=(evaluation(test, dataset.test, "federated"),))


def _counted(study: Study, test: Rows) -> RawEvaluation:
    return RawEvaluation(
        model="federated",
        positives=test.positives,
        negatives=len(test) - test.positives,
        figures=(),
        classes=test.classes(outputs_of(study)),
    )


def _own(study: Study, dataset: Dataset, graph: bytes | None) -> tuple[RawEvaluation, ...]:
    try:
        return (train_alone(study, [dataset], graph)[1],)
    except TrainingFailed:
        # A site too small to learn alone has no model of its own to compare with; the federated one stands.
        return ()
