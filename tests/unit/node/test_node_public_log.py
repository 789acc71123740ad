"""The hub's public log as a hospital saw it last: kept at first use, followed, and held against whatever the hub shows later."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from small_log import ORIGIN, trusted_log
from small_public_log import HUB_PEM, SmallPublicLog, other_key, trusted_hub

from rapha import faults
from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Conflict, DiskFull, Unproven, Unreachable
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.public_log import KEPT, LOOKS_SECONDS, REFUSED, PublicLog, RefusedLog, checkpoint_of
from rapha.node.register import Register
from rapha.proof import checkpoint as notes
from rapha.proof.checkpoint import read_checkpoint
from rapha.records.wire import TrustedKeys


class At:
    """A home, a hub's log, and the seconds that have passed."""

    def __init__(self, folder: Path) -> None:
        settings = NodeConfiguration(site="north", name="N", hub_url="http://localhost:1", hub="hub", hub_key=HUB_PEM)
        write_configuration(folder / "node.yaml", settings)
        self.home, self.hub, self.seconds = Home(folder), SmallPublicLog(), 0.0
        self.begin_again()

    def begin_again(self) -> None:
        self.register = Register(self.home.database, utc_now)
        self.log = PublicLog(self.home, self.hub, self.register, utc_now, lambda: self.seconds)

    def another(self, entries: int, of: str = "another") -> None:
        """From now on the hub shows another history."""
        self.log._line = self.hub = SmallPublicLog()
        self.hub.fill(entries, of)

    @property
    def seen(self) -> int:
        kept = self.log.kept()
        assert kept is not None
        return checkpoint_of(kept).size

    @property
    def refused(self) -> RefusedLog:
        found = self.log.refused()
        assert found is not None
        return found

    @property
    def events(self) -> list[str]:
        return [event for _, event, _, _ in self.register.events()]


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


def not_refused_any_more(at: At) -> None:
    """Whatever the hub shows then, and at the next start too."""
    at.begin_again()
    with pytest.raises(Unproven, match="gives the hub at http://localhost:1 nothing more"):
        at.log.check_not_refused()
    with pytest.raises(Unproven, match="--i-accept-that-the-log-may-have-been-rewritten"):
        at.log.look()


CONTRADICTED: dict[str, tuple[Callable[[At], None], str]] = {
    "shorter": (lambda at: at.another(3, "an"), "went-back"),
    "empty": (lambda at: at.another(0), "went-back"),
    "another-root": (lambda at: at.another(7), "two-logs"),
    "longer-and-rewritten": (lambda at: at.another(9), "rewritten"),
    "much-longer-and-rewritten": (lambda at: at.another(600), "rewritten"),
    "another-key": (lambda at: setattr(at.hub, "signer", other_key()), "other-key"),
    "spoilt-tile": (
        lambda at: (at.hub.fill(2), at.hub.instead.update({"/log/tile/0/000.p/9": b"x" * 288}))[1],
        "rewritten",
    ),
    "short-tile": (lambda at: (at.hub.fill(2), at.hub.instead.update({"/log/tile/0/000.p/9": b"x"}))[1], "rewritten"),
}


@pytest.mark.parametrize("case", CONTRADICTED)
def test_a_log_that_contradicts_what_was_seen_is_refused_for_good(at: At, case: str) -> None:
    lie, kind = CONTRADICTED[case]
    true = at.hub
    lie(at)
    with pytest.raises(Unproven):
        at.log.look()
    refused = at.refused
    assert (refused.kind, at.seen) == (kind, 7)
    assert checkpoint_of(refused.kept).size == 7
    assert read_checkpoint(refused.shown.encode()) == at.hub.checkpoint
    assert bool(refused.proof) == (case in ("longer-and-rewritten", "much-longer-and-rewritten", "spoilt-tile"))
    assert at.events[-1] == "public-log.refused"
    at.hub = true
    at.hub.instead.clear()
    not_refused_any_more(at)


def test_another_logs_name_is_another_log(at: At) -> None:
    other = notes.signed("rapha.dev/log/other", 9, b"r" * 32, at.hub.signer)
    at.hub.instead["/log/checkpoint"] = other.as_bytes()
    with pytest.raises(Unproven, match="and this is rapha"):
        at.log.look()
    assert at.refused.kind == "other-log"


def test_a_signature_that_does_not_fit_is_none(at: At) -> None:
    good = at.hub.checkpoint
    name, raw = good.signatures[0]
    spoilt = notes.Checkpoint(good.text, good.origin, good.size, good.root, ((name, raw[:-1] + bytes([raw[-1] ^ 1])),))
    at.hub.instead["/log/checkpoint"] = spoilt.as_bytes()
    with pytest.raises(Unproven, match="does not fit"):
        at.log.look()
    assert at.refused.kind == "other-key"


