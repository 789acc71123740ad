"""Pictures of what was ingested, for the steward's own eyes: does the volume look like one, is a name written into it?

They show patients. No agent sends them, no workload sees them, and nothing but a steward's command makes them.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from rapha.errors import ConfigurationError, Conflict
from rapha.timeline.assets import Assets
from rapha.timeline.beside import space_watched
from rapha.timeline.reader import Timeline

SIDE = 512
DARKEST, BRIGHTEST = 0.5, 99.5
"""Percentiles of a slice that are drawn black and white, so that a written name stands out in any unit."""
_FIRST = """
    SELECT DISTINCT asset FROM assets
    WHERE kind = 'volume' AND subject_key NOT IN (SELECT subject_key FROM subjects WHERE opted_out)
    ORDER BY asset LIMIT $most
"""


def write_previews(timeline: Timeline, folder: Path, most: int) -> int:
    """Draw the middle slice of so many volumes at the most into a new folder, `0001.png` and on; how many there are.

    Which ones is by the digest of their content, so it is no choice of anybody's. Patients who opted out are not among them.

    Raises:
        Conflict: the folder is there already.
        ConfigurationError: a content is missing or damaged.
        DiskFull: no space is left.
    """
    with timeline.connect() as connection:
        assets = Assets.of(timeline.folder, connection, "volume")
        names = [name for (name,) in connection.execute(_FIRST, {"most": most}).fetchall()]
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise Conflict(f"{folder} is there already: name a new folder") from None
    with space_watched(folder):
        for number, name in enumerate(names, 1):
            (folder / f"{number:04}.png").write_bytes(png(middle_slice(assets.read(name))))
    return len(names)


def middle_slice(content: bytes) -> npt.NDArray[np.uint8]:
    """The middle slice of a kept volume, of a pair the first one's, in greys, at most 512 pixels a side."""
    try:
        voxels = load(content)["voxels"]
        voxels = voxels[0] if voxels.ndim == 4 else voxels
        picture = voxels[len(voxels) // 2].astype(np.float32)
    except (SafetensorError, KeyError, IndexError):
        raise ConfigurationError("an asset is no volume: ingest the hospital's images again") from None
    step = -(-max(picture.shape) // SIDE)
    picture = picture[::step, ::step]
    low, high = np.percentile(picture, (DARKEST, BRIGHTEST))
    scaled = np.clip((picture - low) / max(float(high - low), 1e-6), 0, 1)
    grey: npt.NDArray[np.uint8] = np.rint(scaled * 255).astype(np.uint8)
    return grey


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Greys [rows, columns] as PNG (ISO/IEC 15948): a header, the rows each with filter 0, an end."""
    rows, columns = picture.shape
    lines = np.zeros((rows, columns + 1), np.uint8)
    lines[:, 1:] = picture
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
