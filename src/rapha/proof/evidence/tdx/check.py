"""Evidence of Intel TDX: the numbered list an auditor can tick off.

     1 its parts   2 the quote   3 the platform's chain to the pinned root   4 Intel's signing certificate   5 revoked by nobody
     6 all of them good at that time   7 what Intel says of its platforms   8 the quoting enclave   9 the attestation key
    10 signature   11 the TDX module   12 patch levels   13 policy   14 binding

Pure and offline. The root is an argument: nothing that a receipt brings with it can become one.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from rapha.errors import Unproven
from rapha.proof.evidence.certificates import (
    Algorithm,
    Certificate,
    RevocationList,
    check_good_at,
    check_issued,
    check_issues,
    read_certificate,
    read_crl,
)
from rapha.proof.evidence.pinned import pinned_root
from rapha.proof.evidence.tdx.collateral import (
    EnclaveIdentity,
    EnclaveLevel,
    TcbInfo,
    read_identity,
    read_tcb_info,
)
from rapha.proof.evidence.tdx.levels import Standing, module_of, reached, standing
from rapha.proof.evidence.tdx.platform import Platform, read_platform
from rapha.proof.evidence.tdx.quote import QuotingEnclave, TrustDomain, read_quote

COLLATERAL = (
    "pck_crl", "qe_identity", "qe_identity_signature", "root_crl", "signer", "tcb_info", "tcb_info_signature",
)  # fmt: skip
"""The lists of whoever issued the platform's key, and of the root; Intel's two objects, in the bytes that it signed, with 64 bytes of
signature each; the certificate of who signed them. Certificates and lists are in DER; the platform's own chain is in the quote."""
ROOT_FILE = Path(__file__).with_name("intel-root.json")
_P256: Algorithm = "ecdsa-p256-sha256"
_ISSUERS = ("Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA")
_PCK, _SIGNER = "Intel SGX PCK Certificate", "Intel SGX TCB Signing"
_ENCLAVE_DEBUG = 1 << 1
_UNDER_DEBUG = 0xFF
_NO_VE, _MIGRATABLE = 1 << 28, 1 << 29
_KNOWN = _NO_VE | 1 << 16 | 1 << 27 | 1 << 30 | 1 << 63
"""Single steps are defended against, linear addresses kept apart, protection keys, and performance counters of its own."""


@dataclass(frozen=True)
class TdxSound:
    """What a quote says whose signatures, chains, policy and binding hold. `evaluations`: by which of Intel's numbers, of the platform and of the
    quoting enclave: whoever made the evidence chose among those that Intel gave out at that time."""

    domain: TrustDomain
    platform: Platform
    standing: Standing
    evaluations: tuple[int, int]


def intel_root() -> bytes:
    """Intel's root for SGX and TDX, as this version of Rapha has it, in DER. Raises ConfigurationError where its file was changed."""
    return pinned_root(ROOT_FILE)


def check_tdx(raw: bytes, collateral: dict[str, bytes], bound: bytes, at: datetime, root: bytes) -> TdxSound:
    """What the quote says, once it holds. `bound`: the 64 bytes that it has to be about; `at`: when it has to have held.

    Raises:
        Unproven: it does not, with the first thing that is wrong.
    """
    # 1. What it takes is there, and no more.
    if tuple(sorted(collateral)) != COLLATERAL:
        raise Unproven(f"evidence of TDX has {', '.join(COLLATERAL)} beside the quote, and nothing else")
    # 2. The quote is one, whole and of a version that is known.
    quote = read_quote(raw)
    # 3. Intel made the platform's key, by way of one intermediate.
    pinned = read_certificate(root, _P256)
    issuer, pck = check_platform_chain(quote.chain, pinned)
    # 4. And whoever signs what Intel says.
    signer = check_signer(collateral["signer"], pinned)
    # 5. Intel had not revoked them, by lists that were good then.
    root_list = _list_of(collateral["root_crl"], pinned)
    pck_list = _list_of(collateral["pck_crl"], issuer)
    if {issuer.serial, signer.serial, pinned.serial} & root_list.serials or pck.serial in pck_list.serials:
        raise Unproven("Intel had revoked a certificate of the chain")
    # 6. All of it was good when the receipt was stamped.
    for certificate in (pinned, issuer, pck, signer):
        check_good_at(certificate, at, certificate.name)
    check_good_at(root_list, at, "the root's revocation list")
    check_good_at(pck_list, at, "the revocation list of platforms")
    # 7. Intel said this of its platforms, and it was its word then.
    info, identity = check_said(collateral, signer, at)
    # 8. The quoting enclave is Intel's own, on that platform.
    level = check_enclave(quote.enclave, identity)
    _check_signature(quote.enclave.signature, quote.enclave.signed, pck.key, "the report of the quoting enclave")
    # 9. It made the attestation key.
    named = hashlib.sha256(quote.key + quote.named).digest()
    if quote.enclave.data != named + bytes(32):
        raise Unproven("the quoting enclave did not make the key that signed the quote")
    # 10. Which signed the quote.
    _check_signature(quote.signature, quote.signed, _public(quote.key), "the quote")
    # 11. The TDX module is one of Intel's.
    platform = read_platform(pck)
    check_module(quote.domain, info, platform)
    # 12. Intel says something of a platform as old as this.
    stands = standing(info, platform, quote.domain.tcb, quote.domain.now, level)
    # 13. Nobody else can read or move the trust domain's memory.
    check_domain(quote.domain)
    # 14. The quote is about this statement and no other.
    if quote.domain.data != bound:
        raise Unproven("the quote is not about this statement: its report_data is another")
    return TdxSound(quote.domain, platform, stands, (info.evaluation, identity.evaluation))


