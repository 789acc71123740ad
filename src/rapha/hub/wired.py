"""Everything a request may need, opened once: the home folder, its store, its blobs, who drives the rounds."""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from rapha.clock import Clock, utc_now
from rapha.errors import ConfigurationError
from rapha.hub import retention
from rapha.hub.assignments import Asked, next_assignments
from rapha.hub.authority import open_authority
from rapha.hub.blobs import BlobFolder, Blobs
from rapha.hub.bucket import BlobBucket, open_bucket, read_bucket_key
from rapha.hub.chunked import Chunked, KnownInChunks
from rapha.hub.closing import Closed
from rapha.hub.conductor import Conductor
from rapha.hub.configuration import HubConfiguration, write_private
from rapha.hub.graphs import Waiting
from rapha.hub.held import HeldUpdates
from rapha.hub.identity import Doorkeeper, check_identity
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.log_keys import LogKeys, completed, made, read_log_keys
from rapha.hub.neighbours import Neighbours
from rapha.hub.notify import Bell
from rapha.hub.own_keys import check_followed, read_before
from rapha.hub.own_roles import LOG_BEFORE
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.rounds import Rounds
from rapha.hub.seen_tokens import SeenTokens
from rapha.hub.shared_log import SharedLog
from rapha.hub.shared_tokens import SharedSeenTokens
from rapha.hub.signer import Signer
from rapha.hub.site_keys import log_changes
from rapha.hub.small_blobs import BothPlaces
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.postgres import PostgresServer
from rapha.hub.store.tables import TaskRow
from rapha.hub.tasks import Handed, Outcome, Taken, let_go_of_refused, receive_updates
from rapha.hub.together import Together
from rapha.hub.uploads import Uploads
from rapha.hub.witnesses import Witnesses
from rapha.proof import keys
from rapha.records.wire import Assignment

_log = structlog.get_logger()
DRIVING_THREADS = 2
DRIVEN_ELSEWHERE = timedelta(seconds=0.1)
"""When it is looked again at a study that another hub drives: what came in here may have come after that one looked."""


@dataclass(frozen=True)
class Hub:
    """Everything a request may need. One per process."""

    configuration: HubConfiguration
    store: Store
    blobs: Blobs
    bell: Bell
    doorkeeper: Doorkeeper
    rounds: Rounds
    conductor: Conductor
    uploads: Uploads
    chunked: Chunked
    signer: Signer
    desk: ReceiptDesk
    waiting: Waiting
    work: Together[Asked, Assignment | None]
    receive: Callable[[Sequence[Handed]], list[Outcome]]
    updates: Together[Handed, Outcome]
    held: HeldUpdates
    neighbours: Neighbours | None

    def start(self) -> None:
        """Take up every unfinished study where the store left it."""
        sweep = partial(retention.sweep_all, self.store, self.blobs)
        if self.neighbours:
            self.neighbours.arrive(sweep)
        else:
            sweep()
        log_changes(self.store, self.desk, self.signer)
        self.conductor.start(self.rounds.unfinished())

    def stop(self) -> None:
        """Finish what is being done; what is not will be taken up."""
        self.bell.close()
        self.conductor.close()
        if self.neighbours:
            self.neighbours.close()
        self.desk.log.close()
        self.uploads.close()
        self.store.close()

    @contextmanager
    def driven_after(self, task: str) -> Iterator[None]:
        """Drive the task's study when the block is left; also when it raises, for a refused update fails its task."""
        try:
            yield
        finally:
            self.drive_study_of(task)

    def drive_study_of(self, task: str) -> None:
        """Drive the study of this task, where there is one."""
        with self.store.reading() as session:
            row = session.get(TaskRow, task)
            study = row.study_id if row else None
        if study:
            self.conductor.nudge(study)


def open_hub(configuration: HubConfiguration, clock: Clock = utc_now) -> Hub:
    """Open the home folder. Nothing runs yet.

    Raises:
        ConfigurationError: a key, the database or the log cannot be read, or the database is another hub's.
    """
    bell = Bell()
    store = open_store(configuration.database, bell, clock)
    try:
        return _wired(configuration, clock, bell, store)
    except BaseException:
        store.close()
        raise


def _wired(configuration: HubConfiguration, clock: Clock, bell: Bell, store: Store) -> Hub:
    server = store.database if isinstance(store.database, PostgresServer) else None
    key = keys.private_from_pem(configuration.key.read_bytes())
    signer = Signer(configuration.settings.name, key, clock)
    authority = open_authority(configuration.authority, configuration.settings.name, clock)
    log_keys = open_log_keys(configuration, shared=server is not None)
    of_log = log_keys.trusted(configuration.log_origin)
    if server:
        own = [key.public_key for key in (signer.trusted, *authority.trusted, *of_log)]
        check_identity(store, configuration.settings.name, configuration.log_origin, own)
    counts = {key.keyid for key in (signer.trusted, *authority.trusted, *of_log)}
    before = read_before(configuration, counts)
    check_followed(configuration, store, counts, before)
    log = open_log(configuration, store, log_keys)
    desk = ReceiptDesk(log, Witnesses(configuration.settings.witnesses), authority, before)
    blobs = BothPlaces(store, open_blobs(configuration))
    held = HeldUpdates(bell)
    chunked = Chunked(blobs)
    rounds = Rounds(store, KnownInChunks(blobs, chunked), signer, desk, held)
    conductor = Conductor(partial(_drive, store, rounds, clock), clock, DRIVING_THREADS)
    receive = partial(_received, store, blobs, rounds, conductor)
    return Hub(
        configuration,
        store,
        blobs,
        bell,
        Doorkeeper(store, configuration.settings.name, clock, open_seen(configuration, server, clock)),
        rounds,
        conductor,
        Uploads(configuration.uploads),
        chunked,
        signer,
        desk,
        Waiting(),
        Together(partial(next_assignments, store, blobs)),
        receive,
        Together(receive),
        held,
        Neighbours(server, bell, partial(_take_up, conductor, rounds)) if server else None,
    )


