"""Clips of ultrasound: frames in time as one array, in grey, whatever colours the device wrote."""

import io
import random
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_dicom_rows import Archive, aside, edit

from rapha.cohort.images import image_array
from rapha.records.dense import ImageFeature
from rapha.timeline.assets import Assets
from rapha.timeline.reader import open_timeline

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
import pydicom
from pydicom.pixels import convert_color_space
from safetensors.numpy import load, save

from rapha.cli.demo.made_up_clips import beating
from rapha.cli.demo.made_up_clips import write_clip as write_clip_of_demo
from rapha.cli.demo.made_up_scans import write_image
from rapha.sources.dicom.elements import Elements
from rapha.sources.dicom.headers import LARGEST_SIDE, Header, read_headers
from rapha.sources.dicom.stacks import stacks_of
from rapha.sources.dicom.ultrasound import between_frames, region_spacing
from rapha.sources.dicom.volumes import content_of

CLIP = "1.2.840.10008.5.1.4.1.1.3.1"
GREYS = (np.arange(6 * 16 * 24).reshape(6, 16, 24) * 7 % 251).astype(np.uint8)
"""Six frames of 16 rows and 24 columns."""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def region(**more: Any) -> pydicom.Dataset:
    """A region of tissue, 0.2 mm a row and 0.4 mm a column."""
    found = pydicom.Dataset()
    usual = {
        "RegionSpatialFormat": 1, "RegionDataType": 1, "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.04, "PhysicalDeltaY": 0.02,
    }  # fmt: skip
    for name, value in (usual | more).items():
        setattr(found, name, value)
    return found


def write_clip(archive: Archive, pixels: Any, colours: str = "RGB", **more: Any) -> Path:
    """A file as a scanner writes a clip: no place in the patient, size of a pixel by region, frames 25 ms apart."""
    path, root = archive.data / "clip.dcm", f"1.2.826.0.1.3680043.8.498.{random.Random(7).getrandbits(60)}"
    header = {
        "SOPClassUID": CLIP, "PatientID": "p1", "Modality": "US", "StudyInstanceUID": f"{root}.1", "SeriesInstanceUID": f"{root}.2",
        "SOPInstanceUID": f"{root}.3", "AcquisitionDateTime": f"{date(2015, 6, 1):%Y%m%d}093000", "ImageType": ["ORIGINAL", "PRIMARY"],
        "BurnedInAnnotation": "NO", "NumberOfFrames": len(pixels), "FrameTime": "25", "FrameIncrementPointer": 0x00181063,
        "SequenceOfUltrasoundRegions": [region()], "RescaleSlope": None, "RescaleIntercept": None, "PixelSpacing": None,
        "Rows": pixels.shape[1], "Columns": pixels.shape[2], "SamplesPerPixel": 3 if pixels.ndim == 4 else 1, "PlanarConfiguration": 0,
        "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "PhotometricInterpretation": colours,
    }  # fmt: skip
    write_image(path, pixels, header)
    edit(path, **({"PixelData": pixels.tobytes()} | more))
    return path


def header_of(path: Path) -> Header:
    found = read_headers(path, ["CT", "US"])
    assert not isinstance(found, str), found
    (header,) = found
    return header


def of_three(greys: Any) -> Any:
    return np.repeat(greys[..., None], 3, axis=-1)


def with_palette(path: Path) -> None:
    """Of 16 bits, the other way round."""
    table = (np.arange(256)[::-1] * 257).astype("<u2")
    found = pydicom.dcmread(path)
    for number in (1, 2, 3):
        found.add_new(0x00281100 + number, "US", [256, 0, 16])
        found.add_new(0x00281200 + number, "OW", table.tobytes())
    found.save_as(path)


def test_a_clip_is_one_event_and_its_frames_lie_in_time(archive: Archive) -> None:
    write_clip(archive, of_three(GREYS))
    archive.ingest()
    assert archive.ask("system, code, num, unit") == [("dicom-modality", "US-CLIP", 6.0, "{frames}")]
    [clip] = archive.volumes()
    assert clip["spacing"].tolist() == [25.0, 0.2, 0.4]
    assert clip["voxels"].tolist() == GREYS.tolist()


