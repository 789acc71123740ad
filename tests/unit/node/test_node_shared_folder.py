"""The folder of a site's runs, where others use the file system too."""

import os
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.sandbox.shared_folder import check_shared


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "above" / "shared").mkdir(parents=True)
    return tmp_path / "above" / "shared"


def refused(runs: Path, words: str) -> None:
    with pytest.raises(SandboxError, match=words):
        check_shared(runs)


def test_it_is_made_for_this_user_alone_and_found_again(shared: Path) -> None:
    for _ in range(2):
        check_shared(shared / "north")
        assert (shared / "north").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
def test_one_that_others_may_look_into_is_refused(shared: Path, mode: int) -> None:
    (shared / "north").mkdir()
    (shared / "north").chmod(mode)
    refused(shared / "north", "chmod 700")


def test_a_link_is_refused_also_to_a_folder_of_our_own(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    (shared / "north").symlink_to(tmp_path / "own")
    refused(shared / "north", "link")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_one_that_somebody_could_put_another_in_the_place_of_is_refused(shared: Path, mode: int) -> None:
    for open_to_others in (shared, shared.parent):
        open_to_others.chmod(mode)
        refused(shared / "north", "chmod go-w")
        open_to_others.chmod(mode | 0o1000)
        check_shared(shared / "north")


def test_what_a_link_above_leads_to_is_looked_at_too(shared: Path, tmp_path: Path) -> None:
    check_shared(shared / "north")
    (tmp_path / "link").symlink_to(shared)
    check_shared(tmp_path / "link" / "north")
    shared.parent.chmod(0o777)
    refused(tmp_path / "link" / "north", "chmod go-w")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a folder away")
def test_one_in_a_folder_of_somebody_elses_is_refused(shared: Path) -> None:
    check_shared(shared / "north")
    os.chown(shared, 65534, 65534)
    refused(shared / "north", "root's or this user's")


def test_one_that_cannot_be_made_is_refused(shared: Path) -> None:
    refused(shared / "nowhere" / "north", "may write to")
