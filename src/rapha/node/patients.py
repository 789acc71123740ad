"""For one patient: was I in that run? The tree whose root each receipt signs, and the proofs out of it.

The hospital's secret makes each patient's, and that makes their token in each run. A patient who has theirs can see that a
proof is about them, and no proof tells anything of another run.
"""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from rapha.cohort.patients import read_patients
from rapha.errors import ConfigurationError, Conflict
from rapha.proof import patient_tree
from rapha.records.patient import PatientProof, RunProof, TreePath
from rapha.records.record import Digest, SiteId
from rapha.records.site import Approval


def patient_secret(site_secret: bytes, subject_key: int) -> bytes:
    """What a patient is handed once, at the counter: 32 bytes."""
    key = subject_key.to_bytes(8, "big", signed=True)
    return hmac.new(site_secret, b"rapha patient secret\0" + key, hashlib.sha256).digest()


def root_of(site_secret: bytes, approval: Digest, patients: Mapping[int, bytes]) -> Digest:
    """The root that the receipt of the run under this approval signs. `patients`: subject key -> SHA-256 of rows."""
    return "sha256:" + patient_tree.root(_leaves(site_secret, approval, patients)).hex()


def prove(site: SiteId, site_secret: bytes, subject_key: int, runs: Mapping[Path, Approval]) -> PatientProof:
    """That a patient was, or was not, in each of these runs. `runs`: the folder of each, and the approval it ran under.

    Raises:
        ConfigurationError: there is no run.
        Unproven: what a run kept of its patients is gone.
    """
    if not runs:
        raise ConfigurationError("no run of this hospital has ended with a release yet: there is nothing to prove")
    secret = patient_secret(site_secret, subject_key)
    proofs = tuple(
        _prove(site_secret, secret, subject_key, approval, read_patients(folder))
        for folder, approval in sorted(runs.items())
    )
    return PatientProof(site=site, runs=proofs)


def check_used(proof: PatientProof, *, used: bool) -> None:
    """Every run of a proof says what was asked to be proven.

    Raises:
        Conflict: one says the opposite.
    """
    other = [run.study_digest for run in proof.runs if (run.nonce is not None) is not used]
    if other:
        word = "was not in" if used else "was in"
        raise Conflict(f"this patient {word} {len(other)} of these {len(proof.runs)} runs: {', '.join(other)}")


def _prove(
    site_secret: bytes, secret: bytes, subject_key: int, approval: Approval, patients: Mapping[int, bytes]
) -> RunProof:
    token = patient_tree.token(secret, approval.digest.encode())
    path = patient_tree.path(_leaves(site_secret, approval.digest, patients), token)
    found = None if path.found is None else (path.found[0].hex(), path.found[1].hex())
    inside = subject_key in patients
    return RunProof(
        study_digest=approval.study_digest,
        approval=approval.digest,
        token=token.hex(),
        path=TreePath(found=found, siblings=tuple(sibling.hex() for sibling in path.siblings)),
        nonce=_nonce(site_secret, token).hex() if inside else None,
        rows=patients[subject_key].hex() if inside else None,
    )


def _leaves(site_secret: bytes, approval: Digest, patients: Mapping[int, bytes]) -> list[patient_tree.Leaf]:
    run = approval.encode()
    leaves = []
    for subject_key, rows in patients.items():
        token = patient_tree.token(patient_secret(site_secret, subject_key), run)
        leaves.append((token, patient_tree.commitment(_nonce(site_secret, token), rows)))
    return patient_tree.sorted_leaves(leaves)


def _nonce(site_secret: bytes, token: bytes) -> bytes:
    return hmac.new(site_secret, b"rapha patient nonce\0" + token, hashlib.sha256).digest()
