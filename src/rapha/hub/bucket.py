"""Blobs in an S3 bucket, of Amazon's or of any server that speaks it, by the library obstore.

A blob is one object by its digest, so that it shows whole or not at all. A draft grows in a file here; `settle` brings it to
the bucket as far as it goes without showing, `keep` shows it. What is read is fetched whole, once, into a file here, and is
read only when it is its digest: who owns the bucket can lose blobs, and read them, but not change one.

What is here is a copy and no more: it goes when its blob is dropped, when it was not read for an hour, and at the start. A
draft that is left leaves parts of an upload in the bucket, which it should be told to drop (AbortIncompleteMultipartUpload).
"""

import hashlib
import os
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from rapha import faults
from rapha.errors import ConfigurationError, Conflict, DiskFull, Unproven, Unreachable
from rapha.hub.blobs import Block, absent, agreed, disk, is_hex
from rapha.hub.private import read_private
from rapha.records.record import Record

if TYPE_CHECKING:
    from obstore import WritableFile
    from obstore.store import S3Config, S3Store

PART_BYTES = 8 << 20
"""Of one request to the bucket, both ways; S3 takes parts of an upload from 5 MiB on. A smaller blob is sent by `keep`, in one request."""
UNREAD_SECONDS = 3600.0
_BLOCK_BYTES = 1 << 20


class BucketKey(Record):
    """The file `blob-credentials.json` of a hub's home."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


def read_bucket_key(file: Path) -> BucketKey | None:
    """None where there is no such file. Raises ConfigurationError: others can read it, or it holds no key."""
    data = read_private(file)
    try:
        return BucketKey.from_bytes(data) if data is not None else None
    except ValidationError:
        raise ConfigurationError(f'{file} holds {{"access_key_id": "...", "secret_access_key": "..."}}') from None


def open_bucket(url: str, key: BucketKey | None) -> "S3Store":
    """The bucket of a URL such as s3://NAME/PREFIX?endpoint=https://s3.example&region=eu-1. Nothing is asked of it yet.

    `key` None: what the environment says as AWS's own tools read it, or the machine's role.

    Raises:
        ConfigurationError: the URL is no such thing, or obstore is not installed.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError:
        raise ConfigurationError("to keep a hub's blobs in S3: pip install 'rapha[s3]'") from None
    parts = urlsplit(url)
    said = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.scheme != "s3" or not parts.netloc or set(said) - {"endpoint", "region"}:
        raise ConfigurationError(
            f"{url.partition('?')[0]}: expected s3://BUCKET/PREFIX?endpoint=URL&region=NAME, the last two as needed"
        )
    own = {name: value for name, value in (key.as_json() if key else {}).items() if value}
    try:
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={"allow_http": said.get("endpoint", "").startswith("http://"), "timeout": "60s"},
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
            config=cast("S3Config", {**said, **own, "checksum_algorithm": "sha256"}),
        )
    except (BaseError, ValueError) as problem:
        raise ConfigurationError(
            f"{url.partition('?')[0]}: {type(problem).__name__}: see its endpoint and region"
        ) from None


