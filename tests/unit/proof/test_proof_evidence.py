"""A receipt is of tier T2 with evidence that holds, of a launch that its reader trusts, under a pinned root; in every other case it is not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import record_samples as made_up
import small_hardware
from evidence_samples import AT, BOUND
from receipt_samples import NORTH, Files, folder, payload_of, pinned, sealed, with_evidence
from receipt_samples import Fault as Change
from small_hardware import Made

from rapha.canonical import base64_bytes, canonical_bytes, digest
from rapha.cli.receipt import tier_words
from rapha.errors import Unproven
from rapha.proof.claim import EVIDENCE_NOT_SHOWN, T0_NOT_SHOWN
from rapha.proof.evidence.amd import amd_roots, check_chain, check_sev_snp, check_signature, check_signer
from rapha.proof.evidence.appraise import CHECK, FLAG, REMARKS, T2_NOT_SHOWN, Hardware, Roots
from rapha.proof.evidence.certificates import check_good_at, read_certificate
from rapha.proof.evidence.report import check_policy, read_report
from rapha.proof.repeat import T1_NOT_SHOWN, raised, signed_repeat
from rapha.proof.shown import BAD_EVIDENCE_NOT_SHOWN, NOT_REPEATED_NOT_SHOWN
from rapha.proof.verify import judge, judge_receipt
from rapha.records.evidence import PatchLevels
from rapha.records.receipt import Verdict
from rapha.records.wire import TrustedKeys
from rapha.sdk.folder import read_folder

PUBLIC = Path(__file__).resolve().parents[2] / "vectors" / "public_evidence"
TRUSTING = Hardware(small_hardware.launches(), Roots(amd=small_hardware.roots()))


def judged(
    where: Path,
    after: Callable[[Files], None],
    hardware: Hardware | None = TRUSTING,
    trusted: bool = True,
) -> Verdict:
    for path, data in folder(Change(NORTH, 0, after=after)).items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(data)
    return judge_receipt(read_folder(where, pinned() if trusted else None, hardware), NORTH)


def flagged(verdict: Verdict) -> str:
    """Why the evidence does not hold; the receipt does, and is of the tier that it had."""
    assert (verdict.ok, verdict.tier, len(verdict.steps)) == (True, "T0", 19)
    assert BAD_EVIDENCE_NOT_SHOWN in verdict.not_shown
    assert not {*T2_NOT_SHOWN, EVIDENCE_NOT_SHOWN} & set(verdict.not_shown), "bad evidence counts for nobody"
    (only,) = verdict.flagged
    assert only.startswith(FLAG)
    return only.removeprefix(FLAG)


def test_evidence_that_holds_of_a_trusted_launch_is_tier_2(tmp_path: Path) -> None:
    verdict = judged(tmp_path, with_evidence())
    assert (verdict.ok, verdict.tier, verdict.flagged) == (True, "T2", ())
    assert (verdict.steps[-1].number, verdict.steps[-1].check) == (20, CHECK)
    assert REMARKS & set(verdict.not_shown) == set(T2_NOT_SHOWN), "and nothing of TDX"
    assert NOT_REPEATED_NOT_SHOWN in verdict.not_shown, "nobody did the run again"
    assert not {EVIDENCE_NOT_SHOWN, *T0_NOT_SHOWN[:2]} & set(verdict.not_shown)
    assert not [remark for remark in verdict.not_shown if "T0" in remark], "it is of another tier"
    whole = judge(read_folder(tmp_path, pinned(), TRUSTING))
    assert [(one.ok, one.tier) for one in whole] == [(True, "T2"), (True, "T0"), (True, "T0")]


def test_without_launches_of_the_readers_own_nothing_is_tier_2(tmp_path: Path) -> None:
    verdict = judged(tmp_path, with_evidence(), Hardware(roots=Roots(amd=small_hardware.roots())))
    assert (verdict.ok, verdict.tier, len(verdict.steps), verdict.flagged) == (True, "T0", 19, ())
    assert (
        verdict.found[-1]
        == "Hardware evidence (sev-snp) holds, and is not tier T2: you have listed no launch that you trust."
    )
    assert EVIDENCE_NOT_SHOWN in verdict.not_shown


def test_where_the_time_stamper_came_with_the_folder_it_is_not_tier_2(tmp_path: Path) -> None:
    """Whoever made the folder could have chosen the time at which lists and certificates are judged."""
    verdict = judged(tmp_path, with_evidence(), trusted=False)
    assert (verdict.ok, verdict.tier, verdict.flagged) == (True, "T0", ())
    assert "is not tier T2: the time stamper's key came with the folder" in verdict.found[-1]


def test_of_another_launch_or_an_older_platform_it_is_not_tier_2(tmp_path: Path) -> None:
    newer = PatchLevels(**{**small_hardware.LEVELS.as_json(), "microcode": 220})
    for name, trusted in (
        ("one", small_hardware.launches(bytes(48))),
        ("two", small_hardware.launches(at_least=newer)),
    ):
        verdict = judged(tmp_path / name, with_evidence(), Hardware(trusted, Roots(amd=small_hardware.roots())))
        assert (verdict.ok, verdict.tier) == (True, "T0")
        assert "is not tier T2" in verdict.found[-1]


def test_under_amds_roots_a_made_up_processor_counts_for_nothing(tmp_path: Path) -> None:
    """The one list that a reader gives has launches alone: no receipt and no file brings a root."""
    why = flagged(judged(tmp_path, with_evidence(), Hardware(small_hardware.launches())))
    assert why == "the chain of certificates is broken: a signature does not fit"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (Made(policy=small_hardware.POLICY | 1 << 19), "DEBUG"),
        (Made(list_until=small_hardware.LIST_FROM), "and not at the time of the time stamp"),
        (Made(edit=lambda raw: raw.__setitem__(0x50, raw[0x50] ^ 1)), "not about this statement"),
    ],
)
def test_evidence_that_does_not_hold_is_flagged_and_raises_nothing(tmp_path: Path, made: Made, why: str) -> None:
    assert why in flagged(judged(tmp_path, with_evidence(made)))


def test_evidence_about_another_statement_counts_for_nothing(tmp_path: Path) -> None:
    """Whoever copies a neighbour's evidence, or states something else once it was made."""

    def after(files: Files) -> None:
        with_evidence()(files)
        stated = json.loads(payload_of(files, NORTH))
        stated["predicate"]["runDetails"]["metadata"]["invocationId"] = "0" * 32
        files[NORTH] = sealed(canonical_bytes(stated), "north")

    assert "not about this statement" in flagged(judged(tmp_path, after))


