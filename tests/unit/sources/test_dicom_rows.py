"""Images small enough to count: which make a volume, what of them is kept, and what is set aside."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.timeline.assets import FOLDER, Assets
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
import pydicom

from rapha.cli.demo.made_up_scans import write_image, write_scan
from rapha.sources.dicom import ingest

SECRET = b"a secret of this site: 32 bytes."
MAPPING = "source: radiology\nformat: dicom\nmodalities: [CT, DX, US]\navailable: same\n"
VOXELS = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)


class Archive:
    """A folder of images, a mapping, a timeline."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline, self.mapping = folder / "data", folder / "timeline", folder / "m.yaml"
        self.data.mkdir()
        self.dice = random.Random(5)

    def scan(self, patient: str = "p1", voxels: Any = VOXELS, name: str = "scan", **more: Any) -> list[Path]:
        return write_scan(self.data / name, patient, date(2015, 6, 1), voxels, self.dice, **more)

    def ingest(self, more: str = "") -> IngestReport:
        self.mapping.write_text(MAPPING + more)
        return ingest(self.mapping, self.data, self.timeline, SECRET)

    def ask(self, columns: str) -> list[tuple[Any, ...]]:
        with open_timeline(self.timeline).connect() as connection:
            return connection.execute(f"SELECT {columns} FROM events ORDER BY system, code, t_start").fetchall()

    def volumes(self) -> list[dict[str, Any]]:
        from safetensors.numpy import load

        timeline = open_timeline(self.timeline)
        with timeline.connect() as connection:
            assets = Assets.of(timeline.folder, connection, "volume")
            names = connection.execute("SELECT DISTINCT asset FROM events ORDER BY asset").fetchall()
        return [load(assets.read(name)) for (name,) in names]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def edit(path: Path, **elements: Any) -> None:
    found = pydicom.dcmread(path)
    for name, value in elements.items():
        setattr(found, name, value)
    found.save_as(path)


def aside(report: IngestReport) -> dict[str, int]:
    return report.files[0].set_aside


def test_a_scan_is_one_volume_and_events_of_its_patient(archive: Archive) -> None:
    archive.scan(RescaleSlope=2, RescaleIntercept=-1000)
    report = archive.ingest()
    key = subject_key(SECRET, "radiology", "p1")
    assert archive.ask("subject_key, kind, system, code, num, t_start::VARCHAR") == [
        (key, "imaging", "dicom-body-part", "CHEST", 4.0, "2015-06-01 09:30:00+00"),
        (key, "imaging", "dicom-modality", "CT", 4.0, "2015-06-01 09:30:00+00"),
    ]
    (volume,) = archive.volumes()
    assert volume["voxels"].tolist() == (VOXELS * 2 - 1000).tolist()
    assert volume["spacing"].tolist() == [5.0, 4.0, 4.0]
    assert aside(report) == {}


def test_the_order_of_files_does_not_matter_places_do(archive: Archive) -> None:
    paths = archive.scan()
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    archive.ingest()
    assert archive.volumes()[0]["voxels"].tolist() == VOXELS.tolist()


def test_no_word_of_a_header_is_kept(archive: Archive) -> None:
    archive.scan(PatientName="Canary^Carla", InstitutionName="Canary Clinic", StudyDescription="canary in the mine")
    archive.ingest()
    for path in [*(archive.timeline / FOLDER).rglob("*"), *archive.timeline.rglob("*.parquet")]:
        if path.is_file():
            assert b"anary" not in path.read_bytes()
            assert b"20150601" not in path.read_bytes()


def reasons(archive: Archive, more: str = "") -> list[str]:
    return [f"{count} {reason}" for reason, count in aside(archive.ingest(more)).items()]


def test_a_missing_slice_makes_no_volume(archive: Archive) -> None:
    archive.scan()[2].unlink()
    assert reasons(archive) == ["3 lacks slices, or has them at uneven distances"]
    assert archive.ask("1") == []


def test_slices_at_one_place_and_the_same_image_twice(archive: Archive) -> None:
    edit(archive.scan()[1], ImagePositionPatient=[0, 0, 0])
    archive.scan("p2", name="other")
    (archive.data / "copy.dcm").write_bytes((archive.data / "other" / "000.dcm").read_bytes())
    assert sorted(reasons(archive)) == [
        "1 is in the folder twice",
        "4 has several images at one place: two volumes that nothing tells apart",
    ]
    assert len(archive.volumes()) == 1


