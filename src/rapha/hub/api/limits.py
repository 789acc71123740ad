"""No body larger than the limit is ever read into memory; blobs are streamed and have a limit of their own."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapha.hub.api.errors import TooLarge, problem


class BodyLimit:
    """ASGI middleware: 413 as soon as the announced, or the received, length passes the limit."""

    def __init__(self, app: ASGIApp, limit_bytes: int, streamed: str) -> None:
        self._app, self._limit_bytes, self._streamed = app, limit_bytes, streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streamed = scope["type"] == "http" and scope["method"] == "PUT" and scope["path"].startswith(self._streamed)
        if scope["type"] != "http" or streamed:
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not announced.isdigit() or int(announced) > self._limit_bytes:
            await problem(413, TooLarge.code, self._message)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise TooLarge(self._message)
            return message

        await self._app(scope, counted, send)

    @property
    def _message(self) -> str:
        return f"a request has at most {self._limit_bytes} bytes here"
