"""A made-up maker of Intel's processors: root, issuers, platform, quoting enclave and quotes in the form of TDX, the same bytes each time.

TEST ONLY: everybody has its keys. No processor made any of this, and nothing in the product takes its root for Intel's.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from rapha.canonical import base64_text
from rapha.records.evidence import DeviceEvidence, Evidence, TdxLaunch, TrustedLaunches

FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
LIST_FROM, LIST_UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
MEASUREMENT = hashlib.sha384(b"a made-up trust domain").digest()
REGISTERS = tuple(hashlib.sha384(b"register %d" % number).digest() for number in range(4))
MODULE = hashlib.sha384(b"a made-up module").digest()
XFAM = bytes.fromhex("e702060000000000")
ATTRIBUTES = 1 << 28
TCB = bytes([7, 1, 3, *bytes(13)])
"""Of the TDX module: its patch level and version, and that of the microcode that loads it."""
SGX = (3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0)
PCESVN = 11
ENCLAVE_SIGNER = hashlib.sha256(b"a made-up signer of enclaves").digest()
FMSPC = bytes.fromhex("b0c06f000000")
SERIALS = {"root": 1, "issuer": 2, "pck": 3, "signer": 4}
NAMES = {
    "root": "Intel SGX Root CA",
    "issuer": "Intel SGX PCK Platform CA",
    "pck": "Intel SGX PCK Certificate",
    "signer": "Intel SGX TCB Signing",
}
_EXTENSION = "1.2.840.113741.1.13.1"
Json = dict[str, Any]


def nothing(part: Any) -> None:
    """As it was."""


@dataclass(frozen=True)
class MadeTdx:
    """What a quote and its collateral are made of; a test changes one thing. `body`, `enclave`, `info`, `identity`: changed before they are
    signed; `spoil`: any part, at last; `names`, `until`: of certificates; `issues`: who may issue more; `issued_by`: by
    whose key a certificate or a list is signed; `revoked`: serial numbers on the root's list and on that of platforms; `extension`: more of what the
    platform's certificate says; `on_p384`: whose key is; `on_sha384`: which certificates are signed so; `named`: what the enclave's report says of the attestation key, where it is not as it has to be."""

    version: int = 4
    kind: int = 2
    body: Callable[[bytearray], None] = nothing
    header: Callable[[bytearray], None] = nothing
    enclave: Callable[[bytearray], None] = nothing
    info: Callable[[Json], None] = nothing
    identity: Callable[[Json], None] = nothing
    sgx: tuple[int, ...] = SGX
    pcesvn: int = PCESVN
    fmspc: bytes = FMSPC
    names: tuple[tuple[str, str], ...] = ()
    until: tuple[tuple[str, datetime], ...] = ()
    issues: tuple[str, ...] = ("root", "issuer")
    issued_by: tuple[tuple[str, str], ...] = ()
    revoked: tuple[tuple[int, ...], tuple[int, ...]] = ((99,), (98,))
    lists: tuple[datetime, datetime] = (LIST_FROM, LIST_UNTIL)
    pck_lists: tuple[datetime, datetime] = (LIST_FROM, LIST_UNTIL)
    extension: bool = True
    named: bytes | None = None
    auth: bytes = bytes(range(32))
    on_p384: tuple[str, ...] = ()
    on_sha384: tuple[str, ...] = ()
    inner: int = 5
    outer: int = 6
    spoil: Callable[[dict[str, bytes]], None] = nothing


def root() -> bytes:
    """The made-up root, as if it were Intel's."""
    return _certificate("root", MadeTdx())


def launch(**changed: Any) -> TdxLaunch:
    stated: Json = {
        "name": "a made-up trust domain",
        "kind": "intel-tdx",
        "measurement": MEASUREMENT.hex(),
        "rtmr": tuple(one.hex() for one in REGISTERS),
        "xfam": XFAM.hex(),
    }
    return TdxLaunch(**{**stated, **changed})


def launches(**changed: Any) -> TrustedLaunches:
    return TrustedLaunches(launches=(launch(**changed),))


def evidence(bound: bytes, made: MadeTdx | None = None, devices: tuple[DeviceEvidence, ...] = ()) -> Evidence:
    """Evidence about these 64 bytes."""
    made = made or MadeTdx()
    info, identity = _info(made), _identity(made)
    parts = {
        "quote": quote(bound, made),
        "root_crl": _list("root", made.revoked[0], made.lists, made),
        "pck_crl": _list("issuer", made.revoked[1], made.pck_lists, made),
        "signer": _certificate("signer", made),
        "tcb_info": info,
        "tcb_info_signature": raw_signature("signer", info),
        "qe_identity": identity,
        "qe_identity_signature": raw_signature("signer", identity),
    }
    made.spoil(parts)
    raw = parts.pop("quote")
    collateral = {name: base64_text(data) for name, data in parts.items()}
    return Evidence(kind="intel-tdx", report=base64_text(raw), collateral=collateral, devices=devices)


