"""A hub that asks for certificates: who shows none, or a stranger's, is not spoken with, by a real process on a real line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from patience import until
from small_network_ca import SmallNetworkCa

from rapha.cli.hub_server import in_uvicorns_words
from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Unreachable
from rapha.hub.configuration import HubSettings, Tls, initialise, load
from rapha.hub.enrolment import new_code
from rapha.hub.notify import Bell
from rapha.hub.store.database import open_store
from rapha.hub.tokens import new_token
from rapha.node.enrolment import make_home
from rapha.node.hub_line import HubLine
from rapha.node.keys import load_key
from rapha.proof import keys
from rapha.records.wire import Poll
from rapha.sdk.client import connect


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def network(place: Path) -> SmallNetworkCa:
    return SmallNetworkCa(place, "network")


@pytest.fixture(scope="module")
def hub(place: Path, network: SmallNetworkCa) -> Iterator[str]:
    """The address of a hub that speaks with whoever the network vouches for."""
    server = network.issue("server")
    tls = Tls(certificate=server, key=server, clients=network.certificate)
    home = initialise(place / "hub", HubSettings(port=0, tls=tls)).home
    command = [sys.executable, "-m", "rapha.cli.main", "hub", "run", str(home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: (home / "hub.url").exists() or process.poll() is not None, seconds=60)
        assert process.poll() is None
        yield (home / "hub.url").read_text()
        process.terminate()


@pytest.fixture(scope="module")
def code_and_token(place: Path, hub: str) -> tuple[str, str]:
    store = open_store(load(place / "hub").database, Bell(), utc_now)
    with store.changing() as change:
        found = new_code(change, "north"), new_token(change, "Ada", ["study:read"])
    store.close()
    return found


def test_a_node_and_a_researcher_whom_the_network_vouches_for(
    place: Path, network: SmallNetworkCa, hub: str, code_and_token: tuple[str, str]
) -> None:
    assert hub.startswith("https://")
    code, token = code_and_token
    own, words = str(network.issue("north")), {"site": "north", "name": "North", "hub_url": hub, "code": code}
    ca = str(network.certificate)
    with pytest.raises(Unreachable, match="certificate"):
        make_home(place / "north", **words, ca=ca)
    made = make_home(place / "north", **words, ca=ca, certificate=own)
    assert made.certificate == own
    line = HubLine(hub, made.hub, "north", load_key(place / "north" / "key.pem"), utc_now, ca, certificate=own)
    with closing(line):
        assert line.poll(Poll(wait_seconds=0)) is None
    with connect(hub, token, ca=network.certificate, certificate=network.issue("ada")) as client:
        assert client.studies() == ()


def test_who_shows_none_or_a_strangers_is_not_spoken_with(
    place: Path, network: SmallNetworkCa, hub: str, code_and_token: tuple[str, str]
) -> None:
    stranger = SmallNetworkCa(place, "elsewhere").issue("mallory")
    for certificate in (None, stranger):
        asking = connect(hub, code_and_token[1], ca=network.certificate, certificate=certificate)
        with asking as client, pytest.raises(Unreachable, match="RAPHA_CERTIFICATE"):
            client.studies()


def test_the_environment_may_name_the_researchers_certificate(
    network: SmallNetworkCa, hub: str, code_and_token: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPHA_CERTIFICATE", str(network.issue("grace")))
    with connect(hub, code_and_token[1], ca=network.certificate) as client:
        assert client.studies() == ()


def test_files_that_cannot_be_used_are_said(tmp_path: Path, network: SmallNetworkCa) -> None:
    server, other = network.issue("one"), network.issue("other")
    (tmp_path / "key.pem").write_bytes(other.read_bytes())
    for tls in (
        Tls(certificate=server, key=tmp_path / "none.pem"),
        Tls(certificate=network.certificate, key=tmp_path / "key.pem"),
        Tls(certificate=server, key=server, clients=tmp_path / "key.txt"),
    ):
        with pytest.raises(ConfigurationError, match="files of `tls` cannot be used"):
            in_uvicorns_words(tls)
    with pytest.raises(ConfigurationError, match="a certificate and its key"):
        connect("https://hub.example", "token", certificate=network.certificate)
    with pytest.raises(ConfigurationError, match="not a certificate to show"):
        HubLine("https://hub.example", "hub", "north", keys.generate(), utc_now, certificate=str(tmp_path / "no"))


def test_the_settings_file_holds_it(tmp_path: Path) -> None:
    home = initialise(tmp_path / "hub", HubSettings(port=0)).home
    said = json.loads((home / "hub.json").read_text()) | {"tls": {"certificate": "a.pem", "key": "b.pem"}}
    (home / "hub.json").write_text(json.dumps(said))
    assert load(home).settings.tls == Tls(certificate=Path("a.pem"), key=Path("b.pem"))
