"""What the node remembers of the rows that it froze for a run."""

import hmac
from collections.abc import Iterator

from rapha.canonical import digest
from rapha.cohort.found import FrozenCohort, UnitSetAside
from rapha.node.register import Register
from rapha.records.language import learns_text
from rapha.records.record import Digest, DispatchId, Record
from rapha.records.study import Study


class FrozenRun(Record):
    """What the node remembers of a frozen cohort; never leaves. `salt` is 64 hex digits."""

    salt: str
    patients_root: Digest
    cohort: FrozenCohort

    @property
    def commitment(self) -> Digest:
        """SHA-256 over the salt and the dataset's digest."""
        return digest(bytes.fromhex(self.salt) + self.cohort.dataset_digest.encode())

    def canaries_for(self, study: Study) -> str | None:
        """The secret that canaries are drawn with, where an adapter learns to write: of the salt alone, so of no row."""
        if not learns_text(study):
            return None
        return hmac.new(bytes.fromhex(self.salt), b"rapha canaries", "sha256").hexdigest()


def units_set_aside(register: Register) -> Iterator[tuple[DispatchId, str, UnitSetAside]]:
    """Of every run that was frozen here: the numbers that were none for it, because of their unit. For the steward alone."""
    for entry in register.frozen():
        if entry.cohort is not None:
            for aside in FrozenRun.from_bytes(entry.cohort.encode()).cohort.units_set_aside:
                yield entry.dispatch.id, entry.study.study, aside


def by_now(known: FrozenRun, study: Study) -> FrozenRun:
    """A version before did not count how few patients stand behind rows: then it may be one."""
    if study.cohort.index.pick != "every" or known.cohort.fewest is not None:
        return known
    return known.model_copy(update={"cohort": known.cohort.model_copy(update={"fewest": 0})})