def check_platform_chain(chain: tuple[bytes, bytes, bytes], root: Certificate) -> tuple[Certificate, Certificate]:
    """Intermediate and PCK. Raises Unproven where they do not go back to the root, or are of something else."""
    if chain[2] != root.whole:
        raise Unproven("the chain of certificates does not begin at the root of Intel that is pinned here")
    check_issued(root, root)
    check_issues(root)
    issuer, pck = read_certificate(chain[1], _P256), read_certificate(chain[0], _P256)
    check_issued(issuer, root)
    check_issues(issuer)
    check_issued(pck, issuer)
    if issuer.name not in _ISSUERS or pck.name != _PCK:
        raise Unproven("the chain of certificates is of something else than platforms of Intel")
    return issuer, pck


def check_signer(raw: bytes, root: Certificate) -> Certificate:
    """Who signs what Intel says of its platforms. Raises Unproven."""
    signer = read_certificate(raw, _P256)
    check_issued(signer, root)
    if signer.name != _SIGNER:
        raise Unproven("what Intel says of its platforms is signed by another certificate than for that")
    return signer


def check_said(collateral: dict[str, bytes], signer: Certificate, at: datetime) -> tuple[TcbInfo, EnclaveIdentity]:
    """What Intel said, and that it was its word at that time. Nothing is read before its signature fits. Raises Unproven."""
    for name, what in (("tcb_info", "TCB information"), ("qe_identity", "identity of the quoting enclave")):
        _check_signature(collateral[f"{name}_signature"], collateral[name], signer.key, f"Intel's {what}")
    info, identity = read_tcb_info(collateral["tcb_info"]), read_identity(collateral["qe_identity"])
    for said, what in ((info, "TCB information"), (identity, "identity of the quoting enclave")):
        if not said.start <= at <= said.end:
            raise Unproven(
                f"Intel's {what} was good from {said.start:%Y-%m-%d} to {said.end:%Y-%m-%d}, and not at the time of the time stamp"
            )
    return info, identity


def check_enclave(enclave: QuotingEnclave, identity: EnclaveIdentity) -> EnclaveLevel:
    """The level that it reaches. Raises Unproven where it is not the enclave that Intel names, or runs in debug mode."""
    attributes = int.from_bytes(enclave.attributes, "little")
    if attributes & _ENCLAVE_DEBUG:
        raise Unproven("the quoting enclave was started in debug mode: whoever runs the machine can read its keys")
    masked = (enclave.miscselect & identity.miscselect[1], attributes & identity.attributes[1])
    wanted = (identity.miscselect[0] & identity.miscselect[1], identity.attributes[0] & identity.attributes[1])
    if (enclave.mrsigner, enclave.isvprodid) != (identity.mrsigner, identity.isvprodid) or masked != wanted:
        raise Unproven("the quoting enclave is another than Intel's own")
    return reached(identity.levels, enclave.isvsvn, "a quoting enclave")


def check_module(domain: TrustDomain, info: TcbInfo, platform: Platform) -> None:
    """Raises Unproven where what Intel says is of another kind of platform, or of another TDX module."""
    if (info.fmspc, info.pceid) != (platform.fmspc, platform.pceid):
        raise Unproven("Intel's TCB information is of another kind of platform than the quote")
    module = module_of(info, domain.tcb)
    attributes = int.from_bytes(domain.seam_attributes, "little")
    if domain.mrsignerseam != module.mrsigner:
        raise Unproven("the TDX module is signed by somebody else than Intel says")
    if attributes & module.mask != module.attributes & module.mask or attributes & ~module.mask:
        raise Unproven("the TDX module has other attributes than Intel says")


def check_domain(domain: TrustDomain) -> None:
    """Raises Unproven where its memory can be read or moved by others, or others are bound to it, as far as the quote's version says so: one of TDX 1.0 says
    nothing of services and devices."""
    if domain.attributes & _UNDER_DEBUG:
        raise Unproven("the trust domain was started in debug mode: whoever runs the machine can read its memory")
    if domain.attributes & _MIGRATABLE:
        raise Unproven("the trust domain may be moved to another machine, by software that can read its memory")
    if not domain.attributes & _NO_VE:
        raise Unproven("whoever runs the machine can take pages from the trust domain (SEPT_VE_DISABLE is not set)")
    if domain.attributes & ~_KNOWN:
        raise Unproven("the trust domain has an attribute that this verifier does not know")
    if any(domain.shared):
        raise Unproven("the trust domain has services or devices bound to it, or shares its place with others")


def _list_of(raw: bytes, issuer: Certificate) -> RevocationList:
    found = read_crl(raw, _P256)
    check_issued(found, issuer)
    return found


def _public(key: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key)
    except ValueError:
        raise Unproven("the key that signed the quote is none on P-256") from None


def _check_signature(signature: bytes, signed: bytes, key: PublicKeyTypes, what: str) -> None:
    """ECDSA P-256 with SHA-256, as two numbers of 32 bytes. Raises Unproven."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unproven(f"the key that signed {what} is not on P-256")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        if len(signature) != 64:
            raise InvalidSignature
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Unproven(f"the signature of {what} does not fit") from None
