"""What is dense stays out of the events, which point at it: the text of a note, a volume, genotypes.

An asset is named by the SHA-256 of its content, so that an event's pointer proves what it points at. The contents of a
batch lie in a folder of their own, contents/SOURCE.BATCH/, and come and go with the batch: what replaces a batch, or
leaves a patient out, takes the contents away too.

    note        UTF-8 text
    volume      safetensors, `voxels` and what is needed to place them
    mask        safetensors, `bits` on the grid of a volume, and the name of that asset
    genotypes   safetensors, `dosage` by the variants of its call set, and the name of that asset
    callset     text: the build, then a variant a line; one for many patients
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from rapha.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from rapha.timeline.reader import LockedConnection

FOLDER = "contents"
AssetKind = Literal["note", "volume", "mask", "genotypes", "callset"]


class Contents:
    """Collects the assets of one batch. Made before `write_batch`, given to it as the table `assets`."""

    def __init__(self, timeline: Path, source: str, batch: str) -> None:
        self._held_in, self._batch = f"{source}.{batch}", batch
        self._folder = timeline / FOLDER / self._held_in
        self._rows: dict[tuple[str, int], tuple[AssetKind, int]] = {}
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, subject_key: int, kind: AssetKind, content: bytes) -> str:
        """Keep a patient's content; the asset's name, for the event that points at it. Twice is once."""
        asset = hashlib.sha256(content).hexdigest()
        path = self._folder / asset
        if not path.exists():
            beside = path.with_suffix(".part")
            beside.write_bytes(content)
            beside.replace(path)
        self._rows[asset, subject_key] = (kind, len(content))
        return asset

    def kept(self, asset: str) -> bytes:
        """The content of an asset of this batch, which `add` named."""
        return (self._folder / asset).read_bytes()

    def drop(self) -> None:
        """Nothing was kept: leave no folder."""
        self._folder.rmdir()

    def table(self) -> "pa.Table":
        """The rows of `schema.ASSETS`; all contents are on the disk when this returns."""
        import pyarrow as pa

        from rapha.timeline.schema import ASSETS

        os.sync()
        rows = [
            {"asset": asset, "subject_key": subject, "kind": kind, "bytes": size,
             "held_in": self._held_in, "ingest_batch": self._batch}
            for (asset, subject), (kind, size) in self._rows.items()
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=ASSETS)


class Assets:
    """Reads the contents that a timeline's tables list, and no other file."""

    def __init__(self, timeline: Path, where: dict[str, tuple[str, int]]) -> None:
        self._timeline, self._where = timeline, where

    @classmethod
    def of(cls, timeline: Path, connection: "LockedConnection", *kinds: AssetKind) -> Self:
        """The assets of these kinds."""
        chosen = "SELECT asset, held_in, bytes FROM assets WHERE list_contains($kinds, kind)"
        found = connection.execute(chosen, {"kinds": list(kinds)})
        return cls(timeline, {asset: (held_in, size) for asset, held_in, size in found.fetchall()})

    def __contains__(self, asset: object) -> bool:
        return asset in self._where

    def read(self, asset: str) -> bytes:
        """The content of a listed asset.

        Raises:
            ConfigurationError: it is not listed, its file is gone, a link, of another size, or not what was kept.
        """
        held_in, size = self._where.get(asset, ("", 0))
        folder = (self._timeline / FOLDER).resolve()
        path = (folder / held_in / asset).resolve()
        try:
            if not held_in or path.parent.parent != folder:
                raise OSError
            with path.open("rb") as file:
                content = file.read(size + 1)
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != asset:
            raise ConfigurationError(
                f"{folder}: the content of an asset is missing or damaged: ingest the hospital's data again"
            )
        return content


def sweep_contents(timeline: Path, source: str, batch: str) -> None:
    """Remove the contents of a source's other batches. Those of other sources stay: one may be collecting just now."""
    for folder in (timeline / FOLDER).glob("*"):
        owner, _, of_batch = folder.name.rpartition(".")
        if owner == source and of_batch != batch:
            shutil.rmtree(folder)
