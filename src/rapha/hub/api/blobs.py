"""Blobs in and out, streamed: a model of any size passes through a few blocks of memory."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy import exists, select
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from rapha.errors import Conflict, NotPermitted
from rapha.hub import graphs, retention
from rapha.hub.api.credentials import ResearcherWith, TheHub, node, node_or_researcher
from rapha.hub.api.errors import PROBLEMS, TooLarge
from rapha.hub.blobs import Draft, absent
from rapha.hub.configuration import MIB
from rapha.hub.store.tables import DeliveredRow, RoundRow, StudyRow, TaskRow, UploadRow
from rapha.hub.tokens import Researcher
from rapha.records.chunks import CHUNK_BYTES, RUN_CHUNKS, Chunks, Upload
from rapha.records.learning import LARGEST_GRAPH_BYTES
from rapha.records.record import SiteId

router = APIRouter(prefix="/blobs", tags=["blobs"], responses=PROBLEMS)
Writer = Annotated[Researcher, Depends(ResearcherWith("study:write"))]
BlobDigest = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$")]
_RAW = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.put("/{digest}", status_code=204, openapi_extra={"requestBody": {"content": _RAW, "required": True}})
async def upload(hub: TheHub, site: Annotated[SiteId, Depends(node)], digest: BlobDigest, request: Request) -> None:
    """Stream a blob in. It is kept whole, under its digest, or not at all; the same again is the same as once.

    A large one better goes in chunks: what came through a bad line stays.
    """
    if 0 < _announced(request, hub.configuration.blob_limit_bytes) <= MIB:
        await run_in_threadpool(_keep_small, hub, site, digest, await _whole(request, MIB))
        return
    draft = await run_in_threadpool(hub.blobs.draft)
    with draft:
        await _receive(request, draft.write, hub.configuration.blob_limit_bytes)
        await run_in_threadpool(_keep, hub, site, draft, digest)


@router.put("/{digest}/graph", status_code=204, openapi_extra={"requestBody": {"content": _RAW, "required": True}})
async def upload_graph(hub: TheHub, researcher: Writer, digest: BlobDigest, request: Request) -> None:
    """Stream the graph of a model of one's own in, before the study that names it. It stays once a study does; of what no
    study names the newest few stay, until the hub next starts."""
    limit_bytes = min(hub.configuration.blob_limit_bytes, LARGEST_GRAPH_BYTES)
    draft = await run_in_threadpool(hub.blobs.draft)
    with draft:
        await _receive(request, draft.write, limit_bytes)
        await run_in_threadpool(draft.settle, digest)
        await run_in_threadpool(draft.keep)
    await run_in_threadpool(retention.sweep, hub.store, hub.blobs, hub.waiting.add(researcher.name, digest))


@router.post("/{digest}/upload")
def begin_upload(hub: TheHub, site: Annotated[SiteId, Depends(node)], digest: BlobDigest, chunks: Chunks) -> Upload:
    """Begin an upload in chunks, or go on with one: which chunk is wanted next."""
    if chunks.blob != digest:
        raise Conflict("the chunks are of another blob than the address says")
    with hub.store.reading() as session:
        if session.get(UploadRow, (digest, site)) and hub.blobs.size_bytes(digest) is not None:
            return Upload(next_chunk=len(chunks.digests), complete=True)
    return _upload(hub, site, digest, hub.uploads.begin(site, chunks, hub.configuration.blob_limit_bytes))


@router.put("/{digest}/chunks/{number}", openapi_extra={"requestBody": {"content": _RAW, "required": True}})
async def upload_chunks(
    hub: TheHub,
    site: Annotated[SiteId, Depends(node)],
    digest: BlobDigest,
    number: Annotated[int, Path(ge=0, le=200_000)],
    request: Request,
) -> Upload:
    """Chunks side by side, from `number` on, which is the one wanted; 8 at most. Each counts once it is whole, whatever
    becomes of those behind it. After the last one the blob is kept. A chunk that is here already is no error."""
    receiving = await run_in_threadpool(hub.uploads.receive, site, digest, number)  # its lock is held through an fsync
    await _receive(request, receiving.write, RUN_CHUNKS * CHUNK_BYTES)
    return await run_in_threadpool(lambda: _upload(hub, site, digest, receiving.ended()))


@router.get("/{digest}/chunks")
def chunks_of(
    hub: TheHub, asker: Annotated[SiteId | Researcher, Depends(node_or_researcher)], digest: BlobDigest
) -> Chunks:
    """The pieces of a blob, to verify each as it comes."""
    with hub.store.reading() as session:
        check_may_fetch(session, asker, digest)
    return hub.chunked.chunks_of(digest)


@router.get(
    "/{digest}",
    response_class=StreamingResponse,
    responses={200: {"content": _RAW}, 206: {"content": _RAW, "description": "The bytes asked for"}},
)
def download(
    hub: TheHub,
    asker: Annotated[SiteId | Researcher, Depends(node_or_researcher)],
    digest: BlobDigest,
    range_: Annotated[str | None, Header(alias="range", max_length=100)] = None,
) -> Response:
    """Stream a blob out, or the bytes of one range of it: to a node the weights of its own tasks
    and the graph of a study that was sent to it, to a researcher the files of their own deliveries."""
    with hub.store.reading() as session:
        check_may_fetch(session, asker, digest)
    size_bytes = hub.blobs.size_bytes(digest)
    if size_bytes is None:
        raise absent(digest)
    begin, end = _span(range_, size_bytes) or (0, size_bytes)
    headers = {"content-length": str(end - begin), "etag": f'"{digest}"', "accept-ranges": "bytes"}
    if (begin, end) != (0, size_bytes):
        headers["content-range"] = f"bytes {begin}-{end - 1}/{size_bytes}"
    status = 206 if "content-range" in headers else 200
    if end - begin <= MIB:
        content = next(_blocks(hub, digest, begin, end), b"")
        return Response(content, status, headers, media_type="application/octet-stream")
    return StreamingResponse(_blocks(hub, digest, begin, end), status, headers, media_type="application/octet-stream")


def check_may_fetch(session: Session, asker: SiteId | Researcher, digest: str) -> None:
    """Return if the blob is this one's to read.

    Raises:
        NotPermitted: it is not, or it is not there; it is not said which.
    """
    if isinstance(asker, Researcher):
        own = exists().where(DeliveredRow.digest == digest, DeliveredRow.study_id == StudyRow.id)
        own = own.where(StudyRow.researcher == asker.name)
    else:
        own = exists().where(RoundRow.weights_in == digest, RoundRow.study_id == TaskRow.study_id)
        own = own.where(RoundRow.number == TaskRow.number, TaskRow.site == asker)
    sent = not isinstance(asker, Researcher) and graphs.was_sent_to(session, asker, digest)
    if not sent and not session.scalar(select(own)):
        raise NotPermitted(f"the blob {digest} is not yours to fetch, or is not here")


def _announced(request: Request, limit_bytes: int) -> int:
    """How long the body says it is, 0 where it does not. Raises TooLarge."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit_bytes:
        raise TooLarge(f"a blob has at most {limit_bytes} bytes here")
    return int(announced)


