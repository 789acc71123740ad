"""Has training come to a stand? A rule over the pooled validation figure of each round."""

from collections.abc import Sequence

from rapha.hub.pooling import mean_scores
from rapha.records.learning import EarlyStopping
from rapha.records.task import Update

LOWER_IS_BETTER = ("brier", "mae", "rmse")


def rounds_to_train(asked: int, terms: EarlyStopping | None, updates: Sequence[dict[str, Update]]) -> int:
    """How many rounds there will be: `asked`, or as many as there were when it came to a stand. `updates`: of each
    closed training round, from the first on, by site."""
    if terms is None:
        return asked
    figures = [_figure(terms.metric, each) for each in updates]
    if terms.metric in LOWER_IS_BETTER:
        figures = [None if figure is None else -figure for figure in figures]
    return min(asked, came_to_a_stand(figures, terms.patience) or asked)


def came_to_a_stand(figures: Sequence[float | None], patience: int) -> int | None:
    """After how many rounds the best (highest) figure was `patience` rounds old, None where that never was.

    A round without a figure does not count.
    """
    best, since = None, 0
    for number, figure in enumerate(figures, start=1):
        if figure is None:
            continue
        if best is None or figure > best:
            best, since = figure, 0
        else:
            since += 1
        if since >= patience:
            return number
    return None


def _figure(metric: str, updates: dict[str, Update]) -> float | None:
    return next((score.value for score in mean_scores(updates) if score.name == metric), None)
