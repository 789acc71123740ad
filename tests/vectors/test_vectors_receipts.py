"""Every way in which a receipt can be wrong is caught, at the step that is there for it, and at none before."""

import json
import shutil
from pathlib import Path

import pytest
from receipt_samples import ANOTHERS_WORDS, FORGED, OWN_WORDS
from window_faults import ENDED_LATER

from rapha.proof.claim import NO_PRIVACY_NOT_SHOWN, NO_WALLS_NOT_SHOWN, T0_NOT_SHOWN, WALLS_FELL_NOT_SHOWN
from rapha.proof.freeze import FREEZE_NOT_SHOWN, NO_FREEZE, NOT_FROZEN_BEFORE
from rapha.proof.logged import NO_WITNESS
from rapha.proof.shown import NOT_ANCHORED, STAMPED_NOT_SHOWN
from rapha.proof.verify import judge
from rapha.records.receipt import Verdict
from rapha.sdk.folder import read_folder, read_keys

FOLDERS = Path(__file__).resolve().parent / "receipts"
EXPECTED = json.loads((FOLDERS / "expected.json").read_bytes())
SITE_STEPS, AGGREGATION_STEPS, FROZEN = 19, 23, 1
"""`FROZEN`: one step more where hospitals froze their cohorts before the run."""


def verdicts_on(folder: Path) -> dict[str, Verdict]:
    return {verdict.subject: verdict for verdict in judge(read_folder(folder))}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_wrong_receipt_fails_at_its_step(name: str) -> None:
    verdict = verdicts_on(FOLDERS / name)[EXPECTED[name]["receipt"]]
    assert not verdict.ok
    assert [step.number for step in verdict.steps if not step.passed] == [EXPECTED[name]["step"]]
    assert verdict.steps[-1].number == EXPECTED[name]["step"], "something was claimed after the step that failed"
    assert verdict.steps[-1].detail


def test_every_step_has_a_vector() -> None:
    assert {fault["step"] for fault in EXPECTED.values()} == set(range(1, AGGREGATION_STEPS + FROZEN + 1))


@pytest.mark.parametrize(
    "name",
    [
        "good",
        "mode-b",
        "mode-c",
        "private",
        "no-weights",
        "words-of-another-record",
        "verdict-in-a-name",
        "witnesses-apart",
        "walls-that-fell",
        "promises-more",
        "stopped-early",
        "hardware-evidence",
        "hardware-evidence-with-a-device",
        *ENDED_LATER,
    ],
)
def test_the_good_folder_holds_throughout(name: str) -> None:
    verdicts = verdicts_on(FOLDERS / name)
    assert {name: (v.ok, len(v.steps)) for name, v in verdicts.items()} == {
        "receipts/north.json": (True, SITE_STEPS),
        "receipts/south.json": (True, SITE_STEPS),
        "receipts/aggregation.json": (True, AGGREGATION_STEPS),
    }
    assert all(step.passed for verdict in verdicts.values() for step in verdict.steps)


def test_that_a_training_stopped_early_is_said_to_be_the_hubs_word() -> None:
    hub = verdicts_on(FOLDERS / "stopped-early")["receipts/aggregation.json"]
    remark = "That training had come to a stand after 3 of 20 rounds: the hub compared the figures."
    assert remark in hub.not_shown
    assert not any("come to a stand" in one for one in verdicts_on(FOLDERS / "good")[hub.subject].not_shown)


def test_what_was_frozen_before_the_run_is_said_and_what_was_not() -> None:
    frozen, before = verdicts_on(FOLDERS / "frozen"), verdicts_on(FOLDERS / "good")
    assert {name: (v.ok, len(v.steps)) for name, v in frozen.items()} == {
        "receipts/north.json": (True, SITE_STEPS + FROZEN),
        "receipts/south.json": (True, SITE_STEPS + FROZEN),
        "receipts/aggregation.json": (True, AGGREGATION_STEPS + FROZEN),
    }
    north = frozen["receipts/north.json"]
    assert north.steps[-1].detail.startswith("entries 1 and 2, stamped 2026-11-23 08:00:00 UTC")
    assert "Frozen before the run: entries 1 and 2, time-stamped 2026-11-23T08:00:00.000Z." in north.found
    assert FREEZE_NOT_SHOWN in north.not_shown and NOT_FROZEN_BEFORE not in north.not_shown
    old = before["receipts/north.json"]
    assert old.ok and NOT_FROZEN_BEFORE in old.not_shown and not old.flagged
    assert not any(one.startswith("Frozen") for one in old.found)


