"""Cohort: the frozen rows of one study at one site, as an outsider may know them."""

from rapha.records.metrics import Count
from rapha.records.record import Digest, Record, SiteId


class Cohort(Record):
    """The rows stay; this leaves.

    `commitment` is SHA-256 over a 256-bit salt that the node keeps and the digest of the frozen dataset: it binds the
    node to these rows and tells nothing of them. `patients_root` is the root of a tree of the patients' tokens, by which each
    of them can be shown that they were in, or were not (`rapha.proof.patient_tree`).
    """

    study_digest: Digest
    site: SiteId
    commitment: Digest
    patients_root: Digest
    patients: Count
    train_rows: Count
