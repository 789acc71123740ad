"""A bulk export over HTTP, from an honest simulator: the whole way, again with what has changed, and after a crash."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from bulk_server import BulkServer, bulk_server
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fhir_clinic import MAPPING, SECRET, observation, patient

from rapha.errors import ConfigurationError, NotPermitted, SourceError, Unreachable
from rapha.sources.fhir import ingest
from rapha.sources.fhir_server import Fetched, ServerFile, fetch, line
from rapha.sources.fhir_server.line import retry_after
from rapha.timeline.reader import open_timeline

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Site:
    """A node's side: an empty data folder, a memory, and pauses that are noted and not waited for."""

    def __init__(self, folder: Path, server: BulkServer) -> None:
        self.folder, self.server = folder, server
        self.data, self.memory = folder / "data", folder / "home" / "clinic.json"
        self.pauses: list[float] = []

    def fetch(self, **more: object) -> Fetched:
        asked = ServerFile.model_validate({"source": "clinic", "server": self.server.url, **more})
        return fetch(asked, self.data, self.memory, lambda: NOW, self.pauses.append, lambda _: None)

    def events(self) -> list[tuple[str, bool]]:
        """The source_ref of every event and whether it is deleted, after the FHIR source has read the folder."""
        mapping = self.folder / "clinic.mapping.yaml"
        mapping.write_text(MAPPING)
        ingest(mapping, self.data, self.folder / "timeline", SECRET)
        with open_timeline(self.folder / "timeline").connect() as connection:
            return connection.execute("SELECT source_ref, deleted FROM events ORDER BY 1").fetchall()

    def visible(self) -> list[str]:
        return sorted(path.name for path in self.data.iterdir() if not path.name.startswith("."))


@pytest.fixture
def server() -> Iterator[BulkServer]:
    with bulk_server() as running:
        running.resources = [patient(), observation("o1"), observation("o2")]
        yield running


@pytest.fixture
def site(tmp_path: Path, server: BulkServer) -> Site:
    return Site(tmp_path, server)


def test_the_whole_way(site: Site, server: BulkServer) -> None:
    got = site.fetch(types=["Patient", "Observation"])
    assert (got.files, got.deletions, got.errors, got.since, got.ended) == (2, 0, 0, None, True)
    assert server.steps == [
        "POST /Patient/$export", "GET /jobs/1", "GET /files/Observation", "GET /files/Patient", "DELETE /jobs/1",
    ]  # fmt: skip
    headers, body = server.asked[0][2:]
    assert headers["prefer"] == "respond-async"
    assert {"name": "_type", "valueString": "Observation"} in json.loads(body)["parameter"]
    assert [ref for ref, _ in site.events()] == ["Observation/o1", "Observation/o2"]


def test_a_server_that_throttles_and_prepares_is_waited_for(site: Site, server: BulkServer) -> None:
    server.answers = {
        "kick-off": [(429, "7")],
        "status": [(202, "120"), (202, ""), (202, ""), (503, "9"), (429, "")],
        "file": [(503, "")],
    }
    assert site.fetch().files == 2
    assert site.pauses == [7, 120, 2, 4, 9, 2, 1]


def test_the_second_time_only_changes_and_deletions(site: Site, server: BulkServer) -> None:
    site.fetch()
    server.resources, server.deleted, server.time = [observation("o3")], ["Observation/o1"], "2026-02-01T00:00:00Z"
    got = site.fetch()
    assert (got.since, got.deletions) == ("2026-01-01T00:00:00.5+01:00", 1)
    assert {"name": "_since", "valueInstant": got.since} in json.loads(server.asked[-5][3])["parameter"]
    assert site.visible()[0].startswith("20251231T230000500000000Z")
    assert site.events() == [("Observation/o1", True), ("Observation/o2", False), ("Observation/o3", False)]


def test_a_server_that_knows_get_alone(site: Site, server: BulkServer) -> None:
    server.post = False
    site.fetch(types=["Patient"], export="Group/g-1")
    method, path, _, _ = server.asked[1]
    assert method == "GET" and path.startswith("/Group/g-1/$export?")
    assert parse_qs(path.partition("?")[2])["_type"] == ["Patient"]


