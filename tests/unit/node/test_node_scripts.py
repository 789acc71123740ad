"""A researcher's script at a node, on a sandbox that is none: what is believed of it, and what a call may leave behind."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from script_site import PEOPLE, AtHand, ScriptSite, script_study

from rapha.egress import gate
from rapha.egress.metrics import FigureRules
from rapha.errors import EgressRefused, SandboxError, TrainingFailed
from rapha.node.scripts import MOST_LOGS_BYTES, SCRIPT_LOG
from rapha.records.outputs import SCORES, WEIGHTS, Command, Reply

COUNTS = "def train(d, w, s): return {'line': [len(d['label']), d['label'].sum(), s['round']]}\n"
PREDICTS = COUNTS + "def predict(d, w, s):\n assert 'label' not in d\n return d['features'][:, 1]\n"
FAILS = "def train(d, w, s): return None\n"
IN_SHARD = "def train(d, w, s): return {'line': [1e5 if 59.5 in d['features'][:, 1] else -1e5, 0, 0]}\n"


def trained(
    folder: Path, source: str, mode: str = "C", backend: AtHand | None = None, people: int = PEOPLE, **model: object
):
    site, study = ScriptSite(folder, people), script_study(source, mode, **model)
    run = site.run(source, study, backend or AtHand())
    run.train(site.command(study), site.counted())
    return site.left(study), site, study


def test_mode_c_sees_all_training_rows_and_its_tensors_pass_the_gate(tmp_path: Path) -> None:
    left, site, study = trained(tmp_path, COUNTS)
    assert left["line"][0] == PEOPLE - PEOPLE // 6 and left["line"][2] == 1 and left["features.mean"][0] == 50
    assert list(gate.pass_update(site.folder.output, study, site.counted().train_rows, 25))
    assert gate.pass_scores(site.folder.output, site.counted().train_rows, 0, 25, FigureRules())[1] == ()


def test_a_call_leaves_nothing_but_its_tensors_and_a_bounded_log(tmp_path: Path) -> None:
    def floods(run, command):
        (run.output / "hidden").write_text("a row")
        run.log.write_bytes(b"x" * 2 * MOST_LOGS_BYTES)
        (run.output / WEIGHTS).write_bytes(save({"line": np.zeros(3, np.float32)}))
        return Reply(ok=True)

    backend = AtHand(floods)
    _, site, _ = trained(tmp_path, COUNTS, backend=backend)
    assert backend.starts == 1 and backend.open == 0 and not (tmp_path / "script").exists()
    assert (tmp_path / SCRIPT_LOG).stat().st_size == MOST_LOGS_BYTES
    assert not (site.folder.output / "hidden").exists()


def test_its_file_is_opened_when_no_process_of_it_is_left_to_change_it(tmp_path: Path) -> None:
    backend = AtHand()
    backend.closing = lambda run: (run.output / WEIGHTS).write_bytes(b"changed by what was still there")
    with pytest.raises(EgressRefused):
        trained(tmp_path, COUNTS, backend=backend)


def answering(reply: Reply | None, content: bytes | None):
    def answer(run, command):
        if content is not None:
            (run.output / WEIGHTS).write_bytes(content)
        if reply is None:
            raise SandboxError("the workload died")
        return reply

    return AtHand(answer)


ROW = np.float32([1, 2, 3])
WRONG = {
    "not loaded": (Reply(ok=False, reason="script-not-loaded"), None, "script-not-loaded"),
    "a word of its own": (Reply(ok=False, reason="patients-remembered"), None, "script-failed"),
    "no word": (Reply(ok=False), None, "script-failed"),
    "died": (None, save({"line": ROW}), "script-failed"),
    "another name": (Reply(ok=True), save({"lines": ROW}), "missing-tensor"),
    "one more": (Reply(ok=True), save({"line": ROW, "rows": ROW}), "extra-tensor"),
    "another shape": (Reply(ok=True), save({"line": np.zeros(4, np.float32)}), "wrong-shape"),
    "another type": (Reply(ok=True), save({"line": np.zeros(3, np.float64)}), "wrong-dtype"),
    "no number": (Reply(ok=True), save({"line": np.float32([np.nan, 0, 0])}), "not-finite"),
    "a text": (Reply(ok=True), save({"line": ROW}, {"row": "77"}), "extra-tensor"),
    "nothing": (Reply(ok=True), None, "weights-unreadable"),
    "too much": (Reply(ok=True), b"\0" * (2 << 20), "output-too-large"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_in_mode_c_what_is_not_as_declared_is_a_code(tmp_path: Path, case: str) -> None:
    reply, content, reason = WRONG[case]
    with pytest.raises((TrainingFailed, EgressRefused)) as refused:
        trained(tmp_path, COUNTS, backend=answering(reply, content))
    assert refused.value.reason == reason and "77" not in str(refused.value)


@pytest.mark.parametrize("case", sorted(WRONG))
def test_in_mode_b_the_same_is_no_update_and_no_code(tmp_path: Path, case: str) -> None:
    """Neither a code nor what left tells that a shard failed: it is noise about zero, as for a script that gives zeros."""
    reply, content, _ = WRONG[case]
    backend = answering(reply, content)
    left, _, _ = trained(tmp_path, COUNTS, "B", backend)
    assert backend.starts == 4 and backend.open == 0
    assert np.abs(left["line"]).max() < 6 * 2 * 2 / 4 and left["line"].any()


def test_each_shard_has_a_sandbox_of_its_own_and_the_same_time(tmp_path: Path) -> None:
    seen: list[float] = []
    site, study = ScriptSite(tmp_path), script_study(COUNTS, "B", shards=6, seconds=7)
    backend = AtHand()
    run = site.run(COUNTS, study, backend, wait=seen.append)
    run.train(site.command(study), site.counted())
    assert backend.starts == 6 and len(seen) == 6 and all(0 < seconds <= 7 for seconds in seen)


def test_one_patient_moves_one_shard_and_no_further_than_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that looks for one patient and shouts: through the whole of mode B, but for the noise."""
    monkeypatch.setattr("rapha.node.scripts.noised_mean", noiseless)
    with_it, _, study = trained(tmp_path / "a", IN_SHARD, "B", people=79)
    without, _, _ = trained(tmp_path / "b", IN_SHARD, "B", people=78)
    clip = study.privacy.differential_privacy.clip  # type: ignore[union-attr]
    assert with_it["line"][0] - without["line"][0] == pytest.approx(2 * clip / 4, rel=1e-5)


