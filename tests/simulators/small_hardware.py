"""A made-up maker of processors: root, intermediate, chip, revocation list and reports in the form of AMD's, the same bytes each time.

TEST ONLY: everybody has its keys. No processor made any of this, and nothing in the product takes its root for one of AMD's.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from rapha.canonical import base64_text
from rapha.proof.evidence.amd import Root
from rapha.proof.evidence.report import Line
from rapha.records.evidence import DeviceEvidence, Evidence, Launch, PatchLevels, TrustedLaunches

FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
LIST_FROM, LIST_UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
MEASUREMENT = hashlib.sha384(b"a made-up launch").digest()
CHIP = hashlib.sha512(b"a made-up chip").digest()
LEVELS = PatchLevels(bootloader=4, tee=1, snp=22, microcode=219)
POLICY = 0x30000
"""SMT allowed, and the bit that has to be there."""
_ROOT_P = int(
    "fea1e308cde1efaa6eb8a34330b70f3ee4f1616bd0c32fc542e571f4c56e91183b752661d5b5209971d1099e42ac1286260404ae736d10"
    "b30cee663f584d26eef540776524eed4c13b2e0d6bb4d64c8689d040101e2e2126d04f6efffd45979cffc4ba5d50dc8fa4129263e1af9a"
    "1808ce7107a2d9a8924f7fb4099d17444d15",
    16,
)
_ROOT_Q = int(
    "bc5465fd627890193244a5d594f4629dbd31a7826f7eb045bce618de817e29e39b77525b2526d40105d892f88b29e87875fbf865e43ffa"
    "5a11bbb8f9bff19ca1de9f0b67a9a2c60f99a3fd0406ed158ca2eae45a89897f9ccb71807a5fc7b77c0777aa1dc10b0ca7a54c8977ab4e"
    "4046fb98cc2a8fd1d639008e50f7d9122c21",
    16,
)
_INTERMEDIATE_P = int(
    "f68f1d636bca6207a9e9fba40ed4946bc75f0a15f95ef7aa0e42b83b48711ea6fe59cbee3d7c529cfe8e0701bfa0ea87024afcb09e5902"
    "6c347547a84909159465f282a67144ffd7aa2206b0d9edda440b644945eed46cab0c32c2d6e8a103a4bbcca59fdd87005b1b01f444095d"
    "4d81629ded3997f766d0d9944c9a0cac4217",
    16,
)
_INTERMEDIATE_Q = int(
    "c207deba6a366032a1d9e79756ccbb7c4d32f80ad9adff847778a24fc0e2b99c1700d9be5725cb3a08b26d03b9f02631a65c38e0b67ed8"
    "2938ab70e0e27fc31379d4c0b19fbef84ceb1993a88c67ae34d0e7a2006d042122da75df9e7f01469d8632455e16cfb39e768f1a8d4dbd"
    "742ade1643bec9ce1ed13047aca52b9c831b",
    16,
)


@dataclass(frozen=True)
class Made:
    """What a report and its collateral are made of; a test changes one thing. `edit`: of the report, before it is signed; `spoil`: of any
    part, at last; `revoked`: serial numbers on the list; `more`: extensions of the signer's certificate besides; `not_whole`: the list says that
    it is of changes alone; `issuer`: whom the signer's certificate names."""

    line: Line = "Milan"
    version: int = 2
    key: int = 0
    measurement: bytes = MEASUREMENT
    policy: int = POLICY
    vmpl: int = 0
    revoked: tuple[int, ...] = (7, 0x10001 + 5)
    signer_until: datetime = UNTIL
    intermediate_until: datetime = UNTIL
    list_from: datetime = LIST_FROM
    on_p256: bool = False
    list_until: datetime = LIST_UNTIL
    intermediate_name: str | None = None
    may_issue: bool = True
    certified: Mapping[str, int] = field(default_factory=LEVELS.as_json)
    chip: bytes = CHIP
    provider: bytes = b"provider.example"
    more: bytes = b""
    not_whole: bool = False
    issuer: str | None = None
    edit: Callable[[bytearray], None] = lambda report: None
    spoil: Callable[[dict[str, bytes]], None] = lambda parts: None


def roots(line: Line = "Milan") -> tuple[Root, ...]:
    """The made-up root, as if it were AMD's of that line."""
    return (Root(line, _root(line)),)


def launches(measurement: bytes = MEASUREMENT, at_least: PatchLevels | None = None) -> TrustedLaunches:
    one = Launch(name="a made-up launch", kind="sev-snp", measurement=measurement.hex(), at_least=at_least)
    return TrustedLaunches(launches=(one,))


