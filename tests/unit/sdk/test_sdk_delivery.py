"""The model folder: whole, checked, or not there."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import delivered_sample as sample
import pytest
from fake_hub import FakeHub, client_of

from rapha.canonical import digest
from rapha.errors import ConfigurationError, Conflict, DiskFull, Unproven, Unreachable
from rapha.records.wire import DeliveredFile
from rapha.sdk.delivery import ATTEMPTS, check_paths, deliver

STUDY = sample.example("diabetes-within-5-years")
MADE = sample.files(STUDY)
DELIVERY, BLOBS = sample.delivery(MADE, STUDY)
WEIGHTS = digest(MADE["model.safetensors"])


def blobs(wanted: str) -> Iterator[bytes]:
    data = BLOBS[wanted]
    yield data[:10]
    yield data[10:]


def everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_has_what_the_hub_listed_and_what_it_says_of_itself(tmp_path: Path) -> None:
    folder = client_of(FakeHub(DELIVERY, BLOBS)).fetch("st-1", tmp_path / "model")
    assert folder == tmp_path / "model"
    assert everything_in(folder) == {*MADE, "config.json", "README.md", "report.html", "receipt.html"}
    assert all((folder / path).read_bytes() == data for path, data in MADE.items())
    assert everything_in(tmp_path) == {f"model/{path}" for path in everything_in(folder)}
    config = json.loads((folder / "config.json").read_text())
    assert config["features"][0] == "last_cholesterol_until_2years"
    assert config["tensors"]["layers.0.weight"] == {"shape": [32, 14], "dtype": "F32"}


def test_progress_ends_at_the_sum_of_all_bytes(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    deliver(DELIVERY, blobs, tmp_path / "model", progress=lambda done, total: seen.append((done, total)))
    total = sum(map(len, MADE.values()))
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_fetching_again_leaves_the_same_folder_alone_and_another_in_peace(tmp_path: Path) -> None:
    folder = deliver(DELIVERY, blobs, tmp_path / "model")
    (folder / "README.md").write_text("with notes of my own")
    deliver(DELIVERY, blobs, folder)
    assert (folder / "README.md").read_text() == "with notes of my own"
    (folder / "metrics.json").write_bytes(b"{}")
    with pytest.raises(Conflict, match="already holds something else"):
        deliver(DELIVERY, blobs, folder)
    assert (folder / "metrics.json").read_bytes() == b"{}"


def test_a_truncated_download_is_tried_again(tmp_path: Path) -> None:
    hub = FakeHub(DELIVERY, BLOBS)
    hub.cut[WEIGHTS] = 100
    folder = client_of(hub).fetch("st-1", tmp_path / "model")
    assert (folder / "model.safetensors").read_bytes() == MADE["model.safetensors"]
    assert hub.asked.count(f"GET /blobs/{WEIGHTS}") == 2


def test_a_line_that_stays_cut_leaves_no_folder_and_loses_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    def cut(wanted: str) -> Iterator[bytes]:
        asked.append(wanted)
        if wanted == WEIGHTS:
            yield BLOBS[wanted][:100]
        else:
            yield from blobs(wanted)

    with pytest.raises(Unreachable, match=r"model\.safetensors ended after 100 of"):
        deliver(DELIVERY, cut, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert asked.count(WEIGHTS) == ATTEMPTS
    before = set(asked) - {WEIGHTS}
    asked.clear()

    def whole(wanted: str) -> Iterator[bytes]:
        asked.append(wanted)
        yield from blobs(wanted)

    deliver(DELIVERY, whole, tmp_path / "model")
    assert before
    assert not before & set(asked)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-1] + b"\x00", "its digest differs"),
        (lambda data: data + b"more", "is larger than the"),
    ],
)
def test_other_bytes_than_announced_are_refused(tmp_path: Path, change: object, said: str) -> None:
    hub = FakeHub(DELIVERY, {**BLOBS, WEIGHTS: change(BLOBS[WEIGHTS])})  # type: ignore[operator]
    with pytest.raises(Unproven, match=said):
        client_of(hub).fetch("st-1", tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert hub.asked.count(f"GET /blobs/{WEIGHTS}") == 1


@pytest.mark.parametrize(
    "paths",
    [
        ["../outside"], ["metrics/../../outside"], ["/etc/outside"], ["a\\..\\outside"], [""], [".hidden"],
        ["study.json", "study.json"], ["metrics", "metrics/north.json"], ["config.json"], ["readme.md"],
        ["report.html"], ["receipt.html"],
    ],
)  # fmt: skip
def test_a_path_that_is_not_in_the_folder_or_not_its_own_is_refused(paths: list[str]) -> None:
    files = tuple(DeliveredFile.model_construct(path=path, blob=WEIGHTS, size_bytes=1) for path in paths)
    with pytest.raises(Unproven, match="cannot be in a model folder"):
        check_paths(files)


def test_what_lies_in_the_way_of_the_part_is_cleared_and_links_are_not_followed(tmp_path: Path) -> None:
    partial = tmp_path / f".model.{DELIVERY.digest[7:19]}.part"
    partial.mkdir()
    (tmp_path / "mine").write_text("mine")
    (partial / "stray").write_text("left over")
    (partial / "study.json").symlink_to(tmp_path / "mine")
    (tmp_path / "elsewhere").mkdir()
    (partial / "metrics").symlink_to(tmp_path / "elsewhere")
    folder = deliver(DELIVERY, blobs, tmp_path / "model")
    assert not everything_in(tmp_path / "elsewhere")
    assert (tmp_path / "mine").read_text() == "mine"
    assert "stray" not in everything_in(folder)


def test_a_full_disk_and_a_folder_nobody_may_write_are_named(tmp_path: Path) -> None:
    def full(wanted: str) -> Iterator[bytes]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield b""

    with pytest.raises(DiskFull, match="no space left for"):
        deliver(DELIVERY, full, tmp_path / "model")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        deliver(DELIVERY, blobs, tmp_path / "file" / "model")


def test_metrics_of_another_study_are_refused(tmp_path: Path) -> None:
    other = {**MADE, "metrics.json": sample.study_metrics(sample.example("time-to-death")).as_bytes()}
    delivery, data = sample.delivery(other, STUDY)
    with pytest.raises(Unproven, match="holds the figures of another study"):
        deliver(delivery, lambda wanted: iter([data[wanted]]), tmp_path / "model")
