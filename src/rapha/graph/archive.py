"""A `.pt2` file in its one form: a zip archive whose members lie side by side, none packed, each under a name of the list.

Not read by `zipfile`: that takes much which no writer of ours writes, and every kind of it is a way to say one thing to one
reader and another to the next. (PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.)
"""

import re
import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from rapha.errors import TrainingFailed

MODEL = "model/models/model.json"
TENSORS = "model/data/weights/model_weights_config.json"
PLAIN = {"model/archive_format": b"pt2", "model/archive_version": b"0", "model/byteorder": b"little"}
"""Members that say what the file is, in the one way that is read."""

WEIGHT = "model/data/weights/weight_"
MAX_MEMBERS = 10_000
MAX_JSON_BYTES = 16 << 20
MAX_BYTES = 512 << 20

_WEIGHT = re.compile(rf"{WEIGHT}(0|[1-9][0-9]{{0,4}})")
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_FIRST_DAY = 0x21
"""1 January 1980: the same model gives the same bytes."""


class _Entry(NamedTuple):
    name: str
    check: int
    size: int
    at: int


def read_members(data: bytes) -> dict[str, memoryview]:
    """Every member by its name; nothing is copied.

    1. of at most `MAX_BYTES`, with no word behind its end; 2. at most `MAX_MEMBERS`; 3. none packed, encrypted, or with further
    fields; 4. each under a name of the list, and none twice; 5. side by side, from the first byte to the list of members, with
    the same said before each as in the list; 6. each with its checksum.

    Raises:
        TrainingFailed: `graph-refused`.
    """
    if not _END.size <= len(data) <= MAX_BYTES:
        raise refused(f"the file has {len(data)} bytes, and a model has {_END.size} to {MAX_BYTES}")
    mark, disk, first_disk, here, count, listed, start, comment = _END.unpack_from(data, len(data) - _END.size)
    if mark != b"PK\5\6" or (disk, first_disk, comment) != (0, 0, 0) or here != count or count > MAX_MEMBERS:
        raise refused("the file is no zip archive of the plain form: make it with rapha.export_model")
    if start + listed != len(data) - _END.size:
        raise refused("the list of members is not where the file says")
    view, found, at, place = memoryview(data), dict[str, memoryview](), start, 0
    for _ in range(count):
        entry, at = _listed(data, at, start + listed)
        if entry.name in found:
            raise refused(f"the member {entry.name} is there twice")
        if entry.at != place:
            raise refused("the members leave a hole, or overlap")
        begin = _begin(data, entry, start)
        place = begin + entry.size
        if place > start or zlib.crc32(view[begin:place]) != entry.check:
            raise refused(f"the member {entry.name} is not whole")
        found[entry.name] = view[begin:place]
    if at != start + listed or place != start:
        raise refused("there is more in the file than it lists")
    _check_plain(found)
    return found


def write_members(members: Mapping[str, bytes]) -> bytes:
    """The file of these members, in their order; the same members give the same bytes."""
    body, index = bytearray(), bytearray()
    for name, content in members.items():
        check, size, label = zlib.crc32(content), len(content), name.encode()
        index += _CENTRAL.pack(
            b"PK\1\2", 20, 20, 0, 0, 0, _FIRST_DAY, check, size, size, len(label), 0, 0, 0, 0, 0, len(body)
        ) + label  # fmt: skip
        body += _LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, _FIRST_DAY, check, size, size, len(label), 0) + label + content
    end = _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(index), len(body), 0)
    return bytes(body + index + end)


def weight_member(number: int) -> str:
    """The member that holds the bytes of a tensor."""
    return f"{WEIGHT}{number}"


def _listed(data: bytes, at: int, end: int) -> tuple[_Entry, int]:
    """The entry of the list at this place, and where the next one is."""
    if at + _CENTRAL.size > end:
        raise refused("the list of members is cut off")
    mark, _, _, flags, method, _, _, check, packed, size, letters, extra, comment, disk, _, _, place = (
        _CENTRAL.unpack_from(data, at)
    )  # fmt: skip
    if mark != b"PK\1\2" or (flags, method, extra, comment, disk) != (0, 0, 0, 0, 0) or packed != size:
        raise refused("a member is packed, encrypted, or of another form than the plain one")
    after = at + _CENTRAL.size + letters
    name = data[at + _CENTRAL.size : after].decode("ascii", "replace")
    if after > end or not (name in (MODEL, TENSORS, *PLAIN) or _WEIGHT.fullmatch(name)):
        raise refused(f"no model has a member {name[:80]!r}")
    return _Entry(name, check, size, place), after


def _begin(data: bytes, entry: _Entry, start: int) -> int:
    """Where the member's bytes begin, if what stands before them is what the list says."""
    label = entry.name.encode()
    begin = entry.at + _LOCAL.size + len(label)
    if begin > start:
        raise refused(f"the member {entry.name} is not whole")
    mark, _, flags, method, _, _, check, packed, size, letters, extra = _LOCAL.unpack_from(data, entry.at)
    same = (mark, flags, method, check, packed, size, letters, extra) == (
        b"PK\3\4", 0, 0, entry.check, entry.size, entry.size, len(label), 0,
    )  # fmt: skip
    if not same or data[begin - len(label) : begin] != label:
        raise refused(f"what stands before the member {entry.name} is not what the list says of it")
    return begin


def _check_plain(found: Mapping[str, memoryview]) -> None:
    for name, content in PLAIN.items():
        if name not in found or bytes(found[name]) != content:
            raise refused(f"the member {name} is not {content.decode()!r}")
    for name in (MODEL, TENSORS):
        if name not in found or len(found[name]) > MAX_JSON_BYTES:
            raise refused(f"the member {name} is not there, or has more than {MAX_JSON_BYTES} bytes")


def refused(why: str) -> TrainingFailed:
    """The error for a file or a graph that is not as it should be."""
    return TrainingFailed(f"the model's graph: {why}", "graph-refused")
