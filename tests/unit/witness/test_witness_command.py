"""`rapha witness init|run` and `rapha hub witness`, as processes: a hub's whole study seen by a witness."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from small_log import ORIGIN, trusted_log
from test_witness import NAME, TestLog
from typer.testing import CliRunner

from rapha.cli import hub as hub_commands
from rapha.cli import witness as witness_commands
from rapha.errors import ConfigurationError
from rapha.hub.configuration import HubSettings, initialise, load
from rapha.proof.checkpoint import cosignature_time, public_from_pem, read_checkpoint
from rapha.records.wire import TrustedKeys


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "keys.json").write_bytes(TrustedKeys(keys=(trusted_log(),)).as_bytes())
    words = ["init", str(tmp_path / "w"), "--logs", str(tmp_path / "keys.json"), "--name", NAME, "--port", "0"]
    result = CliRunner().invoke(witness_commands.app, words)
    assert result.exit_code == 0, result.output
    assert ORIGIN in result.output
    return tmp_path / "w"


@pytest.mark.parametrize(
    "wrong", [("--name", "a b"), ("--name", "a+b"), ("--name", ""), ("--port", "70000"), ("--host", "")]
)
def test_a_setting_that_is_none_is_said_by_its_option(home: Path, tmp_path: Path, wrong: tuple[str, str]) -> None:
    words = ["init", str(tmp_path / "other"), "--logs", str(tmp_path / "keys.json"), "--name", NAME, *wrong]
    result = CliRunner().invoke(witness_commands.app, words)
    assert isinstance(result.exception, ConfigurationError) and f"{wrong[0]} is " in str(result.exception)
    assert not (tmp_path / "other").exists()


def test_it_answers_until_it_is_told_to_stop(home: Path) -> None:
    command = [sys.executable, "-c", "from rapha.cli.main import run; run()", "witness", "run", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONUNBUFFERED": "1"}) as process:
        try:
            assert process.stdout
            url = re.search(r"http://\S+", process.stdout.readline())
            assert url
            request = TestLog("a", "b").request(0)
            with httpx2.Client(trust_env=False, timeout=20) as client:
                answer = client.post(url[0] + "/add-checkpoint", content=request.as_bytes())
                assert client.post(url[0] + "/other").status_code == 404
                assert client.get(url[0]).status_code == 501
                assert client.post(url[0] + "/add-checkpoint", content=b"x" * (1 << 20)).status_code == 413
            assert answer.status_code == 200
            whole = read_checkpoint(request.checkpoint.text + b"\n" + answer.content)
            key = TrustedKeys.from_bytes((home / "keys.json").read_bytes()).keys[0]
            assert cosignature_time(whole, NAME, public_from_pem(key.public_key))
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_hub_is_given_a_witness(home: Path, tmp_path: Path) -> None:
    initialise(tmp_path / "hub", HubSettings())
    for url in ("http://one.example", "https://two.example"):
        words = ["witness", str(tmp_path / "hub"), url, str(home / "keys.json")]
        assert NAME in CliRunner().invoke(hub_commands.app, words).output
        assert [known.url for known in load(tmp_path / "hub").settings.witnesses] == [url]
    for wrong in (
        ("ftp://x", home / "keys.json"),
        ("https://a b", home / "keys.json"),
        ("https://x", tmp_path / "keys.json"),
    ):
        result = CliRunner().invoke(hub_commands.app, ["witness", str(tmp_path / "hub"), *map(str, wrong)])
        assert isinstance(result.exception, ConfigurationError)
