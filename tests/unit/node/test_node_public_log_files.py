"""What a hospital keeps of the public log, on its disk: spoilt, gone, of another hub, or not to be written."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import small_authority
from seen_log import At
from small_public_log import HUB_PEM, other_key

from rapha import faults
from rapha.errors import ConfigurationError, Unproven
from rapha.node.public_log_files import KEPT, REFUSED, KeptLog, LogFiles, in_words
from rapha.proof import checkpoint as notes
from rapha.proof import keys
from rapha.records.wire import TrustedKeys


@pytest.fixture
def at(tmp_path: Path) -> At:
    """Seven entries were seen."""
    made = At(tmp_path)
    made.hub.fill(7)
    made.log.look()
    return made


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


@pytest.mark.parametrize("name", [KEPT, REFUSED])
def test_a_file_that_is_gone_is_not_begun_anew(at: At, name: str) -> None:
    if name == REFUSED:
        at.another(7)
        with pytest.raises(Unproven):
            at.log.look()
    (at.home.folder / name).unlink()
    at.begin_again()
    asks = [at.log.look, lambda: at.log.check_holds(at.hub.checkpoint)]
    for ask in (*asks, at.log.check_not_refused) if name == REFUSED else asks:
        with pytest.raises(ConfigurationError, match=f"{name} is not as the node wrote it, or gone"):
            ask()
    at.log.begin_anew()
    at.log.look()
    assert at.seen == 7


def test_another_hubs_log_is_put_aside_and_this_ones_stays(at: At) -> None:
    files = LogFiles(at.home.folder, at.register)
    assert files.put_aside_unless_of("hub", HUB_PEM) == () and at.seen == 7
    at.another(7)
    with pytest.raises(Unproven):
        at.log.look()
    anew = keys.public_to_pem(small_authority.private_key("another hub").public_key())
    assert files.put_aside_unless_of("hub", anew) == ("public-log-1.json", "public-log-refused-1.json")
    at.begin_again()
    at.log.look()
    assert at.seen == 7 and at.events[-2:] == ["public-log.put-aside", "public-log.pinned"]


def test_no_name_of_a_log_moves_what_a_steward_reads() -> None:
    note = notes.signed("good\x9b2J\u202ekey", 0, b"r" * 32, other_key())
    said = in_words(KeptLog(keys=TrustedKeys(keys=()), checkpoint=note.as_bytes().decode()))
    assert said.startswith("good?2J?key, 0 entries") and said.isprintable()


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_what_cannot_be_written_down_is_known_all_the_same(
    at: At, monkeypatch: pytest.MonkeyPatch, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    true = at.hub
    at.another(9)
    with monkeypatch.context() as patched:
        patched.setattr("rapha.node.public_log_files.write_synced", full)
        with pytest.raises(Unproven, match=r"refused\.json could not be written"):
            at.log.check_holds(at.hub.checkpoint)
        at.log._line = true
        for ask in (at.log.check_not_refused, at.log.look, at.log.look_now_and_then):
            with pytest.raises(Unproven, match="nothing more"):
                ask()
    assert not (at.home.folder / REFUSED).exists()
    said = capsys.readouterr()
    assert "public-log.not-written" in said.out + said.err
    with pytest.raises(Unproven, match="keep it, ask"):  # there is room again
        at.log.look()
    assert at.refused.kind == "rewritten" and at.events[-1] == "public-log.refused"
    at.check_refused_for_good()
