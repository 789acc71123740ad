"""Has training come to a stand, and which round was best? Rules over the pooled validation figure of each round."""

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
    return min(asked, came_to_a_stand(_figures(terms.metric, updates), terms.patience) or asked)


def best_round(metric: str, updates: Sequence[dict[str, Update]]) -> int | None:
    """The number of the round that was best by the figure, the first of equals; None where none has one. `updates`: of each
    training round, from the first on, by site."""
    known = [(figure, -number) for number, figure in enumerate(_figures(metric, updates), 1) if figure is not None]
    return -max(known)[1] if known else None


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


def _figures(metric: str, updates: Sequence[dict[str, Update]]) -> list[float | None]:
    """Of each round, so turned that higher is better; None where it has none."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    scores = [{score.name: score.value for score in mean_scores(each)} for each in updates]
    return [sign * each[metric] if metric in each else None for each in scores]
