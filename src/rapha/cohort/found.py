"""What an engine found, in exact numbers: for the node alone. What leaves of them passes `rapha.egress`."""

from typing import Literal

from rapha.records.record import Digest, Record


class UnitSetAside(Record):
    """Numbers of a concept that are none for this study, because of their unit (None: the source gave none)."""

    concept: str
    unit: str | None
    numbers: int


SetApart = Literal["competing", "unobserved", "uncalled"]


class FrozenCohort(Record):
    """The frozen rows, in exact numbers: for the node alone; what leaves of them passes `rapha.egress`."""

    patients: int  # of whom there are rows; `every` index may give one patient several
    rows: int
    train_rows: int
    validation_rows: int
    test_rows: int
    positives: int
    set_apart: dict[SetApart, int]
    units_set_aside: tuple[UnitSetAside, ...] = ()  # numbers of the whole timeline, by concept and unit
    dataset_digest: Digest
    fewest: int | None = None
    """Of an `every` index, whose figures are of rows: how many patients stand behind the rows of the class with fewest of them, of those
    to validate or to test on. A numeric and a segment outcome have no classes: half of the patients."""


class Size(Record):
    """Exact: how many patients there would be rows of, with the outcome and without it; of a categorical outcome, of each class
    in the study's order. For the node alone."""

    events: int
    others: int
    classes: tuple[int, ...] = ()