async def _whole(request: Request, limit_bytes: int) -> bytearray:
    """A body of at most so many bytes. Raises TooLarge, also where it was cut off."""
    data = bytearray()
    async for part in _parts(request, limit_bytes):
        data += part
    return data


async def _receive(request: Request, write: Callable[[memoryview], None], limit_bytes: int) -> None:
    """Give the body to `write`, block by block; while one is written, the next is received into the other of two buffers."""
    _announced(request, limit_bytes)
    filling, resting = memoryview(bytearray(MIB)), memoryview(bytearray(MIB))
    filled, writing = 0, asyncio.ensure_future(_nothing())
    try:
        async for rest in _parts(request, limit_bytes):
            while rest:
                part = rest[: MIB - filled]
                filling[filled : filled + len(part)] = part
                rest, filled = rest[len(part) :], filled + len(part)
                if filled == MIB:
                    await writing
                    writing = asyncio.ensure_future(run_in_threadpool(write, filling))
                    filling, resting, filled = resting, filling, 0
        await writing
    finally:  # a thread may still be at it, whatever went wrong meanwhile
        await asyncio.gather(writing, return_exceptions=True)
    await run_in_threadpool(write, filling[:filled])


async def _nothing() -> None:
    """Nothing is written yet."""


async def _parts(request: Request, limit_bytes: int) -> AsyncIterator[memoryview]:
    """The body as it comes. Raises TooLarge, also where it was cut off."""
    received = 0
    try:
        async for part in request.stream():
            received += len(part)
            if received > limit_bytes:
                raise TooLarge(f"this has at most {limit_bytes} bytes")
            yield memoryview(part)
    except ClientDisconnect:
        raise TooLarge("the upload was cut off") from None


def _blocks(hub: TheHub, digest: str, begin: int, end: int) -> Iterator[bytes]:
    with hub.blobs.open(digest) as file:
        file.seek(begin)
        while begin < end and (block := file.read(min(MIB, end - begin))):
            begin += len(block)
            yield block


def _span(range_: str | None, size_bytes: int) -> tuple[int, int] | None:
    """The bytes that a Range header of one span asks for (RFC 9110, 14.2); None for the whole, also where the header is
    of another form, as the clause allows."""
    found = re.fullmatch(r"bytes=([0-9]{1,18})-([0-9]{1,18})?", range_ or "")
    if found is None:
        return None
    begin, end = int(found[1]), min(int(found[2] or size_bytes) + 1, size_bytes)
    return (begin, end) if begin < end else None


def _keep(hub: TheHub, site: SiteId, draft: Draft, digest: str) -> None:
    draft.settle(digest)
    with hub.store.changing() as change:  # together, so that no sweep comes between
        draft.keep()
        change.session.merge(UploadRow(digest=digest, site=site))


def _keep_small(hub: TheHub, site: SiteId, digest: str, data: bytearray) -> None:
    with hub.blobs.draft() as draft:
        draft.write(data)
        _keep(hub, site, draft, digest)


def _upload(hub: TheHub, site: SiteId, digest: str, next_chunk: int) -> Upload:
    """Where the upload stands; kept as a blob, where that was the last chunk."""
    if not hub.uploads.is_whole(site, digest):
        return Upload(next_chunk=next_chunk)
    try:
        file = hub.uploads.finished(site, digest)
    except Conflict:
        hub.uploads.forget(site, digest)
        raise
    try:
        with hub.blobs.settled(file, digest) as draft, hub.store.changing() as change:
            draft.keep()
            change.session.merge(UploadRow(digest=digest, site=site))
    except BaseException:
        if not file.exists():  # it was kept, and nobody will ever know whose it is: it is sent again
            hub.uploads.forget(site, digest)
        raise
    hub.uploads.forget(site, digest)
    return Upload(next_chunk=next_chunk, complete=True)
