"""Principal components of a GWAS, found across hospitals: what its study says of them, and the sums that leave.

The principal axes of all patients' copies (Patterson et al. 2006, PLoS Genet 2:e190), by subspace iteration: Z [n, P] are the copies of
P variants that lie apart, each less its mean of all patients and over sqrt(2 f (1 - f)), f its frequency among all of them; what is not known is the mean,
and so 0, as is all that a hospital may not tell of. From V [P, w] with columns at right angles every hospital sums up Z'ZV over its own patients, and those sums, added up, give the next V. No
patient's components leave: each hospital reckons those of its own patients from the axes, and they are columns of the regression.

    round 1                  sums.genome.counts   [P, 2]  patients with a known number of copies, copies
    rounds 2 to 1 + r        sums.genome.product  [P, w]  Z'ZV; counts as before
                             components.basis     [P, w]  V
    all rounds after         components.mean      [P]     copies on average
                             components.loadings  [P, k]  of one copy, so that the components of all patients have a variance of about 1
                             components.found     [k, 2]  eigenvalue l of Z'Z over patients and variants; |Z'Zv - lv| over l
                         components.variants  [2]     that have a part; and of how many of these `min_cohort` patients and more are not known

All F64, zeros in every other round; w is k and two more, r the `rounds` of the components. What begins with `components.` is
made from the sums of all, alike at every hospital.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from rapha.records.record import Record

GENOME = "sums.genome."
"""What the names of the sums begin with that only components need."""
AXES = "components."

SPARE = 2
"""Columns of V beside those that are asked for: the last ones of an iteration settle slowest."""
FEWEST_APART = 50
"""Variants, or there are no components of them."""
PATIENTS_A_PRODUCT = 10
"""A hospital has this many patients or more for each column of products that it gives of a study: of genotypes with an axis of V in the steps, and
with the components in the regressions. That bounds how often a hospital is asked, not what may be read: docs/genomics.md."""


ALIKE = 1e-6
"""Of the largest number of a tensor of axes: no nearer need those be that two hospitals reckon from the same sums, on other processors."""


class Components(Record):
    """The first `count` principal components of the study's autosomal variants, of which each is at least `apart` bases from the one
    before it; found in `rounds` steps."""

    count: Annotated[int, Field(ge=1, le=20)]
    rounds: Annotated[int, Field(ge=4, le=40)] = 8
    apart: Annotated[int, Field(ge=1, le=100_000_000)] = 200_000

    @property
    def width(self) -> int:
        """w."""
        return self.count + SPARE

    def least_cohort(self, regressions: int) -> int:
        """Patients that a hospital must have, where so many rounds of regressions follow."""
        return PATIENTS_A_PRODUCT * (self.width * self.rounds + self.count * regressions)

    def places(self, variants: Sequence[str]) -> tuple[int, ...]:
        """Which of these variants they are found from, in order: along each autosome the first, and then each that is far enough from the last taken."""
        by_place = []
        for at, name in enumerate(variants):
            chromosome, position, *_ = name.split("-")
            if chromosome.isdigit():
                by_place.append((int(chromosome), int(position), at))
        chosen: list[int] = []
        before = (0, 0)
        for chromosome_number, position_number, at in sorted(by_place):
            if chromosome_number != before[0] or position_number - before[1] >= self.apart:
                chosen.append(at)
                before = (chromosome_number, position_number)
        return tuple(sorted(chosen))

    def shapes(self, variants: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Of the tensors above."""
        apart = len(self.places(variants))
        return {
            f"{GENOME}counts": (apart, 2),
            f"{GENOME}product": (apart, self.width),
            f"{AXES}basis": (apart, self.width),
            f"{AXES}mean": (apart,),
            f"{AXES}loadings": (apart, self.count),
            f"{AXES}found": (self.count, 2),
            f"{AXES}variants": (2,),
        }