def test_a_clip_has_no_more_frames_than_a_study_reads(archive: Archive) -> None:
    path = write_clip(archive, np.zeros((LARGEST_SIDE, 1, 1), np.uint8), "MONOCHROME2")
    archive.ingest()
    assert archive.ask("num") == [(4096.0,)]
    [clip] = archive.volumes()
    feature = ImageFeature.model_validate(
        {"of": "clip", "during": {"until": "index"}, "shape": [8, 8, 8], "spacing": [25, 1, 1], "window": [0, 50]}
    )
    assert image_array(save(clip), feature).shape == (8, 8, 8)
    edit(path, NumberOfFrames=LARGEST_SIDE + 1)
    assert "is a clip of more than 4096 frames" in str(aside(archive.ingest()))


def test_a_stack_has_no_more_slices_than_a_study_reads(archive: Archive) -> None:
    header = header_of(archive.scan()[0])
    slices = [header._replace(instance=str(at), position=(0.0, 0.0, float(at))) for at in range(LARGEST_SIDE + 1)]
    assert len(stacks_of(slices[:-1])[0]) == 1
    assert [each.reason for each in stacks_of(slices)[1]] == ["is of more than 4096 slices"]


def test_who_asks_for_a_body_part_or_a_view_is_given_no_clip(archive: Archive) -> None:
    """Their first side is time, and their values are no Hounsfield units."""
    parts = {"BodyPartExamined": "CHEST", "ImageLaterality": "L", "ViewPosition": "CC"}
    path = write_clip(archive, of_three(GREYS), **parts)
    archive.ingest()
    assert archive.ask("system, code") == [("dicom-modality", "US-CLIP")]
    edit(path, NumberOfFrames=1, PixelData=of_three(GREYS[:1]).tobytes(), FrameTime=None)
    archive.ingest()
    assert archive.ask("system, code") == [
        ("dicom-body-part", "CHEST"), ("dicom-modality", "US"), ("dicom-view", "US-L-CC"),
    ]  # fmt: skip


def test_colours_become_their_brightness(archive: Archive) -> None:
    colours = np.zeros((2, 16, 24, 3), np.uint8)
    colours[0, ..., 0], colours[1, ..., 1] = 200, 100
    write_clip(archive, colours)
    archive.ingest()
    [clip] = archive.volumes()
    assert [set(frame.ravel().tolist()) for frame in clip["voxels"]] == [{60}, {59}]  # 0.299 of 200, 0.587 of 100


@pytest.mark.parametrize("colours", ["RGB", "PALETTE COLOR", "MONOCHROME2", "MONOCHROME1"])
def test_a_clip_takes_little_more_memory_than_its_grey(archive: Archive, colours: str) -> None:
    """Of a voxel of colour three bytes as the file has it and four of grey: 22 where a whole clip is turned to grey at once."""
    greys = np.arange(60 * 64 * 64, dtype=np.uint32).reshape(60, 64, 64).astype(np.uint8)
    path = write_clip(archive, of_three(greys) if colours == "RGB" else greys, colours)
    if colours == "PALETTE COLOR":
        with_palette(path)
    ([stack], _) = stacks_of([header_of(path)])
    seen = content_of(stack)
    tracemalloc.start()
    try:
        assert content_of(stack) == seen
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(seen, bytes) and most < 10 * greys.size


@pytest.mark.parametrize("count", [5, 7])
def test_a_compressed_clip_has_as_many_frames_as_it_says(archive: Archive, count: int) -> None:
    path = write_clip(archive, of_three(GREYS))
    found = pydicom.dcmread(path)
    found.compress(pydicom.uid.RLELossless)
    found.save_as(path)
    archive.ingest()
    assert [clip["voxels"].tolist() for clip in archive.volumes()] == [GREYS.tolist()]
    edit(path, NumberOfFrames=count)
    assert aside(archive.ingest()) == {"has another number of frames than its header says": 1}
    assert archive.ask("1") == []


