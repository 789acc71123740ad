"""Sandboxes on another machine of the hospital: a backend's walls, built where a placement starts our launcher.

The agent's side of `launch.py`. What is decided about a study (which layers there are) is decided of what the other machine said, is kept
beside the configuration until the agent starts again, and is demanded of the machine of every single start: fewer layers there, or others, and
nothing is started. The walls are tried there, and judged here.
"""

import contextlib
import hmac
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import rapha
from rapha import faults
from rapha.errors import SandboxError
from rapha.node.configuration import BackendName, SandboxLimits
from rapha.node.provenance import code_digest
from rapha.node.sandbox.order import MODULE, Launched, Order, Places
from rapha.node.sandbox.placement import Job, Placement, job_of
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import START_SECONDS, Workload
from rapha.node.sandbox.selftest import SelfTest
from rapha.node.sandbox.shared_folder import check_shared
from rapha.node.sandbox.started import judged
from rapha.node.sandbox.starting import Starting, Starts
from rapha.records.record import Record

GOES_SECONDS = 10.0
MOST_SAID_BYTES = 16 * 1024


class Known(Record):
    """What was found of the other machines, and under what it holds good."""

    placement: str
    order: Order
    layers: tuple[str, ...]


class Elsewhere:
    """See `port.Backend`. `home`: the node's own folder, by whose secret and path its jobs are named, as a cluster may have two agents with homes of one
    path, and where `Known` is kept.
    `runs`: where its runs' folders lie, on the shared file system."""

    isolated = True

    def __init__(
        self, backend: BackendName, placement: Placement, home: Path, runs: Path, limits: SandboxLimits
    ) -> None:
        self.name: str = backend
        self._backend, self._placement, self._runs, self._limits = backend, placement, runs, limits
        self._kept = home / "placement.json"
        self._known: Known | None = None
        self._starts = Starts()
        self._jobs = f"rapha-{_named(home)}-"

    @property
    def layers(self) -> tuple[str, ...]:
        """See `port.Backend.layers`: of the machines where sandboxes are started, as one of them said when the agent began."""
        if self._known is None:
            self._known = self._as_kept()
        return self._known.layers

    def check(self) -> None:
        """See `port.Backend.check`. No job is started for it: the home's agent has asked."""
        self._placement.check()
        check_shared(self._runs)
        assert self.layers

    def begin_afresh(self) -> None:
        """For the home's one agent, when it begins: what an earlier one left running is ended, what it knew is forgotten, and a job is
        started to ask anew. Nobody else asks, so nobody else can change under the agent what it decides of.

        Raises:
            SandboxError: the cluster does not answer, or the machine that it chose cannot isolate.
        """
        self._placement.check()
        check_shared(self._runs)
        for job in self._placement.left(self._jobs):
            self._placement.end(job)
        self._kept.unlink(missing_ok=True)
        self._known = self._found()

    def start(
        self, run: RunFolder, limits: SandboxLimits, module: str | None = None, *, waits: bool = False
    ) -> Workload:
        """See `port.Backend.start`. It waits for its turn in the cluster's queue as long as the site lets it."""
        check_shared(self._runs)
        layers = self.layers
        mark, token = run.output.with_name("mark"), secrets.token_hex(16)
        mark.write_text(token, encoding="ascii")
        order = self._question().model_copy(
            update={
                "limits": limits,
                "places": Places(
                    input=str(run.input), weights=str(run.weights), output=str(run.output), mark=str(mark), token=token
                ),
                "layers": layers,
                "module": module,
                "arguments": tuple(faults.workload_arguments()),
                "waits": waits,
            }
        )
        with self._starts.one(run.output.parent) as starting:
            try:
                workload, _ = self._launched(order, run.log, starting)
            finally:
                mark.unlink(missing_ok=True)
            try:
                test = workload.read(SelfTest, START_SECONDS)
                return judged(workload, test, run, backend=self.name, layers=layers, isolated=True)
            except BaseException:
                workload.close()
                raise

    def give_up(self, run: Path) -> None:
        """See `port.Backend.give_up`: what waits in the queue would wait long."""
        self._starts.give_up(run)

    def _as_kept(self) -> Known:
        with contextlib.suppress(OSError, ValueError):
            known = Known.from_bytes(self._kept.read_bytes())
            if (known.placement, known.order) == (self._placement.name, self._question()):
                return known
        why = "under these settings, and by this version, the agent has looked at no machine of the cluster yet"
        raise SandboxError(f"{self._placement.name}: {why}: start the agent, or restart it")

    def _found(self) -> Known:
        log = self._kept.with_suffix(".log")
        log.unlink(missing_ok=True)
        workload, launched = self._launched(self._question(), log, Starting())
        workload.close()
        known = Known(placement=self._placement.name, order=self._question(), layers=launched.layers)
        beside = self._kept.with_suffix(".new")
        beside.write_bytes(known.as_bytes())
        beside.replace(self._kept)
        return known

    def _question(self) -> Order:
        return Order(backend=self._backend, code=code_digest(), limits=self._limits)

    def _why(self, error: SandboxError, asked: float) -> str:
        waited = self._placement.starts_seconds
        if time.monotonic() < asked + waited:
            return str(error)
        return f"its turn did not come within {waited / 60:.0f} minutes, and it was taken out of the queue"

    def _launched(self, order: Order, log: Path, starting: Starting) -> "tuple[Workload, Launched]":
        """A launcher that has its order and found nothing wrong."""
        job = job_of(self._jobs + secrets.token_hex(8), order.limits)
        began = log.stat().st_size if log.exists() else 0
        asked = time.monotonic()
        workload = self._waiting(job, log)
        try:
            starting.is_of(workload)
            workload.tell(order.as_bytes())
            launched = workload.read(Launched, self._placement.starts_seconds)
        except SandboxError as error:
            workload.close()
            said = self._placement.trouble(_said(log, began))
            raise SandboxError(f"{self._placement.name}: {self._why(error, asked)}; {said}") from None
        except BaseException:  # the agent is stopped: what waits in the queue would wait on
            workload.close()
            raise
        if launched.trouble:
            workload.close()
            raise SandboxError(f"{self._placement.name}: on the machine that it chose: {launched.trouble}")
        workload.launched = True
        return workload, launched

    def _waiting(self, job: Job, log: Path) -> "PlacedWorkload":
        try:
            return PlacedWorkload(self._placement, job, log)
        except OSError as error:
            why = f"its command cannot be started ({error.strerror})"
            raise SandboxError(
                f"{self._placement.name}: {why}: see `placement: programs_folder` in node.yaml"
            ) from None


