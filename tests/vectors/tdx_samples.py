"""Evidence of TDX that holds, and one sample for each way in which it can be wrong, by a made-up maker. Golden files below evidence-tdx/."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import small_tdx as made_up
from small_tdx import SGX, MadeTdx

from rapha.proof.evidence.appraise import bound_data
from rapha.records.evidence import Evidence, TdxLaunch, TrustedLaunches

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
BEFORE, AFTER = datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
STATEMENT = b'{"a":"statement"}'
BOUND = bound_data(STATEMENT)
V4, V5 = MadeTdx(), MadeTdx(version=5, kind=3)
EXTENDED = MadeTdx(version=5, kind=4)


@dataclass(frozen=True)
class Sample:
    """`why` begins the sentence that it is refused with; of one that `holds`, why it is not T2; empty where it is. `launch`: what the
    reader's says otherwise."""

    why: str = ""
    holds: bool = False
    made: MadeTdx = V4
    bound: bytes = BOUND
    launch: Callable[[], TdxLaunch] = made_up.launch
    after: Callable[[Evidence], Evidence] = lambda evidence: evidence

    @property
    def evidence(self) -> Evidence:
        return self.after(made_up.evidence(self.bound, self.made))

    @property
    def launches(self) -> TrustedLaunches:
        return TrustedLaunches(launches=(self.launch(),))


def put(at: int, value: bytes) -> Callable[[bytearray], None]:
    """These bytes say so, and are signed."""

    def edit(raw: bytearray) -> None:
        raw[at : at + len(value)] = value

    return edit


def attributes(more: int) -> MadeTdx:
    return replace(V4, body=put(120, (made_up.ATTRIBUTES ^ more).to_bytes(8, "little")))


def said(**changed: Any) -> Callable[[dict[str, Any]], None]:
    """Intel says so, and signs it."""
    return lambda value: value.update(changed)


def spoiled(part: str, change: Callable[[bytes], bytes]) -> MadeTdx:
    """One part, after everything was signed."""

    def spoil(parts: dict[str, bytes]) -> None:
        parts[part] = change(parts[part])

    return replace(V4, spoil=spoil)


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at:][1:]


def without(name: str) -> Callable[[Evidence], Evidence]:
    def after(evidence: Evidence) -> Evidence:
        left = {part: data for part, data in evidence.collateral.items() if part != name}
        return evidence.model_copy(update={"collateral": left})

    return after


def with_root(evidence: Evidence) -> Evidence:
    root = base64.b64encode(made_up.root()).decode()
    return evidence.model_copy(update={"collateral": {**evidence.collateral, "root": root}})


def trusting(**changed: Any) -> Callable[[], TdxLaunch]:
    return lambda: made_up.launch(**changed)


def no_level(value: dict[str, Any]) -> None:
    value["tcbLevels"] = [made_up.tcb_level((9, *SGX[1:]), 11, (5, 0, 3), "UpToDate")]


def platform(status: str) -> Callable[[dict[str, Any]], None]:
    def edit(value: dict[str, Any]) -> None:
        value["tcbLevels"][0]["tcbStatus"] = status

    return edit


