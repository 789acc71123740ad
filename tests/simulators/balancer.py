"""A load balancer of bytes, as stands before several hubs: each connection goes to the next hub that takes it."""

import contextlib
import socket
import threading
from collections.abc import Sequence


class Balancer:
    """`url`: its address. `hubs`: (host, port) of each, tried from the one whose turn it is; `in_turn` False: always from
    `first`. `carried`: how many connections each hub took. `opened`: while it is not set, who comes waits."""

    def __init__(self, hubs: Sequence[tuple[str, int]], *, in_turn: bool = True) -> None:
        self.hubs, self.in_turn = list(hubs), in_turn
        self.carried = [0] * len(self.hubs)
        self._turn, self.first = 0, 0
        self.opened = threading.Event()
        self.opened.set()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client:
            hub = self._connected()
            if hub is None:
                return
            with hub:
                back = threading.Thread(target=_pump, args=(hub, client), daemon=True)
                back.start()
                _pump(client, hub)
                back.join()

    def _connected(self) -> socket.socket | None:
        self.opened.wait()
        first = self._turn if self.in_turn else self.first
        self._turn = (self._turn + 1) % len(self.hubs)
        for at in range(first, first + len(self.hubs)):
            with contextlib.suppress(OSError):
                found = socket.create_connection(self.hubs[at % len(self.hubs)], 5)
                found.settimeout(None)
                self.carried[at % len(self.hubs)] += 1
                return found
        return None


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Everything from one to the other, until either ends; then both do."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