def test_two_echoes_of_a_series_are_two_volumes(archive: Archive) -> None:
    paths = archive.scan(voxels=np.concatenate([VOXELS, VOXELS + 1]))
    for number, path in enumerate(paths):
        edit(path, ImagePositionPatient=[0, 0, (number % 4) * 5.0], EchoNumbers=str(1 + number // 4))
    assert reasons(archive) == []
    assert sorted(volume["voxels"][0, 0, 0] for volume in archive.volumes()) == [0, 1]


def test_a_tilted_gantry_is_no_box(archive: Archive) -> None:
    for number, path in enumerate(archive.scan()):
        edit(path, ImagePositionPatient=[0, number * 1.0, number * 5.0])
    assert reasons(archive) == ["4 was taken with a tilted gantry, which is not read yet"]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "PT"}, "is of a modality that the mapping does not read"),
        ({"AcquisitionDate": "", "AcquisitionTime": ""}, "does not say when it was taken"),
        ({"NumberOfFrames": "12"}, "is a multi-frame image that does not place each of its frames"),
        ({"PatientID": ""}, "lacks one of PatientID, Modality, SeriesInstanceUID and SOPInstanceUID"),
        ({"SamplesPerPixel": 3}, "is in colour, which is not read yet"),
        ({"PixelSpacing": [4.0, 0.0]}, "does not say how large a pixel is"),
        ({"ImagePositionPatient": None}, "does not say where in the patient it lies"),
        ({"BurnedInAnnotation": "YES"}, "may have names written into its pixels"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, "is a mosaic: many slices in one picture"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "is a localiser"),
        ({"Modality": "DX", "PresentationIntentType": "FOR PROCESSING"}, "is what the detector gave, for processing"),
        ({"Rows": 9000}, "has no picture, or one of more than 4096 pixels a side"),
    ],
)
def test_what_is_set_aside(archive: Archive, elements: dict[str, Any], reason: str) -> None:
    for path in archive.scan():
        edit(path, **elements)
    (said,) = reasons(archive)
    assert said.startswith(f"4 {reason}")


