"""A witness's home folder: witness.json (settings), key.pem and ml-dsa-44-key.pem, keys.json (to hand out), seen/ (the last checkpoints).

What was seen is on disk before a cosignature leaves: a witness that is killed at any moment never cosigns two roots for one
size, and never goes back.
"""

import fcntl
import hashlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from pydantic import Field, ValidationError

from rapha import faults
from rapha.clock import Clock
from rapha.durable import sync_folder, write_synced
from rapha.errors import ConfigurationError, NotPermitted, Unproven
from rapha.proof import checkpoint as notes
from rapha.proof import lasting
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.witness import AddCheckpoint, check_continues
from rapha.records.record import Record
from rapha.records.wire import TrustedKey, TrustedKeys

SECOND_KEY = "ml-dsa-44-key.pem"


class WitnessSettings(Record):
    """The file `witness.json`. `name` is in every cosignature, for ever. `logs`: those it cosigns for, and no other.

    Port 0: any free port.
    """

    name: Annotated[str, Field(pattern=r"^[^\s+]{1,200}$")]
    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8500
    logs: Annotated[tuple[TrustedKey, ...], Field(max_length=1000)]


class UnknownLog(NotPermitted):
    """It is none of the logs that this witness knows."""


class Witness:
    """Cosigns. Safe to use from several threads; one process at a time."""

    def __init__(self, home: Path, clock: Clock) -> None:
        """Open a home. Raises ConfigurationError where there is none, it is wrong, or another process has it."""
        self.settings = _settings(home)
        self._private = notes.private_from_pem(_read(home / "key.pem"))
        self._seen, self._clock = home / "seen", clock
        self._seen.mkdir(mode=0o700, exist_ok=True)
        self._lock = threading.Lock()
        self._held = _hold(home / ".lock")
        self._second = self._second_key(home)

    def _second_key(self, home: Path) -> MLDSA44PrivateKey:
        """Made here for a witness of an earlier version, and handed out from then on."""
        if not (home / SECOND_KEY).exists():
            _keep(home / SECOND_KEY, lasting.private_to_pem(MLDSA44PrivateKey.generate()))
        second = lasting.private_from_pem(_read(home / SECOND_KEY))
        handed_out = TrustedKeys(keys=_trusted(self.settings.name, self._private, second)).as_bytes()
        if not (home / "keys.json").exists() or (home / "keys.json").read_bytes() != handed_out:
            _keep(home / "keys.json", handed_out)
        return second

    @property
    def trusted(self) -> tuple[TrustedKey, TrustedKey]:
        """Its public keys, as others keep them: the first, and the second."""
        return _trusted(self.settings.name, self._private, self._second)

    def add_checkpoint(self, request: AddCheckpoint) -> bytes:
        """Cosign, once what was seen is on disk: the signature lines, of both keys.

        Raises:
            UnknownLog: the log is not known here.
            NotPermitted: its key did not sign the checkpoint.
            Impossible, Behind, Unproven: as `check_continues`.
        """
        checkpoint = request.checkpoint
        mine = [log for log in self.settings.logs if log.owner == checkpoint.origin]
        # 1. A log that is known, and signed by its key.
        if not mine:
            raise UnknownLog("this witness does not know that log")
        if not any(_signed_by(checkpoint, log) for log in mine):
            raise NotPermitted("the checkpoint is not signed by a key of that log")
        with self._lock:
            # 2. It continues what was seen.
            seen = self.seen(checkpoint.origin)
            check_continues(request, seen)
            # 3. It is remembered, then signed.
            if seen is None or seen.text != checkpoint.text:
                _keep(self._file_of(checkpoint.origin), checkpoint.as_bytes())
        name, now = self.settings.name, self._clock()
        lines = (
            notes.cosigned(checkpoint, name, self._private, now),
            lasting.cosigned(checkpoint, name, self._second, now),
        )
        return b"".join(replace(checkpoint, signatures=lines).as_bytes().splitlines(keepends=True)[-2:])

    def seen(self, origin: str) -> Checkpoint | None:
        """The last checkpoint of a log that was seen; None where there is none yet."""
        file = self._file_of(origin)
        return notes.read_checkpoint(file.read_bytes()) if file.exists() else None

    def close(self) -> None:
        """Let another process have the home."""
        self._held.close()

    def _file_of(self, origin: str) -> Path:
        return self._seen / hashlib.sha256(origin.encode()).hexdigest()


def initialise(home: Path, settings: WitnessSettings) -> tuple[TrustedKey, TrustedKey]:
    """Make a home: folder 0700, settings, two fresh keys 0600, and keys.json to hand out; the witness's public keys.

    Raises:
        ConfigurationError: there is a witness here already, no log is named, or the folder cannot be made.
    """
    if not settings.logs or any(log.role != "log" for log in settings.logs):
        raise ConfigurationError("a witness needs the keys of the logs that it is to see: a keys.json with a log in it")
    if (home / "witness.json").exists():
        raise ConfigurationError(f"{home} is already the home of a witness: start it with `rapha witness run {home}`")
    private, second = Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate()
    trusted = _trusted(settings.name, private, second)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep(home / "key.pem", notes.private_to_pem(private))
        _keep(home / SECOND_KEY, lasting.private_to_pem(second))
        _keep(home / "keys.json", TrustedKeys(keys=trusted).as_bytes())
        _keep(home / "witness.json", settings.as_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot make a witness's home in {home}: {error.strerror}") from error
    return trusted


def _signed_by(checkpoint: Checkpoint, log: TrustedKey) -> bool:
    try:
        notes.check_log(checkpoint, notes.public_from_pem(log.public_key))
    except Unproven:
        return False
    return True


def _trusted(name: str, private: Ed25519PrivateKey, second: MLDSA44PrivateKey) -> tuple[TrustedKey, TrustedKey]:
    first, lasts = private.public_key(), second.public_key()
    return (
        TrustedKey(owner=name, role="witness", keyid=notes.keyid(first), public_key=notes.public_to_pem(first)),
        TrustedKey(
            owner=name, role="witness-ml-dsa-44", keyid=lasting.keyid(lasts), public_key=lasting.public_to_pem(lasts)
        ),
    )


def _settings(home: Path) -> WitnessSettings:
    try:
        return WitnessSettings.from_bytes(_read(home / "witness.json"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{home / 'witness.json'}: {place}: {first['msg']}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path}: {error.strerror}. Make a witness with `rapha witness init {path.parent}`"
        ) from error


def _keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, on disk when this returns. Raises OSError."""
    draft = path.with_name(f".{path.name}.draft")
    write_synced(draft, data)
    faults.point("witness.to-rename")
    draft.replace(path)
    faults.point("witness.renamed")
    sync_folder(path.parent)


def _hold(path: Path) -> IO[bytes]:
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigurationError(f"another witness already runs on {path.parent}: stop it first") from None
    return file
