"""A body is written block by block, in its order, while the next block comes."""

import asyncio
import random

import pytest
from starlette.requests import Request

from rapha.errors import Conflict
from rapha.hub.api.blobs import _receive
from rapha.hub.api.errors import TooLarge
from rapha.hub.configuration import MIB

CONTENT = random.Random(1).randbytes(5 * MIB + 77)


def body(content: bytes, cut: bool = False) -> Request:
    dice, parts = random.Random(2), []
    while content:
        size = dice.randint(1, 3 * MIB)
        parts.append({"type": "http.request", "body": content[:size], "more_body": True})
        content = content[size:]
    parts.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, object]:
        return parts.pop(0)

    return Request({"type": "http", "method": "PUT", "headers": []}, receive)


@pytest.mark.parametrize("size_bytes", [0, 1, MIB, MIB + 1, 2 * MIB, len(CONTENT)])
def test_what_is_written_is_what_came_in_blocks_of_a_mebibyte(size_bytes: int) -> None:
    written = []
    asyncio.run(_receive(body(CONTENT[:size_bytes]), lambda block: written.append(bytes(block)), 1 << 30))
    assert b"".join(written) == CONTENT[:size_bytes]
    assert {len(block) for block in written[:-1]} <= {MIB}


def test_nothing_more_is_written_once_a_block_was_refused() -> None:
    seen = []

    def write(block: memoryview) -> None:
        seen.append(len(block))
        raise Conflict("not what was announced")

    with pytest.raises(Conflict):
        asyncio.run(_receive(body(CONTENT), write, 1 << 30))
    assert seen == [MIB]


def test_a_body_that_is_cut_or_too_long_is_said_and_its_whole_blocks_were_written() -> None:
    for request, limit_bytes in ((body(CONTENT, cut=True), 1 << 30), (body(CONTENT), 5 * MIB)):
        written: list[bytes] = []
        with pytest.raises(TooLarge):
            asyncio.run(_receive(request, lambda block: written.append(bytes(block)), limit_bytes))  # noqa: B023
        assert CONTENT.startswith(b"".join(written)) and {len(block) for block in written} == {MIB}
