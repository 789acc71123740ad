"""A run is done again in a real process; what a node did otherwise than it says is found, at its very step."""

import errno
import hashlib
import os
import shutil
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from repeatable_run import facts_of, trained_each, with_facts

from rapha.canonical import digest
from rapha.errors import Unproven
from rapha.node import transcripts
from rapha.node.configuration import SandboxLimits
from rapha.node.reexecution import KeptRun, repeat
from rapha.node.referee import Side, rule
from rapha.node.runs import file_of
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.unisolated import Unisolated
from rapha.node.transcripts import FOLDER, Transcripts, keep_whole, read_leaves
from rapha.node.transfer import stamp_of
from rapha.proof.claim import SiteClaim
from rapha.records.outputs import GRAPH, Command
from rapha.records.study import Study

LIMITS = SandboxLimits()
Trained = tuple[Path, SiteClaim]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Trained]:
    top = tmp_path_factory.mktemp("run")
    ways = [("", 1), ("faster-37", 1), ("dropped-20", 1), ("weights", 1), ("", 16)]
    each = [(top / str(number) / "dp-1", *way) for number, way in enumerate(ways)]
    return [(run[0], claim) for run, claim in zip(each, trained_each(each), strict=True)]


@pytest.fixture(scope="module")
def honest(runs: list[Trained]) -> Trained:
    return runs[0]


@pytest.fixture(scope="module")
def faster(runs: list[Trained]) -> Trained:
    """The learning rate doubled at step 37 of each round."""
    return runs[1]


@pytest.fixture(scope="module")
def dropped(runs: list[Trained]) -> Trained:
    """The batch of step 20 left out."""
    return runs[2]


@pytest.fixture(scope="module")
def edited(runs: list[Trained]) -> Trained:
    """One bit of the last update changed, after training."""
    return runs[3]


@pytest.fixture(scope="module")
def sparse(runs: list[Trained]) -> Trained:
    """Honest, with a waypoint every 16 steps."""
    return runs[4]


def test_an_honest_run_is_the_same_again(honest: Trained, tmp_path: Path) -> None:
    folder, claim = honest
    again = repeat(KeptRun(folder), claim, Unisolated(), LIMITS, tmp_path / "second")
    assert (again.same, again.difference, again.machine) == (True, None, ())
    assert claim.release.transcript is not None
    assert (again.rounds, again.waypoints) == (2, claim.release.transcript.waypoints)
    assert again.root == claim.release.transcript.root
    ruling = rule(folder / FOLDER, tmp_path / "second", KeptRun(folder), Unisolated(), LIMITS)
    assert (ruling.right, ruling.steps_done, ruling.asked) == ("both", 0, 1)


def test_waypoints_farther_apart_repeat_too(sparse: Trained) -> None:
    folder, claim = sparse
    again = repeat(KeptRun(folder), claim, Unisolated(), LIMITS)
    assert again.same
    assert again.waypoints < 20


def test_a_doubled_learning_rate_is_found_at_its_step(faster: Trained) -> None:
    folder, claim = faster
    again = repeat(KeptRun(folder), claim, Unisolated(), LIMITS)
    assert not again.same
    assert again.difference is not None
    assert (again.difference.round, again.difference.after, again.difference.step) == (1, 36, 37)
    assert again.difference.parts == ("weights",)


def test_a_dropped_batch_is_found_at_its_step(dropped: Trained) -> None:
    folder, claim = dropped
    again = repeat(KeptRun(folder), claim, Unisolated(), LIMITS)
    assert again.difference is not None
    assert (again.difference.round, again.difference.step) == (1, 20)
    assert "batches" in again.difference.parts


def test_weights_edited_after_training_are_found_after_the_last_step(edited: Trained) -> None:
    folder, claim = edited
    again = repeat(KeptRun(folder), claim, Unisolated(), LIMITS)
    assert again.difference is not None
    assert (again.difference.what, again.difference.round) == ("the update", 2)
    assert again.difference.step is None


@pytest.mark.parametrize(("tampered", "step", "first"), [("faster", 37, "honest"), ("dropped", 20, "tampered")])
def test_the_referee_says_who_is_right_and_does_few_steps(
    honest: Trained, tampered: str, step: int, first: str, request: pytest.FixtureRequest
) -> None:
    good, bad = honest[0], request.getfixturevalue(tampered)[0]
    sides = (good, bad) if first == "honest" else (bad, good)
    ruling = rule(sides[0] / FOLDER, sides[1] / FOLDER, KeptRun(good), Unisolated(), LIMITS)
    assert ruling.right == ("a" if first == "honest" else "b")
    assert (ruling.round, ruling.after, ruling.step) == (1, step - 1, step)
    assert ruling.steps_done == step, "no step after the disputed one is done"
    assert ruling.asked <= 8, "of some 100 waypoints"


