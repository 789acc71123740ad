"""Read a model folder from disk for its verifier: digests of all files, bytes of the receipts, keys."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from rapha.canonical import check_names_once, digest, digest_stream
from rapha.errors import Unproven
from rapha.proof.bundle import read_bundle
from rapha.proof.certified import TRUST_CONFIG_FILE
from rapha.proof.claim import AGGREGATION_RECEIPT, AggregationClaim, SiteClaim
from rapha.proof.envelope import MAX_RECEIPT_BYTES, unverified_payload
from rapha.proof.evidence.appraise import Hardware
from rapha.proof.freeze import FREEZES
from rapha.proof.patient import by_approval
from rapha.proof.refusal import REFUSALS, STUDY_FILE
from rapha.proof.statement import parse_statement
from rapha.proof.verify import KEYS_FILE, ModelFolder, judge, judge_receipt
from rapha.records.evidence import TrustedLaunches
from rapha.records.key_change import KeyChanges
from rapha.records.patient import PatientProof
from rapha.records.receipt import Aggregation
from rapha.records.record import Digest, Record
from rapha.records.wire import TrustedKeys

MAX_FILES = 20_000
MAX_KEYS_BYTES = 1 << 20
MAX_CHANGES_BYTES = 64 << 20
MAX_STUDY_BYTES = 8 << 20
MAX_PROOF_BYTES = 64 << 20
BLOCK_BYTES = 1 << 20
Read = TypeVar("Read", bound=Record)


def read_folder(
    path: Path, pinned: TrustedKeys | None = None, hardware: Hardware | None = None, *, frozen: bool = False
) -> ModelFolder:
    """The folder as `rapha.proof.verify.judge` takes it. `hardware`: what the reader trusts of it; no launch where it is left out. `frozen`: freezes
    are asked for.

    Raises:
        Unproven: no such folder, a link or device in it, too many files, a receipt or keys file that is too large,
            or a keys file that cannot be read.
    """
    if not path.is_dir():
        raise Unproven(f"{path} is not a folder: name the folder that `rapha study fetch` wrote")
    digests: dict[str, Digest] = {}
    receipts: dict[str, bytes] = {}
    certified: dict[str, bytes] = {}
    keys, study = TrustedKeys(keys=()), None
    for name in _files(path):
        data: bytes | None = None
        if name == KEYS_FILE:
            keys = read_keys(path / name)
        elif name == STUDY_FILE:
            study = data = _small_file(path / name, MAX_STUDY_BYTES)
        elif name.startswith(("receipts/", REFUSALS, FREEZES)) and name.endswith(".json"):
            receipts[name] = data = read_receipt_file(path / name)
        elif name == TRUST_CONFIG_FILE or (name.startswith("sigstore/") and name.endswith(".sigstore.json")):
            certified[name] = data = read_receipt_file(path / name)
        digests[name] = _digest(path / name) if data is None else digest(data)
    return ModelFolder(
        digests=digests,
        receipts=receipts,
        certified=certified,
        study=study,
        keys=keys,
        pinned=pinned,
        hardware=hardware or Hardware(),
        frozen=frozen,
    )


def read_keys(path: Path) -> TrustedKeys:
    """A keys file: `receipts/keys.json`, or one of pinned keys.

    Raises:
        Unproven: it is missing, too large, or not a keys file.
    """
    return _record(TrustedKeys, path, MAX_KEYS_BYTES, f"a keys file: it should look like a folder's {KEYS_FILE}")


def read_launches(path: Path) -> TrustedLaunches:
    """A reader's own list of launches.

    Raises:
        Unproven: it is missing, too large, or no such list.
    """
    return _record(
        TrustedLaunches, path, MAX_KEYS_BYTES, "a list of launches: docs/receipt.md shows one, below `tier T2`"
    )


def read_key_changes(path: Path) -> KeyChanges:
    """What a hub says at /api/v1/key-changes.

    Raises:
        Unproven: it is missing, too large, or no such file.
    """
    return _record(
        KeyChanges, path, MAX_CHANGES_BYTES, "a file of key changes: fetch the hub's /api/v1/key-changes again"
    )


def _record(kind: type[Read], path: Path, limit_bytes: int, what: str) -> Read:
    """The record that a small file is. Raises Unproven: it is missing, too large, or not `what` it should be."""
    try:
        data = _small_file(path, limit_bytes)
        check_names_once(data)
        return kind.from_bytes(data)
    except ValueError:
        raise Unproven(f"{path} is not {what}") from None


def read_receipt_file(path: Path) -> bytes:
    """The bytes of one receipt.

    Raises:
        Unproven: it is missing or larger than any receipt.
    """
    return _small_file(path, MAX_RECEIPT_BYTES)


def read_patient_proof(path: Path) -> PatientProof:
    """What a hospital wrote for one patient.

    Raises:
        Unproven: it is missing, too large, or no such proof.
    """
    try:
        return PatientProof.from_bytes(_small_file(path, MAX_PROOF_BYTES))
    except ValueError:
        raise Unproven(f"{path} is not a patient's proof: `rapha node prove-non-use` writes one") from None


def read_patient_secret(text: str) -> bytes:
    """The 32 bytes that a patient holds. Raises Unproven where these are not 64 hex digits; does not repeat them."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise Unproven("a patient's secret has 64 hex digits: read it again from what the hospital handed over")
    return secret


