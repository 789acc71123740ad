"""What a workload may lay in the collector's way: links, pipes, devices, names, sizes. None is followed, none hangs."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rapha.egress import collect as collector
from rapha.egress.collect import NAMES, collect
from rapha.errors import EgressRefused
from rapha.records.outputs import FIGURES

LIMIT = 1000


def outcome(folder: Path, name: str = FIGURES) -> str:
    """The reason of the refusal; the test fails if the collector waits for anybody."""
    reasons: list[str] = []

    def attempt() -> None:
        try:
            collect(folder, name, LIMIT)
        except EgressRefused as error:
            reasons.append(error.reason)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive(), "the collector hangs"
    assert reasons, "the collector let it through"
    return reasons[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_file_is_read(tmp_path: Path, name: str) -> None:
    for content in (b"", b"{}", bytes(LIMIT)):
        (tmp_path / name).write_bytes(content)
        assert collect(tmp_path, name, LIMIT) == content


def symbolic_link(target: Path) -> None:
    target.symlink_to("/etc/hostname")


def link_to_a_file_beside(target: Path) -> None:
    (target.parent / "beside").write_bytes(b"{}")
    target.symlink_to("beside")


def broken_link(target: Path) -> None:
    target.symlink_to("nowhere")


def hard_link(target: Path) -> None:
    (target.parent / "beside").write_bytes(b"{}")
    os.link(target.parent / "beside", target)


def pipe(target: Path) -> None:
    os.mkfifo(target)


def directory(target: Path) -> None:
    target.mkdir()


def listening_socket(target: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(target))


def nothing(target: Path) -> None:
    """No output at all."""


def forbidden(target: Path) -> None:
    target.write_bytes(b"{}")
    target.chmod(0)
    if os.access(target, os.R_OK):
        pytest.skip("this user reads files whatever their mode")


def device(target: Path) -> None:
    try:
        os.mknod(target, 0o20600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this user cannot make a device")


@pytest.mark.parametrize(
    "obstacle",
    [
        symbolic_link,
        link_to_a_file_beside,
        broken_link,
        hard_link,
        pipe,
        directory,
        listening_socket,
        nothing,
        forbidden,
        device,
    ],
)
def test_what_is_not_a_plain_file_is_refused(tmp_path: Path, obstacle: Callable[[Path], None]) -> None:
    obstacle(tmp_path / FIGURES)
    assert outcome(tmp_path) == "output-malformed"


def test_a_size_is_refused_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / FIGURES).open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(collector, "_read", lambda *_: pytest.fail("read"))
    assert outcome(tmp_path) == "output-too-large"


def test_a_file_that_grows_while_it_is_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FIGURES).write_bytes(b"x")
    check = collector._check_plain

    def check_then_grow(found: os.stat_result, name: str, limit_bytes: int) -> None:
        check(found, name, limit_bytes)
        with (tmp_path / FIGURES).open("wb") as file:
            file.truncate(1 << 40)

    monkeypatch.setattr(collector, "_check_plain", check_then_grow)
    assert outcome(tmp_path) == "output-too-large"


@pytest.mark.parametrize("name", ["../secret", "other.json", "/etc/hostname", "", ".", "figures.json\n", "\x1b[31mx"])
def test_only_fixed_names_are_opened(tmp_path: Path, name: str) -> None:
    assert outcome(tmp_path, name) == "output-malformed"


def test_names_beside_it_are_never_looked_at(tmp_path: Path) -> None:
    for name in ("\x1b[2J\x1b]0;owned\x07", "a\nb", "figures.json ", "weights.safetensors.bak", "x" * 200):
        (tmp_path / name).write_bytes(b"MRN 12345")
    (tmp_path / FIGURES).write_bytes(b"{}")
    assert collect(tmp_path, FIGURES, LIMIT) == b"{}"


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / FIGURES).write_bytes(b"{}")
    (tmp_path / "out").symlink_to("real")
    assert outcome(tmp_path / "out") == "output-malformed"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / FIGURES).write_bytes(bytes(LIMIT + 1))
    os.mkfifo(tmp_path / NAMES[0])
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for name in (*NAMES, "other"):
        with pytest.raises(EgressRefused):
            collect(tmp_path, name, LIMIT)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
