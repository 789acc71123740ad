"""A hospital goes over to another key as its steward types it, killed at each step; the hub's steward ends one; a reader follows both."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from rapha.cli.demo.town import Town, standing
from rapha.clock import utc_now
from rapha.errors import NotPermitted
from rapha.faults import VARIABLE
from rapha.node.configuration import Home
from rapha.node.hub_line import line_of
from rapha.node.keys import load_key
from rapha.proof import keys
from rapha.records.wire import Poll, TrustedKeys

pytestmark = pytest.mark.slow
POINTS = (
    "node.written:key-next.pem", "node.to-rename:rotation.json", "node.renamed:rotation.json", "node.to-rename:key.pem",
    "node.renamed:key.pem",
)  # fmt: skip


def rapha(*words: object, armed: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **({VARIABLE: armed} if armed else {})}
    command = [sys.executable, "-m", "rapha.cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path / "town", hospitals=2, isolate=False)
    with standing(made):
        codes = made.found()
        made.start_hub()
        made.settle(made.sites[0], codes[made.sites[0]])
        yield made


def fetched(town: Town, what: str, file: Path) -> Path:
    file.write_bytes(httpx2.get(f"{town.hub_url}/api/v1/{what}").content)
    return file


def is_let_in(home: Path) -> bool:
    with closing(line_of(Home(home), utc_now)) as line:
        try:
            line.poll(Poll(wait_seconds=0))
        except NotPermitted:
            return False
    return True


def keyid(home: Path) -> str:
    return keys.keyid(load_key(home / "key.pem").public_key())


def test_rotation_and_revocation_as_they_are_typed(town: Town, tmp_path: Path) -> None:
    site, home = town.sites[0], town.hospital(town.sites[0])
    pinned = fetched(town, "keys", tmp_path / "pinned.json")
    had = [keyid(home)]
    for point in POINTS:
        cut_short = rapha("node", "rotate-key", home, armed=f"{tmp_path / 'points'}:{point}#.*")
        assert cut_short.returncode == -signal.SIGKILL, (point, cut_short.stderr)
        (tmp_path / "points").unlink()
        ended = rapha("node", "rotate-key", home)
        assert ended.returncode == 0, (point, ended.stderr)
        assert is_let_in(home) and keyid(home) not in had, point
        had.append(keyid(home))
    ends = rapha("hub", "revoke-key", town.home / "hub", site)
    assert ends.returncode == 0, ends.stderr
    assert not is_let_in(home)
    changes = fetched(town, "key-changes", tmp_path / "key-changes.json")
    followed = rapha("receipt", "follow-keys", pinned, changes, "-o", tmp_path / "now.json")
    assert followed.returncode == 0, followed.stderr
    now = TrustedKeys.from_bytes((tmp_path / "now.json").read_bytes())
    listed = TrustedKeys.from_bytes(fetched(town, "keys", tmp_path / "listed.json").read_bytes())
    assert sorted(now.keys, key=str) == sorted(listed.keys, key=str)
    assert set(had) <= {key.keyid for key in now.keys if key.owner == site}
    assert [key.window.below is not None for key in now.keys if key.keyid == had[-1] and key.window] == [True]
