"""The public log, as any web server would serve its folder: C2SP tlog-tiles below `/log/`."""

from fastapi import APIRouter
from fastapi.responses import Response

from rapha.errors import Unproven
from rapha.hub.api.credentials import TheHub
from rapha.hub.api.errors import PROBLEMS, problem
from rapha.proof.tiles import is_in_tree
from rapha.records.wire import Problem

router = APIRouter(tags=["log"], responses=PROBLEMS)
FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/log/checkpoint", response_class=Response)
def checkpoint(hub: TheHub) -> Response:
    """The newest checkpoint: one that is on disk for good, never one that a crash could take back."""
    text = hub.desk.log.checkpoint.as_bytes()
    return Response(text, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


@router.get(
    "/log/{path:path}",
    response_class=Response,
    responses={404: {"model": Problem, "description": "No such part of the log, or not yet"}},
)
def tile(hub: TheHub, path: str) -> Response:
    """A tile of hashes, or of entries, of what the newest checkpoint promises: what a crash left beyond it is written anew, and nobody's yet."""
    log = hub.desk.log
    try:
        if not is_in_tree(path, log.checkpoint.size):
            raise Unproven(f"the log has no file {path}")
        data = log.read(path)
    except Unproven as missing:
        return problem(404, "not-found", str(missing))
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": FOR_EVER})
