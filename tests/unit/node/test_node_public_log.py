"""The hub's public log as a hospital saw it last: kept at first use, followed, and held against whatever the hub shows later."""

import base64
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from seen_log import At
from small_log import ORIGIN, trusted_log
from small_public_log import SmallPublicLog, other_key, trusted_hub

from rapha.canonical import base64_bytes
from rapha.errors import Conflict, Unproven, Unreachable
from rapha.node.public_log import LOOKS_SECONDS
from rapha.node.public_log_files import KEPT, REFUSED, checkpoint_of
from rapha.proof import checkpoint as notes
from rapha.proof import merkle
from rapha.proof.checkpoint import read_checkpoint
from rapha.proof.continued import NotShown
from rapha.proof.merkle import check_consistency
from rapha.proof.tiles import TileReader
from rapha.records.wire import TrustedKeys


@pytest.fixture
def at(tmp_path: Path) -> At:
    """Seven entries were seen."""
    made = At(tmp_path)
    made.hub.fill(7)
    made.log.look()
    return made


def test_the_first_use_takes_the_hubs_word_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = At(tmp_path)
    kept = at.log.look()
    assert [key.role for key in kept.keys.keys] == ["hub", "log"] and at.seen == 0
    assert at.events == ["public-log.pinned"]
    said = capsys.readouterr()
    assert "at the hub's word" in said.out + said.err and trusted_log().keyid in said.out + said.err
    assert stat.S_IMODE((tmp_path / KEPT).stat().st_mode) == 0o600


@pytest.mark.parametrize("sizes", [(1, 2), (7, 8), (255, 257), (300, 1000), (256, 70_000)])
def test_a_log_that_goes_on_is_followed(tmp_path: Path, sizes: tuple[int, int]) -> None:
    at = At(tmp_path)
    for size in sizes:
        at.hub.fill(size - at.hub.edge.size)
        at.log.look()
        assert at.seen == size
    at.begin_again()
    at.log.look()
    assert at.seen == sizes[-1] and at.events == ["public-log.pinned"]


CONTRADICTED: dict[str, tuple[Callable[[At], None], str]] = {
    "another-root": (lambda at: at.another(7), "two-logs"),
    "longer-and-rewritten": (lambda at: at.another(9), "rewritten"),
    "much-longer-and-rewritten": (lambda at: at.another(600), "rewritten"),
    "shorter-and-rewritten": (lambda at: at.forked_to(3), "rewritten"),
}


@pytest.mark.parametrize("case", CONTRADICTED)
def test_two_checkpoints_that_cannot_both_be_true_are_refused_for_good(at: At, case: str) -> None:
    lie, kind = CONTRADICTED[case]
    true = at.hub
    lie(at)
    with pytest.raises(Unproven):
        at.log.look()
    refused = at.refused
    assert (refused.kind, at.seen) == (kind, 7)
    assert checkpoint_of(refused.kept).size == 7
    shown = read_checkpoint(refused.shown.encode())
    assert shown == at.hub.checkpoint
    if (
        kind == "rewritten"
    ):  # the evidence: hashes that lead to the newer signed root, and to another older one than was signed
        older, newer = sorted((shown, true.checkpoint), key=lambda one: one.size)
        proof = [base64_bytes(step) for step in refused.proof]
        node = TileReader(lambda path: (true if case.startswith("shorter") else at.hub).files[path], newer.size).node
        check_consistency(older.size, merkle.root(older.size, node), newer.size, newer.root, proof)
        with pytest.raises(Unproven):
            check_consistency(older.size, older.root, newer.size, newer.root, proof)
    assert at.events[-1] == "public-log.refused"
    at.hub = true
    at.check_refused_for_good()


def signed_by_nobody(at: At, origin: str = ORIGIN, size: int = 9) -> None:
    """In place of the checkpoint, one whose signature is zero bytes."""
    root, signature = (base64.b64encode(byte * count).decode() for byte, count in ((b"r", 32), (b"\0", 68)))
    at.hub.instead["/log/checkpoint"] = f"{origin}\n{size}\n{root}\n\n\u2014 nobody {signature}\n".encode()


