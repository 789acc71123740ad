"""Connections to a hub: kept, not trusted, and found by whatever way leads out of the hospital."""

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hostile_hub import Answers, Heard, Said, hostile_hub
from patience import until
from small_network_ca import SmallNetworkCa

from rapha.errors import Conflict
from rapha.node import connections as room
from rapha.node.connections import BUFFER_BYTES, Asked, Connection, Connections, Cut
from rapha.node.hub_line import why_silent
from rapha.node.way import way_to

MIB = 1 << 20
HELLO = Asked("GET", "/hello", {}, None, 10.0, whole=True)


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def hubs() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def reach(hubs: ExitStack, url: str, ca: Path | None = None, proxy: str | None = None) -> Connections:
    found = Connections(way_to(url, str(ca) if ca else None, None, proxy))
    hubs.callback(found.close)
    return found


def hub_that(hubs: ExitStack, answers: Answers) -> Connections:
    return reach(hubs, hubs.enter_context(hostile_hub(answers)))


def body(connections: Connections, asked: Asked = HELLO) -> bytes | None:
    with connections.asking(asked) as answer:
        return answer.body(MIB)


def which(heard: Heard) -> Said:
    """Which connection it came on."""
    return Said(200, str(heard.connection).encode())


def test_a_connection_is_used_again(hubs: ExitStack) -> None:
    found = hub_that(hubs, which)
    assert [body(found) for _ in range(3)] == [b"0", b"0", b"0"]


def test_two_at_a_time_have_one_each_and_one_rests(hubs: ExitStack) -> None:
    found = hub_that(hubs, which)
    with found.asking(HELLO) as first:
        assert (body(found), first.body(MIB)) == (b"1", b"0")
    assert body(found) == b"0"


def test_one_whose_answer_was_not_read_to_its_end_is_not(hubs: ExitStack) -> None:
    found = hub_that(hubs, lambda heard: Said(200, b"x" * MIB) if heard.path == "/large" else which(heard))
    with found.asking(HELLO._replace(path="/large")) as answer:
        assert answer.body(10) is None
    assert body(found) == b"1"


