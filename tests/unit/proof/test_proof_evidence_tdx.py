"""Quotes of real machines are read and judged at their time; every byte of them counts; a receipt with one that holds is of tier T2 by a trusted launch alone."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import small_hardware
import small_tdx
from receipt_samples import NORTH, Files, folder, payload_of, pinned, sealed, with_evidence
from receipt_samples import Fault as Change
from small_tdx import MadeTdx

from rapha.canonical import base64_bytes, canonical_bytes, digest
from rapha.errors import Unproven
from rapha.proof.claim import EVIDENCE_NOT_SHOWN
from rapha.proof.evidence.appraise import CHECK, FLAG, T2_NOT_SHOWN, TDX_NOT_SHOWN, Hardware, Roots, trusted_launch
from rapha.proof.evidence.tdx.check import TdxSound, check_tdx, intel_root
from rapha.proof.evidence.tdx.quote import read_quote
from rapha.proof.evidence.tdx.trusted import in_tdx_words
from rapha.proof.verify import judge_receipt
from rapha.records.evidence import Evidence, TdxLaunch, TrustedLaunches
from rapha.records.receipt import Verdict
from rapha.sdk.folder import read_folder

PUBLIC = Path(__file__).resolve().parents[2] / "vectors" / "public_evidence" / "tdx"
TIMES = {
    "version-4": datetime(2025, 7, 1, tzinfo=UTC),
    "version-5-extended": datetime(2026, 10, 20, tzinfo=UTC),
}
SAID = {
    "version-4": (17, datetime(2024, 3, 13, tzinfo=UTC)),
    "version-5-extended": (20, datetime(2025, 8, 13, tzinfo=UTC)),
}
"""By which of its evaluations Intel said so of a real machine, and of which date the levels are."""
TRUSTING = Hardware(small_tdx.launches(), Roots(intel=small_tdx.root()))


def public(name: str) -> tuple[bytes, dict[str, bytes]]:
    evidence = Evidence.model_validate_json((PUBLIC / f"{name}.json").read_bytes())
    return base64_bytes(evidence.report), {part: base64_bytes(data) for part, data in evidence.collateral.items()}


def judged_public(name: str, raw: bytes, collateral: dict[str, bytes], at: datetime | None = None) -> TdxSound:
    bound = read_quote(public(name)[0]).domain.data
    return check_tdx(raw, collateral, bound, at or TIMES[name], intel_root())


@pytest.mark.parametrize("name", TIMES)
def test_the_quote_of_a_real_machine_holds_at_its_time(name: str) -> None:
    sound = judged_public(name, *public(name))
    assert (sound.standing.status, sound.standing.advisories) == ("UpToDate", ())
    assert (sound.evaluations, sound.standing.date) == ((SAID[name][0],) * 2, SAID[name][1])
    assert sound.platform.fmspc.hex() == "b0c06f000000"
    domain = sound.domain
    launch = TdxLaunch(
        name="a public sample",
        kind="intel-tdx",
        measurement=domain.mrtd.hex(),
        rtmr=tuple(one.hex() for one in domain.rtmr),
        xfam="e702060000000000",
        mrconfigid=domain.mrconfigid.hex(),
    )
    assert trusted_launch(sound, TrustedLaunches(launches=(launch,))) is launch


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("days", [-60, 60])
def test_at_another_time_it_does_not(name: str, days: int) -> None:
    at = datetime.fromtimestamp(TIMES[name].timestamp() + days * 86400, UTC)
    with pytest.raises(Unproven, match="and not at the time of the time stamp"):
        judged_public(name, *public(name), at)


def test_a_platform_that_intel_says_nothing_of_is_refused() -> None:
    raw, collateral = public("version-5-of-1-5")
    bound = read_quote(raw).domain.data
    with pytest.raises(Unproven, match="Intel says nothing of a platform with patch levels as low"):
        check_tdx(raw, collateral, bound, datetime(2026, 3, 1, tzinfo=UTC), intel_root())


@pytest.mark.parametrize("name", TIMES)
def test_it_is_about_no_statement_of_ours(name: str) -> None:
    with pytest.raises(Unproven, match="is not about this statement"):
        check_tdx(*public(name), bytes(64), TIMES[name], intel_root())


@pytest.mark.parametrize("name", TIMES)
def test_with_what_intel_says_of_another_time_or_platform_it_is_refused(name: str) -> None:
    raw, collateral = public(name)
    others = public("version-5-of-1-5")[1]
    changed = [part for part in collateral if others[part] != collateral[part]]
    assert len(changed) >= 5
    for part in changed:
        if part not in ("signer", "root_crl", "pck_crl"):
            with pytest.raises(Unproven, match="the signature of Intel's"):
                judged_public(name, raw, {**collateral, part: others[part]})


@pytest.mark.parametrize("name", TIMES)
def test_every_byte_of_a_real_quote_counts(name: str) -> None:
    """Every seventh here, to save time."""
    raw, collateral = public(name)
    held = [at for at, edited in flipped(raw, 7) if holds(name, edited, collateral)]
    assert held == []


@pytest.mark.parametrize("name", TIMES)
def test_every_byte_of_what_comes_with_it_counts(name: str) -> None:
    raw, collateral = public(name)
    for part, data in collateral.items():
        held = [at for at, edited in flipped(data, 23) if holds(name, raw, {**collateral, part: edited})]
        assert (part, held) == (part, [])


def flipped(data: bytes, step: int) -> Iterator[tuple[int, bytes]]:
    for at in range(0, len(data), step):
        yield at, data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]


def holds(name: str, raw: bytes, collateral: dict[str, bytes]) -> bool:
    try:
        judged_public(name, raw, collateral)
    except Unproven:
        return False
    return True


@pytest.mark.parametrize("size", [0, 1, 47, 48, 60, 631, 632, 636, 1300, 3600])
def test_a_quote_cut_anywhere_is_refused(size: int) -> None:
    with pytest.raises(Unproven, match=r"cut short|is of version"):
        read_quote(small_tdx.quote(bytes(64), MadeTdx())[:size])


def test_the_pinned_root_is_intels_and_signs_itself() -> None:
    assert digest(intel_root()) == "sha256:44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
    assert all(read_quote(public(name)[0]).chain[2] == intel_root() for name in TIMES)


def judged(where: Path, after: Callable[[Files], None], hardware: Hardware = TRUSTING, trusted: bool = True) -> Verdict:
    for path, data in folder(Change(NORTH, 0, after=after)).items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(data)
    return judge_receipt(read_folder(where, pinned() if trusted else None, hardware), NORTH)


def test_a_receipt_with_a_quote_that_holds_is_tier_2(tmp_path: Path) -> None:
    verdict = judged(tmp_path, with_evidence(MadeTdx()))
    assert (verdict.ok, verdict.tier, verdict.flagged) == (True, "T2", ())
    assert (verdict.steps[-1].number, verdict.steps[-1].check) == (20, CHECK)
    assert "a made-up trust domain" in verdict.steps[-1].detail and "UpToDate" in verdict.steps[-1].detail
    assert {*T2_NOT_SHOWN, *TDX_NOT_SHOWN} <= set(verdict.not_shown) and EVIDENCE_NOT_SHOWN not in verdict.not_shown


@pytest.mark.parametrize(
    ("hardware", "trusted", "why"),
    [
        (Hardware(roots=TRUSTING.roots), True, "you have listed no launch that you trust"),
        (TRUSTING, False, "the time stamper's key came with the folder"),
        (Hardware(small_tdx.launches(measurement="00" * 48), TRUSTING.roots), True, "is not one that you trust"),
        (Hardware(small_hardware.launches(small_tdx.MEASUREMENT), TRUSTING.roots), True, "is not one that you trust"),
    ],
)
def test_else_it_is_not(tmp_path: Path, hardware: Hardware, trusted: bool, why: str) -> None:
    """Of no launch that the reader lists, also where the same measurement is listed as one of SEV-SNP."""
    verdict = judged(tmp_path, with_evidence(MadeTdx()), hardware, trusted)
    assert (verdict.ok, verdict.tier, verdict.flagged) == (True, "T0", ())
    assert "is not tier T2" in verdict.found[-1] and why in verdict.found[-1]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (MadeTdx(body=lambda raw: raw.__setitem__(120, 1)), "debug mode"),
        (MadeTdx(lists=(small_tdx.FROM, small_tdx.LIST_FROM)), "and not at the time of the time stamp"),
        (MadeTdx(body=lambda raw: raw.__setitem__(520, raw[520] ^ 1)), "not about this statement"),
    ],
)
def test_a_quote_that_does_not_hold_is_flagged_and_raises_nothing(tmp_path: Path, made: MadeTdx, why: str) -> None:
    verdict = judged(tmp_path, with_evidence(made))
    assert (verdict.ok, verdict.tier, len(verdict.steps)) == (True, "T0", 19)
    (only,) = verdict.flagged
    assert only.startswith(FLAG) and why in only


def test_under_intels_root_a_made_up_processor_counts_for_nothing(tmp_path: Path) -> None:
    verdict = judged(tmp_path, with_evidence(MadeTdx()), Hardware(small_tdx.launches()))
    assert "does not begin at the root of Intel" in verdict.flagged[0] and verdict.tier == "T0"


def test_a_quote_about_another_statement_counts_for_nothing(tmp_path: Path) -> None:
    def after(files: Files) -> None:
        with_evidence(MadeTdx())(files)
        stated = json.loads(payload_of(files, NORTH))
        stated["predicate"]["runDetails"]["metadata"]["invocationId"] = "0" * 32
        files[NORTH] = sealed(canonical_bytes(stated), "north")

    assert "not about this statement" in judged(tmp_path, after).flagged[0]


def test_a_launch_says_what_each_register_has_to_be() -> None:
    stated = small_tdx.launch().as_json()
    for missing in ("rtmr", "xfam", "measurement"):
        with pytest.raises(ValueError, match=missing):
            TdxLaunch.model_validate({name: value for name, value in stated.items() if name != missing})
    with pytest.raises(ValueError, match="statuses"):
        small_tdx.launch(statuses=("Revoked",))
    assert small_tdx.launch().statuses == ("UpToDate",)


@pytest.mark.parametrize("where", ["platform", "module", "enclave", "module now"])
def test_what_is_told_is_the_date_of_the_oldest_level(where: str) -> None:
    """And both numbers of the evaluations that the signer chose."""
    old = "2024-02-03T00:00:00Z"

    def info(value: dict[str, Any]) -> None:
        value["tcbEvaluationDataNumber"] = 18
        if where == "platform":
            value["tcbLevels"][0]["tcbDate"] = old
        if where.startswith("module"):
            value["tdxModuleIdentities"][0]["tcbLevels"][where == "module now"]["tcbDate"] = old

    def identity(value: dict[str, Any]) -> None:
        if where == "enclave":
            value["tcbLevels"][0]["tcbDate"] = old

    def body(raw: bytearray) -> None:
        raw[584] = 4 if where == "module now" else raw[584]

    words = in_tdx_words(sound_of(MadeTdx(version=5, kind=3, body=body, info=info, identity=identity)))
    assert words.endswith("by its evaluation 18 of the platform and 20 of the quoting enclave, at levels of 2024-02-03")


def sound_of(made: MadeTdx) -> TdxSound:
    given = small_tdx.evidence(bytes(64), made)
    parts = {name: base64_bytes(data) for name, data in given.collateral.items()}
    return check_tdx(base64_bytes(given.report), parts, bytes(64), datetime(2026, 11, 23, tzinfo=UTC), small_tdx.root())


@pytest.mark.parametrize(("version", "kind", "told"), [(4, 2, 0), (5, 2, 0), (5, 3, 48), (5, 4, 48 + 1 + 204)])
def test_a_quote_tells_of_who_is_bound_as_far_as_its_version_goes(version: int, kind: int, told: int) -> None:
    domain = read_quote(small_tdx.quote(bytes(64), MadeTdx(version=version, kind=kind))).domain
    assert domain.shared == bytes(told)
