"""A server that writes down its address once it listens: `HOME/hub.url`."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
import uvicorn

from rapha.errors import ConfigurationError
from rapha.hub.configuration import Tls


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


def in_uvicorns_words(tls: Tls | None) -> dict[str, Any]:
    """How uvicorn is told of certificates; nothing where there are none.

    Raises:
        ConfigurationError: a file cannot be read, or the key is not the certificate's.
    """
    if tls is None:
        return {}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
        if tls.clients:
            ssl.create_default_context(cafile=str(tls.clients))
    except OSError as error:  # an SSLError is one
        why = "they are no PEM, or do not belong together" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(f"hub.json: the files of `tls` cannot be used: {why}") from None
    demanded = {"ssl_ca_certs": str(tls.clients), "ssl_cert_reqs": ssl.CERT_REQUIRED} if tls.clients else {}
    return {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key), **demanded}