class PlacedWorkload(Workload):
    """A workload whose process here is only the cluster's command. `launched`: the launcher runs, and sees when its input ends."""

    def __init__(self, placement: Placement, job: Job, log: Path) -> None:
        self._placement, self._job, self.launched = placement, job, False
        super().__init__(placement.words(job, launcher()), log, placement.environment())

    def close(self) -> None:
        """Let the launcher end it, which waits for the last process. That the command is gone says nothing of the job: only the cluster can
        say that it is over, and until then nobody else may use the run's folder."""
        if self.launched:
            with contextlib.suppress(OSError):
                self._stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GOES_SECONDS)
        self._kill()  # before the job: a command that lives could still ask for one
        self._placement.end(self._job.name)
        super().close()
        self.launched = False


def launcher() -> list[str]:
    """The program as it is called there: the same interpreter and package, by the same paths, and an environment of two names."""
    program = str(Path(rapha.__file__).parent.parent)
    named = [f"PATH={os.defpath}", f"PYTHONPATH={program}", "PYTHONDONTWRITEBYTECODE=1"]
    return ["/usr/bin/env", "-i", *named, sys.executable, "-s", "-P", "-m", MODULE]


def _named(home: Path) -> str:
    """Of the secret, which stays when the node goes over to another key; nobody can tell the secret from it."""
    try:
        secret = (home / "secret").read_bytes()
    except OSError as error:
        raise SandboxError(
            f"{home}/secret: cannot be read ({error.strerror}); restore it from a backup: jobs are named by it"
        ) from None
    return hmac.new(secret, f"rapha placement {home}".encode(), "sha256").hexdigest()[:12]


def _said(log: Path, began: int) -> str:
    """What was written since; no code of a study has run by then."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(began)
        return file.read(MOST_SAID_BYTES).decode("utf-8", "replace")
    return ""
