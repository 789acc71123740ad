"""Evidence of a machine with devices that holds, and one sample for each way in which that of a device can be wrong, by made-up makers. Golden files
below evidence-devices/."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import small_gpu as made_up
import small_hardware
import small_tdx
from small_gpu import FIRMWARE, FIRMWARE_ID, MEASUREMENTS, MadeGpu

from rapha.proof.evidence.appraise import bound_data, device_nonce
from rapha.proof.evidence.pem import read_pem, written
from rapha.records.evidence import DeviceEvidence, Evidence, GpuLaunch, TrustedLaunches

AT, BEFORE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
STATEMENT = b'{"a":"statement"}'
GPU = MadeGpu()
Devices = tuple[DeviceEvidence, ...]


@dataclass(frozen=True)
class Sample:
    """`why` begins the sentence that it is refused with; of one that `holds`, why it is not T2; empty where it is. `count`: of devices. `named`:
    those that the processor's report is about, where they are others than those in the receipt. `launches`: the reader's, of devices."""

    why: str = ""
    holds: bool = False
    made: MadeGpu = GPU
    count: int = 1
    nonce: bytes = device_nonce(STATEMENT)
    of_amd: bool = False
    named: Callable[[Devices], Devices] = lambda devices: devices
    launches: tuple[GpuLaunch, ...] = (made_up.launch(),)
    after: Callable[[Evidence], Evidence] = lambda evidence: evidence

    @property
    def evidence(self) -> Evidence:
        devices = tuple(made_up.evidence(self.nonce, replace(self.made, which=number)) for number in range(self.count))
        bound = bound_data(STATEMENT, self.named(devices))
        if self.of_amd:
            return self.after(small_hardware.evidence(bound, None, devices))
        return self.after(small_tdx.evidence(bound, None, devices))

    @property
    def trusted(self) -> TrustedLaunches:
        machines = (*small_tdx.launches().launches, *small_hardware.launches().launches)
        return TrustedLaunches(launches=(*machines, *self.launches))


def put(at: int, value: bytes) -> MadeGpu:
    """The device says so, and signs it."""

    def edit(raw: bytearray) -> None:
        raw[at : at + len(value)] = value

    return replace(GPU, raw=edit)


def spoiled(part: str, change: Callable[[bytes], bytes]) -> MadeGpu:
    """One part, after everything was signed."""

    def spoil(parts: dict[str, bytes]) -> None:
        parts[part] = change(parts[part])

    return replace(GPU, spoil=spoil)


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at:][1:]


def alone(evidence: Evidence) -> Evidence:
    """The device's report in the place of the processor's."""
    (device,) = evidence.devices
    return Evidence(kind=device.kind, report=device.report, collateral=device.collateral, devices=())


def of_kind(kind: str) -> Callable[[Devices], Devices]:
    return lambda devices: tuple(one.model_copy(update={"kind": kind}) for one in devices)


def with_devices(change: Callable[[Devices], Devices]) -> Callable[[Evidence], Evidence]:
    return lambda evidence: evidence.model_copy(update={"devices": change(evidence.devices)})


def with_root(devices: Devices) -> Devices:
    root = base64.b64encode(made_up.root()).decode()
    return tuple(one.model_copy(update={"collateral": {**one.collateral, "root": root}}) for one in devices)


def changed(change: Callable[[Devices], Devices], why: str) -> Sample:
    """The devices are so from the beginning: the processor's report is about them."""
    return Sample(why, named=change, after=with_devices(change))


def resigned(chain: bytes) -> bytes:
    """The last byte of the first certificate's signature is another."""
    first, *rest = read_pem(chain)
    return b"".join(written(one) for one in (flipped(-1)(first), *rest))


def out_of_order(chain: bytes) -> bytes:
    device, one, two, root = read_pem(chain)
    return b"".join(written(each) for each in (device, two, one, root))


OTHER = {**{str(index): (value.hex(),) for index, value in MEASUREMENTS.items()}, "2": ("00" * 48,)}
SEVERAL = {"1": ("00" * 48, MEASUREMENTS[1].hex())}
CHAIN = "the device's chain of certificates does not begin"
NAME = "a certificate has a name that is not of 1 to 64 printable characters"
COUNT, SIZES, BLOCKS = 41, 42, 45
"""Where the answer says how many measurements there are, in how many bytes, and where they begin."""

