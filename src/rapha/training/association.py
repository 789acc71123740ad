"""One hospital's sums of a GWAS: what they are is said in `rapha.records.association`. Float64, a stretch of variants at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rapha.errors import TrainingFailed
from rapha.records.association import SUMS, Gwas, columns_of, shapes_of, variants_of
from rapha.records.components import AXES
from rapha.records.study import Study
from rapha.records.tensors import declared_start
from rapha.training import components
from rapha.training.arrays import Arrays
from rapha.training.dataset import Floats, Rows
from rapha.training.normal_equations import solved

BLOCK_BYTES = 32 << 20
FURTHEST_PREDICTOR = 20.0
"""Of the logarithm of odds: a risk of two in a thousand million."""
Sums = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Patients:
    """Of whom all numbers and a row of genotypes are there: covariates [n, p - 1], the first of them 1; outcome [n]."""

    covariates: Floats
    outcome: Floats
    genotypes: Arrays
    binary: bool

    def copies(self, first: int, last: int) -> npt.NDArray[np.int8]:
        """[n, last - first] of these variants; -1 where they are unknown."""
        parts = [chunk[:, first:last] for chunk in self.genotypes.chunks]
        return np.concatenate(parts)[self.genotypes.rows].astype(np.int8)


def site_sums(study: Study, rows: Rows, weights: Mapping[str, npt.NDArray[Any]], round: int) -> Sums:
    """The declared tensors of this site, of that round from 1, from those that it begins with: the start, or all sites' sums.

    Raises:
        TrainingFailed: nobody here has all numbers and a row of genotypes (`cohort-empty`).
    """
    assert isinstance(study.model, Gwas)
    patients = patients_of(study, rows, weights)
    before = study.model.rounds_before
    start = {name: weights[name] for name in declared_start(study)}
    sums: Sums = {name: np.zeros(shape) for name, shape in shapes_of(study).items()}
    if round <= before:
        return start | sums | components.site_sums(study, patients.genotypes, weights, round)
    if study.model.components:
        axes = components.axes_of(study, weights) if round == before + 1 else _axes_in(weights)
        scores = components.scores(study, patients.genotypes, axes)
        patients = replace(patients, covariates=np.concatenate([patients.covariates, scores], axis=1))
        sums |= axes
    effects = None
    if round > before + 1 and patients.binary:
        effects = solved(weights[f"{SUMS}information"], weights[f"{SUMS}target"]).effects
    parts = list(_blocks(study, patients, effects))
    return start | sums | {f"{SUMS}{name}": np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _axes_in(weights: Mapping[str, npt.NDArray[Any]]) -> Sums:
    return {name: values for name, values in weights.items() if name.startswith(AXES)}


def patients_of(study: Study, rows: Rows, weights: Mapping[str, npt.NDArray[Any]]) -> Patients:
    """Those whose numbers are all there, standardised as all sites agreed. Raises TrainingFailed."""
    genotypes = rows.arrays[variants_of(study).name]
    mean, scale = (weights[f"features.{figure}"].astype(np.float64) for figure in ("mean", "scale"))
    whole = np.flatnonzero(genotypes.present & ~np.isnan(rows.features).any(axis=1))
    if not len(whole):
        raise TrainingFailed("no patient has all numbers and a row of genotypes", "cohort-empty")
    covariates = np.column_stack([np.ones(len(whole)), (rows.features[whole] - mean) / scale])
    outcome = rows.event if rows.value is None else rows.value
    return Patients(covariates, outcome[whole].astype(np.float64), genotypes.take(whole), rows.value is None)


def _blocks(study: Study, patients: Patients, effects: Floats | None) -> Iterator[Sums]:
    variants, p = len(variants_of(study).variants), columns_of(study)
    at_once = max(1, BLOCK_BYTES // (8 * len(patients.outcome)))
    for first in range(0, variants, at_once):
        last = min(first + at_once, variants)
        start = np.zeros((last - first, p)) if effects is None else effects[first:last]
        copies = patients.copies(first, last)
        sums = block_sums(patients, copies, start)
        shown = nobody_apart(study, patients, copies, start) if patients.binary else np.ones(last - first, np.bool_)
        yield {name: np.where(shown.reshape(-1, *[1] * (array.ndim - 1)), array, 0.0) for name, array in sums.items()}


def nobody_apart(
    study: Study, patients: Patients, copies: npt.NDArray[np.int8], effects: Floats
) -> npt.NDArray[np.bool_]:
    """Of which variants [b] a logistic step from these effects [b, p] weighs no few patients above all others. Effects come from the hub, and
    whoever chooses them chooses whom the sums are of: those whose risk they put near a half, though all are counted.

    Of weights w the effective number is (sum w)^2 / sum w^2, as many patients as would weigh the same between them. It must reach the study's
    `min_cohort`; and over the copies of either allele `least_allele_count`, as the counts themselves must. Nobody's predictor may be beyond
    `FURTHEST_PREDICTOR`, so that no risk is 0 or 1 but for rounding. A variant whose effects are no numbers has zeros anyway."""
    assert isinstance(study.model, Gwas)
    solvable = np.asarray(np.isfinite(effects).all(axis=1), dtype=np.bool_)
    known, g = copies >= 0, np.maximum(copies, 0).astype(np.float64)
    linear = _predictor(patients, g, np.where(solvable[:, None], effects, 0.0))
    risk = 1 / (1 + np.exp(-np.clip(linear, -700, 700)))
    weight = known * risk * (1 - risk)
    near = (np.abs(linear) <= FURTHEST_PREDICTOR).all(axis=0, where=known)
    least = study.model.least_allele_count
    either = (_effective(weight, g) >= least) & (_effective(weight, np.where(known, 2 - g, 0.0)) >= least)
    everybody = _effective(weight, np.ones_like(g)) >= study.privacy.min_cohort
    shown: npt.NDArray[np.bool_] = ~solvable | (near & everybody & either)
    return shown


def _effective(weight: Floats, times: Floats) -> Floats:
    """The effective number [b], each patient [n, b] counted so many times; a share of a millionth is forgiven to rounding."""
    all_of, squares = (weight * times).sum(axis=0), (weight**2 * times).sum(axis=0)
    number: Floats = np.divide(all_of**2, squares, out=np.zeros_like(all_of), where=squares > 0)
    number *= 1 + 1e-6
    return number


def block_sums(patients: Patients, copies: npt.NDArray[np.int8], effects: Floats) -> Sums:
    """The sums of some variants [b], over the patients of whom their copies [n, b] are known; with the weights that the
    effects [b, p] give, for a binary outcome. A variant whose effects are no numbers has zeros, but for its counts."""
    known = copies >= 0
    solvable = np.asarray(np.isfinite(effects).all(axis=1), dtype=np.bool_)
    g = np.where(known, copies, 0).astype(np.float64)
    y, there = patients.outcome[:, None], (known & solvable[None, :]).astype(np.float64)
    counts = _counts(patients, known, g)
    if not patients.binary:
        return _of(patients, g, there, there * y) | {"counts": counts, "fit": (there * y * y).sum(axis=0)}
    effects = np.where(solvable[:, None], effects, 0.0)
    linear = _predictor(patients, g, effects)
    risk = 1 / (1 + np.exp(-np.clip(linear, -700, 700)))
    weight, left = there * risk * (1 - risk), there * (y - risk)
    fit = -2 * (there * (y * linear - np.logaddexp(0, linear))).sum(axis=0)
    score = _right(patients.covariates, g, left)
    return _of(patients, g, weight, weight * linear + left) | {"counts": counts, "fit": fit, "score": score}


def _predictor(patients: Patients, g: Floats, effects: Floats) -> Floats:
    linear: Floats = patients.covariates @ effects[:, :-1].T + g * effects[:, -1]
    return linear


def _of(patients: Patients, g: Floats, weight: Floats, right: Floats) -> Sums:
    """X'WX, packed, and X' times the right side."""
    constant = patients.covariates
    row, column = np.tril_indices(constant.shape[1])
    weighted = weight * g
    information = [
        weight.T @ (constant[:, row] * constant[:, column]),
        weighted.T @ constant,
        (weighted * g).sum(axis=0),
    ]
    information[2] = information[2][:, None]
    return {"information": np.concatenate(information, axis=1), "target": _right(constant, g, right)}


def _right(constant: Floats, g: Floats, right: Floats) -> Floats:
    return np.concatenate([right.T @ constant, (right * g).sum(axis=0)[:, None]], axis=1)


def _counts(patients: Patients, known: npt.NDArray[np.bool_], g: Floats) -> Floats:
    cases = patients.outcome if patients.binary else np.zeros_like(patients.outcome)
    counted = [known.sum(axis=0), g.sum(axis=0), cases @ known, cases @ g]
    return np.stack(counted, axis=1).astype(np.float64)
