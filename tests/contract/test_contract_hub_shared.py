"""What a hub keeps beside its tables, in its home and in a database that several hubs share: used tokens, the public log."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_postgres import SmallPostgres, small_postgres

from rapha.clock import utc_now
from rapha.errors import ConfigurationError, NotPermitted, Unproven
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.notify import Bell
from rapha.hub.seen_tokens import LONGEST, SeenTokens
from rapha.hub.shared_log import SharedLog
from rapha.hub.shared_tokens import KEPT_LONGER, SharedSeenTokens
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.postgres import PostgresServer, ServerAddress
from rapha.hub.store.tables import LogFileRow, SeenTokenRow
from rapha.proof.checkpoint import check_log, read_checkpoint
from rapha.proof.merkle import leaf_hash, root_of_inclusion
from rapha.proof.tiles import TileReader

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ORIGIN, KEY = "log.example/hub", Ed25519PrivateKey.generate()
KINDS = ["home", pytest.param("shared", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[SmallPostgres]:
    with small_postgres() as server:
        yield server


@pytest.fixture
def shared(postgres: SmallPostgres, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Another process's store on one database, at each call."""
    address, opened = ServerAddress(postgres.database(), tmp_path / "none"), []

    def another() -> Store:
        opened.append(open_store(address, Bell(), utc_now))
        return opened[-1]

    yield another
    for store in opened:
        store.close()


def server_of(store: Store) -> PostgresServer:
    assert isinstance(store.database, PostgresServer)
    return store.database


@pytest.fixture(params=KINDS)
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., SeenTokens | SharedSeenTokens]:
    """What a hub remembers that starts now."""
    if request.param == "home":
        return lambda now, **bound: SeenTokens(tmp_path / "seen", now, **bound)
    another = request.getfixturevalue("shared")
    return lambda now, **bound: SharedSeenTokens(server_of(another()), now, **bound)


def test_a_token_opens_once(seen):
    here = seen(NOW)
    here.check_first("north", "0" * 32, NOW + LONGEST, NOW)
    here.check_first("south", "0" * 32, NOW + LONGEST, NOW)
    with pytest.raises(NotPermitted, match="used before"):
        here.check_first("north", "0" * 32, NOW + LONGEST, NOW)
    with pytest.raises(NotPermitted, match="used before"):
        seen(NOW).check_first("north", "0" * 32, NOW + LONGEST, NOW)


def test_a_site_may_use_so_many_and_no_more_until_they_are_dead(seen):
    here = seen(NOW, per_site=3)
    for number in range(3):
        here.check_first("north", f"{number:032x}", NOW, NOW)
    with pytest.raises(NotPermitted, match="wait a little"):
        here.check_first("north", f"{3:032x}", NOW, NOW)
    here.check_first("south", f"{3:032x}", NOW, NOW)
    later = NOW + LONGEST * 1.5
    here.check_first("north", f"{4:032x}", later, later)


@pytest.mark.slow
def test_used_at_one_hub_is_used_at_all_and_dead_rows_go(shared):
    one, other = (SharedSeenTokens(server_of(shared()), NOW) for _ in range(2))
    opened: list[str] = []

    def use(seen: SharedSeenTokens) -> None:
        try:
            seen.check_first("north", "a" * 32, NOW + LONGEST, NOW)
            opened.append("yes")
        except NotPermitted:
            opened.append("no")

    threads = [threading.Thread(target=use, args=(seen,)) for seen in (one, other) * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == ["no"] * 15 + ["yes"]
    later = NOW + LONGEST + KEPT_LONGER * 1.01
    one.check_first("north", "b" * 32, later, later)
    with shared().reading() as session:
        assert [row.jti for row in session.query(SeenTokenRow)] == ["b" * 32]


@pytest.fixture(params=KINDS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., LogKeeper]:
    """The log, opened; the one before it was closed."""
    if request.param == "home":
        return lambda origin=ORIGIN, key=KEY: LogKeeper(tmp_path / "log", origin, key)
    another = request.getfixturevalue("shared")
    return lambda origin=ORIGIN, key=KEY: SharedLog(another(), origin, key)


def entries(first: int, number: int) -> list[bytes]:
    return [f"entry {each}".encode() for each in range(first, first + number)]


def whole(keeper: LogKeeper, size: int) -> None:
    """Its checkpoint is signed and of that size, and its tiles give every entry and lead to its root."""
    checkpoint = read_checkpoint(keeper.read("checkpoint"))
    check_log(checkpoint, KEY.public_key())
    reader = TileReader(keeper.read, checkpoint.size)
    assert checkpoint == keeper.checkpoint and checkpoint.size == size
    assert {reader.entry(at) for at in range(size)} == set(entries(0, size))
    for placed in keeper.prove(range(0, size, 97), checkpoint):
        entry = reader.entry(placed.index)
        assert root_of_inclusion(placed.index, size, leaf_hash(entry), placed.proof) == checkpoint.root


def test_batches_become_one_log_that_is_taken_up_again(log):
    keeper = log()
    assert [keeper.append(entries(*batch)) for batch in ((0, 3), (3, 250), (253, 10))] == [0, 3, 253]
    whole(keeper, 263)
    assert keeper.place_since(entries(260, 1)[0], 250) == 260
    assert keeper.place_since(entries(3, 1)[0], 250) is None
    keeper.close()
    again = log()
    assert again.append(entries(263, 300)) == 263
    whole(again, 563)
    again.close()


def test_only_paths_of_a_log_are_read(log):
    keeper = log()
    for path in ("../key.pem", "tile/0/000", "", "checkpoint/"):
        with pytest.raises(Unproven):
            keeper.read(path)
    keeper.close()


def test_a_log_of_another_key_or_name_is_not_taken_up(log):
    log().close()
    with pytest.raises(ConfigurationError, match="not signed by this log's key"):
        log(key=Ed25519PrivateKey.generate())
    with pytest.raises(ConfigurationError, match=r"not log\.example/other"):
        log(origin="log.example/other")


@pytest.mark.slow
def test_several_hubs_write_one_log(shared):
    """Every entry once, whoever wrote it, each batch under a checkpoint that continues the one before."""
    keepers = [SharedLog(shared(), ORIGIN, KEY) for _ in range(2)]
    firsts: list[int] = []

    def write(keeper: LogKeeper, who: int) -> None:
        for turn in range(12):
            at = who * 12 + turn
            firsts.append(keeper.append(entries(at * 25, 25)))

    threads = [threading.Thread(target=write, args=(keeper, who)) for who, keeper in enumerate(keepers * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == list(range(0, 48 * 25, 25))
    for keeper in keepers:
        whole(keeper, 48 * 25)


@pytest.mark.slow
def test_a_tile_that_somebody_changed_in_the_database_stops_the_log(shared):
    store = shared()
    keeper = SharedLog(store, ORIGIN, KEY)
    keeper.append(entries(0, 3))
    with store.changing() as change:
        change.session.get_one(LogFileRow, "tile/0/000.p/3").content = bytes(96)
    with pytest.raises(Unproven):
        keeper.append(entries(3, 1))
    with pytest.raises(ConfigurationError, match="Never edit a log"):
        SharedLog(store, ORIGIN, KEY)
