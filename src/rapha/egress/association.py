"""The gate of a GWAS: of each variant the sums, where enough copies of either allele stand behind them; else zeros.

1. counts are whole numbers that can be: no more patients than the node counted, no more copies than two each.
2. fewer patients than the threshold: nothing of the variant.
3. fewer copies of the rarer allele than the study's `least_allele_count`: nothing of the variant.
4. of a binary outcome, fewer than ten copies of either allele among those with it, or among those without: nothing.
5. of the variants that principal components are found from, the same two of patients and copies: else nothing of the variant in
   the product either. How many products there are for each patient, the study itself is held to (`records/components.py`).
6. whether the weights of a logistic step single patients out is not seen in sums: the trainer hides such a variant (`training/association.py`).
7. what is shown is exact. Rounded sums would be no protection: thousands of variants average out what rounding hides, and so
   they do with whether a known genome is among a few hundred. docs/genomics.md says what that means.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rapha.egress.weights import canonical_weights, read_array, read_layout, write_canonical
from rapha.errors import EgressRefused
from rapha.records.association import LEAST_IN_A_CLASS, SUMS, Gwas
from rapha.records.components import GENOME
from rapha.records.study import Study
from rapha.records.tensors import declared_weights

LARGEST_SUM = 1e15
Counts = NDArray[np.floating]


def canonical_sums(data: bytes, study: Study, train_rows: int, min_cohort: int) -> bytes:
    """The declared tensors of a round, in the one form that leaves. `train_rows` is the node's own exact count.

    Raises:
        EgressRefused: as `canonical_weights`; `output-malformed` for counts that cannot be.
    """
    assert isinstance(study.model, Gwas)
    declared = declared_weights(study)
    data = canonical_weights(data, declared, LARGEST_SUM)
    arrays = {name: read_array(data, placed) for name, placed in read_layout(data, declared).items()}
    counts, binary = arrays[f"{SUMS}counts"], study.outcome.kind == "binary"
    _check_possible(counts, train_rows, binary)
    shown = enough(counts, study.model.least_allele_count, min_cohort, binary)
    genome = {name: array for name, array in arrays.items() if name.startswith(GENOME)}
    sums = {name: array for name, array in arrays.items() if name.startswith(SUMS) and name not in genome}
    hidden = _hidden(sums, shown)
    if genome:
        counts = _of_nobody(genome[f"{GENOME}counts"])
        _check_possible(counts, train_rows, binary=False)
        hidden |= _hidden(genome, enough(counts, study.model.least_allele_count, min_cohort, binary=False))
    return write_canonical({**arrays, **hidden}, declared)


def _hidden(arrays: Mapping[str, Counts], shown: NDArray[np.bool_]) -> dict[str, Counts]:
    """The same with zeros where a variant is not shown."""
    return {name: np.where(shown.reshape(-1, *[1] * (array.ndim - 1)), array, 0.0) for name, array in arrays.items()}


def _of_nobody(counts: Counts) -> Counts:
    """Patients and copies, as counts of a numeric outcome, which nobody has."""
    return np.concatenate([counts, np.zeros_like(counts)], axis=1)


def enough(counts: Counts, least_allele_count: int, min_cohort: int, binary: bool) -> NDArray[np.bool_]:
    """Of which variants [V] something may leave; `counts` as in `rapha.records.association`."""
    patients, copies, cases, of_cases = counts.T
    shown: NDArray[np.bool_] = (patients >= min_cohort) & (_rarer(patients, copies) >= least_allele_count)
    if binary:
        shown &= _rarer(cases, of_cases) >= LEAST_IN_A_CLASS
        shown &= _rarer(patients - cases, copies - of_cases) >= LEAST_IN_A_CLASS
    return shown


def _rarer(patients: Counts, copies: Counts) -> Counts:
    return np.minimum(copies, 2 * patients - copies)


def _check_possible(counts: Counts, train_rows: int, binary: bool) -> None:
    """NaN fails every comparison, so it fails here."""
    patients, copies, cases, of_cases = counts.T
    others, of_others = patients - cases, copies - of_cases
    possible = (np.floor(counts) == counts).all() and (counts >= 0).all() and (patients <= train_rows).all()
    possible = possible and (of_others >= 0).all()
    possible = possible and (of_cases <= 2 * cases).all() and (of_others <= 2 * others).all()
    if not possible or (not binary and cases.any()):
        raise EgressRefused("sums: counts that cannot be, or that the node did not count", "output-malformed")
