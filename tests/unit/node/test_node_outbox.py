"""The only door: what left is kept, byte for byte; a hub that is away is waited for; a full disk is said as such."""

import pytest
import record_samples as made_up

from rapha.canonical import base64_text, digest
from rapha.clock import utc_now
from rapha.errors import DiskFull, EgressRefused, Unproven, Unreachable
from rapha.node.agent import reason_of
from rapha.node.hub_line import persist
from rapha.node.outbox import Outbox
from rapha.node.register import Register
from rapha.records.record import DispatchId, SiteId, TaskId
from rapha.records.task import Task, TaskFailure, Update
from rapha.records.wire import INLINE_BYTES, UpdateParcel, Work

DISPATCH = DispatchId("d-1")
WEIGHTS = b"what the gate wrote"
UPDATE = Update(
    task=TaskId("t-1"), study_digest=digest(b"study"), site=SiteId("north"), round=1, do="train", weights_in=None,
    weights_out=digest(WEIGHTS), weight=100,
)  # fmt: skip


class FakeLine:
    """A hub that is away for so many requests, and remembers what reaches it."""

    def __init__(self, away: int = 0) -> None:
        self.away, self.heard, self.following, self.contradicts = away, [], None, False

    def upload(self, blob, file, check_may_leave):
        check_may_leave()
        self._hear(("upload", blob, file.read_bytes()))

    def post(self, path, record):
        self._hear(("post", path, record))

    def put(self, path, record):
        self._hear(("put", path, record))

    def freeze(self, dispatch, receipt):
        self._hear(("freeze", dispatch, receipt))

    def hand_in(self, parcel):
        self._hear(("hand-in", parcel))
        return self.following

    def _hear(self, what):
        if self.away:
            self.away -= 1
            self.contradicts = True
            raise Unreachable("the hub does not answer")
        self.heard.append(what)


@pytest.fixture
def line():
    return FakeLine()


@pytest.fixture
def outbox(tmp_path, line):
    return Outbox(tmp_path / "outbox", line, Register(tmp_path / "node.db", utc_now), lambda: None)


def test_what_leaves_is_kept_byte_for_byte(outbox, line, tmp_path):
    outbox.update(DISPATCH, UPDATE, outbox.hold(DISPATCH, 1, [WEIGHTS]))
    assert (tmp_path / "outbox" / "d-1" / "round-0001.safetensors").read_bytes() == WEIGHTS
    assert line.heard == [("hand-in", UpdateParcel(update=UPDATE, weights=base64_text(WEIGHTS)))]


def test_large_weights_are_uploaded_first(outbox, line):
    weights = bytes(INLINE_BYTES + 1)
    update = UPDATE.model_copy(update={"weights_out": digest(weights)})
    outbox.update(DISPATCH, update, outbox.hold(DISPATCH, 1, [weights]))
    assert line.heard == [("upload", digest(weights), weights), ("hand-in", UpdateParcel(update=update))]


def test_a_hub_that_is_away_is_waited_for_and_heard_of(outbox, line, capsys):
    line.away = 2
    outbox.update(DISPATCH, UPDATE, outbox.hold(DISPATCH, 1, [WEIGHTS]))
    assert [kind for kind, *_ in line.heard] == ["hand-in"]
    said = capsys.readouterr().out
    assert (said.count("hub.away"), said.count("hub.back")) == (2, 1)


def test_what_follows_is_of_the_same_study(outbox, line):
    held = outbox.hold(DISPATCH, 1, [WEIGHTS])
    task = Task(
        id="t-2", study_id="s-1", study_digest=digest(b"study"), dispatch=DISPATCH, site="north", round=2, do="train",
        weights=digest(b"average"),
    )  # fmt: skip
    line.following = Work(task=task)
    assert outbox.update(DISPATCH, UPDATE, held) is line.following
    line.following = Work(task=task.model_copy(update={"dispatch": "d-2"}))
    with pytest.raises(Unreachable, match="of another study"):
        outbox.update(DISPATCH, UPDATE, outbox.held(DISPATCH, 1))


