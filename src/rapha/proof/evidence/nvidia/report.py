"""A report of an NVIDIA GPU: a request for measurements of SPDM 1.1 and the answer to it, signed together by the device. Pure.

DMTF DSP0274 1.1, 10.11 (GET_MEASUREMENTS, MEASUREMENTS); what is opaque there is as NVIDIA's own verifier reads it (nvtrust, `spdm_msrt_resp_msg.py`).
"""

from dataclasses import dataclass

from rapha.errors import Unproven

MAX_REPORT_BYTES = 16 << 10
REQUEST_BYTES, SIGNATURE_BYTES = 37, 96
_REQUEST, _ANSWER = bytes.fromhex("11e001ff"), bytes.fromhex("1160")
"""Version 1.1; all measurements, signed."""
_DIGEST_BYTES = 48
_DRIVER, _FIRMWARE_ID = 3, 20
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Report:
    """`nonce`: what was asked with. `measurements`: by index, each a SHA-384. `firmware`: the identity of what signed; `driver`: its version, as the
    device has it."""

    nonce: bytes
    measurements: dict[int, bytes]
    firmware: bytes
    driver: str
    signed: bytes
    signature: bytes


def read_report(raw: bytes) -> Report:
    """Raises Unproven where it is none, is very long, of another version, or has something in a place that has to be empty."""
    if not REQUEST_BYTES < len(raw) <= MAX_REPORT_BYTES:
        raise Unproven(f"the device's report has {len(raw)} bytes: at most {MAX_REPORT_BYTES}")
    answer = raw[REQUEST_BYTES:]
    if raw[:4] != _REQUEST or answer[:2] != _ANSWER:
        raise Unproven(
            "the device's report is something else than an answer of SPDM 1.1 to a request for all measurements, signed"
        )
    measured, behind = 8 + int.from_bytes(answer[5:8], "little"), 40 + int.from_bytes(answer[5:8], "little")
    opaque = behind + 2 + int.from_bytes(answer[behind : behind + 2], "little")
    if len(answer) != opaque + SIGNATURE_BYTES:
        raise Unproven("the device's report is cut short, or has something behind it")
    stated = _opaque(answer[behind + 2 : opaque])
    return Report(
        nonce=raw[4:36],
        measurements=_measurements(answer[8:measured], answer[4]),
        firmware=stated.get(_FIRMWARE_ID, b""),
        driver=_shown(stated.get(_DRIVER, b"")),
        signed=raw[:-SIGNATURE_BYTES],
        signature=raw[-SIGNATURE_BYTES:],
    )


def _measurements(record: bytes, count: int) -> dict[int, bytes]:
    """Blocks of one form: index, DMTF's specification, size, kind of value, its size, a digest."""
    size = 7 + _DIGEST_BYTES
    form = bytes([1]) + (3 + _DIGEST_BYTES).to_bytes(2, "little")
    blocks = [record[at : at + size] for at in range(0, len(record), size)]
    found = {block[0]: block[7:] for block in blocks if block[1:4] == form and block[5:7] == bytes([_DIGEST_BYTES, 0])}
    if len(record) != size * count or len(found) != count:
        raise Unproven("the device's report has measurements of another form, or one twice")
    return found


def _opaque(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        kind, size = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")
        if at + 4 + size > len(data) or kind in found:
            raise Unproven("the device's report has a field that is cut short, or twice")
        found[kind], at = data[at + 4 : at + 4 + size], at + 4 + size
    return found


def _shown(version: bytes) -> str:
    text = version.rstrip(b"\0").decode("ascii", "replace")[:_SHOWN_CHARACTERS]
    return "".join(char if char.isprintable() and char.isascii() else "?" for char in text)
