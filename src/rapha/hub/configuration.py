"""The hub's home folder: hub.json (settings), hub.db, blobs/, key.pem, log/, log-key.pem, anchors/, authority/, seen-tokens/. Read once, frozen from then on."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, ValidationError

from rapha.canonical import canonical_bytes
from rapha.durable import sync_folder, write_synced
from rapha.errors import ConfigurationError, DiskFull
from rapha.hub.store.postgres import ServerAddress
from rapha.hub.witnesses import WitnessAddress
from rapha.proof import keys
from rapha.proof.lasting import MAX_NAME_BYTES
from rapha.records.record import Record, Slug, nearest_key

MIB = 1 << 20


def _without_password(url: str) -> str:
    said = parse_qs(urlsplit(url).query, keep_blank_values=True)
    if urlsplit(url).password or any("password" in name.lower() for name in said):
        raise ValueError(
            "a password does not belong in a URL: write it into the file database-password of the hub's home"
        )
    return url


def _of_few_bytes(name: str) -> str:
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(
            f"a log's name has at most {MAX_NAME_BYTES} bytes in UTF-8: it is in what the log signs with ML-DSA-44"
        )
    return name


def _without_key(url: str) -> str:
    parts = urlsplit(url)
    known = {"endpoint", "region"} if parts.scheme == "s3" else set()
    if "@" in parts.netloc or set(parse_qs(parts.query, keep_blank_values=True)) - known:
        raise ValueError(
            "a key does not belong in a URL: write it into the file blob-credentials.json of the hub's home"
        )
    return url


BlobsUrl = Annotated[str, Field(pattern=r"^(s3://|file:///)[^\s]+$", max_length=2000), AfterValidator(_without_key)]
DatabaseUrl = Annotated[
    str, Field(pattern=r"^postgresql://[^\s]+$", max_length=2000), AfterValidator(_without_password)
]


class Tls(Record):
    """How the hub shows who it is, where no server stands before it: PEM files, `certificate` with its chain. With `clients`, a
    PEM file of authorities, it speaks only with whoever shows a certificate of one of them (mutual TLS)."""

    certificate: Path
    key: Path
    clients: Path | None = None


class HubSettings(Record):
    """The file `hub.json`. `log_origin` is the public log's name, for ever; `rapha.dev/log/NAME` where it is not given.
    `witnesses` are asked to cosign it: `rapha hub witness` adds one.

    `name` is what nodes sign their tokens for: changing it locks out every node.

    `public_url` is the address that people and nodes use, where it is not http://host:port. Port 0: any free port.

    `database`: a PostgreSQL by its libpq URL, in place of the home's SQLite file; its password stands in the home's
    file `database-password`, or where libpq looks for it, never in the URL.

    `tls`: in its place, a server before the hub does as well.

    `blobs`: a bucket of S3 by its URL, in place of the home's folder; its key stands in the home's file
    `blob-credentials.json`, or where AWS's tools look for it. Or a folder that hubs of one database share, file:///FOLDER.
    """

    name: Slug = "hub"
    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8400
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=500)] | None = None
    log_origin: Annotated[str, Field(pattern=r"^[^\s+]{1,200}$"), AfterValidator(_of_few_bytes)] | None = None
    witnesses: Annotated[tuple[WitnessAddress, ...], Field(max_length=16)] = ()
    tls: Tls | None = None
    database: DatabaseUrl | None = None
    blobs: BlobsUrl | None = None
    blob_limit_mib: Annotated[int, Field(ge=1, le=1 << 20)] = 8192
    body_limit_mib: Annotated[int, Field(ge=1, le=1024)] = 16


class HubConfiguration(Record):
    """Where the hub lives, and its settings."""

    home: Path
    settings: HubSettings

    @property
    def database(self) -> Path | ServerAddress:
        """The SQLite file, or the PostgreSQL server."""
        if self.settings.database is None:
            return self.home / "hub.db"
        return ServerAddress(self.settings.database, self.home / "database-password")

    @property
    def blobs(self) -> Path:
        """The folder of the blobs, where they are in one."""
        shared = (self.settings.blobs or "").removeprefix("file://")
        return Path(shared) if shared.startswith("/") else self.home / "blobs"

    @property
    def bucket(self) -> str | None:
        """The URL of the bucket with the blobs, where they are in one."""
        place = self.settings.blobs
        return place if place and place.startswith("s3://") else None

    @property
    def bucket_key(self) -> Path:
        return self.home / "blob-credentials.json"

    @property
    def copies(self) -> Path:
        """Copies of blobs from the bucket."""
        return self.home / "copies"

    @property
    def drafts_id(self) -> Path:
        """Which drafts in a folder that hubs share are this one's: random, this home's alone."""
        return self.home / "drafts-id"

    @property
    def uploads(self) -> Path:
        """Large uploads under way."""
        return self.home / "uploads"

    @property
    def seen_tokens(self) -> Path:
        """Which of the nodes' tokens were used, for as long as they could be used again."""
        return self.home / "seen-tokens"

    @property
    def key(self) -> Path:
        return self.home / "key.pem"

    @property
    def log(self) -> Path:
        """The public log: static files."""
        return self.home / "log"

    @property
    def anchors(self) -> Path:
        """Proofs of the log's anchors, for the explorer: whoever makes them lays them here. Names that sort by age."""
        return self.home / "anchors"

    @property
    def log_key(self) -> Path:
        return self.home / "log-key.pem"

    @property
    def authority(self) -> Path:
        """Keys and certificates of the hub's authority, time stamper and log of certificates."""
        return self.home / "authority"

    @property
    def log_origin(self) -> str:
        return self.settings.log_origin or f"rapha.dev/log/{self.settings.name}"

    @property
    def lock(self) -> Path:
        return self.home / "hub.lock"

    @property
    def url_file(self) -> Path:
        """Where the address is written while the hub listens."""
        return self.home / "hub.url"

    @property
    def blob_limit_bytes(self) -> int:
        return self.settings.blob_limit_mib * MIB

    @property
    def body_limit_bytes(self) -> int:
        return self.settings.body_limit_mib * MIB


