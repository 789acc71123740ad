"""The port: an archive of images, whatever its protocol. What it answers is not believed: identifiers are checked before they are used."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple, Protocol

from rapha.errors import SourceError

MOST_ANSWERS = 200_000
"""To one question. An archive that says more is asked in shorter spans of days."""
_UID = re.compile(r"[0-9]+(\.[0-9]+)*").fullmatch
Keep = Callable[[str, bytes], None]
"""Takes one image: its SOPInstanceUID, and the bytes of a DICOM file."""


class Series(NamedTuple):
    study: str
    series: str


class Archive(Protocol):
    """A context manager: it closes its lines.

    Raises, each of these: Unreachable, where the archive does not answer; NotPermitted; SourceError, where it answers what cannot be meant.
    """

    def __enter__(self) -> "Archive": ...

    def __exit__(self, *_: object) -> None: ...

    def series(self, day: date, modality: str) -> Iterator[Series]:
        """Those of a modality, in studies of a day. May name one twice."""
        ...

    def images(self, of: Series) -> frozenset[str]:
        """The identifiers (SOPInstanceUID) of a series' images."""
        ...

    def bring(self, of: Series, keep: Keep) -> None:
        """Give every image of a series to `keep`, in any order. What the archive does not give is not there: the caller counts."""
        ...


def uid(said: object) -> str:
    """A unique identifier as PS3.5, 9.1 writes it.

    Raises:
        SourceError: it is none.
    """
    text = str(said or "").rstrip("\0 ")
    if len(text) > 64 or not _UID(text):
        raise SourceError("the archive names an identifier that is none")
    return text