def spoilt_signature(at: At) -> None:
    good = at.hub.checkpoint
    name, raw = good.signatures[0]
    spoilt = notes.Checkpoint(good.text, good.origin, good.size, good.root, ((name, raw[:-1] + bytes([raw[-1] ^ 1])),))
    at.hub.instead["/log/checkpoint"] = spoilt.as_bytes()


def tile_instead(at: At, data: bytes) -> None:
    at.hub.fill(2)
    at.hub.instead["/log/tile/0/000.p/9"] = data


def behind(at: At, *, with_tiles: bool = True) -> None:
    """A copy of a moment ago, or what is left of a hub that was put back."""
    old = at.hub.checkpoint.as_bytes()
    at.hub.fill(2)
    at.log.look()
    at.hub.instead["/log/checkpoint"] = old
    if not with_tiles:
        del at.hub.files["tile/0/000.p/9"]


NOT_SHOWN: dict[str, tuple[Callable[[At], None], str]] = {
    "other-log": (
        lambda at: at.hub.instead.update(
            {"/log/checkpoint": notes.signed("rapha.dev/log/other", 9, b"r" * 32, at.hub.signer).as_bytes()}
        ),
        "and this is rapha.dev/log/other: another log answers there",
    ),
    "other-log-unsigned": (lambda at: signed_by_nobody(at, "staging.example/log", 3), "another log answers there"),
    "unsigned": (signed_by_nobody, "signed with no key that is kept"),
    "unsigned-and-shorter": (lambda at: signed_by_nobody(at, size=3), "signed with no key that is kept"),
    "another-key": (lambda at: setattr(at.hub, "signer", other_key()), "signed with no key that is kept"),
    "spoilt-signature": (spoilt_signature, "does not fit"),
    "empty": (lambda at: at.another(0), "had 7 entries when it was seen last, and has 0 now, and what was seen begins"),
    "behind": (behind, "and has 7 now, and what was seen begins with it: either this is a copy that lags"),
    "behind-and-no-tiles": (lambda at: behind(at, with_tiles=False), "is not shown .* or the hub was put back from"),
    "shorter-and-forked-without-tiles": (lambda at: at.another(3), "or the hub was put back from an older copy"),
    "spoilt-tile": (lambda at: tile_instead(at, b"x" * 288), "do not lead to its signed root of 9"),
    "short-tile": (lambda at: tile_instead(at, b"<html>scanned</html>"), "does not hold 9 hashes"),
}


@pytest.mark.parametrize("case", NOT_SHOWN)
def test_what_nobody_signed_against_itself_is_not_shown_and_accuses_nobody(at: At, case: str) -> None:
    makes, words = NOT_SHOWN[case]
    true = at.hub
    makes(at)
    before = at.seen
    with pytest.raises(NotShown, match=words):
        at.log.look()
    at.log.look_now_and_then()  # which says it, and goes on
    at.log.check_not_refused()
    assert at.log.refused() is None and at.seen == before
    true.instead.clear()
    true.signer = SmallPublicLog().signer
    true.fill(3)
    at.log._line = true
    at.log.look()
    assert at.seen == true.edge.size