def evidence(bound: bytes, made: Made | None = None, devices: tuple[DeviceEvidence, ...] = ()) -> Evidence:
    """Evidence about these 64 bytes."""
    made = made or Made()
    parts = {
        "report": report(bound, made),
        "intermediate": _intermediate(made),
        "signer": _signer(made),
        "crl": _crl(made),
    }
    made.spoil(parts)
    raw = parts.pop("report")
    collateral = {name: base64_text(data) for name, data in parts.items()}
    return Evidence(kind="sev-snp", report=base64_text(raw), collateral=collateral, devices=devices)


def report(bound: bytes, made: Made) -> bytes:
    """1,184 bytes, signed by the made-up chip."""
    raw = bytearray(1184)
    raw[0x000:0x004], raw[0x034:0x038] = made.version.to_bytes(4, "little"), (1).to_bytes(4, "little")
    raw[0x008:0x010], raw[0x030:0x034] = made.policy.to_bytes(8, "little"), made.vmpl.to_bytes(4, "little")
    raw[0x048:0x04C] = (made.key << 2).to_bytes(4, "little")
    raw[0x050:0x090], raw[0x090:0x0C0] = bound, made.measurement
    for at in (0x180, 0x038, 0x1E0, 0x1F0):
        raw[at : at + 8] = levels(made.line)
    if made.version > 2:
        raw[0x188:0x18B] = {"Milan": b"\x19\x01\x01", "Genoa": b"\x19\x11\x01", "Turin": b"\x1a\x02\x01"}[made.line]
    raw[0x1A0:0x1E0] = made.chip[:8] + bytes(56) if made.line == "Turin" else made.chip
    made.edit(raw)
    signed = chip_key().sign(bytes(raw[:0x2A0]), ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
    r, s = decode_dss_signature(signed)
    raw[0x2A0:0x2E8], raw[0x2E8:0x330] = r.to_bytes(72, "little"), s.to_bytes(72, "little")
    return bytes(raw)


def levels(line: Line) -> bytes:
    if line == "Turin":
        return bytes([LEVELS.fmc, LEVELS.bootloader, LEVELS.tee, LEVELS.snp, 0, 0, 0, LEVELS.microcode])
    return bytes([LEVELS.bootloader, LEVELS.tee, 0, 0, 0, 0, LEVELS.snp, LEVELS.microcode])


def chip_key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(b"test only, chip").digest(), "big"), ec.SECP384R1())


@cache
def _root(line: Line) -> bytes:
    name = _name(f"ARK-{line}")
    return _certificate(0x10000, name, name, _public(_rsa(_ROOT_P, _ROOT_Q)), UNTIL, _issues(True), (_ROOT_P, _ROOT_Q))


def _intermediate(made: Made) -> bytes:
    name = made.intermediate_name or (f"SEV-{made.line}" if made.key == 0 else f"SEV-VLEK-{made.line}")
    public = _public(_rsa(_INTERMEDIATE_P, _INTERMEDIATE_Q))
    extensions = _issues(made.may_issue)
    return _certificate(
        0x10001, _name(f"ARK-{made.line}"), _name(name), public, made.intermediate_until, extensions, (_ROOT_P, _ROOT_Q)
    )


def _signer(made: Made) -> bytes:
    """A VCEK of the chip, with the serial number 0 as AMD's have; or a VLEK."""
    issuer = made.intermediate_name or (f"SEV-{made.line}" if made.key == 0 else f"SEV-VLEK-{made.line}")
    places = {"bootloader": 1, "tee": 2, "snp": 3, "microcode": 8, **({"fmc": 9} if made.line == "Turin" else {})}
    stated = [_extension(_arc(3, places[name]), _integer(made.certified[name])) for name in places]
    if made.key == 0:
        stated.append(_extension(_arc(4), CHIP[:8]) if made.line == "Turin" else of_chip())
    else:
        stated.append(_extension(_arc(5), _tlv(0x16, made.provider) if made.provider else b""))
    subject = _name("SEV-VCEK" if made.key == 0 else "SEV-VLEK")
    key = _public(ec.derive_private_key(7, ec.SECP256R1()) if made.on_p256 else chip_key())
    pair = (_INTERMEDIATE_P, _INTERMEDIATE_Q)
    return _certificate(
        0, _name(made.issuer or issuer), subject, key, made.signer_until, b"".join(stated) + made.more, pair
    )


