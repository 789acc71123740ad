"""The personal heads of this hospital: the last layer of a study's model, tuned on its own patients. They never leave.

A file for each run, in `heads/` of the home, for its owner alone. It is on the disk before the run's receipt is signed, and stays when
the run ends, until a steward deletes it. A run that is finished again after a crash gives the same bytes.
"""

from pathlib import Path
from typing import NamedTuple

from rapha import faults
from rapha.canonical import digest
from rapha.durable import sync_folder, write_synced
from rapha.egress import gate
from rapha.errors import Conflict
from rapha.node.configuration import Home
from rapha.node.register import Register
from rapha.records.outputs import HeadOf
from rapha.records.record import Digest, DispatchId
from rapha.records.study import Study


class KeptHead(NamedTuple):
    """One that is here."""

    dispatch: DispatchId
    study: str
    digest: Digest
    path: Path


class Heads:
    """What is kept, told and forgotten; each keeping and each forgetting is in the audit log, by digest."""

    def __init__(self, home: Home, register: Register) -> None:
        self._home, self._register = home, register

    def keep(self, dispatch: DispatchId, study: Study, output: Path, weights: str) -> None:
        """Of a run whose study asks for one, out of what its workload wrote: whole or not at all; and beside it, first,
        which study and `weights` it is of. The same twice is once.

        Raises:
            EgressRefused: it is not the declared tensors.
        """
        if not study.training.personal:
            return
        path, content = self._home.head(dispatch), gate.read_head(output, study)
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._register.note("head.kept", dispatch, digest=digest(content))
        of = HeadOf(study_digest=study.digest, weights=weights)
        self._write(path.with_suffix(".part"), self._home.head_of(dispatch), of.as_bytes())
        self._write(path.with_suffix(".part"), path, content)

    @staticmethod
    def _write(part: Path, path: Path, content: bytes) -> None:
        write_synced(part, content)
        faults.point(f"node.to-rename:heads/{path.suffix[1:]}")
        part.replace(path)
        sync_folder(path.parent)

    def clear(self) -> None:
        """What a crash left half written goes."""
        for part in (self._home.folder / "heads").glob("*.part"):
            part.unlink()

    def kept(self) -> tuple[KeptHead, ...]:
        """All that are here, by the names of their runs."""
        entries = (entry for entry in self._register.frozen() if self._home.head(entry.dispatch.id).is_file())
        found = ((entry.dispatch.id, entry.study.study, self._home.head(entry.dispatch.id)) for entry in entries)
        return tuple(sorted(KeptHead(run, study, digest(path.read_bytes()), path) for run, study, path in found))

    def forget(self, dispatch: DispatchId, steward: str) -> None:
        """Delete one for good.

        Raises:
            Conflict: there is none of this run.
        """
        path = self._home.head(dispatch)
        if not path.is_file():
            raise Conflict(f"no personal head of {dispatch} is kept here: `rapha node heads` lists them")
        self._register.note("head.forgotten", dispatch, steward=steward, digest=digest(path.read_bytes()))
        path.unlink()
        for beside in (path.with_suffix(".part"), self._home.head_of(dispatch)):
            beside.unlink(missing_ok=True)
        sync_folder(path.parent)
