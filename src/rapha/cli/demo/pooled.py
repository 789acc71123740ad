"""What this demonstration alone can do, because its data is public: train on the pooled rows, and compare.

No real study ever pools a row. The frozen rows are read from the demonstration's own hospitals.
"""

from pathlib import Path

from rapha.errors import RaphaError
from rapha.records.metrics import Score
from rapha.records.outputs import RawEvaluation
from rapha.records.study import Study
from rapha.sdk.graph_file import read_graph_of
from rapha.sdk.report.comparison import Comparison
from rapha.sdk.report.headline import main_metric


def frozen_rows(hospitals: Path, study: Study) -> dict[str, Path]:
    """The frozen rows of a study, by the hospital that took part; of several runs the last.

    Raises:
        RaphaError: no hospital has any.
    """
    found = {}
    for folder in sorted(hospitals.glob("*/runs/*/input"), key=lambda place: place.stat().st_mtime_ns):
        file = folder / "study.json"
        if file.is_file() and file.read_bytes() == study.as_bytes():
            found[folder.parents[2].name] = folder / "rows.arrow"
    if not found:
        raise RaphaError(f"no hospital under {hospitals} holds frozen rows of {study.study}")
    return found


def compare(hospitals: Path, study: Study, model: Path) -> Comparison:
    """The federated model and one of the pooled rows, on everybody's held-out patients."""
    from safetensors.numpy import load_file

    from rapha.training.dataset import pool, read_dataset
    from rapha.training.numerics import pin
    from rapha.training.pooled import evaluate_on, train_alone

    pin()
    datasets = {site: read_dataset(study, rows) for site, rows in frozen_rows(hospitals, study).items()}
    together = pool(tuple(datasets.values()))
    graph = read_graph_of(model, study)
    federated = evaluate_on(study, load_file(model / "model.safetensors"), together.test, graph=graph)
    weights, pooled = train_alone(study, tuple(datasets.values()), graph)
    by_site = {site: evaluate_on(study, weights, dataset.test, "local", graph) for site, dataset in datasets.items()}
    name = main_metric(study)
    return Comparison(
        name="pooled rows",
        note="Trained on all rows in one place: possible here only because this data is public or made up.",
        together=(_score(pooled, name),),
        federated=(_score(federated, name),),
        sites={site: (_score(evaluation, name),) for site, evaluation in by_site.items()},
    )


def furthest_effect(hospitals: Path, study: Study, model: Path) -> tuple[float, int]:
    """Of a GWAS: how far, in standard errors, an effect is from that of the pooled rows at most, and of how many variants: those
    of which the hospitals together count the same patients."""
    from safetensors.numpy import load_file

    from rapha.sdk.associations import associations
    from rapha.training.association import site_sums
    from rapha.training.dataset import pool, read_dataset
    from rapha.training.statistics import feature_statistics, start_of

    rows = pool([read_dataset(study, place) for place in frozen_rows(hospitals, study).values()]).train
    state = start_of(feature_statistics(study, rows))
    for number in range(1, study.training.rounds + 1):
        state = site_sums(study, rows, state, number)
    pooled = {one.variant: one for one in associations(study, state).found}
    both = [(one, pooled[one.variant]) for one in associations(study, load_file(model / "model.safetensors")).found]
    apart = [abs(one.beta - other.beta) / other.standard_error for one, other in both if one.n == other.n]
    return max(apart, default=0.0), len(apart)


def _score(evaluation: RawEvaluation, name: str) -> Score:
    figure = next(figure for figure in evaluation.figures if figure.name == name)
    low, high = (None if bound is None else round(bound, 3) for bound in (figure.low, figure.high))
    return Score(name=figure.name, value=round(figure.value, 3), low=low, high=high)
