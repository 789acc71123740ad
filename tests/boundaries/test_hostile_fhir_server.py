"""A FHIR server that lies: addresses that lead elsewhere, names of paths, files without end, counts that are not so."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bulk_server import BulkServer, bulk_server
from pydantic import ValidationError

from rapha.errors import SourceError
from rapha.sources.fhir_server import ServerFile, fetch, line

TOKEN = "only-for-its-own-server"


@pytest.fixture
def server() -> Iterator[BulkServer]:
    with bulk_server() as running:
        running.resources, running.token = [{"resourceType": "Patient", "id": "p1"}], TOKEN
        yield running


@pytest.fixture
def other() -> Iterator[BulkServer]:
    with bulk_server() as running:
        running.resources = [{"resourceType": "Patient", "id": "p1"}]
        yield running


def bring(folder: Path, server: BulkServer, **more: object) -> None:
    (folder / "token").write_text(TOKEN)
    said = {"source": "clinic", "server": server.url, "auth": {"token_file": str(folder / "token")}, **more}
    asked = ServerFile.model_validate(said)
    fetch(asked, folder / "data", folder / "memory.json", lambda: datetime.now(UTC), lambda _: None, lambda _: None)


def refused(folder: Path, server: BulkServer, because: str, **more: object) -> None:
    with pytest.raises(SourceError, match=because) as error:
        bring(folder, server, **more)
    assert "Nobody" not in str(error.value)
    assert [path for path in (folder / "data").iterdir() if not path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://127.0.0.1/x", "http://169.254.169.254/latest", "//elsewhere.example/x",
        "https://elsewhere.example/x", "{url}@elsewhere.example/", "http://a:b@127.0.0.1/x", "/files/Patient",
        "http://127.0.0.1:1/x", "http://[::1", "{url}/files/Patient\r\nx: y", "http://127.0.0.1:99999/",
    ],
)  # fmt: skip
def test_a_file_elsewhere_is_not_asked_for(tmp_path: Path, server: BulkServer, url: str) -> None:
    item = {"type": "Patient", "url": url.replace("{url}", server.url)}
    server.manifest = {"output": [item], "requiresAccessToken": False}
    refused(tmp_path, server, "names a file at another host")


def test_no_token_goes_to_another_host_even_one_that_is_named(
    tmp_path: Path, server: BulkServer, other: BulkServer
) -> None:
    server.manifest = {"output": [{"type": "Patient", "url": f"{other.url}/files/Patient"}]}
    refused(tmp_path, server, "no token was sent", files_from=[other.url])
    assert other.asked == []
    server.manifest["requiresAccessToken"] = False
    bring(tmp_path, server, files_from=[other.url])
    assert [headers.get("authorization") for _, _, headers, _ in other.asked] == [None]


def test_the_state_of_the_export_stays_at_the_server(tmp_path: Path, server: BulkServer, other: BulkServer) -> None:
    server.location = f"{other.url}/jobs/1"
    refused(tmp_path, server, "keeps its export's state at another host")
    assert other.asked == []


def test_no_redirect_is_followed(tmp_path: Path, server: BulkServer, other: BulkServer) -> None:
    server.redirect = f"{other.url}/files/Patient"
    refused(tmp_path, server, "redirect")
    assert other.asked == []


@pytest.mark.parametrize(
    "manifest",
    [
        {"output": [{"type": "../../x", "url": "http://127.0.0.1/x"}]},
        {"output": "all"},
        {"transactionTime": "../../etc"},
        {"transactionTime": "2026-13-41T00:00:00Z"},
        {"requiresAccessToken": None},
        {"output": [{"type": "Patient", "url": "http://127.0.0.1/x"}] * 20_001},
        {"link": [{"relation": "next", "url": "http://127.0.0.1/x"}]},
        {"x": "y" * (line.LONGEST_ANSWER + 1)},
    ],
    ids=range(8),
)
def test_a_manifest_that_is_none(tmp_path: Path, server: BulkServer, manifest: dict[str, object]) -> None:
    server.manifest = manifest
    refused(tmp_path, server, "manifest|longer than")


def test_deep_json_is_no_manifest(tmp_path: Path, server: BulkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_manifest", lambda: b"[" * 1_000_000)
    refused(tmp_path, server, "manifest")


def test_a_count_that_is_not_so(tmp_path: Path, server: BulkServer) -> None:
    server.manifest = {"output": [{"type": "Patient", "url": f"{server.url}/files/Patient", "count": 2}]}
    refused(tmp_path, server, "as many resources")


def test_a_file_without_end(tmp_path: Path, server: BulkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerFile, "largest_bytes", property(lambda _: 10))
    refused(tmp_path, server, "larger than")


@pytest.mark.parametrize(
    "url", ["http://ehr.example/r4", "ftp://x", "https://a@b/", "https://ehr.example/?a=b", "file:///x"]
)
def test_a_server_that_may_not_be_asked(url: str) -> None:
    with pytest.raises(ValidationError):
        ServerFile.model_validate({"source": "clinic", "server": url})
