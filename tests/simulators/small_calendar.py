"""A calendar of OpenTimestamps on this machine, and a chain of one miner: it gathers what it was sent into a Merkle tree, whose root a made-up
transaction holds, which is alone in a block with regtest's proof of work."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rapha.proof.anchor.opentimestamps import APPEND, PREPEND, SHA256, Branch, Step, in_block, promise, tree_bytes

BITS, TIME, HEIGHT = 0x207FFFFF, 1_764_403_200, 925_000
HASH = Step(SHA256)
BEFORE, BEHIND = bytes.fromhex("0100000001") + b"\x11" * 60, bytes.fromhex("88ac00000000")
Answer = tuple[int, bytes]


class Calendar:
    """`address`: where it says that it is. `lies`: path's beginning -> what it answers in place of the truth."""

    def __init__(self, address: str = "https://calendar.example") -> None:
        self.address, self.lies = address, dict[str, Answer]()
        self.asked: list[str] = []
        self._waiting: list[bytes] = []
        self._done: dict[bytes, bytes] = {}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        self.asked.append(f"{method} {path}")
        lie = next((said for begin, said in self.lies.items() if path.startswith(begin)), None)
        if lie:
            return lie
        if (method, path) == ("POST", "/digest") and len(body) == 32:
            return 200, self._promised(body)
        done = self._done.get(bytes.fromhex(path.removeprefix("/timestamp/"))) if method == "GET" else None
        return (200, done) if done else (404, b"Pending confirmation in Bitcoin blockchain")

    def mined(self, height: int = HEIGHT) -> str:
        """A block with all that waits; its header in hex."""
        paths = merkle_paths([hashlib.sha256(message).digest() for message in self._waiting])
        root = b""
        for message, path in zip(self._waiting, paths, strict=True):
            steps = (HASH, *path, Step(PREPEND, BEFORE), Step(APPEND, BEHIND), HASH, HASH)
            root = applied(steps, message)
            self._done[message] = tree_bytes((Branch(steps, root, in_block(height)),))
        self._waiting.clear()
        return header(root)

    def _promised(self, digest: bytes) -> bytes:
        steps = (
            HASH,
            Step(PREPEND, TIME.to_bytes(4, "big")),
            Step(APPEND, hashlib.sha256(b"its secret" + digest).digest()[:8]),
        )
        message = applied(steps, digest)
        self._waiting.append(message)
        return tree_bytes((Branch(steps, message, promise(self.address)),))


def applied(steps: tuple[Step, ...], message: bytes) -> bytes:
    for step in steps:
        message = step.applied(message)
    return message


def merkle_paths(leaves: list[bytes]) -> list[tuple[Step, ...]]:
    """From each leaf to the root; an odd one goes up alone."""
    paths: list[tuple[Step, ...]] = [() for _ in leaves]
    row = [(leaf, [place]) for place, leaf in enumerate(leaves)]
    while len(row) > 1:
        above = []
        for (left, lefts), (right, rights) in zip(row[::2], row[1::2], strict=False):
            for place in lefts:
                paths[place] += (Step(APPEND, right), HASH)
            for place in rights:
                paths[place] += (Step(PREPEND, left), HASH)
            above.append((hashlib.sha256(left + right).digest(), lefts + rights))
        row = above + (row[-1:] if len(row) % 2 else [])
    return paths


def header(root: bytes, bits: int = BITS) -> str:
    """One that meets regtest's bits, with this Merkle root."""
    for nonce in range(1 << 16):
        made = (2).to_bytes(4, "little") + b"\x22" * 32 + root + TIME.to_bytes(4, "little")
        made += bits.to_bytes(4, "little") + nonce.to_bytes(4, "little")
        if hashlib.sha256(hashlib.sha256(made).digest()).digest()[31] < 0x7F:
            return made.hex()
    raise AssertionError("no nonce")


@contextmanager
def serving() -> Iterator[Calendar]:
    """On a free port, and it says so in its promises."""
    calendar = Calendar()

    class Counter(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, said = calendar.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = _reply

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Counter) as server:
        calendar.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield calendar
        server.shutdown()