def test_one_that_the_hub_closed_meanwhile_is_not(hubs: ExitStack) -> None:
    """It said nothing of it with its answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        found = reach(hubs, f"http://127.0.0.1:{listening.getsockname()[1]}")
        with ThreadPoolExecutor(1) as thread:
            for _ in range(2):
                asked = thread.submit(body, found)
                there, _address = listening.accept()
                with there:
                    there.recv(MIB)
                    there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                    assert asked.result() == b"hi"
                until(lambda: not found._resting[0][1].rests_well())


def test_one_that_rested_too_long_is_not(hubs: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    found = hub_that(hubs, which)
    assert body(found) == b"0"
    monkeypatch.setattr(room, "IDLE_SECONDS", -1.0)
    assert body(found) == b"1"


def test_a_refusal_before_all_was_heard_is_the_answer(hubs: ExitStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = reach(hubs, f"http://127.0.0.1:{listening.getsockname()[1]}")

        def refuse() -> None:
            there, _ = listening.accept()
            with there:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += there.recv(100)
                there.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
                there.shutdown(socket.SHUT_RD)
                refused.set()
                gone_on.wait(10)

        refused, gone_on = threading.Event(), threading.Event()

        def blocks() -> Iterator[memoryview]:
            yield memoryview(bytes(10))
            assert refused.wait(10)
            for _ in range(8):
                yield memoryview(bytes(MIB))

        threading.Thread(target=refuse, daemon=True).start()
        large = Asked("PUT", "/x", {"content-length": str(10 + 8 * MIB)}, blocks(), 10.0, whole=True)
        try:
            with found.asking(large) as answer:
                assert (answer.status, answer.body(MIB)) == (413, b"large")
        finally:
            gone_on.set()


class Counted:
    """A socket of which each sending is noted."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self.sent = sock, list[bytes]()

    def send(self, data: memoryview) -> int:
        self.sent.append(bytes(data))
        return self._sock.send(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def test_a_small_request_leaves_as_one_piece(hubs: ExitStack) -> None:
    found = hub_that(hubs, which)
    assert body(found) == b"0"
    connection = found._resting[0][1]
    connection.sock = counted = Counted(connection.sock)
    assert body(found, Asked("POST", "/x", {}, b"all of it", 10.0, whole=True)) == b"0"
    (piece,) = counted.sent
    assert piece.startswith(b"POST /x HTTP/1.1\r\n") and piece.endswith(b"\r\n\r\nall of it")


def test_what_fails_while_it_is_made_is_no_failure_of_the_line(hubs: ExitStack) -> None:
    def blocks() -> Iterator[memoryview]:
        yield memoryview(b"begun")
        raise OSError(5, "the disk")

    found = hub_that(hubs, which)
    with (
        pytest.raises(OSError, match="the disk"),
        found.asking(Asked("PUT", "/x", {"content-length": "9"}, blocks(), 10.0, whole=True)),
    ):
        pass
    assert body(found) == b"1"


def test_closing_wakes_who_waits_and_nobody_asks_again(hubs: ExitStack) -> None:
    held, let_go = threading.Event(), threading.Event()

    def hold(_: Heard) -> Said:
        held.set()
        let_go.wait(30)
        return Said()

    found = hub_that(hubs, hold)
    hubs.callback(let_go.set)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(body, found)
        assert held.wait(10)
        found.close()
        assert isinstance(waiting.exception(10), Cut)
    with pytest.raises(Conflict, match="closed"):
        body(found)


@pytest.mark.parametrize("way", ["plain", "tls", "proxy"])
def test_of_a_connection_that_is_opened_while_the_line_is_closed_nothing_is_heard(
    hubs: ExitStack, network: SmallNetworkCa, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    opening, let_go = threading.Event(), threading.Event()
    create = socket.create_connection

    def slowly(*said: Any) -> socket.socket:
        opening.set()
        assert let_go.wait(10)
        return create(*said)

    monkeypatch.setattr(socket, "create_connection", slowly)
    with ThreadPoolExecutor(1) as thread, socket.create_server(("127.0.0.1", 0)) as listening:
        there = f"127.0.0.1:{listening.getsockname()[1]}"
        url = {"plain": f"http://{there}", "tls": f"https://{there}", "proxy": "https://hub.example"}[way]
        found = reach(hubs, url, network.certificate, f"http://{there}" if way == "proxy" else None)
        waiting = thread.submit(body, found)
        assert opening.wait(10)
        found.close()
        let_go.set()
        assert isinstance(waiting.exception(5), Cut)
        with listening.accept()[0] as spoken:
            assert spoken.recv(MIB) == b""


def closed_while_it_waits(found: Connections, listening: socket.socket, says: bytes, until_it: bytes) -> None:
    """The hub has said this and no more when the line is closed; who waits is Cut."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(body, found)
        there, _ = listening.accept()
        with there:  # whose end wakes the thread where the test fails
            assert there.recv(MIB).startswith(until_it)
            there.sendall(says)
            if says:
                until(lambda: [each.sock for each in found._busy] == [None])
            found.close()
            assert isinstance(waiting.exception(5), Cut)


def test_closing_wakes_who_agrees_on_tls(hubs: ExitStack, network: SmallNetworkCa) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = reach(hubs, f"https://127.0.0.1:{listening.getsockname()[1]}", network.certificate)
        closed_while_it_waits(found, listening, b"", b"\x16\x03")


def test_closing_wakes_who_reads_the_last_answer_of_a_connection(hubs: ExitStack) -> None:
    """The library has let go of its socket by then."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = reach(hubs, f"http://127.0.0.1:{listening.getsockname()[1]}")
        last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nbegun"
        closed_while_it_waits(found, listening, last, b"GET /hello ")


def test_hanging_up_leaves_tls_to_who_sends(hubs: ExitStack, network: SmallNetworkCa) -> None:
    """A socket whose TLS is taken off under a thread that sends would send on in clear."""
    found = reach(hubs, tls_hub(hubs, network, which), network.certificate)
    assert body(found) == b"0"
    connection = found._resting[0][1]
    connection.hang_up()
    assert isinstance(connection.sock, ssl.SSLSocket) and connection.sock.version() is not None


def test_silence_is_a_dead_line(hubs: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SILENCE_SECONDS", 0.1)
    let_go = threading.Event()

    def hold(_: Heard) -> Said:
        let_go.wait(30)
        return Said()

    found = hub_that(hubs, hold)
    hubs.callback(let_go.set)
    with pytest.raises(Cut) as cut:
        body(found)
    assert type(cut.value.why) is TimeoutError


class Notes:
    """A proxy that notes what it is asked."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.heard = status, list[Heard]()

    def __call__(self, heard: Heard) -> Said:
        self.heard.append(heard)
        return Said(self.status, b"by the proxy")


def test_a_proxy_is_told_the_whole_address_and_who_asks(hubs: ExitStack) -> None:
    proxy = Notes()
    url = hubs.enter_context(hostile_hub(proxy)).replace("http://", "http://us%40er:pass@")
    assert body(reach(hubs, "http://hub.example/rapha/", proxy=url)) == b"by the proxy"
    (heard,) = proxy.heard
    assert heard.target == "http://hub.example:80/rapha/hello" and heard.headers["host"] == "hub.example:80"
    assert heard.headers["proxy-authorization"] == "Basic dXNAZXI6cGFzcw=="


@pytest.fixture
def network(tmp_path: Path) -> SmallNetworkCa:
    return SmallNetworkCa(tmp_path, "network")


def tls_hub(hubs: ExitStack, network: SmallNetworkCa, answers: Answers) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(network.issue("hub"))
    return hubs.enter_context(hostile_hub(answers, context))


class Paced(Counted):
    """A socket which tells how much of what was sent has gone."""

    gone = 0

    def send(self, data: memoryview) -> int:
        count = self._sock.send(data)
        self.gone += count
        return count


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_what_goes_slowly_is_not_silence(
    network: SmallNetworkCa, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    """The hub hears on as long as it sees the node come on: by one deadline for all of a body it never would."""
    monkeypatch.setattr(room, "SILENCE_SECONDS", 5.0)
    ahead, size = 512 << 10, 4 * MIB

    def hear() -> None:
        there, _ = listening.accept()
        with serving.wrap_socket(there, server_side=True) if tls else there as spoken:
            assert connected.wait(10)
            heard = 0
            while heard < size and not stopped.is_set():
                until(partial(lambda so_far: so_far <= paced.gone + ahead or stopped.is_set(), heard))
                heard += len(spoken.recv(BUFFER_BYTES))
            spoken.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            stopped.wait(10)

    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(network.issue("hub"))
    connected, stopped = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        hearing = thread.submit(hear)
        url = f"http{'s' if tls else ''}://127.0.0.1:{listening.getsockname()[1]}"
        connection = Connection(way_to(url, str(network.certificate), None))
        try:
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
            connection.sock = paced = Paced(connection.sock)
            connected.set()
            assert connection.ask(Asked("PUT", "/x", {}, bytes(size), 10.0, whole=True)).status == 204
        finally:
            stopped.set()
            connection.close()
        hearing.result(10)


def test_a_hub_with_tls_is_reached_through_a_proxy_that_sees_nothing(hubs: ExitStack, network: SmallNetworkCa) -> None:
    hub, proxy = Notes(), Notes()
    address = tls_hub(hubs, network, hub)
    way_out = hubs.enter_context(hostile_hub(proxy)).replace("http://", "http://user:pass@")
    found = reach(hubs, address, network.certificate, way_out)
    assert [body(found), body(found)] == [b"by the proxy"] * 2
    (connected,) = proxy.heard
    assert (connected.method, f"https://{connected.target}") == ("CONNECT", address)
    assert connected.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
    assert all("proxy-authorization" not in heard.headers for heard in hub.heard)


def test_a_proxy_that_does_not_let_through_is_said(hubs: ExitStack, network: SmallNetworkCa) -> None:
    way_out = hubs.enter_context(hostile_hub(Notes(407)))
    with pytest.raises(Cut) as cut:
        body(reach(hubs, "https://hub.example", network.certificate, way_out))
    assert "407" in str(cut.value.why)


def test_a_hub_that_a_stranger_vouches_for_is_not_spoken_with(
    hubs: ExitStack, network: SmallNetworkCa, tmp_path: Path
) -> None:
    heard = Notes()
    other = SmallNetworkCa(tmp_path, "other").certificate
    with pytest.raises(Cut) as cut:
        body(reach(hubs, tls_hub(hubs, network, heard), other))
    assert isinstance(cut.value.why, ssl.SSLCertVerificationError) and heard.heard == []
    assert "not believed" in why_silent(cut.value, "https://hub") and "`ca`" in why_silent(cut.value, "https://hub")


def test_a_hub_of_another_name_is_not_spoken_with(hubs: ExitStack, network: SmallNetworkCa) -> None:
    heard = Notes()
    elsewhere = tls_hub(hubs, network, heard).replace("127.0.0.1", "localhost")
    with pytest.raises(Cut) as cut:
        body(reach(hubs, elsewhere, network.certificate))
    assert isinstance(cut.value.why, ssl.SSLCertVerificationError) and heard.heard == []
    assert "localhost" in why_silent(cut.value, elsewhere)
