"""The result of a GWAS out of its delivered sums: of each variant effect, standard error and p-value.

The table is in the columns of GWAS-SSF 1.0 (Hayhurst et al. 2022, Cell Genomics 2:100168): X, Y and MT are 23, 24, 25; the effect
allele is the alternative one; beta of a binary outcome is the logarithm of the odds ratio.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.errors import StudyError
from rapha.records.association import SUMS, Gwas, columns_of, variants_of
from rapha.records.components import AXES
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.training import tails
from rapha.training.normal_equations import Solved, solved
from rapha.training.weights import check_weights

COLUMNS = ("chromosome", "base_pair_location", "effect_allele", "other_allele", "beta", "standard_error",
           "effect_allele_frequency", "p_value", "n")  # fmt: skip
CHROMOSOMES = {"X": "23", "Y": "24", "MT": "25"}
FURTHEST = 1e-8
"""Of the last step of a binary outcome's fitting, as chi-square: beyond it the fitting has not come to its end."""

SETTLED = 0.01
"""Of a component: as near to its axis as any regression can tell."""

TOO_FEW = "too few copies of one of its alleles at every hospital, or a fit that weighs too few patients"
COLLINEAR = "no effect can be told apart from the other features"
UNFINISHED = "the fitting had not come to its end: ask for more rounds"
Weights = Mapping[str, npt.NDArray[Any]]


class Association(NamedTuple):
    """One variant; `frequency` of its alternative allele among the `n` patients who count."""

    variant: str
    beta: float
    standard_error: float
    p_value: float
    frequency: float
    n: int


class Component(NamedTuple):
    """A principal component that all effects are adjusted for. `share`: of the variance of the variants that it is found from, in patients
    whose alleles pair by chance about the share of all. `unsettled`: how far its axis is from where more steps would take it, as a
    share of its own length; above `SETTLED` it is another component than pooled rows would give."""

    share: float
    unsettled: float


class Associations(NamedTuple):
    """Those that have a result, in the order of the study; how many have none, by why; and what they are adjusted for beside the features. `found_from`:
    how many variants these components are found from, and of how many of them the study's `min_cohort` patients and more are not known, as where a
    hospital may not tell; both 0 without components."""

    found: tuple[Association, ...]
    without: dict[str, int]
    components: tuple[Component, ...] = ()
    found_from: tuple[int, int] = (0, 0)


def associations(study: Study, weights: Weights) -> Associations:
    """Exact, from the sums of all hospitals. The p-value is of Student's distribution for a numeric outcome, of Wald's
    test for a binary one.

    Raises:
        StudyError: the study is no GWAS.
        TrainingFailed: the tensors are not those of the study.
    """
    if not isinstance(study.model, Gwas):
        raise StudyError(f"{study.study} is no GWAS: its model is `{study.model.architecture}`")
    check_weights(weights, declared_weights(study))
    sums = {name.removeprefix(SUMS): values for name, values in weights.items() if name.startswith(SUMS)}
    fitted = solved(sums["information"], sums["target"])
    binary = study.outcome.kind == "binary"
    errors = np.sqrt(fitted.inverse) if binary else _standard_errors(fitted, sums, columns_of(study))
    why = _without(fitted, errors, sums)
    found = []
    for at, variant in enumerate(variants_of(study).variants):
        if why[at] is None:
            n, copies, *_ = sums["counts"][at]
            beta, error = float(fitted.effects[at, -1]), float(errors[at])
            p = tails.normal(beta / error) if binary else tails.student(beta / error, n - columns_of(study))
            found.append(Association(variant, beta, error, p, float(copies / (2 * n)), int(n)))
    reasons = [reason for reason in why if reason]
    without = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    return Associations(tuple(found), without, _components(weights), _found_from(weights))


def _components(weights: Weights) -> tuple[Component, ...]:
    if f"{AXES}found" not in weights:
        return ()
    return tuple(Component(*line) for line in weights[f"{AXES}found"].tolist())


def _found_from(weights: Weights) -> tuple[int, int]:
    if f"{AXES}variants" not in weights:
        return 0, 0
    number, fewer = weights[f"{AXES}variants"].tolist()
    return int(number), int(fewer)


def _standard_errors(fitted: Solved, sums: Weights, p: int) -> npt.NDArray[np.float64]:
    """Of least squares: the residual variance times the inverse."""
    left = sums["fit"] - np.einsum("vp,vp->v", fitted.effects, sums["target"])
    degrees = sums["counts"][:, 0] - p
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.where(degrees > 0, left / degrees, np.nan) * fitted.inverse)


def _without(fitted: Solved, errors: npt.NDArray[np.float64], sums: Weights) -> list[str | None]:
    """Of each variant why it has no result; None where it has one."""
    steps = np.zeros(len(errors))
    if "score" in sums:
        steps = np.einsum("vp,vp->v", sums["score"], solved(sums["information"], sums["score"]).effects)
    why: list[str | None] = []
    for counts, error, step in zip(sums["counts"], errors, steps, strict=True):
        if not counts.any():
            why.append(TOO_FEW)
        elif not (math.isfinite(error) and error > 0):
            why.append(COLLINEAR)
        else:
            why.append(None if step <= FURTHEST else UNFINISHED)
    return why


def table(found: Associations) -> str:
    """As text: a line a variant, by place, tabs between. Patients are rounded to five and frequencies to four decimals, as
    whoever passes the table on passes on no more than it takes to read it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    lines = sorted(_lines(found), key=lambda line: (int(line[0]), int(line[1]), line[2:4]))
    writer.writerows(lines)
    return text.getvalue()


def _lines(found: Associations) -> Iterator[tuple[str, ...]]:
    for one in found.found:
        chromosome, position, reference, alternative = one.variant.split("-")
        yield (
            CHROMOSOMES.get(chromosome, chromosome), position, alternative, reference, f"{one.beta:.6g}",
            f"{one.standard_error:.6g}", f"{one.frequency:.4f}", f"{one.p_value:.4g}", str(5 * round(one.n / 5)),
        )  # fmt: skip
