"""What a hospital says of its archive of images."""

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record, Slug

HERE = ("localhost", "127.0.0.1", "::1")
Path_ = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Title = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ._-]{1,16}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Modality = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,16}$")]


def _askable(url: str) -> str:
    parts = urlsplit(url)
    plain = url.isascii() and not any(letter <= " " or letter in '\\"<>^`{|}?#@' for letter in url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
    if not (plain and safe and parts.hostname):
        raise PydanticCustomError("address", "expected https://... (http:// only to this machine itself)")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(_askable), StringConstraints(max_length=2000)]


class Days(Record):
    """Studies of these days, both of them included. `to` left out: until today."""

    from_: Annotated[date, Field(alias="from")]
    to: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Days":
        if self.to is not None and self.to < self.from_:
            raise PydanticCustomError("days", "`to` is before `from`")
        return self


class _Archive(Record):
    source: Slug
    modalities: Annotated[tuple[Modality, ...], Field(min_length=1, max_length=30)]
    days: Days
    largest_mb: Annotated[int, Field(ge=1, le=16_384)] = 2048
    """Of one image."""


class TokenFile(Record):
    """A bearer token out of a file."""

    token_file: Path_


class UserFile(Record):
    """HTTP Basic: a name, and a password out of a file."""

    user: Annotated[str, StringConstraints(pattern=r"^[!-9;-~]{1,200}$")]
    password_file: Path_


class WebFile(_Archive):
    """By DICOMweb. `ca`: a PEM file of the hospital's own certificate authority."""

    format: Literal["dicomweb"]
    server: Url
    auth: Literal["none"] | TokenFile | UserFile = "none"
    ca: Path_ | None = None


class Receiver(Record):
    """Where C-MOVE sends images: our own title as the archive knows it, and where this command listens while it runs."""

    listen: Host = "127.0.0.1"
    port: Port


class Tls(Record):
    """The archive's authority, and our own certificate and key, in PEM."""

    ca: Path_
    certificate: Path_
    key: Path_


class DimseFile(_Archive):
    """By C-FIND, and C-GET; with `move`, by C-MOVE. Without `tls` nothing is hidden on the way: for a network that is the hospital's own."""

    format: Literal["dimse"]
    host: Host
    port: Port
    their_title: Title
    our_title: Title = "RAPHA"
    move: Receiver | None = None
    tls: Tls | None = None
