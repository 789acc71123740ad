"""A hub's home: what is in one is not lost by making another."""

import json
import re

import pytest

from rapha.errors import ConfigurationError
from rapha.hub.configuration import HubSettings, initialise, initialise_beside, load, settings_of
from rapha.hub.wired import open_blobs


@pytest.fixture
def first(tmp_path):
    shared = {"database": "postgresql://rapha@db.example/rapha", "blobs": f"file://{tmp_path}/shared"}
    home = tmp_path / "first"
    initialise(home, HubSettings.model_validate(shared))
    (home / "log-key.pem").write_text("log key of the first")
    (home / "authority").mkdir()
    (home / "authority" / "ca.pem").write_text("authority of the first")
    return home


@pytest.mark.parametrize("there", ["hub.json", "key.pem", "log-key.pem", "authority/ca.pem", "blob-credentials.json"])
def test_a_home_beside_another_overwrites_no_key(first, tmp_path, there):
    kept = tmp_path / "second" / there
    kept.parent.mkdir(parents=True)
    kept.write_text("of another hub")
    with pytest.raises(ConfigurationError, match="already"):
        initialise_beside(tmp_path / "second", first, "127.0.0.1", 0)
    assert [file for file in (tmp_path / "second").rglob("*") if file.is_file()] == [kept]
    assert kept.read_text() == "of another hub"


def test_a_home_beside_another_has_its_keys(first, tmp_path):
    initialise_beside(tmp_path / "second", first, "127.0.0.1", 0)
    for name in ("key.pem", "log-key.pem", "authority/ca.pem"):
        assert (tmp_path / "second" / name).read_bytes() == (first / name).read_bytes()


@pytest.mark.parametrize("place", ["hub", "hub/log", "hub/../hub", "."])
def test_the_blobs_have_a_folder_apart_from_the_home(tmp_path, place):
    settings = HubSettings(blobs=f"file://{tmp_path}/{place}")
    with pytest.raises(ConfigurationError, match="a folder of its own"):
        initialise(tmp_path / "hub", settings)
    assert list(tmp_path.iterdir()) == []
    good = initialise(tmp_path / "hub", HubSettings(blobs=f"file://{tmp_path}/hub/blobs"))
    (good.home / "hub.json").write_bytes(settings.as_bytes())
    with pytest.raises(ConfigurationError, match="a folder of its own"):
        load(good.home)


def test_two_hubs_whose_homes_have_one_path_leave_each_other_their_drafts(first, tmp_path):
    with open_blobs(load(first)).draft() as draft:
        draft.write(b"half of a")
        initialise_beside(tmp_path / "second", first, "127.0.0.1", 0)
        first.rename(tmp_path / "on-another-machine")
        (tmp_path / "second").rename(first)
        open_blobs(load(first))
        draft.write(b" blob")
        digest = draft.settle()
        draft.keep()
    moved = open_blobs(load(tmp_path / "on-another-machine"))
    assert moved.size_bytes(digest) == len(b"half of a blob")
    assert len(list((tmp_path / "shared").glob("drafts-*"))) == 2


@pytest.mark.parametrize(
    "said",
    [
        {"database": "postgresql://h/d?%70assword=secret"},
        {"database": "postgresql://h/d?sslpassword=secret"},
        {"blobs": "s3://key:secret@bucket"},
        {"blobs": "s3://bucket?secret_access_key=secret"},
        {"blobs": "s3://bucket?endpoint=https://s3.example&%73ecret=secret"},
    ],
)
def test_no_secret_stands_in_a_url(said):
    with pytest.raises(ConfigurationError) as refused:
        settings_of("hub", "127.0.0.1", 0, **said)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"public_uri": "https://h"}, "unknown key `public_uri`; did you mean `public_url`?"),
        ({"tls": {"certificate": "/c", "keys": "/k", "key": "/k"}}, "unknown key `tls.keys`; did you mean `key`?"),
    ],
)
def test_a_misspelt_key_of_a_hub_is_told_with_the_one_that_is_meant(tmp_path, more, said):
    file = initialise(tmp_path / "home", settings_of("trial", "127.0.0.1", 0)).home / "hub.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | more))
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load(tmp_path / "home")