def test_slices_written_in_different_ways_are_one_volume(archive: Archive) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

    paths = archive.scan(voxels=np.concatenate([VOXELS, VOXELS[:1]]))
    ways = (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
    for path, way in zip(paths, ways, strict=False):
        found = pydicom.dcmread(path)
        found.file_meta.TransferSyntaxUID = way
        found.save_as(path, implicit_vr=way.is_implicit_VR)
    packed = pydicom.dcmread(paths[3])
    packed.compress(RLELossless, generate_instance_uid=False)
    packed.save_as(paths[3])
    assert reasons(archive) == []
    assert archive.volumes()[0]["voxels"].tolist() == [*VOXELS.tolist(), VOXELS[0].tolist()]


def test_what_a_vendor_writes_for_itself_changes_nothing(archive: Archive) -> None:
    for number, path in enumerate(archive.scan()):
        found = pydicom.dcmread(path)
        block = found.private_block(0x0029, "A VENDOR", create=True)
        block.add_new(0x10, "OB", b"\x18\x00\x86\x00IS\x02\x00%d " % number)
        block.add_new(0x11, "SQ", [pydicom.Dataset()])
        found.save_as(path)
    assert reasons(archive) == []
    assert len(archive.volumes()) == 1


@pytest.mark.parametrize(
    ("elements", "at"),
    [
        ({"AcquisitionDate": None, "StudyDate": "20150531"}, "2015-05-31 00:00:00+00"),
        ({"AcquisitionDate": None, "SeriesDate": "20150602", "SeriesTime": "1015"}, "2015-06-02 10:15:00+00"),
        ({"StudyDate": "20000101"}, "2015-06-01 09:30:00+00"),
        ({"AcquisitionDateTime": "20150603081500.5"}, "2015-06-03 08:15:00+00"),
    ],
    ids=["study", "series", "not-the-study", "whole"],
)
def test_the_nearest_thing_to_when_it_was_taken(archive: Archive, elements: dict[str, Any], at: str) -> None:
    for path in archive.scan():
        edit(path, **elements)
    archive.ingest()
    assert {found for (found,) in archive.ask("t_start::VARCHAR")} == {at}


def test_a_day_that_is_none_is_not_taken(archive: Archive) -> None:
    for path in archive.scan(StudyDate="20150531", StudyTime="120000"):
        path.write_bytes(path.read_bytes().replace(b"20150601", b"20151301"))
    archive.ingest()
    assert {found for (found,) in archive.ask("t_start::VARCHAR")} == {"2015-05-31 12:00:00+00"}


def test_a_mammogram_says_which_view_it_is(archive: Archive) -> None:
    for number, (side, view) in enumerate((("L", "CC"), ("R", "MLO"))):
        more = {"Modality": "DX", "ImageLaterality": side, "ViewPosition": view, "BodyPartExamined": None}
        archive.scan(voxels=VOXELS[:1], name=f"m{number}", **more)
    archive.ingest()
    assert archive.ask("system, code") == [
        ("dicom-modality", "DX"), ("dicom-modality", "DX"), ("dicom-view", "DX-L-CC"), ("dicom-view", "DX-R-MLO"),
    ]  # fmt: skip


def test_a_table_of_values_in_place_of_a_slope(archive: Archive) -> None:
    for path in archive.scan():
        edit(path, ModalityLUTSequence=[pydicom.Dataset()])
    assert reasons(archive) == ["4 has a table of values in place of a slope, which is not read yet"]


def test_an_enhanced_file_is_counted_once_where_it_is_set_aside(archive: Archive) -> None:
    from rapha.cli.demo.made_up_frames import frame, write_enhanced

    good = write_enhanced(archive.data / "good.dcm", "p1", date(2015, 6, 1), VOXELS, archive.dice)
    uneven = [frame(place) for place in (0, 5, 15, 20)]
    write_enhanced(archive.data / "bad.dcm", "p2", date(2015, 6, 1), VOXELS, archive.dice, frames=uneven)
    assert good.exists() and reasons(archive) == ["1 lacks slices, or has them at uneven distances"]
    assert archive.ask("code, num") == [("CHEST", 4.0), ("CT", 4.0)]


def test_a_single_slice_of_a_volume_is_none_and_a_radiograph_is(archive: Archive) -> None:
    archive.scan(voxels=VOXELS[:1])
    archive.scan("p2", VOXELS[:1], "xray", Modality="DX")
    assert reasons(archive) == ["1 is a single slice: a localiser, or what is left of a volume"]
    assert [code for (code,) in archive.ask("code")] == ["CHEST", "DX"]


def test_white_on_black_is_turned(archive: Archive) -> None:
    archive.scan(voxels=VOXELS[:1], Modality="DX", PhotometricInterpretation="MONOCHROME1")
    archive.ingest()
    assert archive.volumes()[0]["voxels"].ravel()[0] == 63


def test_ultrasound_is_read_only_where_the_site_takes_the_risk(archive: Archive) -> None:
    archive.scan(voxels=VOXELS[:1], Modality="US")
    assert [reason for reason in reasons(archive) if "names written" in reason]
    assert reasons(archive, "burned_in: take\n") == []


@pytest.mark.parametrize("content", [b"", b"\x00" * 4000, b"\x00" * 128 + b"DICM" + b"\xff" * 300, b"plain text"])
def test_hostile_bytes_are_a_reason(archive: Archive, content: bytes) -> None:
    archive.scan()
    (archive.data / "evil").write_bytes(content)
    (archive.data / "link").symlink_to("/etc/passwd")
    report = archive.ingest()
    assert sum(aside(report).values()) == 1
    assert len(archive.volumes()) == 1


def test_pixels_that_are_cut_short_are_a_reason(archive: Archive) -> None:
    path = archive.scan()[0]
    path.write_bytes(path.read_bytes()[:-60])
    assert reasons(archive) == ["4 has pixels that cannot be read"]


def test_a_clock_and_an_offset(archive: Archive) -> None:
    archive.scan()
    archive.ingest("zone: Europe/Berlin\n")
    assert {at for (at,) in archive.ask("t_start::VARCHAR")} == {"2015-06-01 07:30:00+00"}
    for path in (archive.data / "scan").iterdir():
        edit(path, TimezoneOffsetFromUTC="-0500")
    archive.ingest("zone: Europe/Berlin\n")
    assert {at for (at,) in archive.ask("t_start::VARCHAR")} == {"2015-06-01 14:30:00+00"}


def test_a_file_says_whose_a_patient_id_is(archive: Archive) -> None:
    archive.scan("pacs-7")
    archive.scan("pacs-8", name="other")
    (archive.data / "who.csv").write_text("pacs,id\npacs-7,p1\n")
    more = "people: clinic\npatients: {file: who.csv, dicom: pacs, patient: id}\n"
    assert reasons(archive, more) == ["4 is of a PatientID that the file of patients does not name"]
    assert {key for (key,) in archive.ask("subject_key")} == {subject_key(SECRET, "clinic", "p1")}


def test_the_same_again_changes_nothing(archive: Archive) -> None:
    archive.scan()
    archive.ingest()
    assert archive.ingest().unchanged


def test_a_mapping_or_folder_that_makes_no_sense(archive: Archive) -> None:
    with pytest.raises(ConfigurationError, match="zone"):
        archive.ingest("zone: Europe/Atlantis\n")
    archive.data.rmdir()
    with pytest.raises(SourceError, match="no folder of images"):
        archive.ingest()


def test_the_listing_names_no_file(archive: Archive) -> None:
    write_image(archive.data / "Canary_Carla.dcm", VOXELS[0], {"SOPInstanceUID": "1.2", "PatientID": "p"})
    archive.ingest()
    assert "anary" not in (archive.timeline / "set-aside" / "radiology.csv").read_text()
