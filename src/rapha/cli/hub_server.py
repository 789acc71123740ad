"""A server that writes down its address once it listens: `HOME/hub.url`."""

import socket
from pathlib import Path

import typer
import uvicorn


class Announcing(uvicorn.Server):
    """`url` is where `sockets` listen."""

    def __init__(self, config: uvicorn.Config, home: Path, url: str) -> None:
        super().__init__(config)
        self._home, self._url = home, url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so, whole or not at all."""
        await super().startup(sockets)
        draft = self._home / ".hub.url"
        draft.write_text(self._url, encoding="utf-8")
        draft.replace(self._home / "hub.url")
        typer.echo(f"hub is listening on {self._url}")
