"""Principal components across hospitals: one step of the iteration at one hospital, the axes that all steps give, and the components of
its own patients. What travels is said in `rapha.records.components`. Float64, a stretch of patients at a time.

Hospitals reckon the same V from the same sums, each for itself, so nothing here may hang on the last bit: columns are made to stand at right angles in
their order, and a sign is that of a product with a fixed vector.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.errors import TrainingFailed
from rapha.records.association import Gwas, variants_of
from rapha.records.components import AXES, FEWEST_APART, GENOME, Components
from rapha.records.study import Study
from rapha.training.arrays import Arrays
from rapha.training.dataset import Floats

LEAST_FREQUENCY = 0.05
"""Of the rarer allele among all patients whose hospital may tell: a rarer variant has no part in the components."""
LEAST_SHARE = 1e-9
"""Of the first: a component that has less is noise of the arithmetic, of either sign."""
PATIENTS_AT_ONCE = 512
Tensors = Mapping[str, npt.NDArray[Any]]


class _Scale(NamedTuple):
    """Of each variant the mean copies of all patients whose hospital may tell, and 1 over their deviation; 0 where the variant has no part."""

    mean: Floats
    inverse: Floats


def site_sums(study: Study, genotypes: Arrays, weights: Tensors, round: int) -> dict[str, Floats]:
    """What this site gives in a round that finds components: in the first its counts, in every other a product of its own patients.

    Raises:
        TrainingFailed: too few of the variants are common enough among all patients, or they have too few components.
    """
    asked, places = _asked(study)
    chunks = list(_copies(genotypes, places))
    counts = _counts(chunks)
    if round == 1:
        return {f"{GENOME}counts": counts}
    basis = _first(study, asked) if round == 2 else _upright(weights[f"{GENOME}product"], study)
    scale = _scale(weights[f"{GENOME}counts"])
    scale = _Scale(scale.mean, np.where(_enough(study, counts), scale.inverse, 0.0))
    product = np.zeros_like(basis)
    for part in chunks:
        standardised = _standardised(part, scale)
        product += standardised.T @ (standardised @ basis)
    return {f"{GENOME}counts": counts, f"{GENOME}product": product, f"{AXES}basis": basis}


def axes_of(study: Study, weights: Tensors) -> dict[str, Floats]:
    """The axes that the last step gives (Rayleigh and Ritz), and how near to their end they are."""
    asked, places = _asked(study)
    product, basis = weights[f"{GENOME}product"], weights[f"{AXES}basis"]
    inner = basis.T @ product
    values, turn = np.linalg.eigh((inner + inner.T) / 2)
    values, turn = values[::-1][: asked.count], turn[:, ::-1][:, : asked.count]
    if not (values > LEAST_SHARE * values[0]).all():
        raise _too_few(asked)
    left = np.linalg.norm(product @ turn - basis @ turn * values, axis=0) / values
    axes = product @ turn
    axes = _signed(axes / np.linalg.norm(axes, axis=0), study)
    scale = _scale(weights[f"{GENOME}counts"])
    patients = weights[f"{GENOME}counts"][:, 0].max()
    share = values / (patients * np.count_nonzero(scale.inverse))
    known = weights[f"{GENOME}counts"][scale.inverse > 0, 0]
    fewer = np.count_nonzero(known <= patients - study.privacy.min_cohort)
    zeros = np.zeros((len(places), asked.width))
    return {
        f"{AXES}mean": scale.mean,
        f"{AXES}loadings": axes * scale.inverse[:, None] / np.sqrt(values / patients),
        f"{AXES}found": np.stack([share, left], axis=1),
        f"{AXES}variants": np.array([len(known), fewer], np.float64),
        f"{AXES}basis": zeros,
    }


def scores(study: Study, genotypes: Arrays, axes: Tensors) -> Floats:
    """The components [n, k] of these patients, which are all of this site that count: what it may not tell of, it does not go by. They stay here."""
    _, places = _asked(study)
    chunks = list(_copies(genotypes, places))
    scale = _Scale(axes[f"{AXES}mean"], _enough(study, _counts(chunks)).astype(np.float64))
    return np.concatenate([_standardised(part, scale) @ axes[f"{AXES}loadings"] for part in chunks])


def _asked(study: Study) -> tuple[Components, tuple[int, ...]]:
    assert isinstance(study.model, Gwas) and study.model.components
    return study.model.components, study.model.components.places(variants_of(study).variants)


def _copies(genotypes: Arrays, places: tuple[int, ...]) -> Iterator[npt.NDArray[np.int8]]:
    for first in range(0, len(genotypes), PATIENTS_AT_ONCE):
        rows = np.arange(first, min(first + PATIENTS_AT_ONCE, len(genotypes)))
        yield genotypes.batch(rows)[:, list(places)].astype(np.int8)


def _counts(chunks: list[npt.NDArray[np.int8]]) -> Floats:
    """Of each variant [P, 2] patients with a known number of copies, and copies."""
    known, copies = (part >= 0 for part in chunks), (np.maximum(part, 0) for part in chunks)
    counts = [np.sum([part.sum(axis=0) for part in parts], axis=0) for parts in (known, copies)]
    return np.stack(counts, axis=1).astype(np.float64)


def _standardised(copies: npt.NDArray[np.int8], scale: _Scale) -> Floats:
    """What is not known is the mean, 0."""
    return np.where(copies >= 0, (copies - scale.mean) * scale.inverse, 0.0)


def _scale(counts: Floats) -> _Scale:
    """Raises TrainingFailed."""
    patients, copies = counts.T
    frequency = np.divide(copies, 2 * patients, out=np.zeros_like(copies), where=patients > 0)
    takes_part = np.minimum(frequency, 1 - frequency) >= LEAST_FREQUENCY
    if takes_part.sum() < FEWEST_APART:
        raise TrainingFailed(
            f"of the variants that lie apart fewer than {FEWEST_APART} are common among all patients, too few for principal components"
        )
    inverse = np.zeros_like(frequency)
    inverse[takes_part] = 1 / np.sqrt(2 * frequency[takes_part] * (1 - frequency[takes_part]))
    return _Scale(2 * frequency, inverse)


def _enough(study: Study, counts: Floats) -> npt.NDArray[np.bool_]:
    """Of which variants this site may tell: of any other its patients count as unknown, so that all products are of one matrix. The gate
    asks the same, and believes nothing of it."""
    assert isinstance(study.model, Gwas)
    patients, copies = counts.T
    rarer: npt.NDArray[np.bool_] = np.minimum(copies, 2 * patients - copies) >= study.model.least_allele_count
    known: npt.NDArray[np.bool_] = patients >= study.privacy.min_cohort
    return rarer & known


def _first(study: Study, asked: Components) -> Floats:
    """V of the first step: chance that is the same everywhere, whatever library draws elsewhere."""
    _, places = _asked(study)
    return _upright(_chance(study, "basis", (len(places), asked.width)), study)


def _upright(columns: Floats, study: Study) -> Floats:
    """Columns at right angles that span the same. Raises TrainingFailed: they do not span as many."""
    made, left = np.linalg.qr(columns)
    sizes = np.abs(np.diag(left))
    if not (sizes > LEAST_SHARE * sizes.max()).all():
        raise _too_few(_asked(study)[0])
    return _signed(made, study)


def _too_few(asked: Components) -> TrainingFailed:
    return TrainingFailed(
        f"the genotypes of all hospitals have fewer than {asked.width} principal components, which {asked.count} are found among: ask for fewer"
    )


def _signed(columns: Floats, study: Study) -> Floats:
    side = _chance(study, "sign", (len(columns),)) @ columns
    return columns * np.where(side < 0, -1.0, 1.0)


def _chance(study: Study, purpose: str, shape: tuple[int, ...]) -> Floats:
    """Numbers in [-1, 1) out of SHAKE-256 of the study's seed."""
    drawn = hashlib.shake_256(f"{study.training.seed}:components:{purpose}".encode()).digest(8 * int(np.prod(shape)))
    return (np.frombuffer(drawn, "<u8") / 2.0**63 - 1).reshape(shape)
