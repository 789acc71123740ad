"""Opens what the workload wrote: by fixed names only, and into memory, whole or a block at a time.

Into memory, not a map: the workload still lives between rounds. It could change a mapped file after it was checked,
or cut it and end the node with SIGBUS. Other names in the folder are never looked at, so that no name can carry
anything, nor escape codes reach a log.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rapha.errors import EgressRefused
from rapha.records.outputs import OUTPUTS

NAMES = OUTPUTS
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def collect(folder: Path, name: str, limit_bytes: int) -> bytes:
    """The bytes of one output.

    1. one of the fixed names; 2. no symbolic link, and no wait for a pipe's other end; 3. a regular file; 4. with no
    other name; 5. of at most `limit_bytes`, by its size and by what is read.

    Raises:
        EgressRefused: `output-malformed` or `output-too-large`.
    """
    with _opened(folder, name, limit_bytes) as (descriptor, _):
        data = _read(descriptor, limit_bytes)
    if len(data) > limit_bytes:
        raise EgressRefused(f"output {name}: more than {limit_bytes} bytes", "output-too-large")
    return data


@contextmanager
def streamed(folder: Path, name: str, limit_bytes: int) -> Iterator[tuple[Callable[[int, memoryview], None], int]]:
    """The same, for an output that is too large for the memory: how to read from a place on, and the size. What comes
    to lie beyond that size is not read.

    Raises:
        EgressRefused: as `collect`; `output-malformed` also where it was cut meanwhile.
    """
    with _opened(folder, name, limit_bytes) as (descriptor, size_bytes):

        def read(begin: int, into: memoryview) -> None:
            at = 0
            while at < len(into):
                count = os.preadv(descriptor, [into[at:]], begin + at)
                if not count:
                    raise EgressRefused(f"output {name}: it was cut while it was read", "output-malformed")
                at += count

        yield read, size_bytes


@contextmanager
def _opened(folder: Path, name: str, limit_bytes: int) -> Iterator[tuple[int, int]]:
    """Points 1 to 4, and the size: descriptor and bytes."""
    if name not in NAMES:
        raise EgressRefused("an output is opened by its fixed name only", "output-malformed")
    try:
        descriptor = _open(folder, name)
    except OSError as error:
        raise EgressRefused(f"output {name}: cannot be opened ({error.strerror})", "output-malformed") from None
    try:
        found = os.fstat(descriptor)
        _check_plain(found, name, limit_bytes)
        yield descriptor, found.st_size
    finally:
        os.close(descriptor)


def _open(folder: Path, name: str) -> int:
    within = os.open(folder, _FOLDER)
    try:
        return os.open(name, _FILE, dir_fd=within)
    finally:
        os.close(within)


def _check_plain(found: os.stat_result, name: str, limit_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise EgressRefused(f"output {name}: not a regular file", "output-malformed")
    if found.st_nlink != 1:
        raise EgressRefused(f"output {name}: the file has a second name", "output-malformed")
    if found.st_size > limit_bytes:
        raise EgressRefused(f"output {name}: more than {limit_bytes} bytes", "output-too-large")


def _read(descriptor: int, limit_bytes: int) -> bytes:
    blocks, left = [], limit_bytes + 1
    try:
        while left > 0 and (block := os.read(descriptor, min(left, 1 << 30))):
            blocks.append(block)
            left -= len(block)
    except OSError as error:
        raise EgressRefused(f"an output cannot be read ({error.strerror})", "output-malformed") from None
    return b"".join(blocks)