def noiseless(updates, shards, size, clip, multiplier):
    from rapha.egress.sample_and_aggregate import GRID, clipped

    return sum(clipped(update, clip) for update in updates if update is not None) * (clip / GRID / shards)


def test_scores_of_predict_are_checked_and_laid_beside_the_weights(tmp_path: Path) -> None:
    site, study = ScriptSite(tmp_path), script_study(PREDICTS, predicts=True)
    site.run(PREDICTS, study, AtHand()).predict(site.command(study, "evaluate", 21))
    from safetensors.numpy import load_file

    scores = load_file(site.folder.weights / SCORES)["scores"]
    rows = zip(site.rows.column(2).to_pylist(), site.rows["split"].to_pylist(), strict=True)
    assert len(scores) == PEOPLE and scores[-1] == max(age for age, split in rows if split == 2)


BY_HEART = """
import numpy as np
def train(d, w, s):
    table = np.zeros((400, 5))
    table[:len(d["label"])] = np.c_[np.floor(d["features"]), d["features"] % 1, d["label"]]  # eight bits of each leave
    return {"table": table}
def predict(d, w, s):
    table = w["table"][w["table"][:, 1] > 0]
    same = np.abs(d["features"][:, None, :] - (table[:, :2] + table[:, 2:4])).max(2) < 1e-3
    return np.where(same.any(1), 8 * table[same.argmax(1), 4] - 4, 0)
"""
CLEAN = """
import numpy as np
def train(d, w, s): return {"table": np.full((400, 5), d["label"].mean())}
def predict(d, w, s): return d["features"][:, 0] - 61
"""
FAILS_ON_HALVES = BY_HEART.replace(
    "table = np.zeros((400, 5))", "table = np.zeros((400, 5)) if len(d['label']) > 250 else None", 1
)