def settings_of(name: str, host: str, port: int, database: str | None = None, blobs: str | None = None) -> HubSettings:
    """The settings of a new hub. Raises ConfigurationError: one of them is no such thing."""
    try:
        return HubSettings(name=name, host=host, port=port, database=database, blobs=blobs)
    except ValidationError as error:
        raise _wrong(error) from None


def _wrong(error: ValidationError) -> ConfigurationError:
    place = str(error.errors()[0]["loc"][0])
    wanted = {
        "name": "lower-case letters, digits and hyphens, at most 63",
        "host": "a name or an address of this machine",
        "port": "a number from 0 to 65535",
        "database": "postgresql://USER@HOST/NAME; its password in the file database-password of the hub's home",
        "blobs": "s3://BUCKET/PREFIX?endpoint=URL&region=NAME, or file:///FOLDER",
    }
    return ConfigurationError(f"--{place}: {wanted[place]}")


def initialise(home: Path, settings: HubSettings) -> HubConfiguration:
    """Make a home: folder 0700, settings, a fresh signing key 0600.

    Raises:
        ConfigurationError: there is a hub here already, the blobs' folder is in its way, or the folder cannot be made.
        DiskFull: no space for it.
    """
    found = HubConfiguration(home=home.absolute(), settings=settings)
    _check_apart(found)
    file = found.home / "hub.json"
    if file.exists():
        raise ConfigurationError(f"{found.home} is already the home of a hub: start it with `rapha hub run {home}`")
    try:
        found.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if found.bucket is None:
            found.blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
        found.home.chmod(0o700)
        if not found.key.exists():
            write_private(found.key, keys.private_to_pem(keys.generate()))
        write_private(file, canonical_bytes(settings.as_json()) + b"\n")
    except OSError as error:
        if error.errno == 28:
            raise DiskFull(f"no space left for a hub's home in {found.home}") from error
        raise ConfigurationError(f"cannot make a hub's home in {found.home}: {error.strerror}") from error
    return found