def test_tiles_that_do_not_fit_are_asked_for_once_more(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    at.hub.fill(2)
    said = [b"x" * 288, at.hub.files["tile/0/000.p/9"]]
    true = at.hub.public
    monkeypatch.setattr(
        at.hub, "public", lambda path, limit: said.pop(0) if "tile" in path and said else true(path, limit)
    )
    at.log.look()
    assert at.seen == 9 and not said


PATHS = ("/log/checkpoint", "/log/tile/0/000.p/9", "/api/v1/key-changes?of=hub", "/api/v1/keys")
NOTHING = [(path, said) for path in PATHS for said in (Unreachable("away"), Conflict("404"), b"x" * (17 << 20))]
NOTHING += [
    (path, b"<html>a portal</html>") for path in ("/log/checkpoint", "/api/v1/key-changes?of=hub", "/api/v1/keys")
]


@pytest.mark.parametrize(("path", "instead"), NOTHING)
def test_a_hub_that_shows_nothing_contradicts_nothing(tmp_path: Path, path: str, instead: bytes | Exception) -> None:
    at = At(tmp_path)
    at.hub.fill(7)
    if path != "/api/v1/keys":
        at.log.look()
    at.hub.fill(2)
    if path == "/api/v1/key-changes?of=hub":
        at.hub.signer = other_key()
    at.hub.instead[path] = instead
    with pytest.raises(Unreachable):
        at.log.look()
    at.log.look_now_and_then()  # which says it, and goes on
    assert at.log.refused() is None and not (tmp_path / REFUSED).exists()


def test_it_is_looked_at_now_and_then(at: At) -> None:
    at.hub.asked.clear()
    for seconds in (0, 1, LOOKS_SECONDS - 1, LOOKS_SECONDS, LOOKS_SECONDS + 1):
        at.seconds = seconds
        at.log.look_now_and_then()
    assert at.hub.asked == ["/log/checkpoint"] * 2
    at.another(7)
    at.seconds = 2 * LOOKS_SECONDS
    for _ in range(2):
        with pytest.raises(Unproven, match="two roots"):
            at.log.look_now_and_then()
    assert at.hub.asked == ["/log/checkpoint"]


def test_an_older_tree_of_the_same_log_holds_and_one_of_another_does_not(at: At) -> None:
    older = at.hub.checkpoint
    at.hub.fill(6)
    at.log.look()
    at.log.check_holds(older)
    assert at.seen == 13
    at.hub.fill(1)
    at.log.check_holds(at.hub.checkpoint)
    assert at.seen == 14
    lying = SmallPublicLog()
    lying.fill(7, "another")
    with pytest.raises(Unproven, match="of 14 entries does not continue the one of 7"):
        at.log.check_holds(lying.checkpoint)
    assert at.refused.kind == "rewritten"


def test_a_tree_under_no_key_of_the_log_does_not_hold(at: At) -> None:
    forged = notes.signed(ORIGIN, 7, at.hub.edge.root, other_key())
    with pytest.raises(NotShown, match="signed with no key that is kept"):
        at.log.check_holds(forged)


def test_at_first_use_a_hub_without_the_key_of_the_enrolment_is_not_believed(tmp_path: Path) -> None:
    at = At(tmp_path)
    theirs = trusted_hub().model_copy(update={"keyid": "0" * 64})
    at.hub.instead["/api/v1/keys"] = TrustedKeys(keys=(theirs, trusted_log())).as_bytes()
    with pytest.raises(NotShown, match="was enrolled with"):
        at.log.look()
    assert at.log.kept() is None


def test_at_first_use_a_checkpoint_under_no_listed_key_is_not_kept(tmp_path: Path) -> None:
    at = At(tmp_path)
    at.hub.signer = other_key()
    with pytest.raises(NotShown, match="no log that can be taken at its word"):
        at.log.look()
    assert at.log.kept() is None and at.log.refused() is None


@pytest.mark.parametrize("case", ["behind-and-no-tiles", "empty", "shorter-and-forked-without-tiles"])
def test_a_steward_goes_on_with_a_log_that_is_shorter(at: At, case: str) -> None:
    NOT_SHOWN[case][0](at)
    before, shown = at.seen, read_checkpoint(at.log._line.public("/log/checkpoint", 1 << 20)).size
    at.log.begin_anew()
    assert at.seen == shown < before and at.events[-1] == "public-log.accepted-anew"
    at.hub.instead.clear()
    at.hub.fill(9, "another")
    at.log.look()
    assert (at.home.folder / "public-log-1.json").exists() and at.log.refused() is None


def test_a_steward_goes_on_with_no_log_that_is_not_that_hubs(at: At) -> None:
    signed_by_nobody(at)
    with pytest.raises(NotShown):
        at.log.begin_anew()
    at.hub.instead["/log/checkpoint"] = Unreachable("away")
    with pytest.raises(Unreachable, match="away"):
        at.log.begin_anew()
    assert at.seen == 7


def test_a_steward_goes_on_and_the_evidence_stays(at: At) -> None:
    with pytest.raises(Conflict, match="nothing contradicts"):
        at.log.begin_anew()
    for entries, of, number in ((8, "another", 1), (9, "a third", 2)):
        at.another(entries, of)
        with pytest.raises(Unproven):
            at.log.look()
        at.log.begin_anew()
        at.log.check_not_refused()
        assert at.seen == entries and at.events[-1] == "public-log.accepted-anew"
        assert (at.home.folder / f"public-log-refused-{number}.json").exists()
    at.hub.fill(1, "a third")
    at.log.look()
    assert at.seen == 10
