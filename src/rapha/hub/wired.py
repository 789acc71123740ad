"""Everything a request may need, opened once: the home folder, its store, its blobs, who drives the rounds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rapha.clock import Clock, utc_now
from rapha.hub.blobs import BlobFolder, Blobs
from rapha.hub.conductor import Conductor
from rapha.hub.configuration import HubConfiguration
from rapha.hub.delivery import Signer
from rapha.hub.identity import Doorkeeper
from rapha.hub.notify import Bell
from rapha.hub.rounds import Rounds
from rapha.hub.store.database import Store, open_store
from rapha.hub.store.tables import TaskRow
from rapha.proof import keys


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
    signer: Signer

    @contextmanager
    def driven_after(self, task: str) -> Iterator[None]:
        """Drive the task's study when the block is left; also when it raises, for a refused update fails its task."""
        try:
            yield
        finally:
            with self.store.reading() as session:
                row = session.get(TaskRow, task)
                study = row.study_id if row else None
            if study:
                self.conductor.nudge(study)


def open_hub(configuration: HubConfiguration, clock: Clock = utc_now) -> Hub:
    """Open the home folder. Nothing runs yet.

    Raises:
        ConfigurationError: the key or the database cannot be read.
    """
    key = keys.private_from_pem(configuration.key.read_bytes())
    signer = Signer(configuration.settings.name, key, clock)
    bell = Bell()
    store = open_store(configuration.database, bell, clock)
    blobs = BlobFolder(configuration.blobs)
    rounds = Rounds(store, blobs, signer)
    doorkeeper = Doorkeeper(store, configuration.settings.name, clock)
    return Hub(configuration, store, blobs, bell, doorkeeper, rounds, Conductor(rounds.drive, clock), signer)
