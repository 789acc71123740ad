"""The report of a real GPU is read, and every byte of it counts; a receipt with one is of tier T2 where its processor's report names it, and the reader trusts both."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import record_samples as records
import small_gpu
import small_tdx
from cryptography import x509
from receipt_samples import NORTH, Files, folder, payload_of, pinned, sealed, with_evidence
from receipt_samples import Fault as Change
from small_gpu import MadeGpu
from small_tdx import MadeTdx

from rapha.canonical import canonical_bytes, digest
from rapha.cli.receipt import _evidence_words
from rapha.errors import Unproven
from rapha.proof.evidence.appraise import DEVICES_NOT_SHOWN, FLAG, REMARKS, T2_NOT_SHOWN, TDX_NOT_SHOWN, Hardware, Roots
from rapha.proof.evidence.nvidia.check import GpuSound, check_gpu, nvidia_root, trusted_gpu
from rapha.proof.evidence.nvidia.report import read_report
from rapha.proof.repeat import raised, signed_repeat
from rapha.proof.verify import judge_receipt
from rapha.records.evidence import GpuLaunch, TrustedLaunches
from rapha.records.receipt import Verdict
from rapha.sdk.folder import read_folder

PUBLIC = Path(__file__).resolve().parents[2] / "vectors" / "public_evidence" / "nvidia"
RAW = bytes.fromhex((PUBLIC / "report.txt").read_text())
CHAIN = (PUBLIC / "chain.pem").read_bytes() + b"\n"
NONCE = bytes.fromhex("931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb")
AT = datetime(2026, 11, 23, tzinfo=UTC)
ROOTS = Roots(intel=small_tdx.root(), nvidia=small_gpu.root())
BOTH = TrustedLaunches(launches=(small_tdx.launch(), small_gpu.launch()))


def held(raw: bytes = RAW, chain: bytes = CHAIN, nonce: bytes = NONCE, at: datetime = AT) -> GpuSound:
    return check_gpu(raw, {"chain": chain}, nonce, at, nvidia_root())


def test_the_report_of_a_real_gpu_holds() -> None:
    sound = held()
    assert (sound.chip, sound.driver, sorted(sound.measurements)) == ("GH100", "550.90.07", list(range(1, 65)))
    stated = {str(index): (value.hex(),) for index, value in sound.measurements.items()}
    launch = GpuLaunch(name="a public sample", kind="nvidia-gpu", chip="GH100", measurements=stated)
    assert trusted_gpu(sound, [launch]) is launch
    with pytest.raises(Unproven, match="measured at index 64"):
        trusted_gpu(sound, [launch.model_copy(update={"measurements": {**stated, "64": ("01" * 48,)}})])


def test_it_is_about_no_statement_of_ours() -> None:
    with pytest.raises(Unproven, match="was asked for with another nonce"):
        held(nonce=bytes(32))


def test_before_its_certificates_it_does_not_hold() -> None:
    with pytest.raises(Unproven, match="and not at the time of the time stamp"):
        held(at=datetime(2021, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize("changed", ["report", "chain"])
def test_every_byte_of_a_real_report_counts(changed: str) -> None:
    """Every fifth here, to save time."""
    whole = RAW if changed == "report" else CHAIN
    for at in range(0, len(whole), 5):
        edited = whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
        with pytest.raises(Unproven):
            held(**{"raw" if changed == "report" else "chain": edited})


@pytest.mark.parametrize("size", [0, 1, 36, 37, 38, 45, 100, 3700, 4116])
def test_a_report_cut_anywhere_is_refused(size: int) -> None:
    with pytest.raises(Unproven, match="the device's report"):
        read_report(RAW[:size])


def test_the_pinned_root_is_nvidias() -> None:
    assert digest(nvidia_root()) == "sha256:102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48"


def test_a_real_chain_names_revocation_lists_which_the_verdict_says_are_no_part_of_this() -> None:
    chain = x509.load_pem_x509_certificates(CHAIN)
    lists = [one for one in chain if any(isinstance(each.value, x509.CRLDistributionPoints) for each in one.extensions)]
    assert lists and "its revocation lists and OCSP answers are no part of this evidence" in DEVICES_NOT_SHOWN[1]


def judged(where: Path, after: Callable[[Files], None], trusted: TrustedLaunches = BOTH) -> Verdict:
    for path, data in folder(Change(NORTH, 0, after=after)).items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(data)
    return judge_receipt(read_folder(where, pinned(), Hardware(trusted, ROOTS)), NORTH)


def test_a_machine_with_a_device_that_holds_is_tier_2(tmp_path: Path) -> None:
    verdict = judged(tmp_path, with_evidence(MadeTdx(), MadeGpu()))
    assert (verdict.ok, verdict.tier, verdict.flagged) == (True, "T2", ())
    assert "a made-up trust domain" in verdict.steps[-1].detail
    assert "a made-up GPU, GH100, driver 550.90.07, 4 of 4 measurements compared" in verdict.steps[-1].detail
    assert {*T2_NOT_SHOWN, *DEVICES_NOT_SHOWN} <= set(verdict.not_shown)


def test_without_devices_nothing_is_said_of_any(tmp_path: Path) -> None:
    verdict = judged(tmp_path, with_evidence(MadeTdx()))
    assert verdict.tier == "T2" and not set(DEVICES_NOT_SHOWN) & set(verdict.not_shown)


@pytest.mark.parametrize(
    ("launches", "why"),
    [
        ((small_tdx.launch(),), "the device GH100 is not one that you trust"),
        ((small_gpu.launch(),), "is not one that you trust"),
        ((), "you have listed no launch that you trust"),
    ],
)
def test_the_reader_has_to_trust_both(tmp_path: Path, launches: tuple[GpuLaunch, ...], why: str) -> None:
    verdict = judged(tmp_path, with_evidence(MadeTdx(), MadeGpu()), TrustedLaunches(launches=launches))
    assert (verdict.ok, verdict.tier, verdict.flagged) == (True, "T0", ())
    assert "is not tier T2" in verdict.found[-1] and why in verdict.found[-1]


def test_a_device_that_does_not_hold_takes_the_machine_with_it(tmp_path: Path) -> None:
    (only,) = judged(tmp_path, with_evidence(MadeTdx(), MadeGpu(certified=bytes(48)))).flagged
    assert only == f"{FLAG}the device's key is of another firmware than the report's"


def test_a_device_that_was_put_there_later_counts_for_nothing(tmp_path: Path) -> None:
    """Whoever has a GPU somewhere can have it report with any nonce: the machine's own report has to name it."""

    def after(files: Files) -> None:
        with_evidence(MadeTdx())(files)
        stated = json.loads(payload_of(files, NORTH))
        inside = stated["predicate"]["buildDefinition"]["internalParameters"]
        inside["evidence"]["devices"] = [small_gpu.evidence(bytes(32)).as_json()]
        files[NORTH] = sealed(canonical_bytes(stated), "north")

    verdict = judged(tmp_path, after)
    assert verdict.tier == "T0" and "the quote is not about this statement" in verdict.flagged[0]


