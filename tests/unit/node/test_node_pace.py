"""What a node's weights may take of its line, and that nobody who waits for it keeps an agent from ending."""

import threading
import time

import pytest
from hostile_hub import Heard, Said, hostile_hub
from patience import until

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.errors import Conflict, Unreachable
from rapha.node import hub_line
from rapha.node.hub_line import HubLine, persist
from rapha.node.transfer import BLOCK_BYTES
from rapha.proof import keys
from rapha.records.chunks import CHUNK_BYTES

MBIT = 8.0
"""A million bytes a second."""
BLOB = bytes(range(256)) * (3 * BLOCK_BYTES // 256) + b"the end"


class Paces:
    """Stands in a line's own clock: remembers how much passed between its pauses."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def line_to(url: str, limit: float | None) -> tuple[HubLine, Paces]:
    line, paces = HubLine(url, "hub.example", "north", keys.generate(), utc_now, limit_mbit_per_second=limit), Paces()
    line._pace._now, line._pace._pause, line._pace._free_at = lambda: paces.now, paces.pause, 0.0
    return line, paces


def test_a_blob_of_one_request_goes_up_at_the_pace_and_not_in_one_piece() -> None:
    heard = list[Heard]()

    def answers(asked: Heard) -> Said:
        heard.append(asked)
        return Said()

    with hostile_hub(answers) as url:
        line, paces = line_to(url, MBIT)
        line.send_whole(digest(BLOB), BLOB)
        line.send_whole(digest(b"small"), b"small")
        line.close()
    assert [each.content for each in heard] == [BLOB, b"small"]
    block = BLOCK_BYTES / 1e6
    assert paces.pauses == pytest.approx([0.0, block, block, block, 7 / 1e6])


def test_a_blob_of_one_answer_comes_down_at_the_pace() -> None:
    with hostile_hub(lambda _: Said(206, BLOB, {"content-range": f"bytes 0-{len(BLOB) - 1}/{len(BLOB)}"})) as url:
        line, paces = line_to(url, MBIT)
        assert line.beginning(digest(BLOB)) == (BLOB, len(BLOB))
        line.close()
    assert paces.now == pytest.approx(len(BLOB) / 1e6, abs=1e-4) and max(paces.pauses) <= BLOCK_BYTES / 1e6 + 1e-9


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_a_chunk_is_no_beginning(announced: bool) -> None:
    body = bytes(CHUNK_BYTES + 1)
    with hostile_hub(lambda _: Said(206, body if announced else iter([body]), {"content-range": "bytes 0-9/9"})) as url:
        line, _ = line_to(url, None)
        with pytest.raises(Unreachable, match="answered more than 4194304 bytes"):
            line.beginning(digest(b"x"))
        line.close()


def ends(work: threading.Thread) -> bool:
    work.join(10)
    return not work.is_alive()


def test_who_waits_for_the_pace_is_let_go_when_the_line_is_closed() -> None:
    line = HubLine("http://127.0.0.1:9", "hub.example", "north", keys.generate(), utc_now, limit_mbit_per_second=1e-6)
    line._pace.take(1 << 20)
    work = threading.Thread(target=line._pace.take, args=(1,), daemon=True)
    work.start()
    line.close()
    assert ends(work)


def test_who_rests_until_a_hub_is_back_looks_again_when_the_line_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_line, "back_off", lambda _: 3600.0)
    line = HubLine("http://127.0.0.1:9", "hub.example", "north", keys.generate(), utc_now)
    tried, said = list[float](), list[str]()

    def away() -> None:
        tried.append(time.monotonic())
        line.send_whole(digest(b"x"), b"x")

    def work() -> None:
        try:
            persist(away)
        except Conflict as conflict:
            said.append(str(conflict))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: bool(tried) and bool(hub_line._CLOSING._waiters))  # type: ignore[attr-defined]
    line.close()
    assert ends(thread) and len(tried) == 2
    assert said == ["the line to the hub is closed: the agent is stopping"]
