"""What is read of certificates is what `cryptography` reads of them; what is no certificate is refused, and breaks nothing."""

import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
import small_hardware
import small_tdx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from evidence_samples import AT, BOUND
from hypothesis import given, settings
from hypothesis import strategies as st

from rapha.canonical import base64_bytes
from rapha.errors import Unproven
from rapha.proof.evidence import der
from rapha.proof.evidence.amd import amd_roots, check_sev_snp
from rapha.proof.evidence.certificates import read_certificate, read_crl

PUBLIC = Path(__file__).resolve().parents[2] / "vectors" / "public_evidence"
REAL = [(PUBLIC / name).read_bytes() for name in ("milan_ask.der", "kds_vcek.der")]
EVIDENCE, ROOTS = small_hardware.evidence(BOUND), small_hardware.roots()
PARTS = {"report": EVIDENCE.report, **EVIDENCE.collateral}
RAW = {name: base64_bytes(data) for name, data in PARTS.items()}


@pytest.mark.parametrize("raw", [*REAL, *(one.certificate for one in amd_roots()), RAW["intermediate"]])
def test_a_certificate_is_read_as_cryptography_reads_it(raw: bytes) -> None:
    mine = read_certificate(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a VCEK's serial number is 0
        theirs = x509.load_der_x509_certificate(raw)
        assert mine.serial == theirs.serial_number
    assert (mine.start, mine.end) == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)
    assert (mine.issuer, mine.subject) == (theirs.issuer.public_bytes(), theirs.subject.public_bytes())
    assert (mine.signed, mine.signature) == (theirs.tbs_certificate_bytes, theirs.signature)
    assert mine.key == theirs.public_key()
    assert len(mine.extensions) == len(theirs.extensions)


def test_a_revocation_list_is_read_as_cryptography_reads_it() -> None:
    mine, theirs = read_crl(RAW["crl"]), x509.load_der_x509_crl(RAW["crl"])
    assert (mine.start, mine.end) == (theirs.last_update_utc, theirs.next_update_utc)
    assert mine.serials == {one.serial_number for one in theirs}
    assert (mine.signed, mine.signature) == (theirs.tbs_certlist_bytes, theirs.signature)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(RAW)), st.data())
def test_whatever_is_done_to_a_part_it_is_refused_and_nothing_breaks(name: str, data: st.DataObject) -> None:
    raw = RAW[name]
    begins = data.draw(st.integers(0, len(raw)))
    ends = data.draw(st.integers(begins, min(len(raw), begins + 64)))
    changed = raw[:begins] + data.draw(st.binary(max_size=64)) + raw[ends:]
    parts = {**RAW, name: changed}
    report = parts.pop("report")
    if changed == raw:
        check_sev_snp(report, parts, BOUND, AT, ROOTS)
    else:
        with pytest.raises(Unproven):
            check_sev_snp(report, parts, BOUND, AT, ROOTS)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (read_certificate, read_crl, der.values):
        try:
            read(raw)
        except Unproven:
            continue


@pytest.mark.parametrize(
    "raw",
    ["30", "3080", "308100", "30820001", "3084000000020101", "300201", "1f0100", "308101ff"],
    ids=["no length", "without end", "long zero", "padded", "four bytes", "cut short", "long tag", "long small"],
)
def test_a_value_has_one_form(raw: str) -> None:
    with pytest.raises(Unproven):
        der.values(bytes.fromhex(raw))


@pytest.mark.parametrize("raw", ["", "80", "0001", "ff"])
def test_a_number_has_one_form_and_is_not_negative(raw: str) -> None:
    with pytest.raises(Unproven):
        der.integer(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("tag", "text", "at"),
    [
        (der.UTC_TIME, b"500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (der.UTC_TIME, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (der.GENERALIZED_TIME, b"20500101000000Z", datetime(2050, 1, 1, tzinfo=UTC)),
        (der.UTC_TIME, b"20500101000000Z", None),
        (der.GENERALIZED_TIME, b"500101000000Z", None),
        (der.UTC_TIME, b"491231235960Z", None),
        (der.UTC_TIME, b"4912312359Z", None),
        (der.UTC_TIME, b"491331000000Z", None),
        (der.OCTET_STRING, b"20500101000000Z", None),
        (der.UTC_TIME, "49123123595\u0663Z".encode(), None),
    ],
)
def test_a_time_is_to_the_second_in_utc(tag: int, text: bytes, at: datetime | None) -> None:
    value = der.Value(tag, text, b"")
    if at is not None:
        assert der.moment(value) == at
        return
    with pytest.raises(Unproven):
        der.moment(value)


@pytest.mark.parametrize("name", ["a" * 65, "a" * 900, "a\x1b[2Kb", "a\nb", "a\x00b", "\u00e9", "\u202e"])
def test_a_name_that_could_pass_for_other_words_is_refused(name: str) -> None:
    """It would be told to whoever reads the verdict."""
    assert read_certificate(named("a" * 64), "ecdsa-p256-sha256").name == "a" * 64
    with pytest.raises(Unproven) as refused:
        read_certificate(named(name), "ecdsa-p256-sha256")
    assert str(refused.value) == "a certificate has a name that is not of 1 to 64 printable characters of ASCII"


def named(name: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the length
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)])
    key = small_tdx.key("somebody")
    builder = x509.CertificateBuilder().serial_number(1).subject_name(subject).issuer_name(subject)
    builder = builder.not_valid_before(small_tdx.FROM).not_valid_after(small_tdx.UNTIL).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
