"""A server that writes down its address once it listens: `HOME/hub.url`."""

import socket
from collections.abc import Callable
from pathlib import Path

import typer
import uvicorn


class Announcing(uvicorn.Server):
    """`url` is where `sockets` listen; `hang_up` is called when it is told to stop, so that nobody is kept waiting."""

    def __init__(self, config: uvicorn.Config, home: Path, url: str, hang_up: Callable[[], None]) -> None:
        super().__init__(config)
        self._home, self._url, self._hang_up = home, url, hang_up

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let those who wait go, then close."""
        self._hang_up()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so, whole or not at all."""
        await super().startup(sockets)
        draft = self._home / ".hub.url"
        draft.write_text(self._url, encoding="utf-8")
        draft.replace(self._home / "hub.url")
        typer.echo(f"hub is listening on {self._url}")
