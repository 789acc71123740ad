"""What a server answers, and what a node remembers of an export. A server may say more than is read here."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, ValidationError

from rapha.errors import ConfigurationError, SourceError
from rapha.records.record import Record
from rapha.sources.fhir_server.server_file import Question, TypeName

MOST_FILES = 20_000
Instant = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")]


class _Foreign(Record):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Item(_Foreign):
    """One file; `count`, where it is said, is of resources."""

    type: TypeName
    url: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    count: Annotated[int, Field(ge=0)] | None = None


Items = Annotated[tuple[Item, ...], Field(max_length=MOST_FILES)]


class Manifest(_Foreign):
    """https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status"""

    transaction_time: Annotated[Instant, Field(alias="transactionTime")]
    requires_access_token: Annotated[bool, Field(alias="requiresAccessToken")]
    output: Items
    deleted: Items = ()
    error: Items = ()
    link: tuple[dict[str, str], ...] = ()

    @property
    def files(self) -> tuple[tuple[str, Item], ...]:
        """Every file under the name it gets here: a number and a type, nothing of the server's addresses."""
        kinds = (("", self.output), ("deleted-", self.deleted), ("error-", self.error))
        return tuple(
            (f"{kind}{number:05d}-{item.type}.ndjson", item)
            for kind, items in kinds
            for number, item in enumerate(items)
        )

    @property
    def moment(self) -> str:
        """The time of the export in UTC, as a name that sorts."""
        fraction = re.search(r"\.(\d+)", self.transaction_time)
        whole = datetime.fromisoformat(re.sub(r"\.\d+", "", self.transaction_time)).astimezone(UTC)
        return f"{whole:%Y%m%dT%H%M%S}{(fraction[1] if fraction else '').ljust(9, '0')}Z"


class Token(_Foreign):
    """RFC 6749, 5.1."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,16000}$")]
    expires_in: Annotated[int, Field(ge=1)] = 300


class Job(Record):
    """An export that has begun: where its state is, and which of its files lie here whole."""

    status_url: str
    since: str | None
    begun: AwareDatetime
    done: tuple[str, ...] = ()


class Memory(Record):
    """What is remembered of a source: what was asked for, where it lies, up to when it is here, and what has begun."""

    question: Question
    folder: str
    up_to: str | None = None
    job: Job | None = None


def read_manifest(body: bytes) -> Manifest:
    """Raises SourceError: it is none, asks for more pages than one, or its time is no time."""
    try:
        manifest = Manifest.model_validate_json(body)
        _ = manifest.moment
    except (ValidationError, ValueError, OverflowError):
        raise SourceError("the server's manifest is not as Bulk Data Access 2.0 says: nothing was taken over") from None
    if any(link.get("relation") == "next" for link in manifest.link):
        raise SourceError("the server gives its manifest in pages, which are not asked for and not read")
    return manifest


def read_memory(path: Path, question: Question, folder: Path) -> Memory:
    """What is remembered, or a new memory.

    Raises:
        ConfigurationError: it cannot be read, or is of another question or folder.
    """
    if not path.exists():
        return Memory(question=question, folder=str(folder))
    try:
        memory = Memory.from_bytes(path.read_bytes())
    except (OSError, ValidationError):
        raise ConfigurationError(
            f"{path} cannot be read: remove it and empty {folder}, to fetch everything anew"
        ) from None
    if memory.question != question or memory.folder != str(folder):
        raise ConfigurationError(
            f"what was fetched so far was asked otherwise, or lies in {memory.folder}: give the server file another "
            "`source:` and name an empty folder"
        )
    return memory
