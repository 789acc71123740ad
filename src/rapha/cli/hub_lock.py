"""One process works on a hub's home at a time."""

import fcntl
import time
from pathlib import Path
from typing import IO

LOOKED_AT_SECONDS = 0.5
"""`rapha hub status` holds it for a moment, to see whether a hub has it."""


def lock_hub(path: Path) -> IO[str]:
    """Held for as long as the file is open. Raises ConfigurationError: another has it."""
    from rapha.errors import ConfigurationError

    file, end = path.open("w", encoding="utf-8"), time.monotonic() + LOOKED_AT_SECONDS
    while not _locked(file):
        if time.monotonic() > end:
            file.close()
            raise ConfigurationError(f"another hub already runs on {path.parent}: stop it first")
        time.sleep(0.02)
    return file


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