class BlobBucket:
    """See the page's head. `folder` is this hub's alone; what is in it may go at any time."""

    def __init__(self, bucket: "S3Store", folder: Path) -> None:
        """Raises ConfigurationError: there is no such bucket, or it does not let this hub in."""
        self._bucket, self._folder = bucket, folder
        self._fetching: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.iterdir():
            left.unlink()
        self._look()

    def draft(self) -> "BucketDraft":
        return BucketDraft(self._bucket, self._folder / f"{secrets.token_hex(16)}.draft")

    def settled(self, file: Path, digest: str) -> "SettledUpload":
        return SettledUpload(self._bucket, file, digest)

    def size_bytes(self, digest: str) -> int | None:
        import obstore

        with bucket_answers():
            try:
                return obstore.head(self._bucket, _hex(digest))["size"]
            except FileNotFoundError:
                return None

    def open(self, digest: str) -> BinaryIO:
        """See `Blobs.open`. Raises Unproven besides: the bucket holds something else under this digest."""
        copy = self._folder / _hex(digest)
        if (size_bytes := self.size_bytes(digest)) is None:
            copy.unlink(missing_ok=True)
            raise absent(digest)
        with self._fetching[digest]:
            self._drop_unread(copy)
            while True:
                try:
                    file = copy.open("rb")
                except FileNotFoundError:  # or it was dropped in between
                    self._fetch(digest, size_bytes, copy)
                    continue
                os.utime(file.fileno())
                return file

    def drop(self, digest: str) -> None:
        import obstore

        (self._folder / _hex(digest)).unlink(missing_ok=True)
        with bucket_answers():
            try:
                obstore.delete(self._bucket, _hex(digest))
            except FileNotFoundError:
                return

    def digests(self) -> list[str]:
        import obstore

        with bucket_answers():
            listed = [each["path"] for some in obstore.list(self._bucket) for each in some]
        return [f"sha256:{path}" for path in listed if is_hex(path)]

    def _look(self) -> None:
        import obstore

        with bucket_answers():
            next(iter(obstore.list(self._bucket, chunk_size=1)), None)

    def _fetch(self, digest: str, size_bytes: int, copy: Path) -> None:
        import obstore

        found, part = hashlib.sha256(), copy.with_suffix(".part")
        with bucket_answers(), disk(self._folder), part.open("wb") as file:
            try:
                for begin in range(0, size_bytes, PART_BYTES):
                    length = min(PART_BYTES, size_bytes - begin)
                    block = obstore.get_range(self._bucket, _hex(digest), start=begin, length=length)
                    found.update(block)
                    file.write(block)
            except FileNotFoundError:
                raise absent(digest) from None
        if found.hexdigest() != _hex(digest):
            part.unlink()
            raise Unproven(f"the bucket holds other bytes than {digest} under that digest: restore it from a copy")
        part.replace(copy)

    def _drop_unread(self, wanted: Path) -> None:
        for copy in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another thread was first
                if copy != wanted and not copy.suffix and time.time() - copy.stat().st_mtime > UNREAD_SECONDS:
                    copy.unlink()


class SettledUpload:
    """A whole, verified file, on its way into the bucket; it is gone from its place once it is kept."""

    def __init__(self, bucket: "S3Store", file: Path, digest: str) -> None:
        self._path, self._digest = file, digest
        self._writer = sent(bucket, file, _hex(digest))

    def write(self, block: Block) -> None:
        raise Conflict("no more is written to what is settled")

    def settle(self, expected: str | None = None) -> str:
        return agreed(_hex(self._digest), expected)

    def keep(self) -> None:
        shown(self._writer)
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """The file stays, where it was not kept."""


class BucketDraft:
    """A draft in a file of its own."""

    def __init__(self, bucket: "S3Store", path: Path) -> None:
        self._bucket, self._path = bucket, path
        self._hash = hashlib.sha256()
        self._writer: WritableFile | None = None
        with disk(path.parent):
            self._file = path.open("xb", buffering=0)

    def write(self, block: Block) -> None:
        self._hash.update(block)
        rest = memoryview(block).cast("B")
        with disk(self._path.parent):
            while rest:
                rest = rest[self._file.write(rest) :]

    def settle(self, expected: str | None = None) -> str:
        digest = agreed(self._hash.hexdigest(), expected)
        self._writer = sent(self._bucket, self._path, self._hash.hexdigest())
        return digest

    def keep(self) -> None:
        if self._writer is None:
            raise Conflict("a draft is settled before it is kept")
        shown(self._writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def sent(bucket: "S3Store", file: Path, name: str) -> "WritableFile":
    """The parts of the file are in the bucket, and do not show; what is less than a part goes with `shown`."""
    import obstore

    writer = obstore.open_writer(bucket, name, buffer_size=PART_BYTES)
    with bucket_answers(), file.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            writer.write(block)
    return writer


def shown(writer: "WritableFile") -> None:
    """The object is there, whole; again is no error."""
    faults.point("hub.to-rename:blob")
    with bucket_answers():
        if not writer.closed():
            writer.close()
    faults.point("hub.renamed:blob")


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


@contextmanager
def bucket_answers() -> Iterator[None]:
    """Translate what goes wrong with the bucket."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError):
        raise ConfigurationError("the bucket does not let this hub do that: see its key and its policy") from None
    except (BaseError, OSError) as problem:
        if getattr(problem, "errno", None) is not None:
            raise  # of this machine's own disk
        if "NoSuchBucket" in str(problem):
            raise ConfigurationError("there is no such bucket: make it first") from None
        if "QuotaExceeded" in str(problem) or "StorageFull" in str(problem):
            raise DiskFull("no space left in the bucket: make room there and try again") from None
        raise Unreachable(f"the bucket does not answer as it should ({type(problem).__name__}): try again") from None
