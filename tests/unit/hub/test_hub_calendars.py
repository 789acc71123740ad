"""Calendars of OpenTimestamps, and what becomes of their answers."""

import httpx2
import pytest
from small_calendar import HASH, HEIGHT, Calendar

from rapha.errors import ConfigurationError, Unproven, Unreachable
from rapha.hub.anchors.calendars import MAX_ANSWER_BYTES, Calendars
from rapha.proof.anchor.bitcoin import heights
from rapha.proof.anchor.opentimestamps import Attestation, Branch, Stamp, in_block, read_stamp, tree_bytes

DIGEST = bytes(range(32))
ONE, OTHER = "https://one.example", "https://other.example"


class Town:
    """Some calendars by their hosts; one that is not there does not answer."""

    def __init__(self, *addresses: str) -> None:
        self.calendars = {address: Calendar(address) for address in addresses}
        self.transport = httpx2.MockTransport(self._answer)
        self.headers: list[httpx2.Headers] = []

    def ask(self, *addresses: str) -> Calendars:
        return Calendars(list(addresses), self.transport)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.headers.append(request.headers)
        calendar = self.calendars.get(f"{request.url.scheme}://{request.url.host}")
        if calendar is None:
            raise httpx2.ConnectError("not there")
        status, said = calendar.answer(request.method, request.url.path, request.read())
        return httpx2.Response(status, content=said)


def test_two_calendars_promise_and_one_block_is_enough() -> None:
    town = Town(ONE, OTHER)
    stamp = town.ask(ONE + "/", OTHER).stamped(DIGEST)
    assert stamp.calendars == (ONE, OTHER) and town.headers[0]["content-type"] == "application/octet-stream"
    assert town.headers[0]["accept"] == "application/vnd.opentimestamps.v1"
    town.calendars[OTHER].mined()
    asked = town.ask(ONE, OTHER)
    upgraded = asked.upgraded(read_stamp(stamp.as_bytes()))
    assert heights(upgraded) == (HEIGHT,) and upgraded.calendars == (ONE, OTHER)
    assert asked.away == [f"{ONE}: it has no block for this yet"]
    assert town.ask(ONE, OTHER).upgraded(upgraded) == upgraded


def test_one_that_is_away_is_told_and_all_away_is_an_error() -> None:
    town = Town(ONE)
    asked = town.ask("https://gone.example", ONE)
    assert asked.stamped(DIGEST).calendars == (ONE,)
    assert asked.away == ["https://gone.example: no answer (ConnectError)"]
    with pytest.raises(Unreachable, match=r"no calendar gave a promise: https://gone\.example: no answer"):
        town.ask("https://gone.example").stamped(DIGEST)


def test_no_address_is_asked_that_was_not_named() -> None:
    town = Town(ONE, OTHER)
    stamp = town.ask(ONE).stamped(DIGEST)
    town.calendars[ONE].mined()
    town.calendars[ONE].asked.clear()
    assert town.ask(OTHER).upgraded(stamp) == stamp
    assert not town.calendars[ONE].asked and not any("GET" in line for line in town.calendars[OTHER].asked)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, b"broken"), "status 500"),
        ((302, b""), "status 302"),
        ((200, b""), "cut short"),
        ((200, b"<html>"), "not known here"),
        ((200, bytes(MAX_ANSWER_BYTES + 1)), "more than is read"),
        ((200, b"\x08" * 5000), "more than 256 steps"),
        ((200, tree_bytes((Branch((HASH,), b"", Attestation(b"unknown!", b"")),))), "neither a promise nor a block"),
    ],
)
def test_an_answer_that_is_no_promise_is_none(answer: tuple[int, bytes], why: str) -> None:
    town = Town(ONE)
    town.calendars[ONE].lies["/digest"] = answer
    with pytest.raises(Unreachable, match=why):
        town.ask(ONE).stamped(DIGEST)


def test_an_answer_that_is_packed_is_not_unpacked() -> None:
    packed = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers={"content-encoding": "gzip"}, content=b"")
    )
    with pytest.raises(Unreachable, match="status 200"):
        Calendars([ONE], packed).stamped(DIGEST)


def test_a_calendar_that_lies_about_a_block_takes_no_promise_away() -> None:
    town = Town(ONE)
    stamp = town.ask(ONE).stamped(DIGEST)
    town.calendars[ONE].lies["/timestamp/"] = (200, tree_bytes((Branch((HASH,), b"", in_block(7)),)))
    lied = town.ask(ONE).upgraded(stamp)
    assert heights(lied) == (7,)
    town.calendars[ONE].lies.clear()
    town.calendars[ONE].mined()
    assert heights(town.ask(ONE).upgraded(lied)) == (7, HEIGHT)


def test_a_pending_proof_names_no_block() -> None:
    with pytest.raises(Unproven, match="is pending"):
        heights(Stamp(DIGEST, Town(ONE).ask(ONE).stamped(DIGEST).branches))


@pytest.mark.parametrize(
    "address",
    [
        "http://calendar.example",
        "calendar.example",
        "ftp://a",
        "https://",
        "https://u:p@a.example",
        "https://u@a.example",
        "https://a/?b",
        "http://[::1",
    ],
)
def test_an_address_is_https_or_of_this_machine(address: str) -> None:
    with pytest.raises(ConfigurationError, match="--calendar is an address"):
        Calendars([address])


def test_too_many_and_none_are_refused() -> None:
    for addresses in ([], [f"https://{n}.example" for n in range(17)]):
        with pytest.raises(ConfigurationError, match="1 to 16"):
            Calendars(addresses)
    Calendars(["http://127.0.0.1:8000", "http://localhost"])
