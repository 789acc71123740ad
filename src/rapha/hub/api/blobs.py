"""Blobs in and out, streamed: a model of any size passes through a few blocks of memory."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy import exists, select
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from rapha.errors import NotPermitted
from rapha.hub.api.credentials import TheHub, node, node_or_researcher
from rapha.hub.api.errors import PROBLEMS, TooLarge
from rapha.hub.blobs import Draft, absent
from rapha.hub.configuration import MIB
from rapha.hub.store.tables import DeliveredRow, RoundRow, StudyRow, TaskRow, UploadRow
from rapha.hub.tokens import Researcher
from rapha.records.record import SiteId

router = APIRouter(prefix="/blobs", tags=["blobs"], responses=PROBLEMS)
BlobDigest = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$")]
_RAW = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.put("/{digest}", status_code=204, openapi_extra={"requestBody": {"content": _RAW, "required": True}})
async def upload(hub: TheHub, site: Annotated[SiteId, Depends(node)], digest: BlobDigest, request: Request) -> None:
    """Stream a blob in. It is kept whole, under its digest, or not at all; the same again is the same as once."""
    draft = await run_in_threadpool(hub.blobs.draft)
    with draft:
        await _receive(request, draft, hub.configuration.blob_limit_bytes)
        await run_in_threadpool(draft.settle, digest)

        def keep() -> None:
            with hub.store.changing() as change:  # together, so that no sweep comes between
                draft.keep()
                change.session.merge(UploadRow(digest=digest, site=site))

        await run_in_threadpool(keep)


@router.get("/{digest}", response_class=StreamingResponse, responses={200: {"content": _RAW}})
def download(
    hub: TheHub, asker: Annotated[SiteId | Researcher, Depends(node_or_researcher)], digest: BlobDigest
) -> StreamingResponse:
    """Stream a blob out: to a node the weights of its own tasks, to a researcher the files of their own deliveries."""
    with hub.store.reading() as session:
        check_may_fetch(session, asker, digest)
    size_bytes = hub.blobs.size_bytes(digest)
    if size_bytes is None:
        raise absent(digest)
    headers = {"content-length": str(size_bytes), "etag": f'"{digest}"'}
    return StreamingResponse(_blocks(hub, digest), media_type="application/octet-stream", headers=headers)


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
    if not session.scalar(select(own)):
        raise NotPermitted(f"the blob {digest} is not yours to fetch, or is not here")


async def _receive(request: Request, draft: Draft, limit_bytes: int) -> None:
    """Take the body into the draft, block by block."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit_bytes:
        raise TooLarge(f"a blob has at most {limit_bytes} bytes here")
    block, received = bytearray(), 0
    try:
        async for chunk in request.stream():
            block += chunk
            received += len(chunk)
            if received > limit_bytes:
                raise TooLarge(f"a blob has at most {limit_bytes} bytes here")
            if len(block) >= MIB:
                await run_in_threadpool(draft.write, block)
                block = bytearray()
    except ClientDisconnect:
        raise TooLarge("the upload was cut off") from None
    await run_in_threadpool(draft.write, block)


def _blocks(hub: TheHub, digest: str) -> Iterator[bytes]:
    with hub.blobs.open(digest) as file:
        while block := file.read(MIB):
            yield block
