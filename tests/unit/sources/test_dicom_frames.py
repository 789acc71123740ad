"""Enhanced multi-frame files: every frame has its own place, and what holds of stacks of files holds of stacks of frames."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
import pydicom

from rapha.cli.demo.made_up_frames import ENHANCED_MR, frame, with_undefined_lengths, write_enhanced
from rapha.sources.dicom.headers import Header, read_headers
from rapha.sources.dicom.stacks import stacks_of
from rapha.sources.dicom.volumes import content_of

VOXELS = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)
SLOPE = {"RescaleIntercept": 0, "RescaleType": "US"}


def written(folder: Path, voxels: Any = VOXELS, name: str = "e.dcm", **more: Any) -> Path:
    return write_enhanced(folder / name, "p1", date(2015, 6, 1), voxels, random.Random(3), **more)


def headers(path: Path) -> list[Header]:
    found = read_headers(path, ("CT", "MR", "PT", "MG"))
    assert not isinstance(found, str), found
    return found


def volumes(*paths: Path) -> list[Any]:
    from safetensors.numpy import load

    stacks, refused = stacks_of([header for path in paths for header in headers(path)])
    assert refused == []
    contents = [content_of(stack) for stack in stacks]
    assert not any(isinstance(each, str) for each in contents), contents
    return [load(each) for each in contents if isinstance(each, bytes)]


def refusals(path: Path) -> list[str]:
    return [each.reason for each in stacks_of(headers(path))[1]]


def test_a_file_of_frames_is_one_volume(tmp_path):
    (volume,) = volumes(written(tmp_path))
    assert volume["voxels"].tolist() == VOXELS.tolist()
    assert volume["spacing"].tolist() == [5.0, 4.0, 4.0]


def test_frames_lie_where_they_say_and_not_where_they_stand(tmp_path):
    frames = [frame(place) for place in (15, 5, 0, 10)]
    (volume,) = volumes(written(tmp_path, frames=frames))
    assert volume["voxels"].tolist() == VOXELS[[2, 1, 3, 0]].tolist()


def test_each_frame_has_its_own_slope(tmp_path):
    frames = [
        frame(n * 5.0, PixelValueTransformationSequence=SLOPE | {"RescaleSlope": n + 1, "RescaleIntercept": -n})
        for n in range(4)
    ]
    (volume,) = volumes(written(tmp_path, frames=frames))
    assert volume["voxels"].tolist() == [(VOXELS[n] * (n + 1) - n).tolist() for n in range(4)]


@pytest.mark.parametrize(
    "macros",
    [
        lambda n: {"FrameContentSequence": {"StackID": str(n // 4)}},
        lambda n: {"FrameContentSequence": {"TemporalPositionIndex": 1 + n // 4}},
        lambda n: {"MREchoSequence": {"EffectiveEchoTime": 10.0 + n // 4}},
        lambda n: {"MRDiffusionSequence": {"DiffusionBValue": 1000.0 * (n // 4)}},
        lambda n: {"MRDiffusionSequence": {"DiffusionBValue": 1000.0, "DiffusionGradientDirectionSequence":
                   {"DiffusionGradientOrientation": [1.0, 0.0, float(n // 4)]}}},
        lambda n: {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NM"[n // 4]]}},
    ],
    ids=["stack", "time", "echo", "b-value", "direction", "type"],
)  # fmt: skip
def test_two_volumes_in_one_file(tmp_path, macros):
    both = np.concatenate([VOXELS, VOXELS + 1])
    frames = [frame((n % 4) * 5.0, **macros(n)) for n in range(8)]
    found = volumes(written(tmp_path, both, frames=frames, Modality="MR", SOPClassUID=ENHANCED_MR))
    assert sorted(int(volume["voxels"][0, 0, 0]) for volume in found) == [0, 1]


def test_what_two_volumes_do_not_tell_is_refused(tmp_path):
    frames = [frame((n % 4) * 5.0) for n in range(8)]
    path = written(tmp_path, np.concatenate([VOXELS, VOXELS]), frames=frames)
    assert refusals(path) == ["has several images at one place: two volumes that nothing tells apart"]


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ([[0, 0, z] for z in (0, 5, 15, 20)], "lacks slices, or has them at uneven distances"),
        ([[0, z / 5, z] for z in (0, 5, 10, 15)], "was taken with a tilted gantry, which is not read yet"),
        ([[0, 0, 0], [], [0, 0, 10], [0, 0, 15]], "does not say where in the patient it lies"),
    ],
)
def test_frames_that_make_no_stack(tmp_path, places, reason):
    frames = [frame(0, PlanePositionSequence={"ImagePositionPatient": place}) for place in places]
    assert refusals(written(tmp_path, frames=frames)) == [reason]


def test_frames_that_the_file_does_not_describe(tmp_path):
    fewer = written(tmp_path, frames=[frame(0), frame(5)])
    assert read_headers(fewer, ("CT",)) == "does not describe each of its frames"
    pet = written(tmp_path, Modality="PT", Units="GML")
    assert read_headers(pet, ("PT",)) == "is enhanced PET, which is not read yet"
    assert read_headers(pet, ("CT",)) == "is of a modality that the mapping does not read"


def test_tomosynthesis_is_a_stack_and_a_mammogram_a_picture(tmp_path):
    (volume,) = volumes(written(tmp_path, Modality="MG"))
    assert volume["voxels"].shape == (4, 8, 8)


def test_the_same_file_twice_is_one_volume_and_a_reason(tmp_path):
    one, two = written(tmp_path, name="a.dcm"), written(tmp_path, name="b.dcm")
    stacks, refused = stacks_of([*headers(one), *headers(two)])
    assert [len(stack.images) for stack in stacks] == [4]
    assert {each.reason for each in refused} == {"is in the folder twice"}


def test_sequences_without_their_lengths_are_read_all_the_same(tmp_path):
    path = written(tmp_path)
    known = headers(path)
    found = pydicom.dcmread(path)
    with_undefined_lengths([found])
    found.save_as(path)
    assert headers(path) == known


def test_a_frame_says_when_it_was_taken(tmp_path):
    frames = [frame(n * 5.0, FrameContentSequence={"FrameAcquisitionDateTime": f"2016010210000{n}"}) for n in range(4)]
    taken = [header.at for header in headers(written(tmp_path, frames=frames))]
    assert [f"{at:%Y-%m-%d %H:%M:%S}" for at in taken if at] == [f"2016-01-02 10:00:0{n}" for n in range(4)]


def test_fewer_frames_of_pixels_than_said_are_a_reason(tmp_path):
    path = written(tmp_path)
    found = pydicom.dcmread(path)
    found.PixelData = found.PixelData[:128]
    found.save_as(path)
    (stack,), _ = stacks_of(headers(path))
    assert content_of(stack) == "has pixels that cannot be read"
