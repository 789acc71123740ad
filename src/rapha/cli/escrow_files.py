"""The small files of payments: read within limits, written without overwriting another."""

from pathlib import Path

from rapha.cli.output_file import writing
from rapha.errors import ConfigurationError, Conflict
from rapha.proof.escrow.deposit import MAX_BYTES


def small_file(path: Path) -> bytes:
    """Its bytes, one more than any such file has at most. Raises ConfigurationError where it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigurationError(f"{path}: there is no such file") from None


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there; the same bytes again are no fault. Raises Conflict where another one is there, ConfigurationError where it
    cannot be written."""
    try:
        with writing(path), path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        if path.read_bytes() != data:
            raise Conflict(f"{path} is there already, and is another: choose another name, or take it away") from None
