"""One process works on a hub's home at a time."""

import fcntl
from pathlib import Path
from typing import IO


def lock_hub(path: Path) -> IO[str]:
    """Held for as long as the file is open. Raises ConfigurationError: another has it."""
    from rapha.errors import ConfigurationError

    file = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ConfigurationError(f"another hub already runs on {path.parent}: stop it first") from error
    return file
