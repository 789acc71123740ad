"""Opens what the workload wrote: by fixed names only, and into memory.

Into memory, not a map: the workload still lives between rounds. It could change a mapped file after it was checked,
or cut it and end the node with SIGBUS. Other names in the folder are never looked at, so that no name can carry
anything, nor escape codes reach a log.
"""

import os
import stat
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
    if name not in NAMES:
        raise EgressRefused("an output is opened by its fixed name only", "output-malformed")
    try:
        descriptor = _open(folder, name)
    except OSError as error:
        raise EgressRefused(f"output {name}: cannot be opened ({error.strerror})", "output-malformed") from None
    try:
        _check_plain(os.fstat(descriptor), name, limit_bytes)
        data = _read(descriptor, limit_bytes)
    except OSError as error:
        raise EgressRefused(f"output {name}: cannot be read ({error.strerror})", "output-malformed") from None
    finally:
        os.close(descriptor)
    if len(data) > limit_bytes:
        raise EgressRefused(f"output {name}: more than {limit_bytes} bytes", "output-too-large")
    return data


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
    while left > 0 and (block := os.read(descriptor, min(left, 1 << 30))):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)
