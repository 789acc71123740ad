"""`timeline.json`: which files of a timeline folder are live.

Replacing this one file, by an atomic rename, is the single moment at which a batch enters the timeline. A Parquet file
that it does not list is not part of the timeline, whatever its name: it is left over from a write that did not finish.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from rapha.errors import ConfigurationError
from rapha.records.record import Digest, Record, Slug

NAME = "timeline.json"
OPT_OUT = "opt-out"
"""The source that is the site's own list of those who have opted out (`opt_out.py`)."""
Table = Literal[
    "events", "subjects", "observation_periods", "concepts", "concept_ancestors", "variants", "called", "genes",
    "assets", "merges", "notes",
]  # fmt: skip
BatchId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
FilePath = Annotated[str, StringConstraints(pattern=r"^[a-z_]+/[a-z0-9][a-z0-9.-]{0,120}\.parquet$")]


class Batch(Record):
    """What one source wrote, last. `files` are relative to the timeline folder; `rows` counts them, table by table; `people`
    is the word under which its patients are keyed, where that is not the source's own name."""

    source: Slug
    batch: BatchId
    mapping: Digest
    files: dict[Table, tuple[FilePath, ...]]
    rows: dict[Table, Annotated[int, Field(ge=0)]]
    people: Slug | None = None

    @property
    def whose(self) -> str:
        """The word under which the patients' identifiers are keyed."""
        return self.people or self.source

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not said is not written."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "people" or value is not None}


class Manifest(Record):
    """One batch per source, in the order of their names."""

    version: Literal[1] = 1
    batches: tuple[Batch, ...] = ()

    def of(self, source: str) -> Batch | None:
        """The live batch of a source, or None."""
        return next((batch for batch in self.batches if batch.source == source), None)

    def replacing(self, batch: Batch) -> "Manifest":
        """The same, with this batch in the place of its source's former one."""
        kept = [other for other in self.batches if other.source != batch.source]
        return Manifest(batches=tuple(sorted([*kept, batch], key=lambda other: other.source)))

    def live(self) -> set[str]:
        """Every file that is part of the timeline, relative to its folder."""
        return {path for batch in self.batches for paths in batch.files.values() for path in paths}


def read_manifest(timeline: Path) -> Manifest:
    """The manifest of a timeline folder; an empty one where nothing was ever written.

    Raises:
        ConfigurationError: it is there and cannot be read.
    """
    path = timeline / NAME
    try:
        return Manifest.from_bytes(path.read_bytes())
    except FileNotFoundError:
        return Manifest()
    except (OSError, ValidationError):
        raise ConfigurationError(f"{path} cannot be read: move the folder away and ingest again") from None