def test_a_signer_that_says_nothing_of_its_evidence_is_flagged(tmp_path: Path) -> None:
    def after(files: Files) -> None:
        with_evidence()(files)
        stated = json.loads(payload_of(files, NORTH))
        inside = stated["predicate"]["buildDefinition"]["internalParameters"]
        inside["not_shown"].remove(EVIDENCE_NOT_SHOWN)
        files[NORTH] = sealed(canonical_bytes(stated), "north")

    assert any(EVIDENCE_NOT_SHOWN in one for one in judged(tmp_path, after).flagged)


@pytest.mark.parametrize("evidence", [None, {}, {"kind": "sev-snp", "report": ""}, "T2"])
def test_evidence_of_another_form_fails_the_receipt(tmp_path: Path, evidence: object) -> None:
    """Absent is the one way to have none."""

    def after(files: Files) -> None:
        stated = json.loads(payload_of(files, NORTH))
        stated["predicate"]["buildDefinition"]["internalParameters"]["evidence"] = evidence
        files[NORTH] = sealed(canonical_bytes(stated), "north")

    verdict = judged(tmp_path, after)
    assert (verdict.ok, verdict.tier, verdict.steps[-1].number) == (False, "T0", 8)


def test_a_run_that_was_done_again_stays_tier_2(tmp_path: Path) -> None:
    judged(tmp_path, with_evidence())
    more = made_up.trusted("second machine").model_copy(update={"owner": "north", "role": "repeater"})
    keys = pinned()
    known = TrustedKeys(keys=(*keys.keys, more), witnesses_at_least=keys.witnesses_at_least)
    found, transcript = read_folder(tmp_path, known, TRUSTING), made_up.transcript("north")
    payload = payload_of({NORTH: (tmp_path / NORTH).read_bytes()}, NORTH)
    word = signed_repeat(
        payload, transcript.root, transcript.waypoints, made_up.AT, made_up.private_key("second machine")
    )
    verdict = raised(judge_receipt(found, NORTH), found, word.as_bytes())
    assert (verdict.ok, verdict.tier, len(verdict.steps)) == (True, "T2", 21)
    assert tier_words(verdict) == "T1 and T2"
    assert {*T1_NOT_SHOWN, *T2_NOT_SHOWN} <= set(verdict.not_shown)
    assert not {NOT_REPEATED_NOT_SHOWN, T0_NOT_SHOWN[0]} & set(verdict.not_shown), "somebody did"
    failed = raised(judge_receipt(found, NORTH), found, signed_repeat(
        payload, transcript.root, transcript.waypoints, made_up.AT, made_up.private_key("stranger")).as_bytes())  # fmt: skip
    assert (failed.ok, failed.tier) == (False, "T0")
    assert EVIDENCE_NOT_SHOWN in failed.not_shown and not set(T2_NOT_SHOWN) & set(failed.not_shown)
    assert T0_NOT_SHOWN[0] in failed.not_shown and NOT_REPEATED_NOT_SHOWN not in failed.not_shown


