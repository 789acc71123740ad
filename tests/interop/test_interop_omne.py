"""PyPI `omne-attest` (Apache-2.0), another verifier of SEV-SNP, agrees on what holds and on what does not, where it is installed."""

import hashlib
from pathlib import Path

import pytest
import small_hardware
from evidence_samples import BOUND, HOLDING, REFUSED

from rapha.canonical import base64_bytes
from rapha.proof.evidence.amd import amd_roots
from rapha.records.evidence import Evidence

snp = pytest.importorskip("omne_attest.snp", reason="omne-attest is not installed: pip install omne-attest==0.1.0")
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")
PUBLIC = Path(__file__).resolve().parents[1] / "vectors" / "public_evidence"
ITS_LAYOUT = [name for name, sample in HOLDING.items() if sample.made.line != "Turin" and sample.made.key == 0]
"""It knows neither Turin's patch levels nor a provider's key."""
SEEN_BY_BOTH = ("signer-edited", "intermediate-edited", "another-chip", "other-patch-levels", "signature-edited", "measurement-edited",
                "debug", "less-privileged", "of-another-statement", "report-cut-short", "report-of-version-6", "another-algorithm")  # fmt: skip


def judged(evidence: Evidence, root: bytes, bound: bytes) -> None:
    wanted = snp.Policy(measurement=small_hardware.MEASUREMENT, report_data=bound)
    signer, intermediate = (base64_bytes(evidence.collateral[name]) for name in ("signer", "intermediate"))
    snp.verify(base64_bytes(evidence.report), signer, intermediate, root, hashlib.sha256(root).digest(), wanted)


@pytest.mark.parametrize("name", ITS_LAYOUT)
def test_it_accepts_what_holds(name: str) -> None:
    judged(HOLDING[name].evidence, small_hardware.roots(HOLDING[name].made.line)[0].certificate, BOUND)


@pytest.mark.parametrize("name", SEEN_BY_BOTH)
def test_it_refuses_what_it_sees_too(name: str) -> None:
    with pytest.raises(snp.Fail):
        judged(REFUSED[name].evidence, small_hardware.roots()[0].certificate, BOUND)


def test_it_reads_the_public_sample_and_refuses_debug() -> None:
    parts = [(PUBLIC / file).read_bytes() for file in ("attestation.bin", "kds_vcek.der", "milan_ask.der")]
    root = amd_roots()[0].certificate
    with pytest.raises(snp.Fail, match="debug"):
        snp.verify(*parts, root, hashlib.sha256(root).digest(), snp.Policy())