def _drive(store: Store, rounds: Rounds, clock: Clock, study: str) -> datetime | None:
    with store.driving(study) as alone:
        return rounds.drive(study) if alone else clock() + DRIVEN_ELSEWHERE


def _received(
    store: Store, blobs: Blobs, rounds: Rounds, conductor: Conductor, handed: Sequence[Handed]
) -> list[Outcome]:
    """What came of updates that came at once. Their studies are driven, each once, whether or not anybody waits for the answers; not those
    of which a round was closed with them, and nothing more is to be done."""
    ended: list[Closed] = []

    def close(change: Change, study: str) -> bool:
        closed = rounds.close_with_last(change, study)
        ended.extend([closed] if closed else [])
        return closed is not None

    outcomes = receive_updates(store, blobs, handed, close)
    for study in {each.to_drive for each in outcomes if isinstance(each, Taken) and each.to_drive}:
        conductor.nudge(study)
    for closed in ended:
        _follow(rounds, conductor, closed)
    let_go_of_refused(store, blobs, handed, outcomes)
    return outcomes


def _follow(rounds: Rounds, conductor: Conductor, closed: Closed) -> None:
    """It is kept; nothing that goes wrong here is an update's. Whoever is not answered has the task by a poll."""
    deadline = None
    try:
        deadline = rounds.follow(closed)
    except Exception:
        _log.exception("what follows a closed round could not be done", study=closed.study)
    if deadline is None:
        conductor.nudge(closed.study)
    else:
        conductor.wait(closed.study, deadline)


def _take_up(conductor: Conductor, rounds: Rounds) -> None:
    for study in rounds.unfinished():
        conductor.nudge(study)


def open_seen(
    configuration: HubConfiguration, server: PostgresServer | None, clock: Clock
) -> SeenTokens | SharedSeenTokens:
    """Where it is kept which tokens were used: with the database, where several hubs may share that."""
    return SharedSeenTokens(server, clock()) if server else SeenTokens(configuration.seen_tokens, clock())


def open_blobs(configuration: HubConfiguration) -> Blobs:
    """The place of the blobs: a folder of the home, a folder that hubs share, or a bucket.

    Raises:
        ConfigurationError: there is no such bucket, its key can be read by others, or the home's id was spoilt.
    """
    if configuration.bucket:
        bucket = open_bucket(configuration.bucket, read_bucket_key(configuration.bucket_key))
        return BlobBucket(bucket, configuration.copies)
    if configuration.settings.blobs:
        return BlobFolder(configuration.blobs, f"drafts-{_id_of_home(configuration.drafts_id)}")
    return BlobFolder(configuration.blobs)


def _id_of_home(file: Path) -> str:
    """What this home is told from all others by; made where there is none. Its path would not do: two machines have the same."""
    if not file.exists():
        write_private(file, secrets.token_hex(16).encode())
    found = file.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{32}", found):
        raise ConfigurationError(f"{file} is not as the hub wrote it: remove it while the hub is stopped")
    return found


def open_log_keys(configuration: HubConfiguration, shared: bool) -> LogKeys:
    """The log's own keys; they are made where there is no log yet. The second alone is made where a hub of an earlier version made none;
    not of hubs that share a database, since each would make another: they go on without.

    Raises:
        ConfigurationError: the log is there without it.
    """
    path = configuration.log_key
    if not path.exists():
        if configuration.log.exists():
            raise ConfigurationError(f"{configuration.log} is here, but its key {path} is not: restore it from a copy")
        write_private(path, made().as_pem())
    return read_log_keys(path) if shared else completed(path)


def open_log(configuration: HubConfiguration, store: Store, keys_of_log: LogKeys) -> LogKeeper:
    """The hub's log, begun where it is not there yet: in the database, where several hubs may share that; else a folder of
    the home.

    Raises:
        ConfigurationError: it is not these keys'.
    """
    if isinstance(store.database, PostgresServer):
        return SharedLog(store, configuration.log_origin, keys_of_log.private, keys_of_log.second)
    old = configuration.home / LOG_BEFORE
    also = (read_log_keys(old).private,) if old.exists() else ()
    return LogKeeper(configuration.log, configuration.log_origin, keys_of_log.private, also, keys_of_log.second)