@pytest.mark.parametrize("asked", ["the keys file", "the reader"])
def test_a_freeze_that_is_asked_for_and_there_changes_no_verdict(asked: str) -> None:
    name = "freeze-asked-for" if asked == "the keys file" else "frozen"
    found = judge(read_folder(FOLDERS / name, frozen=asked == "the reader"))
    assert found == judge(read_folder(FOLDERS / "frozen"))


def test_a_reader_who_asks_for_freezes_takes_no_folder_without() -> None:
    found = {v.subject: v for v in judge(read_folder(FOLDERS / "good", frozen=True))}
    assert {name: (v.ok, v.steps[-1].number) for name, v in found.items()} == {
        "receipts/north.json": (False, SITE_STEPS + FROZEN),
        "receipts/south.json": (False, SITE_STEPS + FROZEN),
        "receipts/aggregation.json": (False, 21),
    }
    assert NO_FREEZE in found["receipts/north.json"].steps[-1].detail
    pinned = read_keys(FOLDERS / "pinned.json")
    assert not judge(read_folder(FOLDERS / "good", pinned.model_copy(update={"frozen": True})))[0].ok
    assert judge(read_folder(FOLDERS / "freeze-asked-for-and-none", pinned))[0].ok, "one's own file counts alone"


def test_the_receipt_of_a_script_says_what_it_does_not_show() -> None:
    told = {mode: " ".join(verdicts_on(FOLDERS / f"mode-{mode}")["receipts/north.json"].not_shown) for mode in "bc"}
    assert "release mode B" in told["b"] and "no differential privacy was applied" not in told["b"]
    assert "carry no record of a patient" in told["c"] and "no differential privacy was applied" in told["c"]


def test_what_is_not_shown_is_worked_out_and_not_believed() -> None:
    """A signer that leaves out what its record implies is flagged, and its own words are never the verifier's."""
    honest, more = (verdicts_on(FOLDERS / name)["receipts/north.json"] for name in ("walls-that-fell", "promises-more"))
    assert honest.not_shown == more.not_shown
    assert {T0_NOT_SHOWN[0], WALLS_FELL_NOT_SHOWN, STAMPED_NOT_SHOWN, NOT_ANCHORED} <= set(honest.not_shown)
    assert honest.flagged == ()
    assert [OWN_WORDS in one for one in more.flagged] == [False, False, True]
    assert [
        remark in one for remark, one in zip((T0_NOT_SHOWN[0], WALLS_FELL_NOT_SHOWN), more.flagged, strict=False)
    ] == [True] * 2


def test_what_was_found_is_said_and_a_higher_tier_is_a_claim() -> None:
    north, south, whole = verdicts_on(FOLDERS / "good").values()
    assert [(one.tier, one.claimed) for one in (north, south, whole)] == [("T0", "T1"), ("T0", "T0"), ("T0", "T0")]
    assert "transcript of 40 waypoints" in north.found[0] and "no transcript" in south.found[0]
    assert "bubblewrap, 3 layers, 9 of the 9 ways out that it says were tried held" in north.found[1]
    assert "seen by 1 of the witnesses" in north.found[3] and north.found[4].startswith("Time-stamped: 2026-")
    private = verdicts_on(FOLDERS / "private")["receipts/north.json"]
    assert "dp-sgd, epsilon at most 2.9 at delta 1e-05" in private.found[2]
    assert NO_PRIVACY_NOT_SHOWN in north.not_shown and NO_PRIVACY_NOT_SHOWN not in private.not_shown


def test_sentences_that_tell_of_what_the_record_has_not_are_flagged_and_not_repeated() -> None:
    """A remark that names a noise, a transcript or a comparison says in passing that there was one; a plain negative says nothing."""
    good, more = (verdicts_on(FOLDERS / name)["receipts/south.json"] for name in ("good", "words-of-another-record"))
    assert set(more.not_shown) == {*good.not_shown, NO_WALLS_NOT_SHOWN}
    assert not set(ANOTHERS_WORDS) & set(more.not_shown)
    assert [remark in one for remark, one in zip(ANOTHERS_WORDS, more.flagged, strict=True)] == [True] * 5


