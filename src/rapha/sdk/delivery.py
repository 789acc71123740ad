"""The model folder: every file fetched, checked and put in its place, all of them or none.

The folder grows beside its place as `.<name>.<digest>.part` and is renamed at the end: it is there whole, or not at
all. After a crash or a cut line the part that was verified is kept, and the next `deliver` goes on from there.
"""

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rapha.canonical import digest_file
from rapha.errors import ConfigurationError, Conflict, DiskFull, RaphaError, Unproven, Unreachable
from rapha.records.wire import DeliveredFile, Delivery, TrustedKeys
from rapha.sdk.about import write_about

Blobs = Callable[[str], Iterator[bytes]]
"""The bytes of a digest, block by block. Raises Unreachable when the line is cut."""

Progress = Callable[[int, int], None]
"""Told of bytes that are here and bytes in all."""

ATTEMPTS = 4
_OURS = (
    "adapter_config.json", "adapter_model.safetensors", "associations.tsv", "config.json", "module.safetensors", "readme.md",
    "receipt.html", "report.html",
)  # fmt: skip


def ignore(done: int, total: int) -> None:
    """A Progress nobody looks at."""


def deliver(
    delivery: Delivery,
    blobs: Blobs,
    folder: Path,
    *,
    pinned: TrustedKeys | None = None,
    progress: Progress = ignore,
    pause: Callable[[float], None] = lambda seconds: None,
) -> Path:
    """Write the model folder of a delivery to `folder` and return it. Its report judges the receipts by the keys
    `pinned`, or by those that came along.

    Where `folder` already holds exactly this delivery it is left alone.

    Raises:
        Conflict: `folder` is there and is something else.
        Unproven: a file is not what its digest says, or has a path that is not its own.
        Unreachable: the line was cut, more than once; what was verified is kept.
        DiskFull, ConfigurationError: the folder cannot be written.
    """
    check_paths(delivery.files)
    folder = folder.absolute()
    if folder.exists():
        if all(_is_there(folder, file) for file in delivery.files):
            return folder
        raise Conflict(f"{folder} already holds something else; name another folder, or move it away")
    partial = folder.with_name(f".{folder.name}.{delivery.digest[7:19]}.part")
    try:
        _fill(delivery, blobs, partial, progress, pause)
        write_about(partial, pinned)
        partial.rename(folder)
    except OSError as error:
        raise _unwritable(error, folder) from None
    return folder


def check_paths(files: tuple[DeliveredFile, ...]) -> None:
    """Every path is inside the folder, is there once, and is no folder of another or a file that is written here.

    Raises:
        Unproven: one is not.
    """
    paths = [file.path for file in files]
    folders = {str(parent) for path in paths for parent in Path(path).parents}
    for path in paths:
        parts = Path(path).parts
        outside = Path(path).is_absolute() or ".." in parts or "\\" in path or not parts or path.startswith(".")
        if outside or paths.count(path) > 1 or path in folders or path.lower() in _OURS:
            raise Unproven(
                f"the hub names a file {path[:80]!r}, which cannot be in a model folder; nothing was written"
            )


def _fill(delivery: Delivery, blobs: Blobs, partial: Path, progress: Progress, pause: Callable[[float], None]) -> None:
    if partial.is_symlink():
        partial.unlink()
    partial.mkdir(parents=True, exist_ok=True)
    _drop_strays(partial, {file.path for file in delivery.files})
    done, total = 0, sum(file.size_bytes for file in delivery.files)
    for file in delivery.files:
        if not _is_there(partial, file):
            _download(file, blobs, partial, _after(progress, done, total), pause)
        done += file.size_bytes
        progress(done, total)


def _after(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    return lambda here: progress(before + here, total)


def _drop_strays(partial: Path, wanted: set[str]) -> None:
    for found in sorted(partial.rglob("*"), reverse=True):
        if found.is_symlink() or (found.is_file() and found.relative_to(partial).as_posix() not in wanted):
            found.unlink()


def _is_there(folder: Path, file: DeliveredFile) -> bool:
    path = folder / file.path
    return path.is_file() and path.stat().st_size == file.size_bytes and digest_file(path) == file.blob


def _download(
    file: DeliveredFile, blobs: Blobs, partial: Path, progress: Callable[[int], None], pause: Callable[[float], None]
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _download_once(file, blobs, partial, progress)
            return
        except Unreachable:
            if attempt == ATTEMPTS:
                raise
            pause(float(attempt))


def _download_once(file: DeliveredFile, blobs: Blobs, partial: Path, progress: Callable[[int], None]) -> None:
    path = partial / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    state, size = hashlib.sha256(), 0
    with draft.open("wb") as out:
        for block in blobs(file.blob):
            size += len(block)
            if size > file.size_bytes:
                raise Unproven(f"{file.path} is larger than the {file.size_bytes} bytes that were announced")
            state.update(block)
            out.write(block)
            progress(size)
    if size < file.size_bytes:
        raise Unreachable(f"{file.path} ended after {size} of {file.size_bytes} bytes; fetch again to go on from here")
    if "sha256:" + state.hexdigest() != file.blob:
        draft.unlink()
        raise Unproven(f"{file.path} is not the file that was announced: its digest differs; nothing of it was kept")
    draft.replace(path)


def _unwritable(error: OSError, folder: Path) -> RaphaError:
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(folder.parent).free >> 20 if folder.parent.exists() else 0
        return DiskFull(f"no space left for {folder} ({free} MiB free); free some and fetch again to go on from here")
    return ConfigurationError(f"{folder} cannot be written: {error.strerror or type(error).__name__}")
