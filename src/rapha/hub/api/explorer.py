"""The public log for people, at `/explore`: pages written here, that need no script and ask no other server."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse, Response

from rapha.hub.api.credentials import TheHub
from rapha.hub.explorer import studies
from rapha.hub.explorer.anchors import AnchorView, anchor_file, anchor_views, first_over
from rapha.hub.explorer.entries import PAGE_ENTRIES, entry_view, newest_first, proof_file
from rapha.hub.explorer.pages import explorer_policy, rendered
from rapha.hub.wired import Hub
from rapha.proof.tiles import TileReader

router = APIRouter(prefix="/explore", tags=["public"], default_response_class=HTMLResponse)
Index = Annotated[int, Path(ge=0, le=1 << 62)]
Page = Annotated[int, Query(ge=0, le=100_000)]
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "No such entry or study"}}


@router.get("")
def log(hub: TheHub, before: Annotated[int | None, Query(ge=1, le=1 << 62)] = None) -> HTMLResponse:
    """The newest entries, or those before one; of any log, a page reads a few tiles."""
    checkpoint = hub.desk.log.checkpoint
    last = min(before or checkpoint.size, checkpoint.size)
    entries = newest_first(hub.desk.log.read, checkpoint.size, last)
    with hub.store.reading() as session:
        owners, counts = _owners(hub, studies.owners(session, (e.keyid for e in entries))), studies.counts(session)
    older = last - PAGE_ENTRIES if last > PAGE_ENTRIES else None
    newer = min(last + PAGE_ENTRIES, checkpoint.size) if last < checkpoint.size else None
    shown: dict[str, Any] = {"checkpoint": checkpoint, "entries": entries, "owners": owners, "counts": counts}
    return _page(hub, "log", older=older, newer=newer, **shown)


@router.get("/entry/{index}", responses=MISSING)
def entry(hub: TheHub, index: Index) -> HTMLResponse:
    """One entry, and its way to the root."""
    checkpoint = hub.desk.log.checkpoint
    if index >= checkpoint.size:
        return _missing(hub)
    found = entry_view(index, TileReader(hub.desk.log.read, checkpoint.size).entry(index))
    (place,) = hub.desk.log.prove([index], checkpoint)
    with hub.store.reading() as session:
        owners = _owners(hub, studies.owners(session, (found.keyid,)))
    anchored = first_over(_anchors(hub)[0], index)
    shown: dict[str, Any] = {"entry": found, "proof": place.proof, "checkpoint": checkpoint, "owners": owners}
    return _page(hub, "entry", anchor=anchored, **shown)


@router.get("/entry/{index}/body", response_class=Response, responses=MISSING)
def body(hub: TheHub, index: Index) -> Response:
    """The bytes that are in the log."""
    checkpoint = hub.desk.log.checkpoint
    if index >= checkpoint.size:
        return _missing(hub)
    return _file(TileReader(hub.desk.log.read, checkpoint.size).entry(index), f"entry-{index}.json")


@router.get("/entry/{index}/proof", response_class=Response, responses=MISSING)
def proof(hub: TheHub, index: Index) -> Response:
    """Its proof of inclusion under the newest checkpoint."""
    checkpoint = hub.desk.log.checkpoint
    if index >= checkpoint.size:
        return _missing(hub)
    (place,) = hub.desk.log.prove([index], checkpoint)
    return _file(proof_file(index, place.proof, checkpoint), f"entry-{index}.tlog-proof")


@router.get("/studies")
def study_list(hub: TheHub, page: Page = 0) -> HTMLResponse:
    """Completed studies."""
    with hub.store.reading() as session:
        found = studies.completed(session, page)
    shown, more = found[: studies.PAGE_ROWS], len(found) > studies.PAGE_ROWS
    return _page(hub, "studies", studies=shown, more=more, page=page)


@router.get("/study/{study_id}", responses=MISSING)
def study(hub: TheHub, study_id: str) -> HTMLResponse:
    """One completed study: who signed what, and where the log holds it."""
    with hub.store.reading() as session:
        found = studies.one(session, hub.blobs, study_id)
    return _missing(hub) if found is None else _page(hub, "study", study=found[0], evidence=found[1])


@router.get("/sites")
def site_list(hub: TheHub, page: Page = 0) -> HTMLResponse:
    """The hospitals that are enrolled, and the digests of their keys."""
    with hub.store.reading() as session:
        found = studies.sites(session, page)
    return _page(hub, "sites", sites=found[: studies.PAGE_ROWS], more=len(found) > studies.PAGE_ROWS, page=page)


@router.get("/anchors")
def anchors(hub: TheHub) -> HTMLResponse:
    """The roots of this log that stand on a chain, as far as their proofs lie in the home's `anchors/`."""
    found, unreadable = _anchors(hub)
    return _page(hub, "anchors", anchors=found, unreadable=unreadable)


@router.get("/anchors/{name}", response_class=Response, responses=MISSING)
def anchor_proof(hub: TheHub, name: Annotated[str, Path(max_length=100)]) -> Response:
    """One proof, for `rapha log verify-anchor`."""
    found = {view.name for view in _anchors(hub)[0]}
    data = anchor_file(hub.configuration.anchors, name) if name in found else None
    return _missing(hub) if data is None else _file(data, name)


def _anchors(hub: Hub) -> tuple[list[AnchorView], int]:
    log = hub.desk.log
    return anchor_views(hub.configuration.anchors, log.origin, log.checkpoint.size, log.read)


def _owners(hub: Hub, sites: Mapping[str, str]) -> dict[str, str]:
    own = (hub.signer.trusted, *hub.desk.trusted)
    return {**{key.keyid: key.owner for key in own if key.role == "hub"}, **sites}


def _page(hub: Hub, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    text = rendered(template, hub=hub.signer.name, **values)
    return HTMLResponse(text, status, headers={"Content-Security-Policy": explorer_policy(), **_HEADERS})


def _missing(hub: Hub) -> HTMLResponse:
    return _page(hub, "missing", 404)


def _file(data: bytes, name: str) -> Response:
    """A file to keep: never a page, whatever is in it."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **_HEADERS}
    return Response(data, media_type="application/octet-stream", headers=headers)


_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