def quote(bound: bytes, made: MadeTdx) -> bytes:
    header = bytearray(
        made.version.to_bytes(2, "little") + b"\2\0" + b"\x81\0\0\0" + bytes(4)
        + bytes.fromhex("939a7233f79c4ca9940a0db3957f0607") + bytes(20)
    )  # fmt: skip
    made.header(header)
    body = _body(bound, made)
    kind = made.kind.to_bytes(2, "little") + len(body).to_bytes(4, "little") if made.version == 5 else b""
    signed = bytes(header) + kind + body
    attestation = _point("attestation")
    report = _enclave(attestation, made)
    pem = b"".join(_pem(_certificate(name, made)) for name in ("pck", "issuer", "root")) + b"\0"
    inner = made.inner.to_bytes(2, "little") + len(pem).to_bytes(4, "little") + pem
    certified = report + raw_signature("pck", report) + len(made.auth).to_bytes(2, "little") + made.auth + inner
    outer = made.outer.to_bytes(2, "little") + len(certified).to_bytes(4, "little") + certified
    signature = raw_signature("attestation", signed) + attestation + outer
    return signed + len(signature).to_bytes(4, "little") + signature


def raw_signature(name: str, signed: bytes) -> bytes:
    """64 bytes, as two numbers."""
    r, s = decode_dss_signature(key(name).sign(signed, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def key(name: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    seed = hashlib.sha256(b"test only, " + name.encode()).digest()
    return ec.derive_private_key(int.from_bytes(seed, "big") >> 1, curve or ec.SECP256R1())


def _body(bound: bytes, made: MadeTdx) -> bytes:
    raw = bytearray({2: 584, 3: 648, 4: 885}.get(made.kind, 584))
    raw[0:16], raw[16:64] = TCB, MODULE
    raw[120:128], raw[128:136], raw[136:184] = ATTRIBUTES.to_bytes(8, "little"), XFAM, MEASUREMENT
    raw[328:520], raw[520:584] = b"".join(REGISTERS), bound
    if made.kind > 2:
        raw[584:600] = TCB
    if made.kind > 3:
        raw[649:681] = hashlib.sha256(b"a name").digest()
    made.body(raw)
    return bytes(raw)


def _enclave(attestation: bytes, made: MadeTdx) -> bytes:
    raw = bytearray(384)
    raw[48:64] = bytes.fromhex("15000000000000000e70000000000000")
    raw[128:160], raw[256:258], raw[258:260] = ENCLAVE_SIGNER, b"\2\0", b"\4\0"
    named = hashlib.sha256(attestation + made.auth).digest() + bytes(32)
    raw[320:384] = named if made.named is None else made.named
    made.enclave(raw)
    return bytes(raw)


def _info(made: MadeTdx) -> bytes:
    level = {"isvsvn": 6}, {"isvsvn": 4}
    module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    value: Json = {
        "id": "TDX", "version": 3, "issueDate": _moment(LIST_FROM), "nextUpdate": _moment(LIST_UNTIL), "fmspc": FMSPC.hex().upper(),
        "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 20, "tdxModule": module,
        "tdxModuleIdentities": [{"id": "TDX_01", **module, "tcbLevels": [
            {"tcb": level[0], "tcbDate": _moment(FROM), "tcbStatus": "UpToDate"},
            {"tcb": level[1], "tcbDate": _moment(FROM), "tcbStatus": "OutOfDate", "advisoryIDs": ["INTEL-SA-00001"]},
        ]}],
        "tcbLevels": [
            tcb_level(SGX, PCESVN, (5, 0, 3), "UpToDate"),
            tcb_level((2, 2, *SGX[2:]), PCESVN, (5, 0, 2), "SWHardeningNeeded", "INTEL-SA-00002"),
            tcb_level((2, 2, *SGX[2:]), 5, (5, 0, 2), "OutOfDate", "INTEL-SA-00002", "INTEL-SA-00003"),
        ],
    }  # fmt: skip
    made.info(value)
    return json.dumps(value, separators=(",", ":")).encode()


def tcb_level(sgx: tuple[int, ...], pcesvn: int, tdx: tuple[int, ...], status: str, *advisories: str) -> Json:
    components = [*tdx, *bytes(16 - len(tdx))]
    tcb = {
        "sgxtcbcomponents": [{"svn": number} for number in sgx],
        "pcesvn": pcesvn,
        "tdxtcbcomponents": [{"svn": number} for number in components],
    }
    named = {"advisoryIDs": list(advisories)} if advisories else {}
    return {"tcb": tcb, "tcbDate": _moment(FROM), "tcbStatus": status, **named}


def _identity(made: MadeTdx) -> bytes:
    value: Json = {
        "id": "TD_QE", "version": 2, "issueDate": _moment(LIST_FROM), "nextUpdate": _moment(LIST_UNTIL), "tcbEvaluationDataNumber": 20,
        "miscselect": "00000000", "miscselectMask": "FFFFFFFF", "attributes": "11" + "00" * 15,
        "attributesMask": "FBFFFFFFFFFFFFFF" + "00" * 8, "mrsigner": ENCLAVE_SIGNER.hex().upper(), "isvprodid": 2,
        "tcbLevels": [
            {"tcb": {"isvsvn": 4}, "tcbDate": _moment(FROM), "tcbStatus": "UpToDate"},
            {"tcb": {"isvsvn": 2}, "tcbDate": _moment(FROM), "tcbStatus": "OutOfDate", "advisoryIDs": ["INTEL-SA-00004"]},
        ],
    }  # fmt: skip
    made.identity(value)
    return json.dumps(value, separators=(",", ":")).encode()


def _certificate(name: str, made: MadeTdx) -> bytes:
    by = dict(made.issued_by).get(name, {"pck": "issuer"}.get(name, "root"))
    builder = (
        x509.CertificateBuilder()
        .serial_number(SERIALS[name])
        .subject_name(_name(name, made))
        .issuer_name(_name(by, made))
        .not_valid_before(FROM)
        .not_valid_after(dict(made.until).get(name, UNTIL))
        .public_key(_key_of(name, made).public_key())
        .add_extension(x509.BasicConstraints(ca=name in made.issues, path_length=None), critical=True)
    )
    if name == "pck" and made.extension:
        oid = x509.ObjectIdentifier(_EXTENSION)
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, _platform(made)), critical=False)
    hashed = hashes.SHA384() if name in made.on_sha384 else hashes.SHA256()
    signed = builder.sign(_key_of(by, made), hashed, ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)


def _list(by: str, serials: tuple[int, ...], times: tuple[datetime, datetime], made: MadeTdx) -> bytes:
    by = dict(made.issued_by).get(f"{by}'s list", by)
    builder = x509.CertificateRevocationListBuilder().issuer_name(_name(by, made))
    builder = builder.last_update(times[0]).next_update(times[1])
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(FROM)
        builder = builder.add_revoked_certificate(entry.build())
    signed = builder.add_extension(x509.CRLNumber(1), critical=False).sign(
        _key_of(by, made), hashes.SHA256(), ecdsa_deterministic=True
    )
    return signed.public_bytes(serialization.Encoding.DER)


def _key_of(name: str, made: MadeTdx) -> ec.EllipticCurvePrivateKey:
    return key(name, ec.SECP384R1() if name in made.on_p384 else None)


def _platform(made: MadeTdx) -> bytes:
    """Intel's own extension, below 1.2.840.113741.1.13.1."""
    levels = [_pair(2, place + 1, value=_tlv(0x02, _positive(number))) for place, number in enumerate(made.sgx)]
    levels += [_pair(2, 17, value=_tlv(0x02, _positive(made.pcesvn))), _pair(2, 18, value=_tlv(0x04, bytes(made.sgx)))]
    return _tlv(
        0x30,
        _pair(1, value=_tlv(0x04, bytes(16)))
        + _pair(2, value=_tlv(0x30, b"".join(levels)))
        + _pair(3, value=_tlv(0x04, bytes(2)))
        + _pair(4, value=_tlv(0x04, made.fmspc))
        + _pair(5, value=_tlv(0x0A, b"\1")),
    )


def _pair(*places: int, value: bytes) -> bytes:
    return _tlv(0x30, _tlv(0x06, bytes.fromhex("2a864886f84d010d01") + bytes(places)) + value)


def _positive(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(length)]) + length + body


def _name(name: str, made: MadeTdx) -> x509.Name:
    said = dict(made.names).get(name, NAMES[name])
    pairs = [
        (NameOID.COMMON_NAME, said),
        (NameOID.ORGANIZATION_NAME, "Intel Corporation"),
        (NameOID.COUNTRY_NAME, "US"),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


def _point(name: str) -> bytes:
    form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    return key(name).public_key().public_bytes(*form)[1:]


def _pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
