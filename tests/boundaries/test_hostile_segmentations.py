"""A segmentation is untrusted bytes: whatever is changed in one, it is a mask of its own volume or set aside, within limits."""

import copy
import random
import struct
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
import pydicom

from rapha.cli.demo.made_up_scans import write_scan
from rapha.cli.demo.made_up_segmentations import NODULE, write_segmentation
from rapha.sources.dicom.headers import A_SEGMENTATION, read_headers
from rapha.sources.dicom.masks import Laid, laid_on, masks_of
from rapha.sources.dicom.segmentation import MOST_SEGMENTS, read_segmentation
from rapha.sources.dicom.stacks import Stack, stacks_of

VOXELS = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)
DRAWING = np.zeros((4, 8, 8), np.uint8)
DRAWING[1:3, 2:4, 5:8] = 1


class Drawn:
    """A scan's stack, and the file of its segmentation."""

    def __init__(self, folder: Path) -> None:
        dice = random.Random(5)
        scan = write_scan(folder / "scan", "p1", date(2015, 6, 1), VOXELS, dice)
        headers = [header for path in scan for header in read_headers(path, ["CT"])]
        (self.stack,) = stacks_of([header for header in headers if not isinstance(header, str)])[0]
        self.by_instance: dict[str, list[Stack]] = {image.instance: [self.stack] for image in self.stack.images}
        self.file = write_segmentation(folder / "seg.dcm", scan, [(NODULE, DRAWING)], dice, date(2015, 7, 1))

    def read(self, path: Path) -> str | list[Any]:
        """Why it is of no use, or its masks."""
        if read_headers(path, ["CT", "SEG"]) != A_SEGMENTATION:
            return "is of another kind"
        found = read_segmentation(path)
        laid = found if isinstance(found, str) else laid_on(found, self.by_instance)
        if not isinstance(laid, Laid):
            return laid if isinstance(laid, str) else "unread"
        masks = masks_of(laid)
        return masks if isinstance(masks, str) else list(masks)

    def changed(self, **elements: Any) -> Path:
        found = pydicom.dcmread(self.file)
        for name, value in elements.items():
            setattr(found, name, value)
        found.save_as(path := self.file.with_name("changed.dcm"))
        return path


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    return Drawn(tmp_path)


def test_of_many_broken_copies_each_is_a_mask_of_the_same_size_or_set_aside(drawn: Drawn) -> None:
    data, dice, path = drawn.file.read_bytes(), random.Random(11), drawn.file.with_name("broken.dcm")
    masks = 0
    for _ in range(200):
        broken = bytearray(data)
        for _ in range(dice.choice((1, 1, 2, 8))):
            broken[dice.randrange(132, len(broken))] = dice.randrange(256)
        path.write_bytes(broken[: dice.randrange(200, len(broken))] if dice.random() < 0.2 else broken)
        found = drawn.read(path)
        if not isinstance(found, str):
            masks += 1
            assert found and all(mask.shape == VOXELS.shape and mask.dtype == np.bool_ for _, mask in found)
    assert 0 < masks < 200


def test_a_header_that_promises_a_large_picture_reserves_no_memory(drawn: Drawn) -> None:
    import tracemalloc

    frames = pydicom.dcmread(drawn.file).PerFrameFunctionalGroupsSequence
    many = drawn.changed(
        Rows=4096, Columns=4096, NumberOfFrames=2 * len(frames), PerFrameFunctionalGroupsSequence=[*frames, *frames]
    )
    tracemalloc.start()
    for path in (
        many,
        drawn.changed(Rows=60_000),
        drawn.changed(NumberOfFrames="2000000000"),
        drawn.changed(NumberOfFrames=-4),
    ):
        assert isinstance(drawn.read(path), str)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_more_segments_than_are_read(drawn: Drawn) -> None:
    (one,) = pydicom.dcmread(drawn.file).SegmentSequence
    segments = []
    for number in range(1, MOST_SEGMENTS + 2):
        segments.append(copy.deepcopy(one))
        segments[-1].SegmentNumber = number
    found = drawn.read(drawn.changed(SegmentSequence=segments))
    assert found == f"is a segmentation of no segments, or of more than {MOST_SEGMENTS}"
    assert not isinstance(drawn.read(drawn.changed(SegmentSequence=segments[:-1])), str)


@pytest.mark.parametrize("bits", [16, 32])
def test_pixels_of_another_width_than_the_header_says(drawn: Drawn, bits: int) -> None:
    assert isinstance(drawn.read(drawn.changed(BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)), str)


@pytest.mark.parametrize("place", [float("nan"), float("inf"), 1e300, -1e9])
def test_a_place_that_is_none(drawn: Drawn, place: float) -> None:
    data = drawn.file.read_bytes()
    groups = pydicom.dcmread(drawn.file).PerFrameFunctionalGroupsSequence
    groups[0].PlanePositionSequence[0].ImagePositionPatient = [0, 0, 5]
    text = str(place).encode()
    tag = struct.pack("<HH2s", 0x0020, 0x0032, b"DS")
    at = data.index(tag)
    (length,) = struct.unpack("<H", data[at + 6 : at + 8])
    path = drawn.file.with_name("placed.dcm")
    path.write_bytes(data[: at + 8] + (text + b"\\0\\0")[:length].ljust(length) + data[at + 8 + length :])
    assert isinstance(drawn.read(path), str)
