"""A device's report: the numbered list an auditor can tick off.

    1 its parts   2 the report   3 chain to the pinned root   4 chain good at that time   5 the signer is that firmware   6 signature   7 binding

Pure and offline. The root is an argument. NVIDIA's revocation lists and OCSP answers are no part of this evidence: whether it had revoked a certificate
is not asked here.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from rapha.errors import Unproven
from rapha.proof.evidence import der
from rapha.proof.evidence.certificates import (
    Algorithm,
    Certificate,
    check_good_at,
    check_issued,
    check_issues,
    may_issue,
    read_certificate,
)
from rapha.proof.evidence.nvidia.report import Report, read_report
from rapha.proof.evidence.pem import read_pem
from rapha.proof.evidence.pinned import pinned_root
from rapha.records.evidence import GpuLaunch

COLLATERAL = ("chain",)
"""The device's certificates in PEM, from its own to NVIDIA's root."""
ROOT_FILE = Path(__file__).with_name("nvidia-root.json")
MAX_CERTIFICATES = 8
_P384: Algorithm = "ecdsa-p384-sha384"
_COMPOSITE_DEVICE = bytes.fromhex("678105050401")
"""TCG DICE's extension 2.23.133.5.4.1: which firmware a key was made for."""


@dataclass(frozen=True)
class GpuSound:
    """What a report says whose signature, chain and binding hold. `chip`: as its certificate names it. `key`: that of the device which signed it, in DER."""

    chip: str
    key: bytes
    measurements: dict[int, bytes]
    driver: str


def nvidia_root() -> bytes:
    """NVIDIA's root of devices, as this version of Rapha has it, in DER. Raises ConfigurationError where its file was changed."""
    return pinned_root(ROOT_FILE)


def check_gpu(raw: bytes, collateral: dict[str, bytes], nonce: bytes, at: datetime, root: bytes) -> GpuSound:
    """What the report says, once it holds. `nonce`: the 32 bytes that it has to be asked with; `at`: when it has to have held.

    Raises:
        Unproven: it does not, with the first thing that is wrong.
    """
    # 1. What it takes is there, and no more.
    if tuple(sorted(collateral)) != COLLATERAL:
        raise Unproven(
            "evidence of a device of NVIDIA has its chain of certificates beside the report, and nothing else"
        )
    # 2. The report is one, whole and of the version that is known.
    report = read_report(raw)
    # 3. NVIDIA made the device.
    chain = check_device_chain(read_pem(collateral["chain"]), read_certificate(root, _P384))
    # 4. All certificates were good when the receipt was stamped.
    for certificate in chain:
        check_good_at(certificate, at, certificate.name)
    # 5. The key was made for the firmware that reports.
    if report.firmware != _firmware_of(chain[0]):
        raise Unproven("the device's key is of another firmware than the report's")
    # 6. It signed request and answer.
    check_signature(report, chain[0])
    # 7. It was asked for this statement.
    if report.nonce != nonce:
        raise Unproven("the device's report is not about this statement: it was asked for with another nonce")
    return GpuSound(chain[0].name.split(" ")[0], _spki(chain[0]), report.measurements, report.driver)


def check_device_chain(ders: tuple[bytes, ...], root: Certificate) -> tuple[Certificate, ...]:
    """From the device's to the root. Raises Unproven where they do not go back to it one by one, or the last may issue more; held from the root
    down, so that no certificate is named which NVIDIA did not sign."""
    if not 2 <= len(ders) <= MAX_CERTIFICATES or ders[-1] != root.whole:
        raise Unproven("the device's chain of certificates does not begin at the root of NVIDIA that is pinned here")
    chain = tuple(read_certificate(one, _P384) for one in ders)
    for one, by in reversed(tuple(zip(chain, (*chain[1:], root), strict=True))):
        check_issues(by)
        check_issued(one, by)
    if may_issue(chain[0]):
        raise Unproven("the device's report is signed by a key that may issue certificates, and not by a device's own")
    return chain


def check_signature(report: Report, device: Certificate) -> None:
    """ECDSA P-384 with SHA-384, as two numbers of 48 bytes. Raises Unproven."""
    if not isinstance(device.key, ec.EllipticCurvePublicKey) or not isinstance(device.key.curve, ec.SECP384R1):
        raise Unproven("the device's key is not on P-384")
    r, s = (int.from_bytes(part, "big") for part in (report.signature[:48], report.signature[48:]))
    try:
        device.key.verify(encode_dss_signature(r, s), report.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise Unproven("the signature of the device's report does not fit") from None


def trusted_gpu(sound: GpuSound, launches: list[GpuLaunch]) -> GpuLaunch:
    """The state that the reader trusts. Raises Unproven where it is of none."""
    left = [one for one in launches if one.chip == sound.chip]
    if not left:
        raise Unproven(f"the device {sound.chip} is not one that you trust")
    for index, value in sorted(sound.measurements.items()):
        left = [one for one in left if value.hex() in one.measurements.get(str(index), (value.hex(),))]
        if not left:
            raise Unproven(
                f"what the device {sound.chip} measured at index {index}, {value.hex()}, is not what you trust"
            )
    left = [one for one in left if set(map(int, one.measurements)) <= set(sound.measurements)]
    if not left:
        raise Unproven(f"the device {sound.chip} did not measure all that you ask for")
    return left[0]


def in_gpu_words(sound: GpuSound, launch: GpuLaunch) -> str:
    """What holds, on one line, and how much of it the reader's launch was compared with."""
    compared = f"{len(launch.measurements)} of {len(sound.measurements)} measurements compared"
    return f"{sound.chip}, driver {sound.driver}, {compared}"


def _spki(device: Certificate) -> bytes:
    return device.key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _firmware_of(device: Certificate) -> bytes:
    composite = der.fields(device.extensions.get(_COMPOSITE_DEVICE, b""), der.INTEGER, der.SEQUENCE, der.SEQUENCE)
    return der.fields(composite[2].whole, der.OBJECT, der.OCTET_STRING)[1].body
