"""What a hospital says of its FHIR server, and which addresses may be asked: https, or http on this machine itself."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record, Slug

HERE = ("localhost", "127.0.0.1", "::1")
Path_ = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
TypeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,60}$")]


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address that may be asked; None for any other: another scheme, http to another machine,
    credentials in it, letters that no address has."""
    if len(url) > 4000 or not url.isascii() or any(letter <= " " or letter in '\\"<>^`{|}\x7f' for letter in url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in HERE)
    if not safe or not host or "@" in parts.netloc:
        return None
    return parts.scheme, host.rstrip("."), port or (443 if parts.scheme == "https" else 80)


def _askable(url: str) -> str:
    if origin_of(url) is None:
        raise PydanticCustomError("address", "expected https://... (http:// only to this machine itself)")
    return url


Url = Annotated[str, AfterValidator(_askable)]


class Bearer(Record):
    """A token out of a file; the file is read anew for each command."""

    token_file: Path_


class Smart(Record):
    """SMART Backend Services: a signed assertion is exchanged for a token. `key_file`: PEM, RSA (RS384) or P-384 (ES384)."""

    client_id: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    key_file: Path_
    token_url: Url
    kid: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    scope: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = "system/*.rs"


class ServerFile(Record):
    """The whole file. `source` names what is remembered in the node's home. `files_from`: other servers that may hold the
    files of an export. `largest_gb` bounds one file, `patience_hours` the wait for a server that prepares."""

    source: Slug
    server: Url
    export: Annotated[str, StringConstraints(pattern=r"^(system|patients|Group/[A-Za-z0-9.-]{1,64})$")] = "patients"
    types: Annotated[tuple[TypeName, ...], Field(max_length=150)] = ()
    auth: Literal["none"] | Bearer | Smart = "none"
    files_from: Annotated[tuple[Url, ...], Field(max_length=20)] = ()
    ca: Path_ | None = None
    largest_gb: Annotated[int, Field(ge=1, le=10_000)] = 64
    patience_hours: Annotated[int, Field(ge=1, le=240)] = 24

    @model_validator(mode="after")
    def _plain_address(self) -> "ServerFile":
        if any(mark in self.server for mark in "?#"):
            raise PydanticCustomError("address", "`server` is a base address, without ? and #")
        return self

    @property
    def kick_off(self) -> str:
        """The address of the operation."""
        level = {"system": "", "patients": "/Patient"}.get(self.export, f"/{self.export}")
        return f"{self.server.rstrip('/')}{level}/$export"

    @property
    def largest_bytes(self) -> int:
        """Of one file."""
        return self.largest_gb << 30

    @property
    def question(self) -> "Question":
        """What makes an export another one than the last."""
        return Question(kick_off=self.kick_off, types=self.types)


class Question(Record):
    """What is asked for, but since when."""

    kick_off: str
    types: tuple[str, ...]
