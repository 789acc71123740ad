"""PyPI `dcap-qvl` (MIT), another verifier of Intel's quotes, comes to the same on what holds and on what does not, where it is installed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import small_tdx
from tdx_samples import AT, BOUND, HOLDING, REFUSED

from rapha.canonical import base64_bytes
from rapha.errors import Unproven
from rapha.proof.evidence.tdx.check import check_tdx, intel_root
from rapha.proof.evidence.tdx.quote import read_quote
from rapha.records.evidence import Evidence

dcap = pytest.importorskip("dcap_qvl", reason="dcap-qvl is not installed: pip install dcap-qvl==0.7.0")
PUBLIC = Path(__file__).resolve().parents[1] / "vectors" / "public_evidence" / "tdx"
TIMES = {"version-4": datetime(2025, 7, 1, tzinfo=UTC), "version-5-extended": datetime(2026, 10, 20, tzinfo=UTC)}
OURS_ALONE = (
    # What it does not read, or leaves to a policy that is not asked for here.
    "no-revocation-list", "no-list-of-platforms", "no-tcb-information", "brings-its-own-root", "something-behind", "quote-too-long",
    "key-without-an-enclave", "chain-with-white-space", "chain-with-other-lines", "chain-of-another-root", "issuer-of-something-else", "platform-of-something-else",
    "signer-of-something-else", "one-of-several-machines", "with-a-device", "bound-to-a-service-later", "of-another-statement", "of-no-statement",
    "enclave-that-says-more", "tcb-information-of-another-certifier", "root-list-of-later", "signature-with-a-zero-more", "list-of-platforms-of-later",
)  # fmt: skip


def judged(evidence: Evidence, at: datetime, root: bytes) -> str:
    parts = {name: base64_bytes(data) for name, data in evidence.collateral.items()}
    pem = (small_tdx._pem(parts["signer"]) + small_tdx._pem(root)).decode()
    stated = {
        "pck_crl_issuer_chain": pem, "tcb_info_issuer_chain": pem, "qe_identity_issuer_chain": pem,
        **{name.replace("root_crl", "root_ca_crl"): parts[name].hex() for name in
           ("root_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")},
        "tcb_info": parts["tcb_info"].decode(), "qe_identity": parts["qe_identity"].decode(),
    }  # fmt: skip
    collateral = dcap.QuoteCollateralV3.from_json(json.dumps(stated))
    return str(dcap.verify_with_root_ca(base64_bytes(evidence.report), collateral, root, int(at.timestamp())).status)


def ours(evidence: Evidence, at: datetime, root: bytes, bound: bytes) -> str:
    parts = {name: base64_bytes(data) for name, data in evidence.collateral.items()}
    return check_tdx(base64_bytes(evidence.report), parts, bound, at, root).standing.status


@pytest.mark.parametrize("name", HOLDING)
def test_it_says_the_same_of_what_holds(name: str) -> None:
    evidence, root = HOLDING[name].evidence, small_tdx.root()
    assert judged(evidence, AT, root) == ours(evidence, AT, root, BOUND)


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in OURS_ALONE])
def test_it_refuses_what_it_sees_too(name: str) -> None:
    with pytest.raises(ValueError):
        judged(REFUSED[name].evidence, AT, small_tdx.root())


@pytest.mark.parametrize("name", TIMES)
def test_it_says_the_same_of_the_public_samples(name: str) -> None:
    evidence = Evidence.model_validate_json((PUBLIC / f"{name}.json").read_bytes())
    bound = read_quote(base64_bytes(evidence.report)).domain.data
    assert judged(evidence, TIMES[name], intel_root()) == ours(evidence, TIMES[name], intel_root(), bound) == "UpToDate"


def test_it_refuses_the_old_platform_too() -> None:
    evidence = Evidence.model_validate_json((PUBLIC / "version-5-of-1-5.json").read_bytes())
    at = datetime(2026, 3, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="No matching TCB level"):
        judged(evidence, at, intel_root())
    with pytest.raises(Unproven, match="patch levels as low"):
        ours(evidence, at, intel_root(), read_quote(base64_bytes(evidence.report)).domain.data)
