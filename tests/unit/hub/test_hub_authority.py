"""The hub's authority is made once, whole, and read back; what is left of half a one is refused."""

import pytest
import small_authority

from rapha.errors import ConfigurationError
from rapha.hub.authority import open_authority


def opened(folder):
    return open_authority(folder, "example-hub", lambda: small_authority.AT)


def test_it_is_made_once(tmp_path):
    first = opened(tmp_path / "authority")
    again = opened(tmp_path / "authority")
    assert first.trusted == again.trusted
    assert first.trust == again.trust
    assert {key.role for key in first.trusted} == {"authority", "time-stamper", "certificate-log"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "authority").iterdir())


def test_one_that_was_not_finished_is_made_anew(tmp_path):
    (tmp_path / "authority.draft").mkdir()
    (tmp_path / "authority.draft" / "authority-key.pem").write_bytes(b"half")
    opened(tmp_path / "authority")


@pytest.mark.parametrize(
    "missing", ["authority-key.pem", "stamper-key.pem", "certificate-log-key.pem", "authority.pem"]
)
def test_half_of_one_is_refused(tmp_path, missing):
    opened(tmp_path / "authority")
    (tmp_path / "authority" / missing).unlink()
    with pytest.raises(ConfigurationError, match=missing):
        opened(tmp_path / "authority")


def test_a_certificate_of_another_key_is_refused(tmp_path):
    opened(tmp_path / "a")
    opened(tmp_path / "b")
    (tmp_path / "b" / "authority.pem").write_bytes((tmp_path / "a" / "authority.pem").read_bytes())
    with pytest.raises(ConfigurationError, match="another key"):
        opened(tmp_path / "b")
