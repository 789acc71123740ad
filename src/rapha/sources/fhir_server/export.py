"""One export from its kick-off to the folder in which the FHIR source finds it.

The memory is written before each step that depends on it, so that a crash costs one file at most: a job that has begun is
asked for again, a file that lies here whole is kept, and the folder of an export appears only when all of it is there.
"""

import json
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from rapha.clock import Clock
from rapha.durable import sync_folder
from rapha.errors import ConfigurationError, RaphaError, SourceError
from rapha.records.record import Record
from rapha.sources.fhir_server.answers import Job, Manifest, Memory, read_manifest, read_memory
from rapha.sources.fhir_server.line import FIRST_PAUSE, JSON, LONGEST_PAUSE, Line, Pause, refusal
from rapha.sources.fhir_server.server_file import ServerFile
from rapha.timeline.beside import space_watched, write_beside

PARTLY = re.compile(r"\.[0-9]{8}T[0-9]{15}Z-[0-9a-f]{8}\.part")
"""A folder that is not whole yet; hidden, so that no source reads it."""
NO_POST = (400, 404, 405, 415, 501)
"""What servers answer that know the kick-off by GET alone."""
Told = Callable[[str], None]


class Fetched(Record):
    """What a fetch brought. `since`: None for the first, whole one. `errors`: files in which the server says what it could
    not export. `ended`: the server has confirmed that it let the job go."""

    folder: str
    files: int
    deletions: int
    errors: int
    since: str | None
    ended: bool


def fetch(server: ServerFile, data: Path, memory_path: Path, clock: Clock, pause: Pause, told: Told) -> Fetched:
    """Bring what a server has, or what has changed there since the last time, into a new folder below `data`.

    Raises:
        ConfigurationError: a key, a token or a certificate cannot be read, or what is remembered is of another question.
        SourceError, NotPermitted, Unreachable: the server refuses, is out of reach, or says what is not to be believed.
        DiskFull: and nothing of this export appeared.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    memory = read_memory(memory_path, server.question, data.resolve())
    foreign = any(not PARTLY.fullmatch(path.name) for path in data.iterdir())
    if memory.up_to is None and memory.job is None and foreign:
        raise ConfigurationError(f"{data} is not empty, and nothing was fetched into it before: name an empty folder")
    with Line(server, clock, pause) as line, space_watched(data):
        return _Export(server, line, data, memory, memory_path, clock, told).run()


class _Export:
    def __init__(
        self, server: ServerFile, line: Line, data: Path, memory: Memory, kept: Path, clock: Clock, told: Told
    ) -> None:
        self._server, self._line, self._data, self._memory, self._kept = server, line, data, memory, kept
        self._clock, self._told = clock, told

    def run(self) -> Fetched:
        job = self._memory.job or self._begin()
        manifest = self._wait(job)
        name = f"{manifest.moment}-{sha256(job.status_url.encode()).hexdigest()[:8]}"
        if not (self._data / name).exists():
            self._download(job, manifest, self._data / f".{name}.part")
            (self._data / f".{name}.part").rename(self._data / name)
            sync_folder(self._data)
        self._keep(up_to=manifest.transaction_time, job=None)
        counts = {"files": len(manifest.output), "deletions": len(manifest.deleted), "errors": len(manifest.error)}
        return Fetched(folder=str(self._data / name), since=job.since, ended=self._end(job), **counts)

    def _begin(self) -> Job:
        for left in self._data.iterdir():
            if PARTLY.fullmatch(left.name):
                shutil.rmtree(left)
        since = self._memory.up_to
        asked = {"_outputFormat": "application/fhir+ndjson", **({"_since": since} if since else {})}
        typed = {"_type": ",".join(self._server.types)} if self._server.types else {}
        url, headers = self._server.kick_off, {"accept": JSON, "prefer": "respond-async"}
        body = json.dumps(_parameters(asked, self._server.types)).encode()
        answer, _ = self._line.ask("POST", url, {**headers, "content-type": JSON}, body)
        if answer.status_code in NO_POST:
            answer, _ = self._line.ask("GET", f"{url}?{urlencode({**asked, **typed})}", headers)
        if answer.status_code != 202:
            raise refusal(answer.status_code, "an export")
        location = answer.headers.get("content-location")
        if not location:
            raise SourceError("the server began an export and does not say where (no Content-Location)")
        job = Job(status_url=self._line.place(url, location), since=since, begun=self._clock())
        self._keep(job=job)
        return job

    def _wait(self, job: Job) -> Manifest:
        pause = FIRST_PAUSE
        while True:
            answer, body = self._line.ask("GET", job.status_url, {"accept": "application/json"})
            if answer.status_code == 200:
                return read_manifest(body)
            if answer.status_code != 202:
                if answer.status_code not in (401, 403):  # a token may be mended; what is gone is not waited for again
                    self._forget(job)
                raise refusal(answer.status_code, "the export it had begun; run this again to begin another")
            if self._clock() - job.begun > timedelta(hours=self._server.patience_hours):
                raise SourceError(
                    f"the server still prepares after {self._server.patience_hours} hours; run this again"
                )
            self._told("the server prepares the export")
            self._line.pause(self._line.retry_after(answer.headers, pause))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _download(self, job: Job, manifest: Manifest, part: Path) -> None:
        part.mkdir(mode=0o700, exist_ok=True)
        for number, (name, item) in enumerate(manifest.files):
            if name in job.done and (part / name).is_file():
                continue
            self._told(f"file {number + 1} of {len(manifest.files)}")
            download = partial(self._line.download, item, manifest.requires_access_token)
            try:
                write_beside(part / name, download)
            except SourceError:
                self._forget(job)
                shutil.rmtree(part)
                raise
            job = job.model_copy(update={"done": (*job.done, name)})
            self._keep(job=job)
        sync_folder(part)

    def _end(self, job: Job) -> bool:
        try:
            answer, _ = self._line.ask("DELETE", job.status_url, {"accept": JSON})
        except RaphaError:
            return False  # told by `ended`: the data are here, and the server lets the job go by itself
        return answer.status_code in (200, 202, 204, 404, 410)

    def _forget(self, job: Job) -> None:
        self._keep(job=None)
        self._end(job)

    def _keep(self, **changed: object) -> None:
        self._memory = self._memory.model_copy(update=changed)
        write_beside(self._kept, lambda file: file.write(self._memory.as_bytes()))


def _parameters(asked: dict[str, str], types: tuple[str, ...]) -> dict[str, object]:
    words = {"_since": "valueInstant"}
    plain = [{"name": name, words.get(name, "valueString"): value} for name, value in asked.items()]
    return {
        "resourceType": "Parameters",
        "parameter": [*plain, *({"name": "_type", "valueString": kind} for kind in types)],
    }