def test_each_colour_counts_in_how_large_a_clip_may_be(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapha.sources.dicom.volumes.LARGEST_VOXELS", 2 * GREYS.size)
    write_clip(archive, of_three(GREYS))
    assert "is larger than 256 million voxels, of colours each counted" in str(aside(archive.ingest()))
    write_clip(archive, GREYS, "MONOCHROME2")
    assert aside(archive.ingest()) == {}


def test_ybr_is_the_same_picture(archive: Archive) -> None:
    write_clip(archive, convert_color_space(of_three(GREYS), "RGB", "YBR_FULL"), "YBR_FULL")
    archive.ingest()
    [clip] = archive.volumes()
    assert abs(clip["voxels"].astype(int) - GREYS).max() <= 1


def test_a_palette_is_looked_up(archive: Archive) -> None:
    with_palette(write_clip(archive, GREYS, "PALETTE COLOR"))
    archive.ingest()
    [clip] = archive.volumes()
    assert clip["voxels"].tolist() == ((255 - GREYS.astype(int)) * 257).tolist()


def test_a_single_picture_in_colour_is_read_too_and_of_another_device_is_not(archive: Archive) -> None:
    path = write_clip(archive, of_three(GREYS[:1]), FrameTime=None)
    archive.ingest()
    assert archive.ask("code, num") == [("US", 1.0)]
    edit(path, Modality="DX")
    assert "is in colour" in str(aside(archive.ingest()))


def test_names_may_be_written_into_a_clip_that_does_not_deny_it(archive: Archive) -> None:
    write_clip(archive, of_three(GREYS), BurnedInAnnotation=None)
    report = archive.ingest()
    assert "may have names written into its pixels" in str(aside(report)) and archive.ask("1") == []
    archive.ingest("burned_in: take\n")
    assert archive.ask("code") == [("US-CLIP",)]


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"FrameTime": None}, "is a clip that does not say how far its frames are apart"),
        ({"FrameTime": "0"}, "is a clip that does not say how far its frames are apart"),
        ({"FrameTimeVector": [0, 25, 25, 25, 80, 25]}, "is a clip with frames at uneven times"),
        ({"SequenceOfUltrasoundRegions": None}, "does not say how large a pixel is"),
        ({"SequenceOfUltrasoundRegions": [region(), region(PhysicalDeltaX=0.1)]}, "does not say how large a pixel is"),
        ({"SequenceOfUltrasoundRegions": [region(PhysicalUnitsXDirection=4)]}, "does not say how large a pixel is"),
        ({"SequenceOfUltrasoundRegions": [region(RegionSpatialFormat=3)]}, "does not say how large a pixel is"),
        ({"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=None)]}, "does not say how large a pixel is"),
        ({"SequenceOfUltrasoundRegions": [region(PhysicalDeltaY=2e6)]}, "does not say how large a pixel is"),
        ({"SequenceOfUltrasoundRegions": [region(), region(PhysicalDeltaX=None)]}, "does not say how large a pixel is"),
    ],
)
def test_what_a_clip_does_not_say_is_not_guessed(archive: Archive, elements: dict[str, Any], why: str) -> None:
    write_clip(archive, of_three(GREYS), **elements)
    assert why in str(aside(archive.ingest()))


def test_half_a_size_is_none(archive: Archive) -> None:
    """Wherever it comes from: one file of such would otherwise end the reading of a whole folder."""
    tissue: Elements = {"RegionSpatialFormat": (1,), "PhysicalUnitsXDirection": (3,), "PhysicalUnitsYDirection": (3,)}
    assert region_spacing({"SequenceOfUltrasoundRegions": (tissue | {"PhysicalDeltaY": (0.05,)},)}) == ()
    header = header_of(write_clip(archive, GREYS, "MONOCHROME2"))
    for spacing in ((), (0.5,), (0.5, 0.0)):
        ([refused],) = stacks_of([header._replace(spacing=spacing)])[1:]
        assert refused.reason == "does not say how large a pixel is"


def test_frames_may_be_told_by_a_list_or_by_a_rate() -> None:
    assert between_frames({"FrameTimeVector": (0.0, 33.3, 33.4, 33.3)}) == 33.3
    assert between_frames({"CineRate": (50,)}) == 20.0


def test_a_study_reads_it_evenly_in_time(archive: Archive) -> None:
    """50 ms apart around the middle, of frames that are 25 ms apart: between the second and third, and the fourth and fifth."""
    write_clip(archive, of_three(np.repeat(np.arange(6, dtype=np.uint8)[:, None, None] * 10, 16, 1).repeat(24, 2)))
    archive.ingest()
    feature = ImageFeature.model_validate(
        {"of": "clip", "during": {"until": "index"}, "shape": [8, 8, 8], "spacing": [50, 0.2, 0.4], "window": [0, 50]}
    )
    timeline = open_timeline(archive.timeline)
    with timeline.connect() as connection:
        assets = Assets.of(timeline.folder, connection, "volume")
        [(name,)] = connection.execute("SELECT asset FROM events").fetchall()
    seen = image_array(assets.read(name), feature)[:, 4, 4] * 50
    assert seen.tolist() == pytest.approx([0, 0, 0, 15, 35, 50, 0, 0])


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        (pydicom.uid.JPEGLSLossless, "is compressed as JPEG-LS Lossless Image Compression, which is not read here"),
        (pydicom.uid.MPEG4HP41, "is compressed as MPEG-4 AVC/H.264 High Profile / Level 4.1, which is not read here"),
        (pydicom.uid.JPEGLosslessSV1, "Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1]), which is not read here"),
        (pydicom.uid.UID("1.2.3.4.5"), "is compressed in a way of its maker's own, which is not read here"),
    ],
)  # fmt: skip
def test_a_clip_compressed_as_nothing_here_reads_is_set_aside_by_name(
    archive: Archive, syntax: Any, reason: str
) -> None:
    path = write_clip(archive, of_three(GREYS), "YBR_FULL_422")
    found = pydicom.dcmread(path)
    found.file_meta.TransferSyntaxUID = syntax
    found.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"] * len(GREYS))
    found["PixelData"].is_undefined_length = True
    found.save_as(path, enforce_file_format=True)
    (told,) = aside(archive.ingest())
    assert told.endswith(reason), told


