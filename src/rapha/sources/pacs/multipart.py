"""The bodies that WADO-RS answers with (multipart/related, RFC 2387): parts one by one, each of them bounded. Pure."""

import re
from collections.abc import Iterable, Iterator

from rapha.errors import SourceError

LONGEST_HEAD = 1 << 14
_BOUNDARY = re.compile(r'^multipart/related\b.*;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_WRONG = "the archive's answer is no list of images"


def parts(content_type: str, blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The content of each part; memory holds one of them.

    Raises:
        SourceError: it is no such body, ends early, or holds a part of more than `limit` bytes.
    """
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise SourceError(_WRONG)
    mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1")
    held = bytearray(b"\r\n")  # the first boundary may stand at the very beginning
    begun, searched = False, 0
    for block in blocks:
        held += block
        while (at := held.find(mark, max(0, searched - len(mark)))) >= 0:
            if len(held) < at + len(mark) + 2:
                break
            if begun:
                yield _content(bytes(held[:at]), limit)
            begun = True
            if held[at + len(mark) : at + len(mark) + 2] == b"--":
                return
            del held[: at + len(mark)]
            searched = 0
        else:
            searched = len(held)
        if len(held) > limit + LONGEST_HEAD:
            raise SourceError(f"an image is larger than {limit >> 20} MB (`largest_mb`)")
    raise SourceError("the archive's answer ends before its end")


def _content(part: bytes, limit: int) -> bytes:
    head, gap, content = part.partition(b"\r\n\r\n")
    if not gap or len(head) > LONGEST_HEAD:
        raise SourceError(_WRONG)
    if len(content) > limit:
        raise SourceError(f"an image is larger than {limit >> 20} MB (`largest_mb`)")
    return content
