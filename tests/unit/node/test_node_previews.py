"""Pictures for the steward: the middle slice, of those who did not opt out, and a line in the audit log."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Conflict
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.previews import middle_slice, png, write_previews
from rapha.node.register import Register

import sys  # isort: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "spec"))
from little_timeline import Event, Person, write_timeline

RAMP = np.arange(3 * 4 * 6, dtype=np.int16).reshape(3, 4, 6)


def read_png(content: bytes) -> np.ndarray:
    """Greys, by the standard: every chunk's sum is checked."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", content, at + 8 + length) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + length
    columns, rows, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 0, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def volume(voxels: np.ndarray) -> bytes:
    return save({"voxels": voxels, "spacing": np.ones(3)})


def test_the_middle_slice_from_black_to_white():
    drawn = read_png(png(middle_slice(volume(RAMP))))
    assert drawn.shape == (4, 6)
    assert (drawn[0, 0], drawn[-1, -1]) == (0, 255)
    assert (np.diff(drawn.ravel().astype(int)) >= 0).all() and len(np.unique(drawn)) > 20


def test_a_large_one_is_thinned_and_an_even_one_is_black():
    assert middle_slice(volume(np.zeros((1, 2000, 900), np.int16))).shape == (500, 225)
    assert middle_slice(volume(np.full((2, 4, 4), 7.0, np.float32))).max() == 0


@pytest.mark.parametrize("content", [b"", b"junk", save({"other": RAMP}), volume(RAMP[:0])])
def test_what_is_no_volume(content):
    with pytest.raises(ConfigurationError, match="no volume"):
        middle_slice(content)


def town(folder: Path, opted_out: bool = False):
    people = [Person(1, opted_out=opted_out), Person(2)]
    events = [Event("ct", "2010-01-01", patient=1, picture=1.0), Event("ct", "2010-01-01", patient=2, picture=2.0)]
    return write_timeline(folder, people, [*events, Event("n", "2010-01-01", patient=2, note="a letter")])


def test_of_those_who_did_not_opt_out(tmp_path):
    assert write_previews(town(tmp_path / "t"), tmp_path / "all", 10) == 2
    assert write_previews(town(tmp_path / "u", opted_out=True), tmp_path / "one", 10) == 1
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["0001.png"]
    assert write_previews(town(tmp_path / "v"), tmp_path / "few", 1) == 1
    with pytest.raises(Conflict, match="name a new folder"):
        write_previews(town(tmp_path / "w"), tmp_path / "one", 10)


def test_the_command_notes_who_looked(tmp_path):
    node = NodeConfiguration(site="st-anna", name="St Anna", hub_url="http://hub", hub="hub", hub_key="k")
    (tmp_path / "home").mkdir()
    write_configuration(tmp_path / "home" / "node.yaml", node)
    home = Home(tmp_path / "home")
    town(home.timeline)
    told = CliRunner().invoke(app, ["preview", str(home.folder), str(tmp_path / "out"), "--steward", "maria-lopez"])
    assert told.exit_code == 0 and "2 pictures of patients" in told.output
    ((_, event, _, facts),) = Register(home.database, utc_now).events()
    assert (event, facts["steward"]) == ("preview.begun", "steward:maria-lopez")
