"""Steps 10 and 11 of a receipt's judgement: it is of the study in this folder, made as that study asks, and of the files here. Pure."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from rapha.canonical import digest
from rapha.errors import Unproven
from rapha.proof.claim import WEIGHTS_FILE, SiteClaim
from rapha.proof.freeze import FreezeClaim
from rapha.proof.privacy import check_privacy
from rapha.proof.refusal import STUDY_FILE, RefusalClaim
from rapha.proof.shown import Claim
from rapha.proof.transcript import check_stated
from rapha.records.cohort import Cohort
from rapha.records.record import Digest
from rapha.records.release import Release
from rapha.records.study import SiteSelector, Study


def study_of(data: bytes | None, claim: Claim) -> Study:
    """The study in the folder, once it is the one that was signed. Raises Unproven."""
    if data is None:
        raise Unproven(f"{STUDY_FILE} is not in this folder")
    if digest(data) != _study_digest(claim):
        raise Unproven(f"{STUDY_FILE} is {digest(data)}, signed was {_study_digest(claim)}")
    if isinstance(claim, SiteClaim):
        cohort = claim.release.cohort
        if (cohort.study_digest, cohort.site) != (claim.release.study_digest, claim.release.site):
            raise Unproven("the cohort was frozen for another study, or by another hospital")
    try:
        study = read_study(data)
    except ValueError:
        raise Unproven(f"{STUDY_FILE} is signed, but is no study that this version can read") from None
    if isinstance(claim, RefusalClaim | FreezeClaim):
        return study
    named = claim.release.study if isinstance(claim, SiteClaim) else claim.aggregation.study
    if study.study != named:
        raise Unproven(f"the receipt calls the study {named}, the study itself {study.study}")
    if isinstance(claim, SiteClaim) and claim.release.architecture != study.model.architecture:
        raise Unproven(f"the receipt is of a {claim.release.architecture}, the study asks for another architecture")
    if isinstance(claim, SiteClaim) and claim.release.mode != study.mode:
        raise Unproven(f"the receipt is of release mode {claim.release.mode}, the study asks for mode {study.mode}")
    return study


def as_asked(release: Release, study: Study) -> str:
    """Hospital, rounds, cohort, privacy and transcript, where all are such as the study can have. Raises Unproven."""
    check_named([release.site], study.sites)
    if beyond := [trace.round for trace in release.rounds if trace.round > study.training.rounds]:
        raise Unproven(f"the receipt is of a round {beyond[0]}, and the study asks for {study.training.rounds}")
    _check_enough(release.cohort, study.privacy.min_cohort)
    return f"{check_privacy(release.privacy, study)}{check_stated(release, study)}"


def check_named(sites: Iterable[str], asked: SiteSelector) -> None:
    """Where the study names the hospitals that it asks, these are among them. Raises Unproven."""
    if asked.only and (others := sorted(set(sites) - set(asked.only))):
        raise Unproven(f"the study names the hospitals that it asks, and {others[0]} is none of them")


def _check_enough(cohort: Cohort, fewest: int) -> None:
    """No count is shown of fewer than `fewest`, and nobody trains on fewer."""
    for people, count in (("patients", cohort.patients), ("rows to train on", cohort.train_rows)):
        if (fewest > count.about) if count.about is not None else (count.below is None or fewest >= count.below):
            raise Unproven(f"the receipt is of fewer {people} than the {fewest} that the study asks for at the least")


def check_files(digests: Mapping[str, Digest], claim: Claim, study: Study) -> str:
    """The files that the claim vouches for are these; only what the study did not ask back may be absent. Raises Unproven."""
    said = []
    for path, signed in claim.files.items():
        found = digests.get(path)
        asked = path == STUDY_FILE or ("weights" if path == WEIGHTS_FILE else "metrics") in study.release
        if found is None and asked:
            raise Unproven(f"{path} is not in this folder")
        if found is not None and found != signed:
            raise Unproven(f"{path} is not the file that was signed: it is {found}, signed was {signed}")
        said.append(path if found else f"{path} is not here, since the study did not ask for it")
    return ", ".join(said)


def _study_digest(claim: Claim) -> str:
    if isinstance(claim, RefusalClaim):
        return claim.refusal.study_digest
    if isinstance(claim, FreezeClaim):
        return claim.freeze.study_digest
    return claim.release.study_digest if isinstance(claim, SiteClaim) else claim.aggregation.study_digest


@lru_cache(1)
def read_study(data: bytes) -> Study:
    """All receipts of a folder are of one study."""
    return Study.from_bytes(data)
