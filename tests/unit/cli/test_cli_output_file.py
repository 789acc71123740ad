"""Where a command cannot write the file that a person named, that is said in words; no defect of ours."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rapha.cli.escrow_files import write_new
from rapha.cli.output_file import writing
from rapha.cli.public_stamp import _write
from rapha.cli.receipt import app
from rapha.errors import ConfigurationError

VECTORS = Path(__file__).resolve().parents[2] / "vectors"


def follow(out: Path) -> None:
    pinned = VECTORS / "receipts" / "pinned.json"
    changes = VECTORS / "key-changes" / "node-rotated.json"
    said = CliRunner().invoke(app, ["follow-keys", str(pinned), str(changes), "-o", str(out)])
    if said.exception:
        raise said.exception


@pytest.mark.parametrize("write", [follow, lambda out: _write(out, b"x"), lambda out: write_new(out, b"x")])
def test_a_folder_that_is_not_there_is_said(write: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written: No such file"):
        write(tmp_path / "nowhere" / "file")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written: Not a directory"):
        write(tmp_path / "file" / "file")


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), writing(tmp_path / "x"):
        Path("/dev/full").write_text("x")
