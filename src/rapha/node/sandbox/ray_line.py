"""What the two ends of a sandbox in a Ray job have in common: a folder of the job's, one connection between them, and what goes over it.

A job of Ray's has no standard input, and its output goes to a file. So the program there listens, and the agent's command connects. Both show, and
demand, the one certificate that lies in the job's folder, made for this job alone, and readable to this user alone: who does not see that folder is
neither end, and what goes between is encrypted.

A frame is one byte of kind, four of length (big-endian), and at most 64 KiB; of length 0 it ends its stream.
"""

import asyncio
import contextlib
import datetime
import os
import re
import shutil
import socket
import ssl
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SandboxError

INPUT, OUTPUT, ERRORS, EXIT = range(4)
MAX_FRAME_BYTES = 64 * 1024
MODULE_THERE = "rapha.node.sandbox.ray_there"
KEEP_ALIVE = (
    (socket.TCP_KEEPIDLE, 15),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 6),
    (socket.TCP_USER_TIMEOUT, 45_000),
)
NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_DAY = datetime.timedelta(days=1)


class JobFolder(NamedTuple):
    """Of one job, among the site's runs on the shared file system. `key`: without it the job's program ends at once. `said`: there from the
    beginning, so that a network file system is asked for its content and not for its name; the program writes its port, and at its end that it has ended."""

    place: Path

    @classmethod
    def of(cls, jobs: Path, name: str) -> "JobFolder":
        """Raises SandboxError: the name is none that can be a path and a word on a command line."""
        if not NAME.fullmatch(name):
            raise SandboxError("a job's name holds letters, digits and - only")
        return cls(jobs / name)

    @property
    def key(self) -> Path:
        return self.place / "key.pem"

    @property
    def _said(self) -> Path:
        return self.place / "said"

    def make(self) -> None:
        """With a new key. Raises OSError."""
        self.place.parent.mkdir(mode=0o700, exist_ok=True)
        self.place.mkdir(mode=0o700)
        for file, content in ((self._said, b""), (self.key, new_certificate())):
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as opened:
                opened.write(content)
                os.fsync(opened.fileno())

    def withdraw(self) -> None:
        """From now on the job, should its turn come, does nothing."""
        self.key.unlink(missing_ok=True)

    def say(self, word: str) -> None:
        """For the program there. It makes no file: where the folder is gone, nobody asks."""
        with contextlib.suppress(OSError), self._said.open("r+", encoding="ascii") as file:
            file.seek(0, os.SEEK_END)
            file.write(f"{word}\n")
            file.flush()
            os.fsync(file.fileno())

    def heard(self) -> list[str]:
        """The whole lines that were said."""
        with contextlib.suppress(OSError, ValueError), self._said.open(encoding="ascii") as file:
            return file.read(100).split("\n")[:-1]
        return []

    def clear(self) -> None:
        """Nothing of it is left."""
        shutil.rmtree(self.place, ignore_errors=True)


def new_certificate() -> bytes:
    """A certificate that is its own authority, and its key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rapha placement")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - _DAY, now + 30 * _DAY
    )
    signed = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def one_certificate(key: Path, *, listens: bool) -> ssl.SSLContext:
    """TLS 1.3 in which each end shows this very certificate and takes no other. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if listens else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(key)
    context.load_verify_locations(key)
    return context


def notice_a_lost_end(writer: asyncio.StreamWriter) -> None:
    """Within a minute, also where a machine went without a word."""
    connected: socket.socket = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEP_ALIVE:
        connected.setsockopt(socket.IPPROTO_TCP, option, value)


def frame(kind: int, content: bytes) -> bytes:
    """As it goes over the line."""
    return bytes([kind]) + len(content).to_bytes(4, "big") + content


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next kind and content.

    Raises:
        EOFError: the other end is gone, or sends what is no frame.
        OSError: the connection failed.
    """
    head = await reader.readexactly(5)
    kind, length = head[0], int.from_bytes(head[1:], "big")
    if kind > EXIT or length > MAX_FRAME_BYTES:
        raise EOFError("no frame")
    return kind, await reader.readexactly(length)