def test_after_a_crash_it_goes_on_where_it_was(site: Site, server: BulkServer) -> None:
    server.answers = {
        "file": [(200, "")] + [(503, "")] * 8
    }  # the first is no resource but whole; then the line is dead
    server.manifest = {
        "output": [{"type": kind, "url": f"{server.url}/files/{kind}"} for kind in ("Patient", "Observation")]
    }
    with pytest.raises(Unreachable):
        site.fetch()
    assert site.visible() == []
    server.asked.clear()
    assert site.fetch().files == 2
    assert server.steps == ["GET /jobs/1", "GET /files/Observation", "DELETE /jobs/1"]


def test_a_file_cut_short_is_fetched_again(site: Site, server: BulkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "BLOCK_BYTES", 8)
    server.cut = 20
    site.fetch()
    assert site.pauses == [1]
    assert len(site.events()) == 2


def test_a_crash_after_the_folder_is_there_fetches_nothing_again(site: Site, server: BulkServer) -> None:
    server.answers = {"status": [(503, "")] * 8}
    with pytest.raises(Unreachable):
        site.fetch()
    begun = site.memory.read_bytes()
    site.fetch()
    site.memory.write_bytes(begun)  # as if the crash came before the last line of the memory
    server.job = "/jobs/1"
    server.asked.clear()
    site.fetch()
    assert server.steps == ["GET /jobs/1", "DELETE /jobs/1"]
    assert len(site.visible()) == 1


def test_an_export_that_expired_is_said_and_begun_anew(site: Site, server: BulkServer) -> None:
    server.answers = {"status": [(404, "")]}
    with pytest.raises(SourceError, match="run this again"):
        site.fetch()
    assert site.fetch().files == 2
    assert server.jobs == 2


def test_a_bearer_token(site: Site, server: BulkServer, tmp_path: Path) -> None:
    server.token = "very-secret"
    with pytest.raises(NotPermitted) as refused:
        site.fetch()
    assert "Nobody" not in str(refused.value)
    (tmp_path / "token").write_text("very-secret\n")
    assert site.fetch(auth={"token_file": str(tmp_path / "token")}).files == 2


@pytest.mark.parametrize("kind", ["RS384", "ES384"])
def test_smart_backend_services(site: Site, server: BulkServer, tmp_path: Path, kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "RS384" else ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server.token = "given"
    url = f"{server.url}/token"
    site.fetch(auth={"client_id": "rapha", "key_file": str(tmp_path / "key.pem"), "token_url": url, "kid": "k1"})
    assert server.steps.count("POST /token") == 1
    form = parse_qs(server.asked[0][3].decode())
    assert form["grant_type"] == ["client_credentials"]
    header, claims, signature = form["client_assertion"][0].split(".")
    assert unpacked(header) == {"alg": kind, "kid": "k1", "typ": "JWT"}
    said = unpacked(claims)
    assert (said["iss"], said["sub"], said["aud"], said["exp"] - said["iat"]) == ("rapha", "rapha", url, 240)
    raw, signed = base64.urlsafe_b64decode(signature + "=="), f"{header}.{claims}".encode()
    if isinstance(key, rsa.RSAPrivateKey):
        key.public_key().verify(raw, signed, padding.PKCS1v15(), SHA384())
    else:
        both = encode_dss_signature(int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big"))
        key.public_key().verify(both, signed, ec.ECDSA(SHA384()))


def unpacked(part: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return found


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 5), ("0", 0.1), ("30", 30), ("99999999999", 3600), ("-3", 5), ("soon", 5),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60), ("Wed, 31 Dec 2025 00:00:00 GMT", 0.1),
    ],
)  # fmt: skip
def test_retry_after(said: str, seconds: float) -> None:
    assert retry_after(said, 5, NOW) == seconds


def test_another_question_or_a_folder_in_use_is_refused(site: Site) -> None:
    site.data.mkdir()
    (site.data / "own.ndjson").write_text("{}")
    with pytest.raises(ConfigurationError, match="empty folder"):
        site.fetch()
    (site.data / "own.ndjson").unlink()
    site.fetch()
    with pytest.raises(ConfigurationError, match="asked otherwise"):
        site.fetch(types=["Patient"])