# fmt: off
HOLDING = {
    "one-device": Sample(holds=True),
    "one-device-of-a-guest": Sample(holds=True, of_amd=True),
    "eight-devices": Sample(holds=True, count=8),
    "one-of-several-digests": Sample(holds=True, launches=(made_up.launch(measurements=SEVERAL),)),
    "one-of-several-states": Sample(holds=True, launches=(made_up.launch(measurements=OTHER), made_up.launch())),
    "of-no-state-listed": Sample("the device GH100 is not one", holds=True, launches=()),
    "of-another-chip": Sample("the device GH100 is not one", holds=True, launches=(made_up.launch(chip="GB100"),)),
    "another-measurement": Sample("what the device GH100 measured at index 2", holds=True, launches=(made_up.launch(measurements=OTHER),)),
    "measurement-that-is-not-there": Sample("the device GH100 did not measure all", holds=True, launches=(made_up.launch(measurements={"9": ("00" * 48,)}),)),
}
REFUSED = {
    "device-alone": Sample("a device's report says nothing of the machine", after=alone),
    "device-that-the-processor-does-not-name": Sample("the quote is not about this statement", named=lambda devices: ()),
    "guest-that-does-not-name-its-device": Sample("the report is not about this statement", of_amd=True, named=lambda devices: ()),
    "device-left-out": Sample("the quote is not about this statement", after=with_devices(lambda devices: ())),
    "one-device-more": Sample("the quote is not about this statement", after=with_devices(lambda devices: devices * 2)),
    "another-device": Sample("the quote is not about this statement", made=spoiled("report", flipped(-1)), named=lambda devices: (made_up.evidence(device_nonce(STATEMENT)),)),
    "asked-for-another-statement": Sample("the device's report is not about this statement", nonce=device_nonce(STATEMENT + b" ")),
    "asked-for-no-statement": Sample("the device's report is not about this statement", nonce=bytes(32)),
    "same-device-twice": changed(lambda devices: devices * 2, "two reports are signed by the key of one device"),
    "same-device-of-two-states": changed(lambda devices: (*devices, made_up.evidence(device_nonce(STATEMENT), replace(GPU, measurements=((1, bytes(48)),)))), "two reports are signed by the key of one device"),
    "device-of-another-kind": changed(of_kind("sev-snp"), "this verifier does not read the kind sev-snp of devices"),
    "brings-its-own-root": changed(with_root, "evidence of a device of NVIDIA has its chain"),
    "report-cut-short": Sample("the device's report is cut short", made=spoiled("report", lambda raw: raw[:-1])),
    "something-behind": Sample("the device's report is cut short", made=spoiled("report", lambda raw: raw + b"\0")),
    "report-too-long": Sample("the device's report has", made=spoiled("report", lambda raw: raw + bytes(16 << 10))),
    "request-alone": Sample("the device's report has 37 bytes", made=spoiled("report", lambda raw: raw[:37])),
    "another-version": Sample("the device's report is something else", made=put(0, b"\x12")),
    "another-request": Sample("the device's report is something else", made=put(1, b"\x81")),
    "not-asked-to-sign": Sample("the device's report is something else", made=put(2, b"\0")),
    "one-measurement-asked-for": Sample("the device's report is something else", made=put(3, b"\1")),
    "another-answer": Sample("the device's report is something else", made=put(38, b"\x7f")),
    "fewer-measurements-than-it-says": Sample("the device's report has measurements", made=put(COUNT, b"\5")),
    "longer-than-it-says": Sample("the device's report is cut short", made=put(SIZES, b"\0")),
    "something-behind-the-measurements": Sample("the device's report has measurements", made=replace(GPU, record=lambda raw: raw + bytes(3))),
    "measurement-cut-short": Sample("the device's report has measurements", made=replace(GPU, record=lambda raw: raw[:-8])),
    "measurement-twice": Sample("the device's report has measurements", made=replace(GPU, measurements=((1, MEASUREMENTS[1]), (1, MEASUREMENTS[2])))),
    "measurement-of-another-form": Sample("the device's report has measurements", made=put(BLOCKS + 1, b"\2")),
    "measurement-of-another-size": Sample("the device's report has measurements", made=put(BLOCKS + 5, b"\x20")),
    "field-twice": Sample("the device's report has a field", made=replace(GPU, opaque=((FIRMWARE_ID, FIRMWARE), (FIRMWARE_ID, FIRMWARE)))),
    "field-cut-short": Sample("the device's report has a field", made=put(BLOCKS + 4 * 55 + 32 + 2 + 2, b"\xff")),
    "no-chain": Sample(CHAIN, made=spoiled("chain", lambda raw: b"")),
    "chain-without-its-root": Sample(CHAIN, made=spoiled("chain", lambda raw: raw[: raw.rfind(b"-----BEGIN")])),
    "root-alone": Sample(CHAIN, made=spoiled("chain", lambda raw: raw[raw.rfind(b"-----BEGIN") :])),
    "chain-with-white-space": Sample(CHAIN, made=spoiled("chain", lambda raw: raw + b"\n")),
    "chain-of-another-root": Sample(CHAIN, made=replace(GPU, names=(*made_up.NAMES[:3], "NVIDIA Other CA"))),
    "chain-out-of-order": Sample("the chain of certificates is broken: one names another", made=spoiled("chain", out_of_order)),
    "chain-without-its-device": Sample("the device's report is signed by a key that may issue", made=spoiled("chain", lambda raw: raw[raw.find(b"-----BEGIN", 9) :])),
    "device-edited": Sample("the chain of certificates is broken: a signature", made=spoiled("chain", resigned)),
    "issuer-may-not-issue": Sample("GH100 A01 GSP BROM may not issue", made=replace(GPU, issues=(2, 3))),
    "issuer-by-nobody-with-a-name": Sample("the chain of certificates is broken: a signature", made=replace(GPU, names=(made_up.NAMES[0], "all is well; it", *made_up.NAMES[2:]), made_by=((1, "nobody"),), issues=(2, 3))),
    "issuer-with-a-name-that-moves-the-cursor": Sample(NAME, made=replace(GPU, names=(made_up.NAMES[0], "GH100\x1b[2K\nOK", *made_up.NAMES[2:]))),
    "issuer-with-a-name-of-other-letters": Sample(NAME, made=replace(GPU, names=(made_up.NAMES[0], "GH100 \u202eA01", *made_up.NAMES[2:]))),
    "device-may-issue": Sample("the device's report is signed by a key that may issue", made=replace(GPU, issues=(0, 1, 2, 3))),
    "device-expired": Sample("GH100 A01 GSP FMC LF was good", made=replace(GPU, ends=((0, BEFORE),))),
    "issuer-expired": Sample("NVIDIA GH100 Identity was good", made=replace(GPU, ends=((2, BEFORE),))),
    "device-on-p256": Sample("the device's key is not on P-384", made=replace(GPU, on_p256=True)),
    "key-of-another-firmware": Sample("the device's key is of another firmware", made=replace(GPU, certified=bytes(48))),
    "firmware-that-is-not-said": Sample("the device's key is of another firmware", made=replace(GPU, opaque=())),
    "key-of-no-firmware": Sample("the evidence has a certificate", made=replace(GPU, certified=None)),
    "signature-edited": Sample("the signature of the device's report", made=spoiled("report", flipped(-1))),
    "measurement-edited": Sample("the signature of the device's report", made=spoiled("report", flipped(BLOCKS + 7))),
    "nonce-edited": Sample("the signature of the device's report", made=spoiled("report", flipped(4))),
}
# fmt: on
SAMPLES = {**HOLDING, **REFUSED}


def files() -> dict[str, Any]:
    """Name -> what its golden file says."""
    return {name: _file(sample) for name, sample in SAMPLES.items()}


def _file(sample: Sample) -> dict[str, Any]:
    amd = [{"line": one.line, "certificate": _text(one.certificate)} for one in small_hardware.roots()]
    return {
        "statement": STATEMENT.decode(),
        "at": AT.isoformat(),
        "roots": {"amd": amd, "intel": _text(small_tdx.root()), "nvidia": _text(made_up.root())},
        "launches": sample.trusted.as_json()["launches"],
        "evidence": sample.evidence.as_json(),
        "expected": {
            "holds": sample.holds,
            "tier": "T2" if sample.holds and not sample.why else "as without",
            "why": sample.why,
        },
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