def test_every_byte_of_a_report_counts() -> None:
    evidence, roots = small_hardware.evidence(BOUND), small_hardware.roots()
    parts = {name: base64_bytes(data) for name, data in evidence.collateral.items()}
    raw = base64_bytes(evidence.report)
    assert check_sev_snp(raw, parts, BOUND, AT, roots).measurement == small_hardware.MEASUREMENT.hex()
    held = [at for at in range(len(raw)) if not _refused(raw, at, parts)]
    assert held == []


def _refused(raw: bytes, at: int, parts: dict[str, bytes]) -> bool:
    edited = raw[:at] + bytes([raw[at] ^ 0x01]) + raw[at + 1 :]
    try:
        check_sev_snp(edited, parts, BOUND, AT, small_hardware.roots())
    except Unproven:
        return True
    return False


def test_the_report_of_a_real_processor_is_read_and_refused_for_debug() -> None:
    """Public sample evidence, AMD's own chain: everything fits, and the guest's memory could be read."""
    report = read_report((PUBLIC / "attestation.bin").read_bytes())
    collateral = {
        name: (PUBLIC / file).read_bytes()
        for name, file in (("intermediate", "milan_ask.der"), ("signer", "kds_vcek.der"))
    }
    root, line, intermediate, signer = check_chain(collateral, amd_roots())
    for one in (root, intermediate, signer):
        check_good_at(one, AT, one.name)
    assert check_signer(report, signer, line)[0] == PatchLevels(bootloader=2, tee=0, snp=5, microcode=68)
    check_signature(report, signer)
    assert (line, signer.serial, report.version) == ("Milan", 0, 2)
    with pytest.raises(Unproven, match="DEBUG"):
        check_policy(report)
    with pytest.raises(Unproven, match="crl, intermediate, signer"):
        check_sev_snp((PUBLIC / "attestation.bin").read_bytes(), collateral, BOUND, AT, amd_roots())


def test_a_real_report_with_one_byte_changed_is_refused() -> None:
    raw = (PUBLIC / "attestation.bin").read_bytes()
    signer = read_certificate((PUBLIC / "kds_vcek.der").read_bytes())
    for at in range(0, len(raw), 7):
        with pytest.raises(Unproven):
            check_signature(read_report(raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :]), signer)


def test_a_real_certificate_with_one_byte_changed_is_refused() -> None:
    whole = {
        name: (PUBLIC / file).read_bytes()
        for name, file in (("intermediate", "milan_ask.der"), ("signer", "kds_vcek.der"))
    }
    for name, data in whole.items():
        for at in range(0, len(data), 13):
            with pytest.raises(Unproven):
                check_chain({**whole, name: data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]}, amd_roots())


def test_the_pinned_roots_are_amds_three_and_sign_themselves() -> None:
    assert {one.line: digest(one.certificate)[7:23] for one in amd_roots()} == {
        "Milan": "69d063b45344d26a", "Genoa": "4c6598d19c18719c", "Turin": "1f084161a44bb6d9",
    }  # fmt: skip
    assert [one.line for one in amd_roots()] == ["Milan", "Genoa", "Turin"]
    assert [read_certificate(one.certificate).name for one in amd_roots()] == ["ARK-Milan", "ARK-Genoa", "ARK-Turin"]