PATHS = ("/log/checkpoint", "/log/tile/0/000.p/9", "/api/v1/key-changes", "/api/v1/keys")
NOTHING = [(path, said) for path in PATHS for said in (Unreachable("away"), Conflict("404"), b"x" * (17 << 20))]
NOTHING += [(path, b"<html>a portal</html>") for path in ("/log/checkpoint", "/api/v1/key-changes", "/api/v1/keys")]


@pytest.mark.parametrize(("path", "instead"), NOTHING)
def test_a_hub_that_shows_nothing_contradicts_nothing(tmp_path: Path, path: str, instead: bytes | Exception) -> None:
    at = At(tmp_path)
    at.hub.fill(7)
    if path != "/api/v1/keys":
        at.log.look()
    at.hub.fill(2)
    if path == "/api/v1/key-changes":
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
    with pytest.raises(Unproven):
        at.log.check_holds(lying.checkpoint)
    assert at.refused.kind == "rewritten"


def test_a_tree_under_no_key_of_the_log_does_not_hold(at: At) -> None:
    forged = notes.signed(ORIGIN, 7, at.hub.edge.root, other_key())
    with pytest.raises(Unproven, match="signed with a key that does not follow"):
        at.log.check_holds(forged)


def test_at_first_use_a_hub_without_the_key_of_the_enrolment_is_not_believed(tmp_path: Path) -> None:
    at = At(tmp_path)
    theirs = trusted_hub().model_copy(update={"keyid": "0" * 64})
    at.hub.instead["/api/v1/keys"] = TrustedKeys(keys=(theirs, trusted_log())).as_bytes()
    with pytest.raises(Unproven, match="was enrolled with"):
        at.log.look()
    assert at.log.kept() is None


def test_at_first_use_a_checkpoint_under_no_listed_key_is_not_kept(tmp_path: Path) -> None:
    at = At(tmp_path)
    at.hub.signer = other_key()
    with pytest.raises(Unproven):
        at.log.look()
    assert at.log.kept() is None and at.log.refused() is None


@pytest.mark.parametrize("name", [KEPT, REFUSED])
@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-9], lambda _: b"", lambda data: data.replace(b"hub\\n7\\n", b"hub\\n9\\n")]
)
def test_a_file_that_was_spoilt_is_said_and_nothing_goes_on(at: At, name: str, spoil: Callable[[bytes], bytes]) -> None:
    path = at.home.folder / name
    path.write_bytes(spoil((at.home.folder / KEPT).read_bytes()))
    for ask in (at.log.look, lambda: at.log.check_holds(at.hub.checkpoint)):
        with pytest.raises(ConfigurationError, match=f"{name} is not as the node wrote it"):
            ask()
    at.log.begin_anew()
    at.log.look()
    assert at.log.refused() is None and len(list(at.home.folder.glob("public-log*"))) > 1


def test_a_steward_goes_on_and_the_evidence_stays(at: At) -> None:
    with pytest.raises(Conflict, match="nothing contradicts"):
        at.log.begin_anew()
    for entries, number in ((3, 1), (2, 2)):
        at.another(entries)
        with pytest.raises(Unproven):
            at.log.look()
        at.log.begin_anew()
        at.log.check_not_refused()
        assert at.seen == entries and at.events[-1] == "public-log.accepted-anew"
        assert (at.home.folder / f"public-log-refused-{number}.json").exists()
    at.hub.fill(1, "another")
    at.log.look()
    assert at.seen == 3


@pytest.mark.parametrize("point", [f"node.to-rename:{KEPT}", f"node.renamed:{KEPT}"])
def test_who_dies_while_it_is_kept_has_the_one_or_the_other(
    at: At, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    def dies(name: str) -> None:
        if name == point:
            raise Killed

    at.hub.fill(5)
    with monkeypatch.context() as patched:
        patched.setattr(faults, "point", dies)
        with pytest.raises(Killed):
            at.log.look()
    at.begin_again()
    assert at.seen == (7 if "to-rename" in point else 12)
    at.log.look()
    assert at.seen == 12


def test_a_full_disk_lets_nobody_go_on(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    at.another(3)
    monkeypatch.setattr("rapha.node.public_log.write_synced", full)
    with pytest.raises(DiskFull, match="public-log-refused"):
        at.log.look_now_and_then()
