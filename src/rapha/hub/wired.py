"""Everything a request may need, opened once: the home folder, its store, its blobs, who drives the rounds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rapha.clock import Clock, utc_now
from rapha.errors import ConfigurationError
from rapha.hub.assignments import Asked, next_assignments
from rapha.hub.authority import open_authority
from rapha.hub.blobs import BlobFolder, Blobs
from rapha.hub.chunked import Chunked
from rapha.hub.conductor import Conductor
from rapha.hub.configuration import HubConfiguration, write_private
from rapha.hub.delivery import Signer
from rapha.hub.graphs import Waiting
from rapha.hub.identity import Doorkeeper
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.notify import Bell
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.rounds import Rounds
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.tables import TaskRow
from rapha.hub.tasks import Handed, Outcome, receive_updates
from rapha.hub.together import Together
from rapha.hub.uploads import Uploads
from rapha.hub.witnesses import Witnesses
from rapha.proof import checkpoint, keys
from rapha.records.wire import Assignment


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
    updates: Together[Handed, Outcome]

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
        ConfigurationError: a key, the database or the log cannot be read.
    """
    key = keys.private_from_pem(configuration.key.read_bytes())
    signer = Signer(configuration.settings.name, key, clock)
    bell = Bell()
    store = open_store(configuration.database, bell, clock)
    blobs = BlobFolder(configuration.blobs)
    authority = open_authority(configuration.authority, configuration.settings.name, clock)
    desk = ReceiptDesk(open_log(configuration), Witnesses(configuration.settings.witnesses), authority)
    rounds = Rounds(store, blobs, signer, desk)
    doorkeeper = Doorkeeper(store, configuration.settings.name, clock, configuration.seen_tokens)
    conductor, uploads = Conductor(rounds.drive, clock), Uploads(configuration.uploads)
    return Hub(
        configuration,
        store,
        blobs,
        bell,
        doorkeeper,
        rounds,
        conductor,
        uploads,
        Chunked(blobs),
        signer,
        desk,
        Waiting(),
        Together(partial(next_assignments, store, blobs)),
        Together(partial(receive_updates, store, blobs)),
    )


def open_log(configuration: HubConfiguration) -> LogKeeper:
    """The hub's log, with its own key; both are made where neither is there yet.

    Raises:
        ConfigurationError: one is there without the other, or they do not belong together.
    """
    path = configuration.log_key
    if not path.exists():
        if configuration.log.exists():
            raise ConfigurationError(f"{configuration.log} is here, but its key {path} is not: restore it from a copy")
        write_private(path, checkpoint.private_to_pem(Ed25519PrivateKey.generate()))
    return LogKeeper(configuration.log, configuration.log_origin, checkpoint.private_from_pem(path.read_bytes()))
