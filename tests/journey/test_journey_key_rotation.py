"""A hospital goes over to another key as its steward types it, killed at each step; so does the hub, in the middle of a study; the hub's
steward ends one; a reader follows all of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, bearer, running
from made_up_people import write_study

from rapha.cli.demo.town import Town, standing
from rapha.cli.hub_keys import finish_rotations
from rapha.clock import utc_now
from rapha.errors import NotPermitted
from rapha.faults import VARIABLE
from rapha.hub.configuration import load
from rapha.node.configuration import Home
from rapha.node.hub_line import line_of
from rapha.node.keys import load_key
from rapha.proof import keys
from rapha.proof.verify import judge
from rapha.records.wire import Poll, TrustedKeys
from rapha.sdk.folder import read_folder
from rapha.sdk.study_file import read_study

pytestmark = pytest.mark.slow
POINTS = (
    "node.written:key-next.pem", "node.to-rename:rotation.json", "node.renamed:rotation.json", "node.to-rename:key.pem",
    "node.renamed:key.pem",
)  # fmt: skip

POINTS_OF_THE_HUB = (
    "hub.written:key-next.pem",
    "hub.said:key-next.pem",
    "hub.to-rename:key.pem",
    "hub.renamed:key.pem",
)


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


class Now(Clock):
    """The machine's clock, which the commands go by too."""

    def __call__(self) -> datetime:
        return utc_now()


@contextmanager
def at_the_hub(home: Path, site: FakeSite | None = None) -> Iterator[HubAtHand]:
    with running(home, Now()) as hub:
        if site:
            site.hub = hub
        yield hub


def does_what_there_is(site: FakeSite) -> None:
    site.do(site.wait_for_work())


def wrong(folder: Path, known: TrustedKeys) -> list[tuple[str, int]]:
    return [(one.subject, one.steps[-1].number) for one in judge(read_folder(folder, known)) if not one.ok]


def test_the_hub_changes_its_key_in_the_middle_of_a_study_killed_at_each_step(tmp_path: Path) -> None:
    """One study, from its offer to its folder; between any two of its steps the hub stops, is killed while it goes over, and ends that as it
    is started, or as its steward types it again."""
    home = tmp_path / "hub"
    study = read_study(write_study(tmp_path / "study.yaml", rounds=3, at_least=1))
    with at_the_hub(home) as hub:
        site, token = FakeSite(hub, "north").join(), hub.token()
        pinned = TrustedKeys.from_bytes(hub.http.get("/api/v1/keys").content)
        study_id = hub.submit(study, token)
        does_what_there_is(site)  # its yes
    had = {keyid(home)}
    for point, ended in zip(POINTS_OF_THE_HUB, (True, False, True, False), strict=True):
        cut_short = rapha("hub", "rotate", home, "hub", armed=f"{tmp_path / 'points'}:{point}#.*")
        assert cut_short.returncode == -signal.SIGKILL, (point, cut_short.stderr)
        (tmp_path / "points").unlink()
        if ended:
            again = rapha("hub", "rotate", home, "hub")
            assert again.returncode == 0 and keyid(home)[:16] in again.stdout, (point, again.stderr)
        else:
            finish_rotations(load(home))  # as `rapha hub run` does
        assert not (home / "key-next.pem").exists() and keyid(home) not in had, point
        had.add(keyid(home))
        with at_the_hub(home, site):
            does_what_there_is(site)  # statistics, and three rounds
    with at_the_hub(home, site) as hub:
        does_what_there_is(site)  # its release
        hub.wait_for(study_id, token, "completed")
        for file in hub.delivery(study_id, token).files:
            path = tmp_path / "model" / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(hub.http.get(f"/api/v1/blobs/{file.blob}", headers=bearer(token)).content)
        (tmp_path / "pinned.json").write_bytes(pinned.as_bytes())
        (tmp_path / "key-changes.json").write_bytes(hub.http.get("/api/v1/key-changes").content)
    told = rapha(
        "receipt", "follow-keys", tmp_path / "pinned.json", tmp_path / "key-changes.json", "-o", tmp_path / "now.json"
    )
    assert told.returncode == 0, told.stderr
    now = TrustedKeys.from_bytes((tmp_path / "now.json").read_bytes())
    assert {key.keyid for key in now.keys if key.role == "hub"} == had
    assert wrong(tmp_path / "model", now) == []
    assert wrong(tmp_path / "model", pinned) == [("receipts/aggregation.json", 2)]
    verified = rapha("receipt", "verify", tmp_path / "model", "--keys", tmp_path / "now.json")
    assert verified.returncode == 0, verified.stdout
