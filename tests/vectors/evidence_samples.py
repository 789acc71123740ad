"""Evidence that holds, and one sample for each way in which it can be wrong, by a made-up maker. Golden files below evidence/."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import small_hardware as made_up
from small_hardware import Made

from rapha.proof.evidence.appraise import bound_data
from rapha.records.evidence import Evidence, PatchLevels, TrustedLaunches

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STATEMENT = b'{"a":"statement"}'
BOUND = bound_data(STATEMENT)
MILAN, TURIN = Made(), Made(line="Turin", version=3)
TRUSTED = made_up.launches()


@dataclass(frozen=True)
class Sample:
    """`why` begins the sentence that it is refused with; of one that `holds`, why it is not T2; empty where it is."""

    why: str = ""
    holds: bool = False
    made: Made = MILAN
    bound: bytes = BOUND
    launches: TrustedLaunches = TRUSTED
    after: Callable[[Evidence], Evidence] = lambda evidence: evidence

    @property
    def evidence(self) -> Evidence:
        return self.after(made_up.evidence(self.bound, self.made))


def edited(at: int, value: bytes) -> Callable[[bytearray], None]:
    """The report says so, and is signed."""

    def edit(report: bytearray) -> None:
        report[at : at + len(value)] = value

    return edit


def changed(part: str, change: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    """One part, after everything was signed."""

    def spoil(parts: dict[str, bytes]) -> None:
        parts[part] = change(parts[part])

    return spoil


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at:][1:]


def said_otherwise(was: str, instead: str) -> Callable[[bytes], bytes]:
    """The algorithm is called another one, outside of what is signed."""
    return lambda data: bytes.fromhex(instead).join(data.rsplit(bytes.fromhex(was), 1))


def of_another_root(parts: dict[str, bytes]) -> None:
    """Signed by the intermediate itself, which is no root."""
    parts["intermediate"] = parts["signer"]


def without_crl(evidence: Evidence) -> Evidence:
    left = {name: data for name, data in evidence.collateral.items() if name != "crl"}
    return evidence.model_copy(update={"collateral": left})


def with_root(evidence: Evidence) -> Evidence:
    root = base64.b64encode(made_up.roots()[0].certificate).decode()
    return evidence.model_copy(update={"collateral": {**evidence.collateral, "root": root}})


def of_kind(kind: str) -> Callable[[Evidence], Evidence]:
    return lambda evidence: evidence.model_copy(update={"kind": kind})


def loose(evidence: Evidence) -> Evidence:
    return evidence.model_copy(update={"report": evidence.report.rstrip("=")})


LEVELS = made_up.LEVELS
OLDER = PatchLevels(**{**LEVELS.as_json(), "snp": LEVELS.snp + 1})
OTHER = made_up.launches(bytes(48))
CHAIN = "the chain of certificates"

# fmt: off
HOLDING = {
    "milan": Sample(holds=True),
    "milan-version-5": Sample(holds=True, made=replace(MILAN, version=5)),
    "milan-of-a-provider": Sample(holds=True, made=replace(MILAN, key=1)),
    "genoa": Sample(holds=True, made=Made(line="Genoa", version=3)),
    "turin": Sample(holds=True, made=TURIN),
    "as-new-as-asked": Sample(holds=True, launches=made_up.launches(at_least=LEVELS)),
    "of-another-launch": Sample("the launch ", holds=True, launches=OTHER),
    "of-no-launch-listed": Sample("you have listed no launch", holds=True, launches=TrustedLaunches(launches=())),
    "older-committed-than-asked": Sample("its platform is older", holds=True, made=replace(MILAN, edit=edited(0x1E0, b"\3")), launches=made_up.launches(at_least=LEVELS)),
    "older-at-launch-than-asked": Sample("its platform is older", holds=True, made=replace(MILAN, edit=edited(0x1F0, b"\3")), launches=made_up.launches(at_least=LEVELS)),
    "older-than-asked": Sample("its platform is older", holds=True, launches=made_up.launches(at_least=OLDER)),
}
REFUSED = {
    "another-kind": Sample("this verifier does not read the kind nvidia-h100", after=of_kind("nvidia-h100")),
    "called-intel-tdx": Sample("evidence of TDX has", after=of_kind("intel-tdx")),
    "loose-base64": Sample("the evidence has base64", after=loose),
    "no-revocation-list": Sample("evidence of SEV-SNP has crl, intermediate, signer", after=without_crl),
    "brings-its-own-root": Sample("evidence of SEV-SNP has crl, intermediate, signer", after=with_root),
    "report-cut-short": Sample("the report has 1183 bytes", made=replace(MILAN, spoil=changed("report", lambda raw: raw[:-1]))),
    "report-too-long": Sample("the report has 1185 bytes", made=replace(MILAN, spoil=changed("report", lambda raw: raw + b"\0"))),
    "report-of-version-6": Sample("the report is of version 6", made=replace(MILAN, version=6)),
    "another-algorithm": Sample("the report is signed in another way", made=replace(MILAN, edit=edited(0x34, b"\2"))),
    "something-behind": Sample("the report has something behind", made=replace(MILAN, spoil=changed("report", flipped(1183)))),
    "certificate-cut-short": Sample("the evidence has a certificate", made=replace(MILAN, spoil=changed("signer", lambda raw: raw[:-1]))),
    "certificate-too-long": Sample("a certificate or a revocation list has", made=replace(MILAN, spoil=changed("signer", lambda raw: raw + bytes(4096)))),
    "of-another-root": Sample(f"{CHAIN} does not begin", made=replace(MILAN, spoil=of_another_root)),
    "intermediate-edited": Sample(f"{CHAIN} is broken: a signature", made=replace(MILAN, spoil=changed("intermediate", flipped(-1)))),
    "signer-edited": Sample(f"{CHAIN} is broken: a signature", made=replace(MILAN, spoil=changed("signer", flipped(-1)))),
    "intermediate-of-nobody": Sample("SEV-Milan may not issue", made=replace(MILAN, may_issue=False)),
    "intermediate-of-something-else": Sample(f"{CHAIN} is of something else", made=replace(MILAN, intermediate_name="SEV-Other")),
    "chip-under-a-provider": Sample(f"{CHAIN} is of something else", made=replace(MILAN, intermediate_name="SEV-VLEK-Milan")),
    "provider-under-a-chip": Sample(f"{CHAIN} is of something else", made=replace(MILAN, key=1, intermediate_name="SEV-Milan")),
    "signer-of-another-issuer": Sample(f"{CHAIN} is broken: one names another issuer", made=replace(MILAN, issuer="SEV-Other")),
    "signed-another-way": Sample("a certificate or a revocation list is signed", made=replace(MILAN, spoil=changed("signer", said_otherwise("2a864886f70d01010a", "2a864886f70d01010c")))),
    "signed-with-another-salt": Sample("a certificate or a revocation list is signed", made=replace(MILAN, spoil=changed("signer", said_otherwise("a203020130", "a203020120")))),
    "extension-twice": Sample("a certificate has an extension twice", made=replace(MILAN, more=made_up.of_chip())),
    "provider-with-a-chip": Sample("the certificate of a provider's key", made=replace(MILAN, key=1, more=made_up.of_chip())),
    "provider-without-a-name": Sample("the certificate of a provider's key", made=replace(MILAN, key=1, provider=b"")),
    "revocation-list-of-changes": Sample("the revocation list has something", made=replace(MILAN, not_whole=True)),
    "signer-expired": Sample("SEV-VCEK was good from", made=replace(MILAN, signer_until=datetime(2026, 11, 23, tzinfo=UTC))),
    "revocation-list-expired": Sample("the revocation list was good", made=replace(MILAN, list_until=datetime(2026, 11, 23, tzinfo=UTC))),
    "revocation-list-edited": Sample(f"{CHAIN} is broken: a signature", made=replace(MILAN, spoil=changed("crl", flipped(-1)))),
    "intermediate-revoked": Sample("AMD had revoked", made=replace(MILAN, revoked=(7, 0x10001))),
    "another-chip": Sample("the certificate is of another chip", made=replace(MILAN, chip=bytes([1]) * 64)),
    "another-chip-of-turin": Sample("the certificate is of another chip", made=replace(TURIN, edit=edited(0x1A8, b"\1"))),
    "hidden-chip": Sample("the report hides its chip", made=replace(MILAN, chip=bytes(64))),
    "hidden-key": Sample("the report says that it is not signed", made=replace(MILAN, edit=edited(0x48, b"\2"))),
    "hidden-key-of-a-provider": Sample("the report says that it is not signed", made=replace(MILAN, key=1, edit=edited(0x48, b"\6"))),
    "unknown-flag": Sample("the report has a flag", made=replace(MILAN, edit=edited(0x48, b"\x20"))),
    "unknown-flag-behind": Sample("the report has a flag", made=replace(MILAN, edit=edited(0x4F, b"\1"))),
    "intermediate-expired": Sample("SEV-Milan was good from", made=replace(MILAN, intermediate_until=datetime(2026, 11, 23, tzinfo=UTC))),
    "revocation-list-of-later": Sample("the revocation list was good", made=replace(MILAN, list_from=datetime(2026, 11, 24, tzinfo=UTC))),
    "signer-on-p256": Sample("the signer's key is not on P-384", made=replace(MILAN, on_p256=True)),
    "more-reported-than-there-is": Sample("the report's patch levels are above", made=replace(MILAN, edit=edited(0x38, b"\3"))),
    "key-of-another-kind": Sample("the report says that a key of another kind", made=replace(MILAN, edit=edited(0x48, b"\4"))),
    "signed-by-no-key": Sample("the report says that a key of another kind", made=replace(MILAN, edit=edited(0x48, b"\x1c"))),
    "other-patch-levels": Sample("the certificate is for other patch levels", made=replace(MILAN, certified=OLDER.as_json())),
    "patch-levels-elsewhere": Sample("the report's patch levels have", made=replace(MILAN, edit=edited(0x182, b"\1"))),
    "another-line": Sample("the report is of another line", made=replace(MILAN, version=3, edit=edited(0x188, b"\x19\x11"))),
    "turin-of-version-2": Sample("the report is of a version that no Turin", made=replace(TURIN, version=2)),
    "signature-edited": Sample("the report's signature does not fit", made=replace(MILAN, spoil=changed("report", flipped(0x2A0)))),
    "measurement-edited": Sample("the report's signature does not fit", made=replace(MILAN, spoil=changed("report", flipped(0x90)))),
    "debug": Sample("the guest was started with DEBUG", made=replace(MILAN, policy=made_up.POLICY | 1 << 19)),
    "migration-agent": Sample("the guest may be moved", made=replace(MILAN, policy=made_up.POLICY | 1 << 18)),
    "unknown-policy": Sample("the guest's policy has a bit", made=replace(MILAN, policy=made_up.POLICY | 1 << 26)),
    "policy-without-its-bit": Sample("the guest's policy has a bit", made=replace(MILAN, policy=1 << 16)),
    "less-privileged": Sample("the report was asked for at privilege level 1", made=replace(MILAN, vmpl=1)),
    "asked-for-by-the-host": Sample("the report was asked for at privilege level 4294967295", made=replace(MILAN, vmpl=0xFFFFFFFF)),
    "of-another-statement": Sample("the report is not about this statement", bound=bound_data(STATEMENT + b" ")),
    "of-no-statement": Sample("the report is not about this statement", bound=bytes(64)),
}
# fmt: on
SAMPLES = {**HOLDING, **REFUSED}


def files() -> dict[str, Any]:
    """Name -> what its golden file says."""
    return {name: _file(sample) for name, sample in SAMPLES.items()}


def _file(sample: Sample) -> dict[str, Any]:
    line = sample.made.line
    roots = [
        {"line": one.line, "certificate": base64.b64encode(one.certificate).decode()} for one in made_up.roots(line)
    ]
    return {
        "statement": STATEMENT.decode(),
        "at": AT.isoformat(),
        "roots": roots,
        "launches": sample.launches.as_json()["launches"],
        "evidence": sample.evidence.as_json(),
        "expected": {
            "holds": sample.holds,
            "tier": "T2" if sample.holds and not sample.why else "as without",
            "why": sample.why,
        },
    }