def _crl(made: Made) -> bytes:
    times = _time(made.list_from) + _time(made.list_until)
    entries = b"".join(_tlv(0x30, _integer(serial) + _time(LIST_FROM)) for serial in made.revoked)
    body = (
        _integer(1)
        + _PSS_SHA384
        + _name(f"ARK-{made.line}")
        + times
        + _tlv(0x30, entries)
        + (_CHANGES_ALONE if made.not_whole else b"")
    )
    return _sealed(_tlv(0x30, body), (_ROOT_P, _ROOT_Q))


def _certificate(
    serial: int, issuer: bytes, subject: bytes, key: bytes, until: datetime, extensions: bytes, by: tuple[int, int]
) -> bytes:
    validity = _tlv(0x30, _time(FROM) + _time(until))
    head = _tlv(0xA0, _integer(2)) + _integer(serial) + _PSS_SHA384
    return _sealed(_tlv(0x30, head + issuer + validity + subject + key + _tlv(0xA3, _tlv(0x30, extensions))), by)


def _sealed(body: bytes, by: tuple[int, int]) -> bytes:
    return _tlv(0x30, body + _PSS_SHA384 + _tlv(0x03, b"\0" + _pss(body, by)))


def _pss(message: bytes, by: tuple[int, int]) -> bytes:
    """RSASSA-PSS (RFC 8017, 9.1.1), SHA-384, with a salt that is drawn from the message, so that it is the same each time."""
    hashed = hashlib.sha384(message).digest()
    salt = hashlib.sha384(b"salt" + hashed).digest()
    inner = hashlib.sha384(bytes(8) + hashed + salt).digest()
    block = bytes(256 - 2 * 48 - 2) + b"\x01" + salt
    masked = bytearray(a ^ b for a, b in zip(block, _mgf1(inner, len(block)), strict=True))
    masked[0] &= 0x7F
    encoded = int.from_bytes(bytes(masked) + inner + b"\xbc", "big")
    key = _rsa(*by).private_numbers()
    of_p, of_q = pow(encoded, key.dmp1, key.p), pow(encoded, key.dmq1, key.q)  # by its two halves: RFC 8017, 5.1.2
    return (of_q + (of_p - of_q) * key.iqmp % key.p * key.q).to_bytes(256, "big")


def _mgf1(seed: bytes, size: int) -> bytes:
    blocks = (hashlib.sha384(seed + count.to_bytes(4, "big")).digest() for count in range(size // 48 + 1))
    return b"".join(blocks)[:size]


@cache
def _rsa(p: int, q: int) -> rsa.RSAPrivateKey:
    d = rsa.rsa_recover_private_exponent(65537, p, q)
    public = rsa.RSAPublicNumbers(65537, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), rsa.rsa_crt_iqmp(p, q), public).private_key()


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _issues(may: bool) -> bytes:
    return _tlv(0x30, _tlv(0x06, bytes.fromhex("551d13")) + _tlv(0x04, _tlv(0x30, _tlv(0x01, b"\xff") if may else b"")))


def of_chip() -> bytes:
    """The extension that says of which chip a key is."""
    return _extension(_arc(4), CHIP)


def _extension(kind: bytes, value: bytes) -> bytes:
    return _tlv(0x30, _tlv(0x06, kind) + _tlv(0x04, value))


def _arc(*places: int) -> bytes:
    return bytes.fromhex("2b060104019c7801") + bytes(places)


def _name(common: str) -> bytes:
    """As AMD's certificates name themselves: a forger would, too."""
    said = ((11, "Engineering"), (6, "US"), (7, "Santa Clara"), (8, "CA"), (10, "Advanced Micro Devices"), (3, common))
    pairs = (
        _tlv(0x06, bytes([0x55, 4, kind])) + _tlv(0x13 if kind == 6 else 0x0C, text.encode()) for kind, text in said
    )
    return _tlv(0x30, b"".join(_tlv(0x31, _tlv(0x30, pair)) for pair in pairs))


def _time(at: datetime) -> bytes:
    return _tlv(0x17, f"{at:%y%m%d%H%M%SZ}".encode())


def _integer(number: int) -> bytes:
    return _tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(length)]) + length + body


_PSS_SHA384 = bytes.fromhex(
    "304606092a864886f70d01010a3039a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500"
    "a203020130a303020101"
)
_CHANGES_ALONE = _tlv(
    0xA0, _tlv(0x30, _tlv(0x30, _tlv(0x06, bytes.fromhex("551d1b")) + _tlv(0x01, b"\xff") + _tlv(0x04, _integer(1))))
)
"""A critical extension, the delta CRL indicator (RFC 5280, 5.2.4)."""
