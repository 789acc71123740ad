"""The file that a person named for what a command writes."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What writes `path`: where the folder is not there, or is no folder, that is said in words. A full disk passes through, to be said as such.

    Raises:
        ConfigurationError: it cannot be written.
    """
    from rapha.errors import ConfigurationError

    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