def leaves():
    found = made_up.samples()
    return {
        "profile": lambda box: box.profile(found["site-profile"], 60.0),
        "answer": lambda box: box.answer(found["pending"], 60.0),
        "freeze": lambda box: box.freeze(DISPATCH, found["receipt"]),
        "update": lambda box: box.update(DISPATCH, UPDATE, box.hold(DISPATCH, 1, [WEIGHTS])),
        "release": lambda box: box.release(DISPATCH, found["release-parcel"], found["site-metrics"]),
        "failure": lambda box: box.failure(DISPATCH, TaskFailure(task=TaskId("t-1"), reason="internal")),
    }


def test_what_is_uploaded_asks_on_the_way(line, tmp_path):
    asked = []
    outbox = Outbox(tmp_path / "outbox", line, Register(tmp_path / "node.db", utc_now), lambda: asked.append(1))
    weights = bytes(INLINE_BYTES + 1)
    line.upload = lambda _blob, _file, check_may_leave: [check_may_leave() for _ in range(7)]
    outbox.update(
        DISPATCH, UPDATE.model_copy(update={"weights_out": digest(weights)}), outbox.hold(DISPATCH, 1, [weights])
    )
    assert len(asked) == 1 + 7 + 1


@pytest.mark.parametrize("what", leaves())
def test_what_has_begun_to_leave_stops_where_the_log_is_seen_to_contradict(line, tmp_path, what):
    """The hub is away at the first try; before the next one another thread has seen what it did."""

    def check():
        if line.contradicts:
            raise Unproven("nothing more leaves")

    outbox = Outbox(tmp_path / "outbox", line, Register(tmp_path / "node.db", utc_now), check)
    line.away = 1
    with pytest.raises(Unproven):
        persist(lambda: leaves()[what](outbox))
    assert line.heard == []


def test_patience_ends():
    def away():
        raise Unreachable("the hub does not answer")

    with pytest.raises(Unreachable):
        persist(away, give_up_after_seconds=0)


def test_a_full_disk_is_told_by_its_code_and_nothing_has_left(outbox, line, tmp_path):
    part = tmp_path / "outbox" / "d-1" / "round-0001.safetensors.part"
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="free some; the round is done again") as caught:
        outbox.update(DISPATCH, UPDATE, outbox.hold(DISPATCH, 1, [WEIGHTS]))
    assert reason_of(caught.value) == "disk-full"
    assert line.heard == []


def test_what_the_gate_refuses_in_the_middle_is_not_kept_and_has_not_left(outbox, line, tmp_path):
    def blocks():
        yield WEIGHTS
        raise EgressRefused("weights: not finite", "not-finite")

    with pytest.raises(EgressRefused):
        outbox.hold(DISPATCH, 1, blocks())
    assert list((tmp_path / "outbox" / "d-1").iterdir()) == []
    assert line.heard == []


def test_what_is_held_may_not_have_left_before_it_is_said_to_leave(outbox):
    held = outbox.hold(DISPATCH, 1, [WEIGHTS[:5], WEIGHTS[5:]])
    assert (held.digest, held.size_bytes) == (digest(WEIGHTS), len(WEIGHTS))
    assert outbox.held(DISPATCH, 1) is None
    outbox.update(DISPATCH, UPDATE, held)
    again = outbox.held(DISPATCH, 1)
    assert again is not None and (again.digest, again.size_bytes) == (digest(WEIGHTS), len(WEIGHTS))


def test_what_was_to_leave_is_found_under_the_name_it_was_written_under(outbox):
    """A power cut may undo the renaming; the log knows what was to leave, and nothing else is taken for it."""
    held = outbox.hold(DISPATCH, 1, [WEIGHTS])
    found = outbox.held(DISPATCH, 1, held.digest)
    assert found == held
    assert outbox.held(DISPATCH, 1, digest(b"other noise")) is None
