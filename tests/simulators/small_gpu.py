"""A made-up maker of GPUs: root, chain, device and reports in the form of NVIDIA's, the same bytes each time.

TEST ONLY: everybody has its keys. No device made any of this, and nothing in the product takes its root for NVIDIA's.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from small_tdx import _tlv, key, nothing

from rapha.canonical import base64_text
from rapha.records.evidence import DeviceEvidence, GpuLaunch

FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
FIRMWARE = hashlib.sha384(b"a made-up firmware").digest()
MEASUREMENTS = {index: hashlib.sha384(b"measured %d" % index).digest() for index in range(1, 5)}
NAMES = ("GH100 A01 GSP FMC LF", "GH100 A01 GSP BROM", "NVIDIA GH100 Identity", "NVIDIA Device Identity CA")
DRIVER, FIRMWARE_ID = 3, 20


@dataclass(frozen=True)
class MadeGpu:
    """What a report and its chain are made of; a test changes one thing. `raw`: changed before it is signed; `opaque`: fields besides the driver's
    version; `record`: what becomes of the measurements as bytes; `certified`: the firmware that the certificate names; `ends`: when certificates of that place in the chain end; `issues`: which places may issue more;
    `which`: of several devices, each with a key of its own; `made_by`: whose key signs the certificate of that place instead; `spoil`: any part, at last."""

    raw: Callable[[bytearray], None] = nothing
    opaque: tuple[tuple[int, bytes], ...] = ((FIRMWARE_ID, FIRMWARE),)
    measurements: tuple[tuple[int, bytes], ...] = tuple(MEASUREMENTS.items())
    record: Callable[[bytes], bytes] = bytes
    certified: bytes | None = FIRMWARE
    names: tuple[str, ...] = NAMES
    ends: tuple[tuple[int, datetime], ...] = ()
    issues: tuple[int, ...] = (1, 2, 3)
    on_p256: bool = False
    which: int = 0
    made_by: tuple[tuple[int, str], ...] = ()
    spoil: Callable[[dict[str, bytes]], None] = nothing


def root() -> bytes:
    """The made-up root, as if it were NVIDIA's."""
    return _certificate(3, MadeGpu())


def launch(**changed: Any) -> GpuLaunch:
    digests = {str(index): (value.hex(),) for index, value in MEASUREMENTS.items()}
    return GpuLaunch(
        **{"name": "a made-up GPU", "kind": "nvidia-gpu", "chip": "GH100", "measurements": digests, **changed}
    )


def evidence(nonce: bytes, made: MadeGpu | None = None) -> DeviceEvidence:
    """Evidence that was asked for with these 32 bytes."""
    made = made or MadeGpu()
    chain = b"".join(_pem(_certificate(place, made)) for place in range(len(made.names)))
    parts = {"report": report(nonce, made), "chain": chain}
    made.spoil(parts)
    raw = parts.pop("report")
    return DeviceEvidence(
        kind="nvidia-gpu", report=base64_text(raw), collateral={name: base64_text(data) for name, data in parts.items()}
    )


def report(nonce: bytes, made: MadeGpu) -> bytes:
    record = b"".join(bytes([index]) + b"\1\x33\0\1\x30\0" + value for index, value in made.measurements)
    record = made.record(record)
    fields = ((DRIVER, b"550.90.07\0"), *made.opaque)
    opaque = b"".join(kind.to_bytes(2, "little") + len(data).to_bytes(2, "little") + data for kind, data in fields)
    answer = bytes.fromhex("11600000") + bytes([len(made.measurements)]) + len(record).to_bytes(3, "little") + record
    answer += bytes(32) + len(opaque).to_bytes(2, "little") + opaque
    raw = bytearray(bytes.fromhex("11e001ff") + nonce + b"\0" + answer)
    made.raw(raw)
    signer = _key(0, made)
    r, s = decode_dss_signature(signer.sign(bytes(raw), ec.ECDSA(hashes.SHA384(), deterministic_signing=True)))
    return bytes(raw) + r.to_bytes(48, "big") + s.to_bytes(48, "big")


def _certificate(place: int, made: MadeGpu) -> bytes:
    """0: the device's own; the last: the root."""
    by = min(place + 1, len(made.names) - 1)
    curve = ec.SECP256R1() if made.on_p256 and place == 0 else ec.SECP384R1()
    builder = (
        x509.CertificateBuilder()
        .serial_number(place + 1)
        .subject_name(_name(made.names[place]))
        .issuer_name(_name(made.names[by]))
        .not_valid_before(FROM)
        .not_valid_after(dict(made.ends).get(place, UNTIL))
        .public_key(_key(place, made, curve).public_key())
    )
    if place in (1, 2, 3, *made.issues):
        may = x509.BasicConstraints(ca=place in made.issues, path_length=None)
        builder = builder.add_extension(may, critical=True)
    if place == 0 and made.certified is not None:
        oid = x509.ObjectIdentifier("2.23.133.5.4.1")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, _composite(made.certified)), critical=False)
    other = dict(made.made_by).get(place)
    signed = builder.sign(
        key(other, ec.SECP384R1()) if other else _key(by, made), hashes.SHA384(), ecdsa_deterministic=True
    )
    return signed.public_bytes(serialization.Encoding.DER)


def _key(place: int, made: MadeGpu, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    which = f", number {made.which}" if made.which and place == 0 else ""
    return key(f"device {place}{which}", curve or ec.SECP384R1())


def _composite(firmware: bytes) -> bytes:
    """Version, a key, and the firmware's identity by its hash."""
    named = _tlv(0x06, bytes.fromhex("608648016503040202")) + _tlv(0x04, firmware)
    return _tlv(0x30, _tlv(0x02, b"\1") + _tlv(0x30, b"") + _tlv(0x30, named))


def _name(common: str) -> x509.Name:
    pairs = [(NameOID.ORGANIZATION_NAME, "NVIDIA Corporation"), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


def _pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)