def test_the_referee_finds_two_liars(faster: Trained, dropped: Trained, honest: Trained) -> None:
    """They part at step 20, where one of them is right as yet; two that part where both are wrong have neither right."""
    ruling = rule(faster[0] / FOLDER, dropped[0] / FOLDER, KeptRun(honest[0]), Unisolated(), LIMITS)
    assert (ruling.right, ruling.step) == ("a", 20)


def test_two_that_share_a_lie_are_both_wrong(faster: Trained, honest: Trained, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(faster[0] / FOLDER, other)
    for file in sorted(other.glob("round-*.bin")):
        data = bytearray(file.read_bytes())
        data[45 * 136 - 1] ^= 1
        file.write_bytes(bytes(data))
    _own_root(other)
    ruling = rule(faster[0] / FOLDER, other, KeptRun(honest[0]), Unisolated(), LIMITS)
    assert (ruling.right, "already before they part" in ruling.why) == ("neither", True)


def test_waypoints_changed_afterwards_are_no_case(honest: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(honest[0], tmp_path / "dp-1")
    file = folder / FOLDER / "round-0001.bin"
    data = bytearray(file.read_bytes())
    data[50] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(Unproven, match="changed since"):
        repeat(KeptRun(folder), honest[1], Unisolated(), LIMITS)
    with pytest.raises(Unproven, match="has no case"):
        rule(honest[0] / FOLDER, folder / FOLDER, KeptRun(honest[0]), Unisolated(), LIMITS)


def test_other_rows_are_not_repeated(honest: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(honest[0], tmp_path / "dp-1")
    rows = folder / "input" / "rows.arrow"
    rows.write_bytes(rows.read_bytes()[:-1] + b"x")
    with pytest.raises(Unproven, match="not those that were frozen"):
        KeptRun(folder)


def test_a_receipt_of_other_rows_or_without_transcript_is_refused(honest: Trained, tmp_path: Path) -> None:
    folder, claim = honest
    bare = SiteClaim(claim.release.model_copy(update={"transcript": None}), claim.nonce, claim.at, ())
    with pytest.raises(Unproven, match="no transcript"):
        repeat(KeptRun(folder), bare, Unisolated(), LIMITS)
    salted = shutil.copytree(folder, tmp_path / "dp-1")
    with_facts(salted, frozen={**facts_of(salted).frozen.as_json(), "salt": "00" * 32})
    with pytest.raises(Unproven, match="commits to other rows"):
        repeat(KeptRun(salted), claim, Unisolated(), LIMITS)


def test_a_receipt_without_a_round_or_of_more_waypoints_is_refused(honest: Trained) -> None:
    folder, claim = honest
    release = claim.release
    assert release.transcript is not None
    idle = release.model_copy(update={"rounds": release.rounds[:1]})
    with pytest.raises(Unproven, match="no round of training"):
        repeat(KeptRun(folder), SiteClaim(idle, claim.nonce, claim.at, ()), Unisolated(), LIMITS)
    more = release.transcript.model_copy(update={"waypoints": release.transcript.waypoints + 1})
    boasting = release.model_copy(update={"transcript": more})
    with pytest.raises(Unproven, match="its root is of"):
        repeat(KeptRun(folder), SiteClaim(boasting, claim.nonce, claim.at, ()), Unisolated(), LIMITS)


def with_a_graph(folder: Path) -> Path:
    """The folder, of a study that brings a model of the researcher's own."""
    file = folder / "input" / "study.json"
    model = {"architecture": "exported", "graph": digest(b"a graph"), "size_bytes": 7, "parameters": {"line": [1]}}
    study = Study.model_validate({**Study.from_bytes(file.read_bytes()).as_json(), "model": model})
    file.write_bytes(study.as_bytes())
    (folder / "input" / GRAPH).write_bytes(b"a graph")
    return folder


def test_another_graph_is_not_repeated_nor_trained(honest: Trained, tmp_path: Path) -> None:
    folder = with_a_graph(shutil.copytree(honest[0], tmp_path / "dp-1"))
    assert KeptRun(folder).study.model.architecture == "exported"
    (folder / "input" / GRAPH).write_bytes(b"another graph")
    with pytest.raises(Unproven, match="not the graph that the study names"):
        KeptRun(folder)
    run = RunFolder(folder / "input", tmp_path, tmp_path / "output", tmp_path / "log", tmp_path / "self-test.json")
    run.lay_outputs()
    with closing(Unisolated().start(run, LIMITS)) as workload:
        reply = workload.run(Command(do="prepare", round=0), 60)
    assert (reply.ok, reply.reason) == (False, "graph-mismatch")


@pytest.mark.parametrize("name", ["transcript/run.json", "input/study.json", "transcript/round-0001.bin"])
def test_a_file_larger_than_such_a_one_can_be_is_not_read(honest: Trained, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(honest[0], tmp_path / "dp-1")
    os.truncate(folder / name, 1 << 34)
    with pytest.raises(Unproven, match="is no file of at most"):
        read_leaves(folder / FOLDER, 1)
        KeptRun(folder)
    if name == "transcript/run.json":
        with pytest.raises(Unproven, match="is no file of at most"):
            Side(folder / FOLDER)


def test_weights_are_kept_whole_and_only_as_they_were_verified(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_bytes(b"weights")
    verified = stamp_of(given)
    keep_whole(given, tmp_path / "kept", verified)
    assert (tmp_path / "kept").read_bytes() == b"weights"
    given.unlink()
    assert (tmp_path / "kept").read_bytes() == b"weights"
    given.write_bytes(b"weights")
    verified = stamp_of(given)
    given.write_bytes(b"weighty")
    os.utime(given)
    with pytest.raises(Unproven, match="not what its name says"):
        keep_whole(given, tmp_path / "other", verified)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "kept"]


def test_weights_that_got_another_name_since_or_lie_half_kept_are_kept(tmp_path: Path) -> None:
    """A snapshot by hard links, and a crash between link and replace, change when a file was changed, and not what it holds."""
    given = tmp_path / f"{hashlib.sha256(b'weights').hexdigest()}.safetensors"
    given.write_bytes(b"weights")
    verified = stamp_of(given)
    os.link(given, tmp_path / "kept.part")
    os.link(given, tmp_path / "snapshot")
    assert stamp_of(given) != verified
    keep_whole(given, tmp_path / "kept", verified)
    assert (tmp_path / "kept").read_bytes() == b"weights" and not (tmp_path / "kept.part").exists()
    given.write_bytes(b"weighty")
    with pytest.raises(Unproven, match="not what its name says"):
        keep_whole(given, tmp_path / "other", verified)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV])
@pytest.mark.parametrize("name", ["given", f"{hashlib.sha256(b'weights').hexdigest()}.safetensors"])
def test_weights_are_kept_also_where_a_file_has_one_name_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, "no second name here")

    monkeypatch.setattr(os, "link", refused)
    (tmp_path / name).write_bytes(b"weights")
    keep_whole(tmp_path / name, tmp_path / "kept", stamp_of(tmp_path / name) if name == "given" else None)
    assert (tmp_path / "kept").read_bytes() == b"weights"


def test_weights_that_are_missing_are_said(honest: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(honest[0], tmp_path / "dp-1")
    for file in (folder / FOLDER / "weights").iterdir():
        file.unlink()
    with pytest.raises(Unproven, match="cannot be repeated"):
        repeat(KeptRun(folder), honest[1], Unisolated(), LIMITS)


def _own_root(folder: Path) -> None:
    """The root of what the folder now holds, in its facts."""
    from rapha.node.transcripts import FACTS, RunFacts, read_leaves, recording_of, transcript_of

    facts = RunFacts.from_bytes((folder / FACTS).read_bytes())
    transcript = transcript_of(read_leaves(folder, 1), recording_of(facts.frozen, 1))
    (folder / FACTS).write_bytes(facts.model_copy(update={"transcript": transcript}).as_bytes())


def test_what_will_be_kept_goes_to_the_disk_while_the_workload_is_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, taken = digest(b"weights"), []
    home = SimpleNamespace(run=lambda dispatch: tmp_path / dispatch)
    run = SimpleNamespace(folder=SimpleNamespace(weights=tmp_path))
    (tmp_path / file_of(weights)).write_bytes(b"weights")
    monkeypatch.setattr(transcripts, "take_to_disk_early", lambda descriptor: taken.append(os.read(descriptor, 99)))
    kept = Transcripts(home, None)  # type: ignore[arg-type]

    def begin(first: str | None) -> None:
        kept.keep_soon(run, SimpleNamespace(dispatch="dp-1", weights=first))  # type: ignore[arg-type]

    begin(weights)  # nothing was recorded of this run, so nothing of it is kept
    (tmp_path / "dp-1" / FOLDER).mkdir(parents=True)
    begin(None)
    assert taken == []
    begin(weights)
    assert taken == [b"weights"]
