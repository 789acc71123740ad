"""Was I in it? One patient's proof held against the receipts that sign the roots. Pure and offline."""

import hmac
from collections.abc import Iterable, Mapping

from rapha.errors import Unproven
from rapha.proof import patient_tree
from rapha.proof.claim import SiteClaim
from rapha.records.patient import PatientProof, RunProof
from rapha.records.receipt import Aggregation
from rapha.records.record import Digest

NOT_SHOWN = (
    "That the run used the committed cohort and nothing else: the hospital says so (tier T0).",
    "That the hospital has you under this one identifier alone: ask about each under which you were treated.",
)
HELD_BY_NOBODY = (
    "That the token is yours: the hospital computed it. With the secret that it handed you before (--secret) you compute it "
    "yourself."
)


def by_approval(claims: Iterable[SiteClaim]) -> dict[Digest, SiteClaim]:
    """Claims of receipts that stand, by the approval each names.

    Raises:
        Unproven: two of them sign different lists of the patients of one run.
    """
    found: dict[Digest, SiteClaim] = {}
    for claim in claims:
        first = found.setdefault(claim.release.approval, claim)
        if first.release.cohort.patients_root != claim.release.cohort.patients_root:
            raise Unproven(
                f"two receipts that hold sign different lists of patients for the run under {claim.release.approval}: ask {claim.release.site} "
                "which of them is true, and why there are two"
            )
    return found


def check_run(proof: RunProof, claims: Mapping[Digest, SiteClaim], secret: bytes | None) -> bool:
    """Whether the patient was in that run. `claims`: of receipts that stand, by the approval each names. `secret`: the
    patient's, 32 bytes, where they have it.

    Raises:
        Unproven: no such receipt is here, the token is another patient's, or the proof does not lead to the signed root.
    """
    # 1. A receipt that stands is of this run.
    claim = claims.get(proof.approval)
    if claim is None or claim.release.study_digest != proof.study_digest:
        raise Unproven(f"no receipt here is of the run under {proof.approval}: give the model folder that has it")
    # 2. The token is this patient's in this run, and in no other.
    token = bytes.fromhex(proof.token)
    if secret is not None and not hmac.compare_digest(patient_tree.token(secret, proof.approval.encode()), token):
        raise Unproven("the token in the proof is not made from this secret: the proof is about somebody else")
    # 3. The path leads from the token's place to the root that the hospital signed.
    found = proof.path.found
    leaf = None if found is None else (bytes.fromhex(found[0]), bytes.fromhex(found[1]))
    path = patient_tree.Path(leaf, tuple(bytes.fromhex(one) for one in proof.path.siblings))
    root = bytes.fromhex(claim.release.cohort.patients_root.removeprefix("sha256:"))
    committed = patient_tree.check_path(root, token, path)
    if committed is None:
        return False
    # 4. Who was in is shown what is committed to: a fingerprint of their rows.
    if proof.nonce is None or proof.rows is None:
        raise Unproven("the proof shows that the patient was in the run, and does not open what was committed to")
    if patient_tree.commitment(bytes.fromhex(proof.nonce), bytes.fromhex(proof.rows)) != committed:
        raise Unproven("what the proof says of the patient's rows is not what was committed to")
    return True


def silent_on(proof: PatientProof, claims: Mapping[Digest, SiteClaim]) -> tuple[str, ...]:
    """Of each run whose receipt is here and of which the proof says nothing, a remark: who makes a proof chooses its runs."""
    named = {run.approval for run in proof.runs}
    return tuple(
        f"Whether the patient was in {claim.release.study}, under {approval}: its receipt is here, and the proof does not speak of that run. Ask "
        "the hospital for one that does."
        for approval, claim in claims.items()
        if approval not in named
    )


def without_receipt(site: str, folder: str, aggregation: Aggregation | None) -> str:
    """A remark on a folder in which no receipt of the hospital lies. `aggregation`: what the hub signed of that run, where that stands."""
    whether = f"Whether the patient was in the run of {folder}: no receipt of {site} lies there, so no proof can be held against it."
    if aggregation is None:
        return f"{whether} Nor does a receipt of the hub hold there, to say whether updates of {site} went into it."
    rounds = sum(site in each.updates for each in aggregation.rounds)
    if rounds == 0:
        return f"{whether} By the hub's receipt no update of {site} went into it."
    return f"{whether} By the hub's receipt updates of {site} went into {rounds} of its {len(aggregation.rounds)} rounds: ask {site} for its own word on it."
