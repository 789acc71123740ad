"""Series by series into a folder. A series appears by one rename, when all of it is here; so a crash costs one series."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from rapha.durable import write_synced
from rapha.errors import ConfigurationError, DiskFull, SourceError, Unreachable
from rapha.sources.pacs.archive import Archive, Series, uid
from rapha.sources.pacs.server_file import Days

SUFFIX, HALF = ".dcm", ".half"
Say = Callable[[str], None]


class Fetched(NamedTuple):
    """Series brought now and images in them, series that lay here whole already, and those the archive did not give whole."""

    series: int
    images: int
    kept: int
    failed: int


def fetch(archive: Archive, days: Days, modalities: tuple[str, ...], folder: Path, today: date, say: Say) -> Fetched:
    """Bring what is missing. Names of files and folders are made here: they tell nothing of what is in them.

    Raises:
        ConfigurationError: the folder holds something else.
        DiskFull: the folder cannot be written.
        NotPermitted, SourceError, Unreachable: the archive could not be asked what it has.
    """
    _ours(folder)
    done, images, kept, failed = 0, 0, 0, 0
    with archive:
        for series in _all(archive, days, modalities, today, say):
            try:
                brought = _one(archive, series, folder)
            except (SourceError, Unreachable) as error:
                failed += 1
                say(f"a series did not come whole: {error}")
                continue
            except OSError as error:
                raise DiskFull(f"{folder}: cannot be written ({error.strerror}); run this again to go on") from None
            done, images, kept = done + bool(brought), images + brought, kept + (not brought)
    return Fetched(done, images, kept, failed)


def _all(archive: Archive, days: Days, modalities: tuple[str, ...], today: date, say: Say) -> Iterator[Series]:
    """Each once, day by day."""
    day, last = days.from_, min(days.to or today, today)
    while day <= last:
        found = sorted({series for modality in modalities for series in archive.series(day, modality)})
        if found:
            say(f"{day}: {len(found)} series")
        yield from found
        day += timedelta(days=1)


def _one(archive: Archive, series: Series, folder: Path) -> int:
    """How many images were brought; 0 where all that the archive names lie here."""
    wanted = {_name(image): image for image in archive.images(series)}
    place = folder / _name(series.series, "")
    if not wanted or (place.is_dir() and {path.name for path in place.iterdir()} == set(wanted)):
        return 0
    half = place.with_name(place.name + HALF)
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()

    def keep(image: str, content: bytes) -> None:
        if (name := _name(uid(image))) not in wanted:
            raise SourceError("the archive gives an image that it did not name")
        write_synced(half / name, content)

    try:
        archive.bring(series, keep)
        missing = len(wanted) - sum(1 for _ in half.iterdir())
        if missing:
            raise SourceError(f"{missing} of {len(wanted)} images were not given")
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)
    half.rename(place)
    return len(wanted)


def _ours(folder: Path) -> None:
    """A folder that is empty, or was made by this command; what a crash left half is taken away."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.is_dir() and path.name.endswith(HALF):
                shutil.rmtree(path)
            elif not (path.is_dir() and len(path.name) == 32):
                raise ConfigurationError(f"{folder} holds what this command did not bring: give it a folder of its own")
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be used ({error.strerror})") from None


def _name(identifier: str, suffix: str = SUFFIX) -> str:
    return hashlib.sha256(identifier.encode()).hexdigest()[:32] + suffix
