"""Segmentations beside the images they are of: which become masks on the volume's own grid, and which are set aside."""

import io
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rapha.timeline.assets import Assets
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
import pydicom
from pydicom import Dataset, Sequence

from rapha.cli.demo.made_up_scans import write_image, write_scan
from rapha.cli.demo.made_up_segmentations import LUNG, NODULE, write_label_map, write_segmentation
from rapha.sources.dicom import ingest

SECRET = b"a secret of this site: 32 bytes."
MAPPING = "source: radiology\nformat: dicom\nmodalities: [CT, DX, SEG]\navailable: same\n"
TAKEN, DRAWN = date(2015, 6, 1), date(2015, 7, 2)
VOXELS = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)
DRAWING = np.zeros((4, 8, 8), np.uint8)
DRAWING[1:3, 2:4, 5:8] = 1
OTHER = np.roll(DRAWING, (1, 3), axis=(1, 2))


class Archive:
    """A folder of images and segmentations, a mapping, a timeline."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline, self.mapping = folder / "data", folder / "timeline", folder / "m.yaml"
        self.data.mkdir()
        self.dice = random.Random(5)

    def scan(self, patient: str = "p1", name: str = "scan", **more: Any) -> list[Path]:
        return write_scan(self.data / name, patient, TAKEN, VOXELS, self.dice, **more)

    def drawn(self, scan: list[Path], *segments: Any, name: str = "seg.dcm", **more: Any) -> Path:
        given = list(segments) or [(NODULE, DRAWING)]
        return write_segmentation(self.data / name, scan, given, self.dice, DRAWN, **more)

    def ingest(self, mapping: str = MAPPING) -> IngestReport:
        self.mapping.write_text(mapping)
        return ingest(self.mapping, self.data, self.timeline, SECRET)

    def ask(self, columns: str, where: str = "system LIKE 'dicom-segment%'") -> list[tuple[Any, ...]]:
        with open_timeline(self.timeline).connect() as connection:
            found = connection.execute(f"SELECT {columns} FROM events WHERE {where} ORDER BY system DESC, code, num")
            return found.fetchall()

    def masks(self) -> dict[str, Any]:
        """By code."""
        from safetensors.numpy import load

        timeline = open_timeline(self.timeline)
        with timeline.connect() as connection:
            assets = Assets.of(timeline.folder, connection, "mask")
        found = {}
        for code, asset in self.ask("code, asset"):
            tensors = load(assets.read(asset))
            sides = tuple(tensors["sides"])
            found[code] = np.unpackbits(tensors["bits"], count=int(np.prod(sides))).reshape(sides)
        return found


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def edit(path: Path, change: Callable[[Any], None]) -> None:
    found = pydicom.dcmread(path)
    change(found)
    found.save_as(path)


def naming(found: Any, number: int) -> None:
    for frame in found.PerFrameFunctionalGroupsSequence:
        said = Dataset()
        said.ReferencedSegmentNumber = number
        frame.SegmentIdentificationSequence = Sequence([said])


def reasons(report: IngestReport) -> list[str]:
    return [f"{count} {reason}" for reason, count in report.files[0].set_aside.items()]


def test_a_segmentation_is_a_mask_on_the_grid_of_its_volume_and_events_of_its_patient(archive: Archive) -> None:
    archive.drawn(archive.scan())
    assert reasons(archive.ingest()) == []
    assert archive.masks()["SCT:27925004"].tolist() == DRAWING.tolist()
    millilitres = DRAWING.sum() * 5 * 4 * 4 / 1000
    line = ("imaging", millilitres, "mL", "2015-06-01 09:30:00+00", "2015-07-02 10:15:00+00")
    assert archive.ask("system, code, kind, num, unit, t_start::VARCHAR, t_available::VARCHAR") == [
        ("dicom-segment-label", "NODULE", *line), ("dicom-segment", "SCT:27925004", *line),
    ]  # fmt: skip
    (parent,) = {parent for (parent,) in archive.ask("parent_event")}
    assert archive.ask("code", f"event_id = '{parent}'") == [("CT",)]


def test_a_mask_names_the_volume_that_it_lies_on(archive: Archive) -> None:
    from safetensors.numpy import load

    archive.drawn(archive.scan())
    archive.ingest()
    timeline = open_timeline(archive.timeline)
    with timeline.connect() as connection:
        assets = Assets.of(timeline.folder, connection, "mask")
    ((volume,),) = archive.ask("asset", "system = 'dicom-modality'")
    ((mask,),) = archive.ask("asset", "system = 'dicom-segment'")
    tensors = load(assets.read(mask))
    assert tensors["volume"].tobytes().hex() == volume and tensors["spacing"].tolist() == [5.0, 4.0, 4.0]


def test_without_seg_in_the_mapping_it_is_set_aside(archive: Archive) -> None:
    archive.drawn(archive.scan())
    report = archive.ingest(MAPPING.replace(", SEG", ""))
    assert reasons(report) == ["1 is a segmentation: name SEG under `modalities` in the mapping to have it read"]
    assert archive.ask("1") == []


def test_frames_go_by_their_places_whatever_their_order(archive: Archive) -> None:
    scan = archive.scan()
    archive.drawn(scan[::-1], (NODULE, DRAWING[::-1]))
    archive.ingest()
    assert archive.masks()["NODULE"].tolist() == DRAWING.tolist()


def test_segments_may_overlap_and_those_of_one_type_are_one(archive: Archive) -> None:
    second = np.roll(DRAWING, 2, axis=1)
    archive.drawn(archive.scan(), (NODULE, DRAWING), (LUNG, OTHER | DRAWING), ((*NODULE[:2], "Nodule 2"), second))
    archive.ingest()
    masks = archive.masks()
    assert masks["SCT:27925004"].tolist() == (DRAWING | second).tolist()
    assert masks["NODULE"].tolist() == DRAWING.tolist() and masks["NODULE 2"].tolist() == second.tolist()
    assert masks["LUNG"].tolist() == (OTHER | DRAWING).tolist()


def test_of_fractions_a_half_counts(archive: Archive) -> None:
    shares = DRAWING * 0.4
    shares[1, 2, 5:7] = (0.51, 0.49)
    archive.drawn(archive.scan(), (NODULE, shares), SegmentationType="FRACTIONAL")
    archive.ingest()
    assert np.argwhere(archive.masks()["NODULE"]).tolist() == [[1, 2, 5]]


@pytest.mark.parametrize("named", [None, 1])
def test_a_label_map_says_by_its_pixels(archive: Archive, named: int | None) -> None:
    """Whichever segment its frames name."""
    labels = DRAWING * 1 + (OTHER & ~DRAWING & 1) * 2
    write_label_map(archive.data / "seg.dcm", archive.scan(), [NODULE, LUNG], labels, archive.dice, DRAWN)
    if named:
        edit(archive.data / "seg.dcm", lambda found: naming(found, named))
    assert reasons(archive.ingest()) == []
    masks = archive.masks()
    assert masks["NODULE"].tolist() == DRAWING.tolist() and masks["LUNG"].tolist() == (labels == 2).astype(int).tolist()


def test_a_segment_that_was_looked_for_and_is_nowhere_is_an_empty_mask(archive: Archive) -> None:
    archive.drawn(archive.scan(), (NODULE, DRAWING), (LUNG, DRAWING * 0))
    archive.ingest()
    assert archive.masks()["LUNG"].sum() == 0
    assert archive.ask("num", "code = 'LUNG'") == [(0.0,)]


def test_a_picture_without_a_place_in_the_patient_has_its_segmentation_too(archive: Archive) -> None:
    path = archive.data / "picture.dcm"
    header = {
        "PatientID": "p1", "Modality": "DX", "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.2", "SOPInstanceUID": "1.2.3",
        "AcquisitionDate": "20150601", "PixelSpacing": [0.2, 0.2], "FrameOfReferenceUID": "1.2.4",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, 0],
    }  # fmt: skip
    write_image(path, VOXELS[0], header)
    archive.drawn([path], (NODULE, DRAWING[1:2]))
    edit(path, lambda found: [delattr(found, name) for name in ("ImageOrientationPatient", "ImagePositionPatient")])
    assert reasons(archive.ingest()) == []
    assert archive.masks()["NODULE"].tolist() == DRAWING[1:2].tolist()


def moved(found: Any) -> None:
    for frame in found.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient[0] = 1.0


def coarser(found: Any) -> None:
    found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [4.2, 4.2]


def turned(found: Any) -> None:
    found.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 1, 0, 0]


def beyond(found: Any) -> None:
    found.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient[2] = 500.0


def placeless(found: Any) -> None:
    del found.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


def twice(found: Any) -> None:
    found.PerFrameFunctionalGroupsSequence[1] = found.PerFrameFunctionalGroupsSequence[0]


def of_nothing(found: Any) -> None:
    del found.ReferencedSeriesSequence
    for frame in found.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence


def of_images_elsewhere(found: Any) -> None:
    of_nothing(found)
    series, image = pydicom.Dataset(), pydicom.Dataset()
    image.ReferencedSOPInstanceUID = "1.2.3.4"
    series.ReferencedInstanceSequence = [image]
    found.ReferencedSeriesSequence = [series]


def undescribed(found: Any) -> None:
    found.SegmentSequence[0].SegmentNumber = 7


def of_no_kind(found: Any) -> None:
    del found.SegmentSequence[0].SegmentedPropertyTypeCodeSequence
    del found.SegmentSequence[0].SegmentLabel


def numbered_twice(found: Any) -> None:
    found.SegmentSequence = [found.SegmentSequence[0], found.SegmentSequence[0]]


def with_fewer_pixels(found: Any) -> None:
    found.PixelData = found.PixelData[:2]


OTHER_GRID = "1 is a segmentation that lies on another grid than its images: nothing here moves it onto them"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (moved, OTHER_GRID), (coarser, OTHER_GRID), (turned, OTHER_GRID), (beyond, OTHER_GRID), (placeless, OTHER_GRID),
        (lambda found: setattr(found, "Rows", 4), OTHER_GRID),
        (lambda found: setattr(found, "FrameOfReferenceUID", "1.2.3"),
         "1 is a segmentation in another frame of reference than its images"),
        (lambda found: setattr(found, "PatientID", "p2"), "1 is a segmentation of another patient than its images"),
        (twice, "1 is a segmentation with two frames of one segment at one place"),
        (of_nothing, "1 is a segmentation that does not say which images it is of"),
        (of_images_elsewhere, "1 is a segmentation of images that are not in the folder, or that make no volume"),
        (undescribed, "1 is a segmentation with a frame of a segment that it does not describe"),
        (of_no_kind, "1 is a segmentation whose segments have neither a type nor a label"),
        (numbered_twice, "1 is a segmentation with two segments of one number"),
        (with_fewer_pixels, "1 is a segmentation with pixels that cannot be read"),
        (lambda found: delattr(found, "ContentDate"), "1 is a segmentation that does not say when it was made"),
        (lambda found: setattr(found, "SegmentationType", "SURFACE"),
         "1 is a segmentation of no known kind: BINARY, FRACTIONAL and LABELMAP are read"),
        (lambda found: setattr(found, "SegmentationType", "FRACTIONAL"), "1 is a segmentation in fractions that does not say of what"),
        (lambda found: setattr(found, "NumberOfFrames", 3), "1 is a segmentation that does not describe each of its frames"),
        (lambda found: delattr(found, "PerFrameFunctionalGroupsSequence"),
         "1 is a segmentation that does not describe each of its frames"),
    ],
)  # fmt: skip
def test_what_is_set_aside(archive: Archive, change: Callable[[Any], None], reason: str) -> None:
    edit(archive.drawn(archive.scan()), change)
    assert reasons(archive.ingest()) == [reason]
    assert archive.ask("1") == [] and len(archive.ask("1", "true")) == 2


@pytest.mark.parametrize("turned_over", [False, True])
def test_a_frame_of_a_mask_in_jpeg_of_other_sides_than_the_header_s_is_set_aside(
    archive: Archive, turned_over: bool
) -> None:
    image = pytest.importorskip("PIL.Image")
    labels = (DRAWING * 1).astype(np.uint8)
    path = archive.data / "seg.dcm"
    write_label_map(path, archive.scan(), [NODULE, LUNG], labels, archive.dice, DRAWN)

    def packed(found: Any) -> None:
        pieces = []
        for frame in found.pixel_array:
            held = io.BytesIO()
            sides = (frame.shape[0] * 2, frame.shape[1] // 2) if turned_over else frame.shape
            image.fromarray(frame.reshape(sides).astype(np.uint8)).save(held, "JPEG2000", irreversible=False)
            pieces.append(held.getvalue())
        found.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        found.PixelData = pydicom.encaps.encapsulate(pieces)

    edit(path, packed)
    told = reasons(archive.ingest())
    assert told == (["1 is a segmentation whose pixels are not as its header says"] if turned_over else [])


def test_of_several_segmentations_of_one_kind_none_counts(archive: Archive) -> None:
    scan = archive.scan()
    archive.drawn(scan, name="one.dcm")
    archive.drawn(scan, (NODULE, OTHER), name="two.dcm")
    archive.drawn(scan, (LUNG, OTHER), name="lung.dcm")
    said = "2 is one of several segmentations of the same kind of the same images: nothing says which counts"
    assert reasons(archive.ingest()) == [said]
    assert list(archive.masks()) == ["LUNG", "SCT:39607008"]


def test_a_segmentation_of_two_volumes_lies_on_neither(archive: Archive) -> None:
    archive.drawn([*archive.scan()[:2], *archive.scan(name="again")[2:]])
    report = archive.ingest()
    assert reasons(report) == ["1 is a segmentation of several volumes: nothing says which it lies on"]


def test_images_that_make_no_volume_take_their_segmentation_with_them(archive: Archive) -> None:
    scan = archive.scan()
    archive.drawn(scan)
    scan[1].unlink()
    assert sorted(reasons(archive.ingest())) == [
        "1 is a segmentation of images that are not in the folder, or that make no volume",
        "3 lacks slices, or has them at uneven distances",
    ]
