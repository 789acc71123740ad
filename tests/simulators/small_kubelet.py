"""What a machine of a Kubernetes cluster does with a Pod of one container, as far as a placement can see it: a real process, and its pipes over a WebSocket.

The process has a pid namespace where this user may make one, so nothing of it outlives its first process, as in a container. It has no image, no user, no seccomp profile
and no network of its own: none of a Pod's `securityContext` is enforced here.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import signal
import subprocess
from typing import IO, Any

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOSTNAME": "a-pod", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOME": "/"}
PROTOCOL = "v5.channel.k8s.io"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTAINED = ["unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]


def expanded(word: str, environment: dict[str, str]) -> str:
    """As Kubernetes reads `command`: `$$` is one `$`, and `$(NAME)` a variable that is known."""

    def one(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, word)


class Container:
    """Until somebody attaches, what it writes is lost. Its input ends with who attached first."""

    def __init__(self, spec: dict[str, Any]) -> None:
        given = {one["name"]: one["value"] for one in spec.get("env", [])}
        words = [expanded(word, given) for word in spec["command"]]
        pipe = subprocess.PIPE
        contained = CONTAINED if os.getuid() == 0 else []
        self.process = subprocess.Popen(
            [*contained, *words],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=ENVIRONMENT | given,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        self.attached: asyncio.StreamWriter | None = None
        self.given: asyncio.WriteTransport | None = None
        self.pumps = [
            asyncio.create_task(self._pump(stream, channel))
            for stream, channel in ((self.process.stdout, 1), (self.process.stderr, 2))
            if stream
        ]

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def ended(self) -> int:
        """Its exit code, as a container's is told."""
        try:
            code = await asyncio.to_thread(self.process.wait)
            self.kill()
            await asyncio.wait(self.pumps, timeout=20)
            await self._say(served(2, b'\x03{"metadata":{},"status":"Success"}') + served(8, b"\x03\xe8"))
        finally:
            for task in self.pumps:
                task.cancel()
            if self.given is not None:
                self.given.close()
            elif self.process.stdin:
                self.process.stdin.close()  # nobody attached
        return code if code >= 0 else 128 - code

    async def _say(self, frames: bytes) -> None:
        """To who is attached, while the line is there."""
        if self.attached is not None and not self.attached.is_closing():
            with contextlib.suppress(OSError):
                self.attached.write(frames)
                await self.attached.drain()

    async def _pump(self, stream: IO[bytes], channel: int) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream)
        try:
            while block := await reader.read(32 * 1024):
                await self._say(served(2, bytes([channel]) + block))
        finally:
            pipe.close()

    async def attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: dict[str, str]) -> None:
        """Until the other end is gone."""
        key = head["sec-websocket-key"].encode()
        accepted = base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accepted}", f"Sec-WebSocket-Protocol: {PROTOCOL}", "", ""]
        writer.write("\r\n".join(lines).encode())
        self.attached = writer
        assert self.process.stdin
        loop = asyncio.get_running_loop()
        self.given = given = (await loop.connect_write_pipe(asyncio.BaseProtocol, self.process.stdin))[0]
        with contextlib.suppress(EOFError, OSError):
            while (message := await heard(reader)) is not None:
                kind, content = message
                if kind == 9:
                    writer.write(served(10, content))
                elif content[:1] == b"\xff" and content[1:] == b"\0":
                    given.close()
                elif content[:1] == b"\0" and not given.is_closing():
                    given.write(content[1:])
        self.attached = None
        given.close()


def served(kind: int, content: bytes) -> bytes:
    """A frame of a server's."""
    length = len(content)
    head = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
    return bytes([0x80 | kind]) + head + content


async def heard(reader: asyncio.StreamReader) -> tuple[int, bytes] | None:
    """A frame of a client's, which has to be masked. None: it closes."""
    head = await reader.readexactly(2)
    assert head[1] & 0x80, "a client masks"
    length = head[1] & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(length)
    content = bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))
    return None if head[0] & 0x0F == 8 else (head[0] & 0x0F, content)
