"""The two requests that a round is made of, for each of its sites, on a short way: a poll, and an update.

Most of what such a request cost the hub was the search for its route and the frame around it, not its work. Here its path is looked
up, its body read into a record and its token checked; then the route's own function does it. What is not exactly such a request
goes the long way, as it came, and is told there what is wrong with it.
"""

import re
from typing import NamedTuple

import rfc8785
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapha.errors import RaphaError
from rapha.hub.api import node
from rapha.hub.api.credentials import site_of
from rapha.hub.api.errors import answer_to
from rapha.hub.wired import Hub
from rapha.records.wire import Poll, UpdateParcel

_UPDATE = re.compile(r"/node/tasks/(t-[0-9a-f]{16})/update")


class Asked(NamedTuple):
    """What a request of a round says: its token, its body, the task that its path names, None in a poll, and how it prefers to be
    answered."""

    credential: str
    body: Poll | UpdateParcel
    task: str | None
    prefer: str | None


class Front:
    """ASGI middleware before the routes. `prefix` stands before their paths."""

    def __init__(self, app: ASGIApp, hub: Hub, prefix: str) -> None:
        self._app, self._hub, self._prefix = app, hub, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_of_a_round(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await Request(scope, receive).body()
            if (asked := self._read(scope, body)) is None:
                await self._app(scope, _again(body, receive), send)
                return
            response = await self._answer(scope["path"], asked)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except (RaphaError, rfc8785.CanonicalizationError) as error:
            response = answer_to(error)
        await response(scope, receive, send)

    def _is_of_a_round(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
            return False
        prefix, path = self._prefix, scope["path"]
        return bool(path == f"{prefix}/node/work" or (path.startswith(prefix) and _UPDATE.fullmatch(path, len(prefix))))

    def _read(self, scope: Scope, body: bytes) -> Asked | None:
        """None where anything of it is not as a node of ours sends it."""
        headers = Headers(scope=scope)
        said = headers.getlist("authorization")
        if len(said) != 1 or said[0][:7] != "Bearer " or headers.getlist("content-type") != ["application/json"]:
            return None
        update = _UPDATE.fullmatch(scope["path"], len(self._prefix))
        record: type[Poll] | type[UpdateParcel] = UpdateParcel if update else Poll
        try:
            return Asked(said[0][7:], record.from_bytes(body), update[1] if update else None, headers.get("prefer"))
        except ValidationError:
            return None

    async def _answer(self, path: str, asked: Asked) -> Response:
        hub, site = self._hub, await site_of(self._hub, asked.credential, "POST", path)
        if asked.task is None:
            assert isinstance(asked.body, Poll)
            return await node.work(hub, site, asked.body)
        assert isinstance(asked.body, UpdateParcel)
        return await node.update(hub, site, asked.task, asked.body, asked.prefer)


def _again(body: bytes, receive: Receive) -> Receive:
    """The same body once more, for whoever reads it next; then what comes after it."""
    read = False

    async def again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