class Standing(NamedTuple):
    """What a hospital claims in receipts that hold, by the approval each names; and of each folder without a receipt of it what the hub signed
    of that run, None where no receipt of the hub holds there."""

    claims: dict[Digest, SiteClaim]
    without: dict[Path, Aggregation | None]


def standing_claims(paths: Iterable[Path], site: str, pinned: TrustedKeys | None) -> Standing:
    """What these folders hold of a hospital.

    Raises:
        Unproven: one of these is no folder, the hospital's receipt in it does not hold, or two of its receipts sign two lists of one run's patients.
    """
    claims: list[SiteClaim] = []
    without: dict[Path, Aggregation | None] = {}
    for path in paths:
        folder, name = read_folder(path, pinned), f"receipts/{site}.json"
        if name not in folder.receipts:
            without[path] = _standing_aggregation(folder)
            continue
        verdict = judge_receipt(folder, name)
        if not verdict.ok:
            raise Unproven(f"{path / name} does not hold: {verdict.steps[-1].detail}")
        claim = parse_statement(unverified_payload(read_bundle(folder.receipts[name]).dsseEnvelope))
        assert isinstance(claim, SiteClaim)  # by step 6
        claims.append(claim)
    return Standing(by_approval(claims), without)


def _standing_aggregation(folder: ModelFolder) -> Aggregation | None:
    if not judge(folder)[-1].ok:
        return None
    claim = parse_statement(unverified_payload(read_bundle(folder.receipts[AGGREGATION_RECEIPT]).dsseEnvelope))
    assert isinstance(claim, AggregationClaim)  # by step 6
    return claim.aggregation


def _files(root: Path) -> list[str]:
    """Paths of all plain files below `root`, with forward slashes, sorted."""
    found: list[str] = []
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        inside = "".join(f"{part}/" for part in Path(folder).relative_to(root).parts)
        for name in [*folders, *names]:
            entry = f"{folder}/{name}"  # a Path for each would take longer than to look at it
            mode = os.lstat(entry).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise Unproven(f"{entry} is a link or a device: a model folder holds plain files alone")
            if stat.S_ISREG(mode):
                found.append(inside + name)
        if len(found) > MAX_FILES:
            raise Unproven(f"{root} holds more than {MAX_FILES} files: it is not a model folder")
    return sorted(found)


def _small_file(path: Path, limit_bytes: int) -> bytes:
    with _opened(path) as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise Unproven(f"{path} is larger than {limit_bytes} bytes: no file of this kind is")
    return data


def _digest(path: Path) -> Digest:
    with _opened(path) as file:
        return digest_stream(iter(lambda: file.read(BLOCK_BYTES), b""))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open without following a link that took the file's place meanwhile."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            yield file
    except OSError as problem:
        raise Unproven(f"{path} cannot be read: {problem.strerror}") from None


def _unreadable(problem: OSError) -> None:
    raise Unproven(f"{problem.filename} cannot be read: {problem.strerror}")