def test_a_name_that_is_not_known_is_quoted_on_one_line_and_cut() -> None:
    north = verdicts_on(FOLDERS / "verdict-in-a-name")["receipts/north.json"]
    assert north.ok and FORGED not in north.found[1]
    quoting = [north.found[1], *north.flagged]
    assert [line.split("“")[0] for line in quoting] == [
        "Sandbox, by the signer's word: ",
        "It says besides, in words of its own: ",
        "It names a sandbox that is not known: ",
    ]
    for line in quoting:
        inside = line.split("“")[1].split("”")[0]
        assert (line.count("“"), line.count("”")) == (1, 1)
        assert len(inside) == 201 and inside.endswith("…")
        assert inside.isprintable() and "  " not in inside


def test_a_witness_counts_that_has_seen_both_checkpoints() -> None:
    apart = verdicts_on(FOLDERS / "witnesses-apart")
    north, south = apart["receipts/north.json"], apart["receipts/south.json"]
    assert north.ok and "seen by 0 of the witnesses" in north.found[3] and NO_WITNESS in north.not_shown
    assert "seen by 1 of the witnesses" in south.found[3] and NO_WITNESS not in south.not_shown


def test_a_folder_with_a_refusal_holds_and_says_who_signed_no() -> None:
    verdicts = verdicts_on(FOLDERS / "refused")
    assert {name: (v.ok, len(v.steps)) for name, v in verdicts.items()} == {
        "receipts/north.json": (True, SITE_STEPS),
        "receipts/south.json": (True, SITE_STEPS),
        "refusals/east.json": (True, SITE_STEPS),
        "receipts/aggregation.json": (True, AGGREGATION_STEPS),
    }
    told = " ".join(verdicts["receipts/aggregation.json"].not_shown)
    assert "west signed no refusal" in told and "east signed no" not in told
    assert not any("training" in remark for remark in verdicts["refusals/east.json"].not_shown)


def test_a_folder_with_the_weights_of_the_best_round_holds_and_says_what_that_does_not_show() -> None:
    verdicts = verdicts_on(FOLDERS / "best-round")
    assert all(verdict.ok for verdict in verdicts.values())
    verdict = verdicts["receipts/aggregation.json"]
    assert (
        "the weights are of round 2, by the hub's word the best by auroc, or the last where no round has one"
        in verdict.steps[19].detail
    )
    assert any("no other round's model was better" in remark for remark in verdict.not_shown)


def test_what_no_receipt_covers_is_said() -> None:
    remarks = " ".join(verdicts_on(FOLDERS / "good")["receipts/aggregation.json"].not_shown)
    assert "README.md" in remarks
    assert "model.safetensors" not in remarks


def test_keys_of_the_folder_show_no_identity_and_pinned_ones_do() -> None:
    pinned = read_keys(FOLDERS / "pinned.json")
    alone, with_pins = judge(read_folder(FOLDERS / "good")), judge(read_folder(FOLDERS / "good", pinned))
    assert all(any("who signed" in remark for remark in verdict.not_shown) for verdict in alone)
    assert all(verdict.ok for verdict in with_pins)
    assert not any("who signed" in remark for verdict in with_pins for remark in verdict.not_shown)


def test_a_key_that_is_not_pinned_is_refused_whatever_the_folder_says() -> None:
    pinned = read_keys(FOLDERS / "pinned.json")
    without_north = pinned.model_copy(update={"keys": tuple(key for key in pinned.keys if key.owner != "north")})
    verdicts = {verdict.subject: verdict for verdict in judge(read_folder(FOLDERS / "good", without_north))}
    assert verdicts["receipts/north.json"].steps[-1].number == 2
    assert verdicts["receipts/south.json"].ok


def test_a_missing_site_receipt_is_a_stated_gap(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDERS / "good", tmp_path / "folder")
    (folder / "receipts" / "north.json").unlink()
    verdict = verdicts_on(folder)["receipts/aggregation.json"]
    assert verdict.ok
    assert any("north" in remark and "no valid receipt" in remark for remark in verdict.not_shown)


def test_a_folder_without_receipts_fails(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDERS / "good", tmp_path / "folder")
    shutil.rmtree(folder / "receipts")
    assert [verdict.ok for verdict in judge(read_folder(folder))] == [False]
