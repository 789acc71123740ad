"""`rapha log deploy-anchor`, `anchor`, `prove-anchor`, then `verify-anchor`: a person's whole way, over a real port."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_chain import FakeChain, served
from small_log import ORIGIN, private_key
from typer.testing import CliRunner

from rapha.cli.public_log import app
from rapha.errors import ConfigurationError, Conflict, Unproven
from rapha.hub.log_keeper import LogKeeper

Say = Callable[..., str]
KEY = "0x" + "5a" * 32


@pytest.fixture
def fake() -> FakeChain:
    return FakeChain()


@pytest.fixture
def say(fake: FakeChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Say]:
    """Type a command of `rapha log` where there is a log with three entries, a chain and a key."""
    grow(tmp_path, 3)
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text(KEY)
    monkeypatch.chdir(tmp_path)

    def typed(*words: str) -> str:
        result = CliRunner().invoke(app, list(words))
        if result.exception:
            raise result.exception
        assert "5a5a" not in result.output
        return result.output

    with served(fake) as url:
        set_up(tmp_path, url=url, chain_id=31337, max_fee_gwei=50, key_file="key", wait_seconds=4)
        yield typed


def grow(folder: Path, entries: int) -> None:
    keeper = LogKeeper(folder / "log", ORIGIN, private_key(ORIGIN))
    keeper.append([b"entry %d" % n for n in range(entries)])
    keeper.close()


def set_up(folder: Path, **changes: Any) -> None:
    file = folder / "chain.json"
    file.write_text(json.dumps({**(json.loads(file.read_text()) if file.exists() else {}), **changes}))


def test_the_whole_way(say: Say, fake: FakeChain, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name no contract"):
        say("anchor", "log", "--chain", "chain.json")
    said = say("deploy-anchor", "--chain", "chain.json")
    contract = said.split()[0]
    assert f'Put "contract": "{contract}" into chain.json' in said
    set_up(tmp_path, contract=contract)
    with pytest.raises(ConfigurationError, match="take it out to deploy another"):
        say("deploy-anchor", "--chain", "chain.json")
    assert "newest no anchor" in say("anchor", "log", "--chain", "chain.json", "--show")
    assert "3 entries" in say("anchor", "log", "--chain", "chain.json")
    assert "it stood already" in say("anchor", "log", "--chain", "chain.json")
    with pytest.raises(Conflict, match=r"nothing of .* is anchored in a block that is final"):
        say("prove-anchor", "log", "--chain", "chain.json", "--out", "anchor.json")
    grow(tmp_path, 5)
    fake.mine()
    fake.mine()
    assert "8 entries" in say("anchor", "log", "--chain", "chain.json")
    said = say("prove-anchor", "log", "--chain", "chain.json", "--out", "anchor.json")
    assert "at 3 entries" in said
    with pytest.raises(ConfigurationError, match="cannot be written"):
        say("prove-anchor", "log", "--chain", "chain.json", "--out", "nowhere/anchor.json")
    command = said.splitlines()[-1].split()[2:]
    assert "its first 3 of 8 entries" in say(*command, "--log", "log")
    assert len(fake.taken) == 3


def test_another_log_of_that_name_is_seen_before_anything_is_sent(say: Say, fake: FakeChain, tmp_path: Path) -> None:
    set_up(tmp_path, contract=say("deploy-anchor", "--chain", "chain.json").split()[0])
    say("anchor", "log", "--chain", "chain.json")
    (tmp_path / "log").rename(tmp_path / "true")
    grow(tmp_path, 1)
    grow(tmp_path, 4)
    for words in (("--show",), ()):
        with pytest.raises(Unproven, match="another root at 3 entries than the chain"):
            say("anchor", "log", "--chain", "chain.json", *words)
    assert len(fake.taken) == 2


def test_an_edited_log_and_an_empty_one_are_not_anchored(say: Say, tmp_path: Path) -> None:
    checkpoint = tmp_path / "log" / "checkpoint"
    text = checkpoint.read_text().split("\n")
    checkpoint.write_text("\n".join([*text[:2], base64.b64encode(bytes(32)).decode(), *text[3:]]))
    with pytest.raises(Unproven, match="Never anchor an edited log"):
        say("anchor", "log", "--chain", "chain.json")
    tile = next((tmp_path / "log" / "tile" / "0").rglob("*.p/3"))
    tile.write_bytes(bytes(96))
    with pytest.raises(Unproven, match="not those that were hashed"):
        say("anchor", "log", "--chain", "chain.json")
    LogKeeper(tmp_path / "empty", ORIGIN, private_key(ORIGIN)).close()
    with pytest.raises(Conflict, match="no entry yet"):
        say("anchor", "empty", "--chain", "chain.json")


def test_without_web3_it_says_what_to_install(say: Say, tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['web3'] = None; from rapha.cli.main import run; run()"
    command = [sys.executable, "-c", blocked, "log", "anchor", "log", "--chain", "chain.json"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.stderr == "error: this command needs web3, which is not installed: pip install 'rapha[chain]'\n"
    assert done.returncode == ConfigurationError.exit_code
