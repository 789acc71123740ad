"""Verify 1,800 receipts of two hospitals, all nineteen steps of each, with the log's and a witness's signature each time.

Of one receipt and the next only parsed keys, the study and the trust file's certificates are remembered; no verdict, no
signature, no checkpoint is: what these are remembered by is emptied before each. Its floor is the signatures alone: of each receipt four on
P-256 (its own, the time stamp's, the certificate's and that of its issuing) and four of Ed25519 (the log's and a witness's, under two
checkpoints), by the same `cryptography`, in the same run.
"""

import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from figure import figure_line

from rapha.proof.checkpoint import _check_fits, read_checkpoint
from rapha.proof.envelope import _payload
from rapha.proof.verify import ModelFolder, judge_receipt
from rapha.sdk.folder import read_folder, read_keys

TESTS = Path(__file__).resolve().parents[1] / "tests"
RECEIPTS, RUNS, TARGET_SECONDS = 1800, 5, 2.0
"""900 a second."""
TEXTS = b"s" * 4000, b"c" * 150
"""As long as a statement, and as a checkpoint."""


def main() -> None:
    vectors = TESTS / "vectors" / "receipts"
    folder = read_folder(vectors / "good", read_keys(vectors / "pinned.json"))
    runs = [judge_all(folder) for _ in range(RUNS)]
    print(f"{RECEIPTS / sorted(runs)[RUNS // 2]:,.0f} receipts a second, {sys.implementation.name} on one core")
    print(figure_line("receipt_verify", runs, TARGET_SECONDS, floor=signatures_alone(ed25519=4)))


def judge_all(folder: ModelFolder, cold: bool = True) -> float:
    """Seconds for all of them. `cold`: each checkpoint is read, and its signatures verified, again each time."""
    began = time.perf_counter()
    for at in range(RECEIPTS):
        if cold:
            _check_fits.cache_clear()
            read_checkpoint.cache_clear()
            _payload.cache_clear()
        verdict = judge_receipt(folder, ("receipts/north.json", "receipts/south.json")[at % 2])
        assert verdict.ok
    return time.perf_counter() - began


def signatures_alone(ed25519: int) -> float:
    """Seconds for as many receipts' four signatures on P-256, and so many of Ed25519: the median of some runs."""
    private, other, statement, checkpoint = (
        ec.generate_private_key(ec.SECP256R1()),
        Ed25519PrivateKey.generate(),
        *TEXTS,
    )
    algorithm = ec.ECDSA(hashes.SHA256())
    signed, noted = private.sign(statement, algorithm), other.sign(checkpoint)
    public, known = private.public_key(), other.public_key()
    runs = []
    for _ in range(RUNS):
        began = time.perf_counter()
        for _ in range(RECEIPTS):
            for _ in range(4):
                public.verify(signed, statement, algorithm)
            for _ in range(ed25519):
                known.verify(noted, checkpoint)
        runs.append(time.perf_counter() - began)
    return sorted(runs)[RUNS // 2]


if __name__ == "__main__":
    main()
