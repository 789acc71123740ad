"""Small files that only the hub's own user may read: a password, the key of a bucket."""

import stat
from pathlib import Path

from rapha.errors import ConfigurationError

LONGEST_BYTES = 8192


def read_private(file: Path) -> bytes | None:
    """What the file holds; None where there is none.

    Raises:
        ConfigurationError: others than its owner can read it, or it cannot be read.
    """
    try:
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"{file} can be read by others than its owner: chmod 600 {file}")
        with file.open("rb") as opened:
            data = opened.read(LONGEST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > LONGEST_BYTES:
        raise ConfigurationError(f"{file} is longer than any password or key")
    return data
