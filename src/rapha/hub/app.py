"""The hub, wired together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

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
        summary="Studies, rounds, weights and receipts. No patient's row ever comes here.",
    )
    app.state.hub = hub
    for router in (node.router, researcher.router, public.router, blobs.router):
        app.include_router(router, prefix=API)
    app.include_router(log.router)
    app.include_router(proof.router)
    app.include_router(explorer.router)
    answer_with_problems(app)
    app.add_middleware(Front, hub=hub, prefix=API)
    app.add_middleware(BodyLimit, limit_bytes=configuration.body_limit_bytes, streamed=f"{API}/blobs/")
    return app


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    hub: Hub = app.state.hub
    hub.start()
    try:
        yield
    finally:
        hub.stop()