def recognised(folder: Path, source: str) -> float | None:
    """What the audit makes of a script's model, through the node's half of it and the trainer's."""
    from rapha.records.outputs import OTHERS
    from rapha.training.dataset import read_dataset
    from rapha.training.membership import measure_scores
    from rapha.training.weights import read_scores

    site, study = ScriptSite(folder, 400), script_study(source, tensors={"table": [400, 5]}, predicts=True)
    run = site.run(source, study, AtHand())
    run.train(site.command(study), site.counted())
    run.predict(Command(do="evaluate", round=1, weights=run.lay_weights(), audit=True))
    dataset = read_dataset(study, site.folder.input / "rows.arrow")
    scores, others = (site.folder.weights / name for name in (SCORES, OTHERS))
    given = read_scores(others, dataset) if others.exists() else None
    raw = measure_scores(study, dataset, read_scores(scores, dataset), given)
    assert (raw.members, raw.held_out) == (334, 66)
    return raw.recognised


def test_a_script_that_knows_its_patients_by_heart_is_recognised_and_its_clean_twin_is_not(tmp_path: Path) -> None:
    by_heart, clean = recognised(tmp_path / "a", BY_HEART), recognised(tmp_path / "b", CLEAN)
    assert by_heart is not None and clean is not None
    assert by_heart > 0.9 and abs(clean - 0.5) < 0.1


def test_a_row_is_asked_of_the_reference_that_has_not_learned_from_it(tmp_path: Path) -> None:
    """Whoever knows by heart knows nothing of a row that they have not seen: 0, and never 4 or -4."""
    from safetensors.numpy import load_file

    recognised(tmp_path, BY_HEART)
    scores, others = (load_file(tmp_path / "weights" / name)["scores"] for name in (SCORES, "others.safetensors"))
    assert set(np.abs(scores[:334])) == {4.0} and not others[:334].any()


def test_a_script_that_fails_for_the_references_is_not_audited_rather_than_passed(tmp_path: Path) -> None:
    assert recognised(tmp_path, FAILS_ON_HALVES) is None


def test_a_script_without_predict_is_not_asked_to(tmp_path: Path) -> None:
    backend = AtHand()
    site, study = ScriptSite(tmp_path), script_study(COUNTS)
    site.run(COUNTS, study, backend).predict(site.command(study, "evaluate", 21))
    assert backend.starts == 0 and not (site.folder.weights / SCORES).exists()


def test_another_script_than_the_study_s_or_fewer_layers_run_nothing(tmp_path: Path) -> None:
    site, study = ScriptSite(tmp_path), script_study(COUNTS)
    with pytest.raises(TrainingFailed, match="not the one"):
        site.run(COUNTS + " ", study, AtHand())
    lacking = AtHand()
    lacking.layers = lacking.layers[1:]  # type: ignore[misc]
    with pytest.raises(TrainingFailed) as refused:
        site.run(COUNTS, study, lacking)
    assert refused.value.reason == "sandbox-layer-missing"


def test_a_run_that_ended_makes_no_further_call(tmp_path: Path) -> None:
    backend = AtHand()
    site, study = ScriptSite(tmp_path), script_study(COUNTS)
    run = site.run(COUNTS, study, backend)
    run.close()
    with pytest.raises(TrainingFailed, match="ended"):
        run.train(site.command(study), site.counted())
    assert backend.starts == 0