def test_without_pillow_a_clip_in_jpeg_is_set_aside_with_what_to_install(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip_of_demo(archive.data / "clip.dcm", "p1", date(2015, 6, 1), GREYS, 40.0, random.Random(1))
    monkeypatch.setattr(type(pydicom.pixels.get_decoder(pydicom.uid.JPEGBaseline8Bit)), "is_available", False)
    (told,) = aside(archive.ingest())
    assert "JPEG Baseline (Process 1), which needs Pillow: pip install 'rapha[imaging]'" in told


def test_the_clips_of_the_example_are_jpeg_and_beat(archive: Archive) -> None:
    """A weak heart's ventricle is nearly as dark in one frame as in another; another's is not."""
    swings = {}
    for weak in (True, False):
        frames = beating(random.Random(5), weak, 40.0)
        write_clip_of_demo(archive.data / "clip.dcm", "p1", date(2015, 6, 1), frames, 40.0, random.Random(1))
        assert pydicom.dcmread(archive.data / "clip.dcm").file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit
        (held,) = [content_of(one) for one in stacks_of(read_headers(archive.data / "clip.dcm", ["US"]))[0]]
        clip = load(held)
        assert clip["voxels"].shape == (30, 32, 32) and clip["spacing"].tolist() == [40, 3, 3]
        assert abs(clip["voxels"].astype(int) - frames).mean() < 6  # JPEG
        dark = (clip["voxels"][:, 8:, 10:22] < 45).sum((1, 2))
        swings[weak] = np.ptp(dark) / dark.max()
    assert swings[False] > 2 * swings[True]


def test_a_clip_in_jpeg_is_read(archive: Archive) -> None:
    image = pytest.importorskip("PIL.Image")
    smooth = np.broadcast_to((np.arange(6)[:, None, None] * 30 + 20).astype(np.uint8), (6, 16, 24))
    pieces = []
    for frame in of_three(smooth):
        held = io.BytesIO()
        image.fromarray(frame).save(held, "JPEG", quality=95)
        pieces.append(held.getvalue())
    path = write_clip(archive, of_three(smooth), "YBR_FULL_422")
    found = pydicom.dcmread(path)
    found.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    found.PixelData = pydicom.encaps.encapsulate(pieces)
    found.save_as(path)
    archive.ingest()
    [clip] = archive.volumes()
    assert abs(clip["voxels"].astype(int) - smooth).max() <= 3


@pytest.mark.parametrize("sides", [(24, 16), (17, 24), (2000, 2000)])
def test_a_frame_in_jpeg_of_other_sides_than_the_header_s_is_set_aside_before_it_is_decoded(
    archive: Archive, sides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many pixels in other sides would be a picture in pieces; many more would fill the memory."""
    image = pytest.importorskip("PIL.Image")
    smooth = np.zeros((6, 16, 24), np.uint8)
    path = write_clip(archive, of_three(smooth), "YBR_FULL_422")
    held = [io.BytesIO() for _ in smooth]
    for at, piece in enumerate(held):
        image.fromarray(np.zeros((*(sides if at == 5 else (16, 24)), 3), np.uint8)).save(piece, "JPEG")
    found = pydicom.dcmread(path)
    found.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    found.PixelData = pydicom.encaps.encapsulate([piece.getvalue() for piece in held])
    found.save_as(path)
    monkeypatch.setattr(pydicom.pixels, "iter_pixels", lambda *_: pytest.fail("it was decoded"))
    assert archive.ingest().files[0].set_aside and archive.volumes() == []
    assert "has another size than its header says" in (archive.timeline / "set-aside").glob("*").__next__().read_text()