def test_a_second_run_that_failed_takes_the_remarks_of_devices_away(tmp_path: Path) -> None:
    before = judged(tmp_path, with_evidence(MadeTdx(), MadeGpu()))
    assert {*T2_NOT_SHOWN, *TDX_NOT_SHOWN, *DEVICES_NOT_SHOWN} == REMARKS <= set(before.not_shown)
    found, transcript = read_folder(tmp_path, pinned(), Hardware(BOTH, ROOTS)), records.transcript("north")
    payload = payload_of({NORTH: (tmp_path / NORTH).read_bytes()}, NORTH)
    word = signed_repeat(payload, transcript.root, transcript.waypoints, records.AT, records.private_key("stranger"))
    failed = raised(judge_receipt(found, NORTH), found, word.as_bytes())
    assert (failed.ok, failed.tier) == (False, "T0")
    assert not REMARKS & set(failed.not_shown)


def test_what_is_shown_of_a_receipt_names_its_devices() -> None:
    assert _evidence_words(None) == "none"
    evidence = small_tdx.evidence(bytes(64))
    assert _evidence_words(evidence) == "intel-tdx, of the machine it was stated in"
    device = small_gpu.evidence(bytes(32))
    with_device = small_tdx.evidence(bytes(64), None, (device,))
    assert _evidence_words(with_device) == "intel-tdx, of the machine it was stated in, with devices: nvidia-gpu"


def test_of_a_launch_that_lists_little_the_verdict_says_so(tmp_path: Path) -> None:
    little = small_gpu.launch(measurements={"2": (small_gpu.MEASUREMENTS[2].hex(),)})
    verdict = judged(
        tmp_path, with_evidence(MadeTdx(), MadeGpu()), TrustedLaunches(launches=(small_tdx.launch(), little))
    )
    assert verdict.tier == "T2" and verdict.steps[-1].detail.endswith(", 1 of 4 measurements compared")


def test_a_list_with_devices_does_not_ask_for_one(tmp_path: Path) -> None:
    verdict = judged(tmp_path, with_evidence(MadeTdx()), BOTH)
    assert verdict.tier == "T2" and "measurements compared" not in verdict.steps[-1].detail


def test_a_launch_lists_places_that_there_are_alone() -> None:
    digest_of = (small_gpu.MEASUREMENTS[1].hex(),)
    for index in (1, 9, 10, 99, 100, 199, 200, 249, 250, 254):
        assert small_gpu.launch(measurements={str(index): digest_of}).measurements
    for index in ("0", "01", "255", "260", "300", "999", "1000", "-1", "1\n"):
        with pytest.raises(ValueError, match="measurements"):
            small_gpu.launch(measurements={index: digest_of})
