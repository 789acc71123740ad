"""The three pipes of a Pod's container, over one WebSocket to the API server: the subprotocol `v5.channel.k8s.io`, in which an input can end before an output does.

The earlier ones cannot say that, so a server that offers no v5 (one before Kubernetes 1.30) is refused. A message is one byte of channel and its content. What comes is bounded:
1 MiB a message, so that nobody fills memory.

Source: RFC 6455; `k8s.io/apimachinery/pkg/util/remotecommand` of Kubernetes 1.30.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import ssl
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from rapha.errors import SandboxError
from rapha.node.sandbox.cluster_http import Door, NotReached, read_token
from rapha.node.sandbox.placement import tidy

INPUT, OUTPUT, ERRORS, STATUS, _RESIZE, CLOSES = 0, 1, 2, 3, 4, 255
PROTOCOL = "v5.channel.k8s.io"
MAX_MESSAGE_BYTES, MAX_HEAD_BYTES, BLOCK_BYTES = 1024 * 1024, 64 * 1024, 32 * 1024
ANSWERS_SECONDS, PINGS_SECONDS, SILENT_SECONDS = 30.0, 15.0, 60.0
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Attached:
    """Both directions. `receive` from one task only; `send` from any."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._lock = reader, writer, asyncio.Lock()

    @classmethod
    async def to(cls, door: Door, path: str) -> Self:
        """Raises NotReached where it may be tried again, SandboxError where the server refuses or is none that we understand."""
        at = urlsplit(door.address)
        try:
            opened = asyncio.open_connection(at.hostname, at.port or 443, ssl=door.context(), limit=MAX_HEAD_BYTES)
            reader, writer = await asyncio.wait_for(opened, ANSWERS_SECONDS)
        except (OSError, TimeoutError, ssl.SSLError) as error:
            raise NotReached(f"{door.name} is not reached ({tidy(str(error))})") from None
        try:
            await asyncio.wait_for(_greet(reader, writer, door, path), ANSWERS_SECONDS)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            writer.close()
            raise NotReached(f"{door.name}: attaching to the Pod was cut off ({tidy(str(error))})") from None
        except SandboxError:
            writer.close()
            raise
        return cls(reader, writer)

    async def send(self, content: bytes) -> None:
        """To the program's input, in order. Raises OSError."""
        for at in range(0, len(content), BLOCK_BYTES):
            await self._frame(BINARY, bytes([INPUT]) + content[at : at + BLOCK_BYTES])

    async def end_input(self) -> None:
        """No more will come. Raises OSError."""
        await self._frame(BINARY, bytes([CLOSES, INPUT]))

    async def ping(self) -> None:
        """Again and again, so that who is there answers. Raises OSError."""
        while True:
            await asyncio.sleep(PINGS_SECONDS)
            await self._frame(PING, b"")

    async def receive(self) -> tuple[int, bytes] | None:
        """The next channel and content; None: the other end has closed.

        Raises:
            EOFError: it is gone, silent for a minute, or sends what is no message.
            OSError: the connection failed.
        """
        message = b""
        while True:
            try:
                last, kind, content = await asyncio.wait_for(self._read(), SILENT_SECONDS)
            except TimeoutError:
                raise EOFError("it was silent for a minute") from None
            if kind == PING:
                await self._frame(PONG, content)
            elif kind == CLOSE:
                with contextlib.suppress(OSError):
                    await self._frame(CLOSE, content[:2])
                return None
            elif kind in (BINARY, TEXT, CONTINUED):
                message += content
                if len(message) > MAX_MESSAGE_BYTES:
                    raise EOFError("a message without end")
                if last and message:
                    return message[0], message[1:]
            elif kind != PONG:
                raise EOFError("no message")

    def close(self) -> None:
        """Nothing is said or heard any more."""
        self._writer.close()

    async def _read(self) -> tuple[bool, int, bytes]:
        head = await self._reader.readexactly(2)
        if head[0] & 0x70 or head[1] & 0x80:  # no extension was agreed on, and no server masks
            raise EOFError("no frame")
        length = head[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
        if length > MAX_MESSAGE_BYTES or (head[0] & 0x08 and length > 125):
            raise EOFError("a frame without end")
        return bool(head[0] & 0x80), head[0] & 0x0F, await self._reader.readexactly(length)

    async def _frame(self, kind: int, content: bytes) -> None:
        mask = os.urandom(4)
        stretched = (mask * (len(content) // 4 + 1))[: len(content)]
        masked = (int.from_bytes(content, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(content), "big")
        short = len(content) < 126
        length = bytes([0x80 | len(content)]) if short else b"\xfe" + len(content).to_bytes(2, "big")
        async with self._lock:
            self._writer.write(bytes([0x80 | kind]) + length + mask + masked)
            await self._writer.drain()


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, door: Door, path: str) -> None:
    key = base64.b64encode(os.urandom(16))
    named = {
        "Host": urlsplit(door.address).netloc,
        "Authorization": f"Bearer {read_token(Path(door.token_file), door.name)}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Protocol": PROTOCOL,
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    await writer.drain()
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = first.split(" ")[1] if first.startswith("HTTP/1.1 ") else "what is no HTTP"
    told = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if status in ("429", "500", "502", "503", "504"):
        raise NotReached(f"{door.name} answered {status} when its Pod's pipes were asked for")
    if status != "101":
        raise SandboxError(f"{door.name} answered {tidy(status)} when its Pod's pipes were asked for: {tidy(first)}")
    accepted = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()).decode()
    if told.get("sec-websocket-accept") != accepted or told.get("sec-websocket-protocol") != PROTOCOL:
        raise SandboxError(f"{door.name} does not speak {PROTOCOL}: Kubernetes 1.30 or newer is needed")
