"""Who asks, as a parameter of a route."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from rapha.errors import NotPermitted
from rapha.hub.api.errors import NotIdentified
from rapha.hub.tokens import PREFIX, Researcher, Scope
from rapha.hub.wired import Hub
from rapha.records.record import SiteId

_NODE = HTTPBearer(auto_error=False, scheme_name="node", description="A JWS (ES256) signed for this one request")
_RESEARCHER = HTTPBearer(auto_error=False, scheme_name="researcher", description="rapha_<id>_<secret>")
_Credentials = HTTPAuthorizationCredentials | None
T = TypeVar("T")


async def the_hub(request: Request) -> Hub:
    """The hub that this application is. Async, so that no thread is taken for it."""
    return _hub_of(request)


def _hub_of(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(the_hub)]


async def node(request: Request, credentials: Annotated[_Credentials, Depends(_NODE)]) -> SiteId:
    """The site whose node asks. 401 where it is not known."""
    return await site_of(_hub_of(request), _token(credentials), request.method, request.url.path)


async def site_of(hub: Hub, credential: str, method: str, path: str) -> SiteId:
    """The site whose node signed this token for this request. Raises NotIdentified."""
    return await _looked_up(hub, lambda: _site_of(hub, credential, method, path))


async def _looked_up(hub: Hub, ask: Callable[[], T]) -> T:
    """Handing half a millisecond of work to a thread and back costs more than the work; but a database's server may take its
    time, and nobody else is to wait meanwhile."""
    return await run_in_threadpool(ask) if hub.neighbours else ask()


def _site_of(hub: Hub, credential: str, method: str, path: str) -> SiteId:
    try:
        return hub.doorkeeper.node(credential, method, path)
    except NotPermitted as refusal:
        raise NotIdentified(str(refusal)) from None


class ResearcherWith:
    """A researcher whose token has the scope. 401 where the token is not good, 403 where the scope is missing."""

    def __init__(self, scope: Scope) -> None:
        self._scope: Scope = scope

    async def __call__(
        self, request: Request, credentials: Annotated[_Credentials, Depends(_RESEARCHER)]
    ) -> Researcher:
        return await _looked_up(_hub_of(request), lambda: self.holding(request, credentials))

    def holding(self, request: Request, credentials: _Credentials) -> Researcher:
        """Whose token this is."""
        try:
            researcher = _hub_of(request).doorkeeper.researcher(_token(credentials))
        except NotPermitted as refusal:
            raise NotIdentified(str(refusal)) from None
        researcher.check_scope(self._scope)
        return researcher


def node_or_researcher(
    request: Request, node_: Annotated[_Credentials, Depends(_NODE)], _: Annotated[_Credentials, Depends(_RESEARCHER)]
) -> SiteId | Researcher:
    """Whoever may fetch blobs: told apart by the form of the token."""
    if _token(node_).startswith(PREFIX):
        return ResearcherWith("study:read").holding(request, node_)
    return _site_of(_hub_of(request), _token(node_), request.method, request.url.path)


def _token(credentials: _Credentials) -> str:
    if credentials is None:
        raise NotIdentified("this needs a token")
    return credentials.credentials
