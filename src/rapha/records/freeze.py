"""Freeze: whom a hospital is about to use in a run, committed to and signed before the run's first work on them."""

from typing import Annotated

from pydantic import StringConstraints

from rapha.records.record import Digest, Record, Slug


class Freeze(Record):
    """Roots and no count: a freeze tells of a cohort's size nothing at all. `approval`: of the run, which makes its patients' tokens;
    `commitment`: of the frozen rows, `patients_root`: of the tree of its patients, both as the receipt names them. `nonce`: random;
    keeps the statement from being guessed from its hash."""

    site: Slug
    study_digest: Digest
    approval: Digest
    commitment: Digest
    patients_root: Digest
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