def module(**changed: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["tdxModuleIdentities"][0].update(changed)


def level_of_module(status: str) -> MadeTdx:
    return replace(V4, info=lambda value: value["tdxModuleIdentities"][0]["tcbLevels"][0].update(tcbStatus=status))


def old_module_revoked(value: dict[str, Any]) -> None:
    value["tdxModuleIdentities"][0]["tcbLevels"][1]["tcbStatus"] = "Revoked"


def old_microcode(value: dict[str, Any]) -> None:
    value["tcbLevels"][1]["tcbStatus"] = "OutOfDateConfigurationNeeded"


def backwards(value: dict[str, Any]) -> None:
    value["tcbLevels"].reverse()


def other_lines(data: bytes) -> bytes:
    """The same certificate, with its first line one letter shorter."""
    at = data.find(b"\n", data.find(b"-----BEGIN") + 30)
    return data[: at - 1] + b"\n" + data[at - 1 : at] + data[at + 1 :]


def other_root(data: bytes) -> bytes:
    """The root in the quote is another with the same name and key, as far as anybody sees who does not compare."""
    at = data.rfind(b"-----BEGIN")
    return data[: at + 100] + (b"B" if data[at + 100 : at + 101] != b"B" else b"C") + data[at + 101 :]


OLD_TCB = bytes([4, 1, 3, *bytes(13)])
OLD_SGX = (2, 2, *SGX[2:])
CHAIN = "the chain of certificates"
NAMED = (("issuer", "Intel SGX Other CA"),)

# fmt: off
HOLDING = {
    "version-4": Sample(holds=True),
    "version-5-of-1-0": Sample(holds=True, made=replace(V4, version=5)),
    "version-5-of-1-5": Sample(holds=True, made=V5),
    "version-5-extended": Sample(holds=True, made=EXTENDED),
    "of-a-processor-issuer": Sample(holds=True, made=replace(V4, names=(("issuer", "Intel SGX PCK Processor CA"),))),
    "levels-listed-backwards": Sample(holds=True, made=replace(V4, info=backwards)),
    "registers-that-may-be-anything": Sample(holds=True, made=replace(V4, body=put(472, b"\1")), launch=trusting(rtmr=(*(one.hex() for one in made_up.REGISTERS[:3]), None))),
    "of-a-listed-module": Sample(holds=True, launch=trusting(mrseam=("00" * 48, made_up.MODULE.hex()))),
    "hardening-that-is-accepted": Sample(holds=True, made=replace(V4, sgx=OLD_SGX), launch=trusting(statuses=("UpToDate", "SWHardeningNeeded"))),
    "word-of-a-host-that-is-trusted": Sample(holds=True, made=replace(V4, body=put(184, b"\1" * 48)), launch=trusting(mrconfigid="01" * 48)),
    "evaluated-as-late-as-asked": Sample(holds=True, launch=trusting(evaluated_at_least=20)),
    "evaluated-before-what-is-asked-for": Sample("Intel says it by its evaluation 19 of the platform and 20 of", holds=True, made=replace(V4, info=said(tcbEvaluationDataNumber=19)), launch=trusting(evaluated_at_least=20)),
    "enclave-evaluated-before-what-is-asked-for": Sample("Intel says it by its evaluation 20 of the platform and 19 of", holds=True, made=replace(V4, identity=said(tcbEvaluationDataNumber=19)), launch=trusting(evaluated_at_least=20)),
    "of-another-launch": Sample("the launch ", holds=True, made=replace(V4, body=put(136, b"\1"))),
    "another-register-0": Sample("what was measured into RTMR0", holds=True, made=replace(V4, body=put(328, b"\1"))),
    "another-register-1": Sample("what was measured into RTMR1", holds=True, made=replace(V4, body=put(376, b"\1"))),
    "another-register-2": Sample("what was measured into RTMR2", holds=True, made=replace(V4, body=put(424, b"\1"))),
    "another-register-3": Sample("what was measured into RTMR3", holds=True, made=replace(V4, body=put(472, b"\1"))),
    "other-features": Sample("its XFAM is", holds=True, made=replace(V4, body=put(128, b"\xff"))),
    "another-configuration": Sample("its MRCONFIGID is", holds=True, made=replace(V4, body=put(184, b"\1"))),
    "another-owner": Sample("its MROWNER is", holds=True, made=replace(V4, body=put(232, b"\1"))),
    "another-configuration-of-an-owner": Sample("its MROWNERCONFIG is", holds=True, made=replace(V4, body=put(280, b"\1"))),
    "of-another-module": Sample("the TDX module ", holds=True, launch=trusting(mrseam=("00" * 48,))),
    "hardening-needed": Sample("Intel says of its platform SWHardeningNeeded (INTEL-SA-00002)", holds=True, made=replace(V4, sgx=OLD_SGX)),
    "out-of-date": Sample("Intel says of its platform OutOfDate (INTEL-SA-00002, INTEL-SA-00003)", holds=True, made=replace(V4, sgx=OLD_SGX, pcesvn=5)),
    "configuration-needed": Sample("Intel says of its platform ConfigurationNeeded", holds=True, made=replace(V4, info=platform("ConfigurationNeeded"))),
    "old-module": Sample("Intel says of its platform OutOfDate (INTEL-SA-00001)", holds=True, made=replace(V4, body=put(0, OLD_TCB))),
    "old-module-that-needs-configuration": Sample("Intel says of its platform OutOfDateConfigurationNeeded", holds=True, made=replace(V4, body=put(0, OLD_TCB), info=platform("ConfigurationNeeded"))),
    "old-quoting-enclave": Sample("Intel says of its platform OutOfDate (INTEL-SA-00004)", holds=True, made=replace(V4, enclave=put(258, b"\3"))),
    "started-on-old-microcode-that-needs-configuration": Sample("Intel says of its platform TDRelaunchAdvisedConfigurationNeeded", holds=True, made=replace(V5, body=put(2, b"\2"), info=old_microcode)),
    "started-on-an-old-module": Sample("Intel says of its platform TDRelaunchAdvised (", holds=True, made=replace(V5, body=put(0, OLD_TCB))),
    "started-on-an-old-module-that-needs-configuration": Sample("Intel says of its platform TDRelaunchAdvisedConfigurationNeeded", holds=True, made=replace(V5, body=put(0, OLD_TCB), info=platform("ConfigurationNeeded"))),
}
REFUSED = {
    "no-revocation-list": Sample("evidence of TDX has", after=without("root_crl")),
    "no-list-of-platforms": Sample("evidence of TDX has", after=without("pck_crl")),
    "no-tcb-information": Sample("evidence of TDX has", after=without("tcb_info")),
    "brings-its-own-root": Sample("evidence of TDX has", after=with_root),
    "quote-cut-short": Sample("the quote is cut short", made=spoiled("quote", lambda raw: raw[:-1])),
    "quote-of-a-header-alone": Sample("the quote is cut short", made=spoiled("quote", lambda raw: raw[:48])),
    "something-behind": Sample("the quote has something behind", made=spoiled("quote", lambda raw: raw + b"\0")),
    "quote-too-long": Sample("the quote has 2", made=spoiled("quote", lambda raw: raw + bytes(16 << 10))),
    "quote-of-version-3": Sample("the quote is of version 3", made=replace(V4, version=3)),
    "quote-of-version-6": Sample("the quote is of version 6", made=replace(V4, version=6)),
    "another-algorithm": Sample("the quote is signed in another way", made=replace(V4, header=put(2, b"\3"))),
    "quote-of-sgx": Sample("the quote is of something else", made=replace(V4, header=put(4, bytes(4)))),
    "of-another-maker": Sample("the quote is of something else", made=replace(V4, header=put(12, b"\0"))),
    "body-of-an-enclave": Sample("the quote has a report that is of no trust domain", made=replace(V5, kind=1)),
    "body-of-another-size": Sample("the quote has a report that is of no trust domain", made=spoiled("quote", lambda raw: raw[:0] + made_up.quote(BOUND, V5)[:50] + b"\x89" + made_up.quote(BOUND, V5)[51:])),
    "key-without-a-chain": Sample("the quote has certification data of type 3", made=replace(V4, inner=3)),
    "key-without-an-enclave": Sample("the quote has certification data of type 5", made=replace(V4, outer=5)),
    "chain-with-white-space": Sample("the quote has something else than three certificates", made=spoiled("quote", lambda raw: raw[:-2] + b" \0")),
    "chain-with-other-lines": Sample("the quote has something else than three certificates", made=spoiled("quote", other_lines)),
    "chain-with-other-letters": Sample("the quote has something else than three certificates", made=spoiled("quote", lambda raw: raw.replace(b"END", b"EnD", 1))),
    "chain-of-another-root": Sample(f"{CHAIN} does not begin", made=spoiled("quote", other_root)),
    "platform-of-another-issuer": Sample(f"{CHAIN} is broken: one names another issuer", made=replace(V4, issued_by=(("pck", "signer"),))),
    "issuer-may-not-issue": Sample("Intel SGX PCK Platform CA may not issue", made=replace(V4, issues=("root",))),
    "issuer-of-something-else": Sample(f"{CHAIN} is of something else", made=replace(V4, names=NAMED)),
    "platform-of-something-else": Sample(f"{CHAIN} is of something else", made=replace(V4, names=(("pck", "Intel SGX Other"),))),
    "platform-on-p384": Sample("the key that signed the report of the quoting enclave is not on P-256", made=replace(V4, on_p384=("pck",))),
    "issuer-on-p384": Sample(f"{CHAIN} is broken: an issuer has a key of another kind", made=replace(V4, on_p384=("issuer",))),
    "signer-signed-another-way": Sample("a certificate or a revocation list is signed in another way", made=replace(V4, on_sha384=("signer",))),
    "platform-without-its-extension": Sample("the evidence has a certificate", made=replace(V4, extension=False)),
    "signer-of-something-else": Sample("what Intel says of its platforms is signed by another", made=replace(V4, names=(("signer", "Intel SGX Other"),))),
    "signer-of-another-issuer": Sample(f"{CHAIN} is broken: one names another issuer", made=replace(V4, issued_by=(("signer", "issuer"),))),
    "signer-edited": Sample(f"{CHAIN} is broken: a signature", made=spoiled("signer", flipped(-1))),
    "certificate-too-long": Sample("a certificate or a revocation list has", made=spoiled("signer", lambda raw: raw + bytes(4096))),
    "issuer-revoked": Sample("Intel had revoked", made=replace(V4, revoked=((99, 2), ()))),
    "signer-revoked": Sample("Intel had revoked", made=replace(V4, revoked=((99, 4), ()))),
    "platform-revoked": Sample("Intel had revoked", made=replace(V4, revoked=((), (98, 3)))),
    "root-list-of-the-issuer": Sample(f"{CHAIN} is broken: one names another issuer", made=replace(V4, issued_by=(("root's list", "issuer"),))),
    "list-of-platforms-by-the-root": Sample(f"{CHAIN} is broken: one names another issuer", made=replace(V4, issued_by=(("issuer's list", "root"),))),
    "root-list-edited": Sample(f"{CHAIN} is broken: a signature", made=spoiled("root_crl", flipped(-1))),
    "list-of-platforms-edited": Sample(f"{CHAIN} is broken: a signature", made=spoiled("pck_crl", flipped(-1))),
    "root-list-expired": Sample("the root's revocation list was good", made=replace(V4, lists=(made_up.LIST_FROM, BEFORE))),
    "root-list-of-later": Sample("the root's revocation list was good", made=replace(V4, lists=(AFTER, made_up.LIST_UNTIL))),
    "list-of-platforms-expired": Sample("the revocation list of platforms was good", made=replace(V4, pck_lists=(made_up.LIST_FROM, BEFORE))),
    "list-of-platforms-of-later": Sample("the revocation list of platforms was good", made=replace(V4, pck_lists=(AFTER, made_up.LIST_UNTIL))),
    "issuer-expired": Sample("Intel SGX PCK Platform CA was good", made=replace(V4, until=(("issuer", BEFORE),))),
    "platform-expired": Sample("Intel SGX PCK Certificate was good", made=replace(V4, until=(("pck", BEFORE),))),
    "signer-expired": Sample("Intel SGX TCB Signing was good", made=replace(V4, until=(("signer", BEFORE),))),
    "tcb-information-edited": Sample("the signature of Intel's TCB information", made=spoiled("tcb_info", lambda raw: raw.replace(b"OutOfDate", b"UpToDate "))),
    "tcb-information-written-otherwise": Sample("the signature of Intel's TCB information", made=spoiled("tcb_info", lambda raw: raw.replace(b":", b": ", 1))),
    "tcb-information-signed-by-nobody": Sample("the signature of Intel's TCB information", made=spoiled("tcb_info_signature", lambda raw: bytes(64))),
    "signature-with-a-zero-more": Sample("the signature of Intel's TCB information", made=spoiled("tcb_info_signature", lambda raw: raw[:32] + b"\0" + raw[32:])),
    "signature-too-short": Sample("the signature of Intel's TCB information", made=spoiled("tcb_info_signature", lambda raw: raw[:-1])),
    "tcb-information-expired": Sample("Intel's TCB information was good", made=replace(V4, info=said(nextUpdate="2026-11-23T00:00:00Z"))),
    "tcb-information-of-later": Sample("Intel's TCB information was good", made=replace(V4, info=said(issueDate="2026-11-24T00:00:00Z"))),
    "tcb-information-of-sgx": Sample("Intel's TCB information is of another form", made=replace(V4, info=said(id="SGX"))),
    "tcb-information-of-no-evaluation": Sample("Intel's TCB information is of another form", made=replace(V4, info=lambda value: value.pop("tcbEvaluationDataNumber"))),
    "tcb-information-of-no-date": Sample("Intel's TCB information is of another form", made=replace(V4, info=lambda value: value["tcbLevels"][2].pop("tcbDate"))),
    "identity-of-no-evaluation": Sample("Intel's identity of the quoting enclave is of another form", made=replace(V4, identity=lambda value: value.pop("tcbEvaluationDataNumber"))),
    "tcb-information-of-version-2": Sample("Intel's TCB information is of another form", made=replace(V4, info=said(version=2))),
    "tcb-information-of-another-platform": Sample("Intel's TCB information is of another kind", made=replace(V4, info=said(fmspc="90C06F000000"))),
    "tcb-information-of-another-certifier": Sample("Intel's TCB information is of another kind", made=replace(V4, info=said(pceId="0100"))),
    "tcb-information-without-a-module": Sample("Intel's TCB information is of another form", made=replace(V4, info=lambda value: value.pop("tdxModule"))),
    "status-that-nobody-knows": Sample("Intel's TCB information is of another form", made=replace(V4, info=platform("Fine"))),
    "identity-edited": Sample("the signature of Intel's identity", made=spoiled("qe_identity", lambda raw: raw.replace(b'"isvsvn":4', b'"isvsvn":1'))),
    "identity-expired": Sample("Intel's identity of the quoting enclave was good", made=replace(V4, identity=said(nextUpdate="2026-11-23T00:00:00Z"))),
    "identity-of-later": Sample("Intel's identity of the quoting enclave was good", made=replace(V4, identity=said(issueDate="2026-11-24T00:00:00Z"))),
    "identity-of-sgx": Sample("Intel's identity of the quoting enclave is of another form", made=replace(V4, identity=said(id="QE"))),
    "objects-swapped": Sample("the signature of Intel's", made=replace(V4, spoil=lambda parts: parts.update(tcb_info=parts["qe_identity"]))),
    "enclave-of-another-signer": Sample("the quoting enclave is another", made=replace(V4, enclave=put(128, b"\0"))),
    "enclave-of-another-product": Sample("the quoting enclave is another", made=replace(V4, enclave=put(256, b"\1"))),
    "enclave-with-other-attributes": Sample("the quoting enclave is another", made=replace(V4, enclave=put(48, b"\x05"))),
    "enclave-with-more-state": Sample("the quoting enclave is another", made=replace(V4, enclave=put(16, b"\1"))),
    "enclave-in-debug-mode": Sample("the quoting enclave was started in debug mode", made=replace(V4, enclave=put(48, b"\x17"))),
    "enclave-older-than-any": Sample("Intel says nothing of a quoting enclave", made=replace(V4, enclave=put(258, b"\1"))),
    "enclave-revoked": Sample("Intel has revoked", made=replace(V4, identity=lambda value: value["tcbLevels"][0].update(tcbStatus="Revoked"))),
    "enclave-edited": Sample("the signature of the report of the quoting enclave", made=spoiled("quote", flipped(48 + 584 + 4 + 128 + 6 + 64))),
    "enclave-of-another-key": Sample("the quoting enclave did not make the key", made=replace(V4, named=bytes(64))),
    "enclave-that-says-more": Sample("the quoting enclave did not make the key", made=replace(V4, enclave=put(352, b"\1"))),
    "key-edited": Sample("the quoting enclave did not make the key", made=spoiled("quote", flipped(48 + 584 + 4 + 64))),
    "signature-edited": Sample("the signature of the quote", made=spoiled("quote", flipped(48 + 584 + 4))),
    "measurement-edited": Sample("the signature of the quote", made=spoiled("quote", flipped(48 + 136))),
    "header-edited": Sample("the signature of the quote", made=spoiled("quote", flipped(30))),
    "module-of-another-signer": Sample("the TDX module is signed by somebody else", made=replace(V4, body=put(64, b"\1"))),
    "module-with-other-attributes": Sample("the TDX module has other attributes", made=replace(V4, body=put(112, b"\1"))),
    "module-with-attributes-that-are-masked": Sample("the TDX module has other attributes", made=replace(V4, body=put(112, b"\1"), info=module(attributesMask="FE" + "FF" * 7))),
    "module-of-a-version-that-nobody-knows": Sample("Intel says nothing of a TDX module of version 9", made=replace(V4, body=put(1, b"\x09"))),
    "module-older-than-any": Sample("Intel says nothing of a TDX module as old", made=replace(V4, body=put(0, b"\1"))),
    "module-revoked": Sample("Intel has revoked", made=level_of_module("Revoked")),
    "platform-older-than-any": Sample("Intel says nothing of a platform", made=replace(V4, info=no_level)),
    "certifier-older-than-any": Sample("Intel says nothing of a platform", made=replace(V4, pcesvn=4)),
    "microcode-older-than-any": Sample("Intel says nothing of a platform", made=replace(V4, body=put(2, b"\1"))),
    "levels-revoked": Sample("Intel has revoked", made=replace(V4, info=platform("Revoked"))),
    "started-on-a-module-that-is-revoked": Sample("Intel has revoked", made=replace(V5, body=put(0, OLD_TCB), info=old_module_revoked)),
    "running-on-a-module-that-is-revoked": Sample("Intel has revoked", made=replace(V5, body=put(584, OLD_TCB), info=old_module_revoked)),
    "running-on-an-older-module-than-any": Sample("Intel says nothing of a TDX module as old", made=replace(V5, body=put(584, b"\1"))),
    "debug": Sample("the trust domain was started in debug mode", made=attributes(1)),
    "profiled": Sample("the trust domain was started in debug mode", made=attributes(1 << 4)),
    "may-be-moved": Sample("the trust domain may be moved", made=attributes(1 << 29)),
    "pages-can-be-taken": Sample("whoever runs the machine can take pages", made=attributes(1 << 28)),
    "with-more-services": Sample("the trust domain has an attribute", made=attributes(1 << 17)),
    "unknown-attribute": Sample("the trust domain has an attribute", made=attributes(1 << 40)),
    "bound-to-a-service": Sample("the trust domain has services", made=replace(V5, body=put(600, b"\1"))),
    "one-of-several-machines": Sample("the trust domain has services", made=replace(EXTENDED, body=put(648, b"\1"))),
    "with-a-device": Sample("the trust domain has services", made=replace(EXTENDED, body=put(681, b"\1"))),
    "bound-to-a-service-later": Sample("the trust domain has services", made=replace(EXTENDED, body=put(830, b"\1"))),
    "of-another-statement": Sample("the quote is not about this statement", bound=bound_data(STATEMENT + b" ")),
    "of-no-statement": Sample("the quote is not about this statement", bound=bytes(64)),
}
# fmt: on
SAMPLES = {**HOLDING, **REFUSED}


def files() -> dict[str, Any]:
    """Name -> what its golden file says."""
    return {name: _file(sample) for name, sample in SAMPLES.items()}


def _file(sample: Sample) -> dict[str, Any]:
    return {
        "statement": STATEMENT.decode(),
        "at": AT.isoformat(),
        "root": base64.b64encode(made_up.root()).decode(),
        "launches": sample.launches.as_json()["launches"],
        "evidence": sample.evidence.as_json(),
        "expected": {
            "holds": sample.holds,
            "tier": "T2" if sample.holds and not sample.why else "as without",
            "why": sample.why,
        },
    }
