"""A witness: cosigns what continues, and nothing else; and the hub that asks it, over real HTTP."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from small_log import ORIGIN, private_key, trusted_log, trusted_witness

from rapha.errors import ConfigurationError
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.witnesses import WitnessAddress, Witnesses
from rapha.proof import checkpoint as notes
from rapha.proof import lasting
from rapha.proof.checkpoint import Checkpoint, cosignature_time, public_from_pem, read_checkpoint
from rapha.proof.merkle import consistency_proof
from rapha.proof.tiles import Edge, TileReader, grow
from rapha.proof.witness import AddCheckpoint
from rapha.records.wire import TrustedKeys
from rapha.witness.home import Witness, WitnessSettings, initialise
from rapha.witness.server import answer, server_of

NAME = "witness.example/east"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class TestLog:
    """A log in memory that can be asked for anything, also for lies."""

    __test__ = False

    def __init__(self, *words: str) -> None:
        self.files: dict[str, bytes] = {}
        self.edge = Edge(0)
        self.grow(*words)

    def grow(self, *words: str) -> None:
        grown = grow(self.edge, [word.encode() for word in words])
        self.edge, self.files = grown.edge, self.files | grown.files

    def request(self, old: int, key: Ed25519PrivateKey | None = None, origin: str = ORIGIN) -> AddCheckpoint:
        size = self.edge.size
        reader = TileReader(self.files.__getitem__, size)
        proof = consistency_proof(old, size, reader.node) if 0 < old <= size else ()
        return AddCheckpoint(old, proof, notes.signed(origin, size, self.edge.root, key or private_key(ORIGIN)))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    initialise(tmp_path / "witness", WitnessSettings(name=NAME, port=0, logs=(trusted_log(),)))
    return tmp_path / "witness"


@pytest.fixture
def witness(home: Path) -> Iterator[Witness]:
    opened = Witness(home, lambda: AT)
    yield opened
    opened.close()


def told(witness: Witness, request: AddCheckpoint | bytes) -> tuple[int, bytes]:
    status, _, body = answer(witness, request if isinstance(request, bytes) else request.as_bytes())
    return status, body


def test_what_continues_is_cosigned_and_remembered(witness: Witness) -> None:
    log = TestLog("a", "b", "c")
    for old, more in ((0, "d"), (3, "e"), (4, "f")):
        request = log.request(old)
        status, body = told(witness, request)
        assert status == 200
        whole = read_checkpoint(request.checkpoint.text + b"\n" + body)
        assert cosignature_time(whole, NAME, public_from_pem(witness.trusted[0].public_key)) == AT
        assert lasting.cosignature_time(whole, NAME, lasting.public_from_pem(witness.trusted[1].public_key)) == AT
        assert witness.seen(ORIGIN) == request.checkpoint
        log.grow(more)
    log_again = log.request(5)
    assert told(witness, log_again)[0] == 200
    assert told(witness, AddCheckpoint(6, (), log_again.checkpoint))[0] == 200, "the same once more is no change"


def test_a_log_that_was_rewritten_is_not_cosigned(witness: Witness) -> None:
    assert told(witness, TestLog("a", "b", "c").request(0))[0] == 200
    before = witness.seen(ORIGIN)
    assert told(witness, TestLog("a", "X", "c", "d").request(3)) == (
        422,
        b"the log of 4 entries does not continue the one of 3: an entry was changed or removed\n",
    )
    assert told(witness, TestLog("a", "b", "X").request(3)) == (409, b"3\n"), "two roots for one size"
    assert told(witness, TestLog("a", "b").request(0)) == (409, b"3\n"), "it went back"
    assert told(witness, TestLog("a", "b").request(3))[0] == 400
    assert witness.seen(ORIGIN) == before


def test_others_are_refused(witness: Witness) -> None:
    log = TestLog("a", "b")
    assert told(witness, log.request(0, origin="log.example/unknown"))[0] == 404
    assert told(witness, log.request(0, key=Ed25519PrivateKey.generate()))[0] == 403
    assert told(witness, log.request(1)) == (409, b"0\n")
    assert told(witness, AddCheckpoint(0, (bytes(32),), log.request(0).checkpoint))[0] == 400
    good = log.request(0).as_bytes()
    for wrong in (b"", b"old x\n\n", good.replace(b"old 0", b"old 00"), good.replace(b"old 0\n", b"old 0\nAAAA\n"),
                  good.replace(b"old 0\n", b"old 0\n!\n"), b"old 0\n" * 90_000, good[:-9]):  # fmt: skip
        assert told(witness, wrong)[0] == 400, wrong[:40]
    assert witness.seen(ORIGIN) is None


def test_it_goes_on_where_it_was(home: Path) -> None:
    log = TestLog("a", "b")
    for old in (0, 2):
        witness = Witness(home, lambda: AT)
        assert told(witness, log.request(old))[0] == 200
        log.grow("c")
        with pytest.raises(ConfigurationError, match="another witness"):
            Witness(home, lambda: AT)
        witness.close()


def test_a_home_is_made_once_and_with_a_log(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="already the home"):
        initialise(home, WitnessSettings(name=NAME, logs=(trusted_log(),)))
    for logs in ((), (trusted_witness(),)):
        with pytest.raises(ConfigurationError, match="needs the keys of the logs"):
            initialise(tmp_path / "other", WitnessSettings(name=NAME, logs=logs))
    with pytest.raises(ConfigurationError, match="rapha witness init"):
        Witness(tmp_path / "nothing", lambda: AT)
    assert (home / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_hub_asks_over_http_and_publishes_what_it_got(witness: Witness, tmp_path: Path) -> None:
    server = server_of(witness)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    keeper = LogKeeper(tmp_path / "log", ORIGIN, private_key(ORIGIN))
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        here = WitnessAddress(url=url, key=witness.trusted[0])
        stranger = WitnessAddress(url=url, key=trusted_witness())
        away = WitnessAddress(url="http://127.0.0.1:1", key=trusted_witness())
        asked = Witnesses([here, stranger, away])
        for count in (3, 300):
            keeper.append([b"entry"] * count)
            whole = asked.cosigned(keeper, keeper.checkpoint)
            assert names(whole) == [ORIGIN, NAME]
            assert read_checkpoint(keeper.read("checkpoint")) == whole
        keeper.append([b"after the hub started again"])
        assert names(Witnesses([here]).cosigned(keeper, keeper.checkpoint)) == [ORIGIN, NAME], "409, then its size"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        keeper.close()


def names(checkpoint: Checkpoint) -> list[str]:
    return [name for name, _ in checkpoint.signatures]


def test_a_witness_of_before_makes_its_second_key_and_hands_it_out(home: Path) -> None:
    (home / "ml-dsa-44-key.pem").unlink()
    first = TrustedKeys.from_bytes((home / "keys.json").read_bytes()).keys[0]
    for _ in range(2):
        opened = Witness(home, lambda: AT)
        assert TrustedKeys.from_bytes((home / "keys.json").read_bytes()).keys == opened.trusted
        opened.close()
    assert opened.trusted[0] == first and (home / "ml-dsa-44-key.pem").stat().st_mode & 0o777 == 0o600


def test_a_second_line_of_another_key_is_left_out(home: Path, witness: Witness) -> None:
    """The hub goes on with the first."""
    other = MLDSA44PrivateKey.generate().public_key()
    first, second = witness.trusted
    stranger = second.model_copy(update={"public_key": lasting.public_to_pem(other), "keyid": lasting.keyid(other)})
    log = TestLog("a")
    _, body = told(witness, log.request(0))
    asked = Witnesses([])
    for known, lines in ((second, 2), (stranger, 1), (None, 1)):
        address = WitnessAddress(url="http://127.0.0.1:1", key=first, second=known)
        assert len(asked._verified(body, log.request(0).checkpoint, address)) == lines