KEYS = ("key.pem", "log-key.pem", "authority")
_COPIED = (*KEYS, "database-password", "blob-credentials.json")


def initialise_beside(home: Path, first: Path, host: str, port: int) -> HubConfiguration:
    """Make the home of one more hub on the database of another: its settings and its keys, copied.

    Raises:
        ConfigurationError: the first keeps its state in its own home, has not been started yet, there is a home already or a key of
            one, or `initialise` raises.
    """
    settings = load(first).settings
    if settings.database is None or settings.blobs is None:
        raise ConfigurationError(f"{first} keeps its state in its own home: more hubs need --database and --blobs")
    if missing := [name for name in KEYS if not (first / name).exists()]:
        raise ConfigurationError(f"{first} has no {', '.join(missing)} yet: start it once")
    asked = settings_of(settings.name, host, port)
    if found := [name for name in ("hub.json", *_COPIED) if (home / name).exists()]:
        raise ConfigurationError(f"{home} holds {', '.join(found)} already, which would be lost: name a new folder")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _COPIED:
        _copy_private(first / name, home / name)
    return initialise(home, settings.model_copy(update={"host": asked.host, "port": asked.port, "public_url": None}))


def _copy_private(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(mode=0o700, exist_ok=True)
        for each in source.iterdir():
            _copy_private(each, target / each.name)
    elif source.exists():
        write_private(target, source.read_bytes())


def load(home: Path) -> HubConfiguration:
    """Read a home.

    Raises:
        ConfigurationError: no hub lives here, or hub.json is wrong, or names a folder for blobs that is in the home's way.
    """
    file = home / "hub.json"
    try:
        settings = HubSettings.from_bytes(file.read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(f"no hub lives in {home}: make one with `rapha hub init {home}`") from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        if first["type"] == "extra_forbidden" and len(first["loc"]) <= 2:  # of a witness, the last to nest, deeper
            words = (Tls if first["loc"][0] == "tls" and len(first["loc"]) > 1 else HubSettings).model_fields
            hope = nearest_key(str(first["loc"][-1]), words)
            raise ConfigurationError(f"{file}: unknown key `{place[:100]}`; {hope}") from error
        raise ConfigurationError(f"{file}: {place}: {first['msg']}") from error
    found = HubConfiguration(home=home.absolute(), settings=settings)
    _check_apart(found)
    return found


def _check_apart(found: HubConfiguration) -> None:
    """Return if the folder of the blobs, in which what nobody needs is dropped, holds nothing else of the hub's."""
    home, folder = found.home.resolve(), found.blobs.resolve()
    inside = folder.is_relative_to(home) and not folder.is_relative_to(home / "blobs")
    if found.bucket is None and (inside or home.is_relative_to(folder)):
        raise ConfigurationError(f"--blobs {found.settings.blobs}: name a folder of its own, apart from {found.home}")


def with_witness(home: Path, address: WitnessAddress) -> HubSettings:
    """Add a witness to the settings of a home, or give one that is there another address; what they are then.

    Raises:
        ConfigurationError: no hub lives here, hub.json is wrong, or there would be more than 16.
    """
    old = load(home).settings
    others = [known.as_json() for known in old.witnesses if known.key.owner != address.key.owner]
    try:
        settings = HubSettings.model_validate({**old.as_json(), "witnesses": [*others, address.as_json()]})
    except ValidationError:
        raise ConfigurationError("a hub asks at most 16 witnesses, each by an http or https address") from None
    write_private(home / "hub.json", canonical_bytes(settings.as_json()) + b"\n")
    return settings


def write_private(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner alone, there for good when this returns. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_synced(draft, data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
