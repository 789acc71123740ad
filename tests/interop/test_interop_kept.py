"""An environment for a comparison is made once, and never taken from an install that did not end."""

from pathlib import Path

import pytest
from kept_environments import kept


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def made(place: Path) -> bool:
    (place / "tool").touch(exist_ok=False)
    return True


def half(place: Path) -> bool:
    (place / "half").touch()
    raise KeyboardInterrupt


def test_it_is_made_once_and_another_is_another() -> None:
    first = kept(["a"], made)
    assert first and (first / "tool").exists()
    assert kept(["a"], half) == first
    assert kept(["b"], made) != first


def test_what_an_install_left_that_did_not_end_is_not_kept() -> None:
    with pytest.raises(KeyboardInterrupt):
        kept(["a"], half)
    place = kept(["a"], made)
    assert place and (place / "tool").exists() and not (place / "half").exists()


def test_what_could_not_be_made_is_tried_again() -> None:
    assert kept(["a"], lambda place: not made(place)) is None
    place = kept(["a"], made)
    assert place and (place / "tool").exists()
