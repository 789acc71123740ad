"""Evidence of AMD SEV-SNP: the numbered list an auditor can tick off.

    1 its parts   2 the report   3 chain to a pinned root   4 chain good at that time   5 revoked by nobody
    6 the signer may sign this report   7 signature   8 policy   9 binding

Pure and offline. The roots are an argument: nothing that a receipt brings with it can become one. `amd-roots.json` has those of AMD,
with where each is from.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from rapha.canonical import base64_bytes, digest
from rapha.errors import ConfigurationError, Unproven
from rapha.proof.evidence import der
from rapha.proof.evidence.certificates import (
    Certificate,
    check_good_at,
    check_issued,
    check_issues,
    read_certificate,
    read_crl,
)
from rapha.proof.evidence.report import Line, Report, check_line, check_policy, levels_of, read_report
from rapha.records.evidence import PatchLevels

COLLATERAL = ("crl", "intermediate", "signer")
"""The list of the root that revokes intermediates; the ASK or ASVK; the VCEK or VLEK. Each in DER. The root itself is pinned."""
ROOTS_FILE = Path(__file__).with_name("amd-roots.json")
# Extensions of AMD (1.3.6.1.4.1.3704.1), as the bytes of their identifiers: .4 the chip, .5 the provider, .3.n the patch levels.
_ARC = bytes.fromhex("2b060104019c7801")
_CHIP, _PROVIDER = _ARC + b"\x04", _ARC + b"\x05"
_PLACES = {"bootloader": 1, "tee": 2, "snp": 3, "microcode": 8, "fmc": 9}
_LEVELS = {name: _ARC + bytes([3, place]) for name, place in _PLACES.items()}
_TURIN_CHIP_BYTES = 8


@dataclass(frozen=True)
class Root:
    """A key that all evidence of one line of processors goes back to. `certificate`: self-signed, in DER."""

    line: Line
    certificate: bytes


@dataclass(frozen=True)
class Sound:
    """What a report says whose signature, chain, policy and binding hold. `measurement` is in hex. `signer`: in words."""

    line: Line
    measurement: str
    levels: PatchLevels
    signer: str


@cache
def amd_roots() -> tuple[Root, ...]:
    """AMD's, as this version of Rapha has them.

    Raises:
        ConfigurationError: the file is not the one that came with this version.
    """
    roots = []
    for one in json.loads(ROOTS_FILE.read_bytes())["roots"]:
        certificate = base64_bytes(one["certificate"])
        if digest(certificate) != f"sha256:{one['sha256']}" or one["line"] not in get_args(Line):
            raise ConfigurationError(f"{ROOTS_FILE.name} was changed: install Rapha again")
        roots.append(Root(one["line"], certificate))
    return tuple(roots)


def check_sev_snp(
    raw: bytes, collateral: dict[str, bytes], bound: bytes, at: datetime, roots: tuple[Root, ...]
) -> Sound:
    """What the report says, once it holds. `bound`: the 64 bytes that it has to be about; `at`: when it has to have held.

    Raises:
        Unproven: it does not, with the first thing that is wrong.
    """
    # 1. What it takes is there, and no more.
    if tuple(sorted(collateral)) != COLLATERAL:
        raise Unproven(f"evidence of SEV-SNP has {', '.join(COLLATERAL)} beside the report, and nothing else")
    # 2. The report is one, whole and of a version that is known.
    report = read_report(raw)
    # 3. AMD made the signer's key, by way of one intermediate.
    root, line, intermediate, signer = check_chain(collateral, roots)
    # 4. All of them were good when the receipt was stamped.
    for one in (root, intermediate, signer):
        check_good_at(one, at, one.name)
    # 5. AMD had not revoked them, by a list that was good then.
    check_not_revoked(collateral["crl"], root, (intermediate, signer), at)
    # 6. The signer's key is of this processor, at these patch levels.
    levels = check_signer(report, signer, line)
    # 7. It signed the report.
    check_signature(report, signer)
    # 8. Nobody else can read or move the guest's memory.
    check_policy(report)
    # 9. The report is about this statement and no other.
    if report.data != bound:
        raise Unproven("the report is not about this statement: its report_data is another")
    whose = "of this chip (VCEK)" if report.key == 0 else "of a provider's chips (VLEK)"
    return Sound(line, report.measurement.hex(), levels, f"a key {whose}, {line}")


def check_chain(
    collateral: dict[str, bytes], roots: tuple[Root, ...]
) -> tuple[Certificate, Line, Certificate, Certificate]:
    """Root, its line, intermediate, signer. Which kind of signer it is says the intermediate's name, and both have to agree.

    Raises:
        Unproven: another root, a signature that does not fit, or other names than those of evidence.
    """
    intermediate, signer = read_certificate(collateral["intermediate"]), read_certificate(collateral["signer"])
    known = [(one.line, read_certificate(one.certificate)) for one in roots]
    found = [(line, root) for line, root in known if root.subject == intermediate.issuer]
    if len(found) != 1:
        raise Unproven("the chain of certificates does not begin at a root of AMD that is pinned here")
    line, root = found[0]
    check_issued(root, root)
    check_issues(root)
    check_issued(intermediate, root)
    check_issues(intermediate)
    check_issued(signer, intermediate)
    if (intermediate.name, signer.name) not in ((f"SEV-{line}", "SEV-VCEK"), (f"SEV-VLEK-{line}", "SEV-VLEK")):
        raise Unproven("the chain of certificates is of something else than reports of SEV-SNP")
    return root, line, intermediate, signer


def check_not_revoked(raw: bytes, root: Certificate, issued: tuple[Certificate, ...], at: datetime) -> None:
    """The serial number of every VCEK is 0, so it is its intermediate that can be revoked. Raises Unproven."""
    crl = read_crl(raw)
    check_issued(crl, root)
    check_good_at(crl, at, "the revocation list")
    if any(one.serial in crl.serials for one in issued):
        raise Unproven("AMD had revoked a certificate of the chain")


def check_signer(report: Report, signer: Certificate, line: Line) -> PatchLevels:
    """The patch levels, which report and certificate have to have alike. Raises Unproven."""
    if report.key != {"SEV-VCEK": 0, "SEV-VLEK": 1}[signer.name]:
        raise Unproven("the report says that a key of another kind signed it than the certificate's")
    check_line(report, line)
    if report.key == 0:
        _check_chip(report, signer.extensions.get(_CHIP, b""), line)
    elif _CHIP in signer.extensions or not signer.extensions.get(_PROVIDER):
        raise Unproven("the certificate of a provider's key names a chip, or no provider")
    levels = levels_of(report, line)
    if levels != _levels_certified(signer, line):
        raise Unproven("the certificate is for other patch levels than the report's")
    return levels


def _check_chip(report: Report, certified: bytes, line: Line) -> None:
    if report.masked:
        raise Unproven("the report hides its chip, so nothing says that the certificate is of it")
    size = _TURIN_CHIP_BYTES if line == "Turin" else len(report.chip)
    if len(certified) != size or report.chip[:size] != certified or any(report.chip[size:]):
        raise Unproven("the certificate is of another chip than the report")


def _levels_certified(signer: Certificate, line: Line) -> PatchLevels:
    names = [name for name in _LEVELS if name != "fmc" or line == "Turin"]
    stated = {name: signer.extensions.get(_LEVELS[name]) for name in names}
    try:
        return PatchLevels(**{name: der.integer(der.one(raw or b"", der.INTEGER).body) for name, raw in stated.items()})
    except ValueError:
        raise Unproven("the certificate has a patch level that is none") from None


def check_signature(report: Report, signer: Certificate) -> None:
    """ECDSA P-384 with SHA-384, over the first 672 bytes. Raises Unproven."""
    if not isinstance(signer.key, ec.EllipticCurvePublicKey) or not isinstance(signer.key.curve, ec.SECP384R1):
        raise Unproven("the signer's key is not on P-384")
    try:
        signer.key.verify(encode_dss_signature(report.r, report.s), report.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise Unproven("the report's signature does not fit") from None
