"""The hub, wired together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

import rapha
from rapha.clock import Clock, utc_now
from rapha.hub.api import blobs, explorer, log, node, proof, public, researcher
from rapha.hub.api.errors import answer_with_problems
from rapha.hub.api.front import Front
from rapha.hub.api.limits import BodyLimit
from rapha.hub.configuration import HubConfiguration
from rapha.hub.wired import Hub, open_hub

API = "/api/v1"


def create_app(configuration: HubConfiguration, clock: Clock = utc_now) -> FastAPI:
    """The application. When it starts it takes up every unfinished study where the store left it.

    Raises:
        ConfigurationError: the home folder cannot be opened.
    """
    hub = open_hub(configuration, clock)
    app = FastAPI(
        title="Rapha hub",
        version=rapha.__version__,
        lifespan=_running,
        routes=list(_routes()),
        summary="Studies, rounds, weights and receipts. No patient's row ever comes here.",
    )
    app.state.hub = hub
    answer_with_problems(app)
    app.add_middleware(Front, hub=hub, prefix=API)
    app.add_middleware(BodyLimit, limit_bytes=configuration.body_limit_bytes, streamed=f"{API}/blobs/")
    return app


@cache
def _routes() -> list[BaseRoute]:
    """Of every hub in this process: the hub stands in the application's state, and FastAPI works a route out when it is first asked for."""
    whole = APIRouter()
    for router in (node.router, researcher.router, public.router, blobs.router):
        whole.include_router(router, prefix=API)
    for router in (log.router, proof.router, explorer.router):
        whole.include_router(router)
    return whole.routes


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    hub: Hub = app.state.hub
    hub.start()
    try:
        yield
    finally:
        hub.stop()
