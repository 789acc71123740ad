"""A PET and its CT as two channels of one array: each voxel of the one where the patient's place is in the other."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load
from test_dicom_rows import SECRET, Archive, aside

from rapha.cohort.images import image_array
from rapha.errors import ConfigurationError
from rapha.records.dense import ImageFeature
from rapha.timeline.assets import Assets
from rapha.timeline.reader import open_timeline

pytest.importorskip("pydicom", reason="the imaging extra is not installed")

from rapha.cli.demo.made_up_pairs import PAIRS_MAPPING, examined, write_pair
from rapha.cli.demo.made_up_scans import write_scan
from rapha.sources.dicom import ingest

FRAME = "1.2.826.0.1.3680043.8.498.77"
MAPPING = "source: radiology\nformat: dicom\nmodalities: [CT, PT]\navailable: same\n"
FEATURE = {
    "of": "both", "during": {"until": "index"}, "shape": [8, 8, 8], "spacing": [5, 4, 4], "window": [-1000, 1000], "beside": [0, 4],
}  # fmt: skip


def places(sides: tuple[int, int, int], spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> Any:
    """Of each voxel x, y and z in mm."""
    slices, rows, columns = np.meshgrid(*(np.arange(count) for count in sides), indexing="ij")
    return columns * spacing[2] + origin[0], rows * spacing[1] + origin[1], slices * spacing[0] + origin[2]


def uptake(x: Any, y: Any, z: Any) -> Any:
    """What the made-up body takes up: rising evenly, so that what is linear in between is exact."""
    return 1 + x / 100 + y / 200 + z / 50


class Pairs(Archive):
    """A folder with a CT of 8 slices and a coarser PET that begins elsewhere, of one examination."""

    def ct(self, name: str = "ct", **more: Any) -> None:
        x, y, z = places((8, 16, 16), (5, 4, 4), (0, 0, 0))
        self._write(name, np.rint(x - y + z).astype(np.int16), (5, 4, 4), (0, 0, 0), {"Modality": "CT"} | more)

    def pet(self, name: str = "pet", **more: Any) -> None:
        spacing, origin = (4, 8, 8), (-8, -8, -4)
        values = np.rint(uptake(*places((12, 11, 11), spacing, origin)) * 1000).astype(np.int16)
        told = {"Modality": "PT", "Units": "GML", "RescaleSlope": "0.001"}
        self._write(name, values, spacing, origin, told | more)

    def _write(self, name: str, voxels: Any, spacing: Any, origin: Any, header: dict[str, Any]) -> None:
        paths = write_scan(
            self.data / name,
            "p1",
            date(2015, 6, 1),
            voxels,
            random.Random(name),
            **({"FrameOfReferenceUID": FRAME} | header),
        )
        import pydicom

        for number, path in enumerate(paths):
            found = pydicom.dcmread(path)
            found.PixelSpacing = [spacing[1], spacing[2]]
            found.ImagePositionPatient = [origin[0], origin[1], origin[2] + number * spacing[0]]
            found.save_as(path)

    def read(self, how: str) -> Any:
        self.mapping.write_text(MAPPING + f"pairs: {how}\n")
        return ingest(self.mapping, self.data, self.timeline, SECRET)

    def pair(self) -> bytes:
        timeline = open_timeline(self.timeline)
        with timeline.connect() as connection:
            assets = Assets.of(timeline.folder, connection, "volume")
            [(name,)] = connection.execute("SELECT asset FROM events WHERE code = 'PT-CT'").fetchall()
        return bytes(assets.read(name))


@pytest.fixture
def archive(tmp_path: Path) -> Pairs:
    return Pairs(tmp_path)


def test_a_pet_is_laid_on_its_ct_by_where_both_lie_in_the_patient(archive: Pairs) -> None:
    archive.ct()
    archive.pet()
    archive.read("PT-on-CT")
    told = load(archive.pair())
    x, y, z = places((8, 16, 16), (5, 4, 4), (0, 0, 0))
    assert told["voxels"].shape == (2, 8, 16, 16) and told["spacing"].tolist() == [5, 4, 4]
    assert np.allclose(told["voxels"][0], x - y + z)
    assert np.allclose(told["voxels"][1], uptake(x, y, z), atol=2e-3)
    assert sorted(archive.ask("system, code, num, parent_event IS NOT NULL")) == [
        ("dicom-body-part", "CHEST", 8.0, False),
        ("dicom-body-part", "CHEST", 12.0, False),
        ("dicom-modality", "CT", 8.0, False),
        ("dicom-modality", "PT", 12.0, False),
        ("dicom-modality", "PT-CT", 8.0, True),
    ]


def test_or_the_ct_on_its_pet_with_air_where_it_does_not_reach(archive: Pairs) -> None:
    archive.ct()
    archive.pet()
    archive.read("CT-on-PT")
    ct, pet = load(archive.pair())["voxels"]
    x, y, z = places((12, 11, 11), (4, 8, 8), (-8, -8, -4))
    assert np.allclose(pet, uptake(x, y, z), atol=1e-3)
    within = (x >= 0) & (x <= 60) & (y >= 0) & (y <= 60) & (z >= 0) & (z <= 35)
    assert within.any() and np.allclose(ct[within], (x - y + z)[within], atol=1e-2)
    assert set(ct[(x < -2) | (y < -2) | (z < -3) | (x > 62) | (y > 62) | (z > 38)].tolist()) == {-1000.0}


def test_what_shares_no_frame_of_reference_is_no_pair(archive: Pairs) -> None:
    archive.ct(FrameOfReferenceUID=FRAME + ".1")
    archive.pet()
    assert archive.read("PT-on-CT").notes == ()
    assert ("PT-CT",) not in archive.ask("code")


def test_of_two_ct_in_one_frame_none_is_chosen(archive: Pairs) -> None:
    archive.ct()
    archive.ct("another")
    archive.pet()
    [note] = archive.read("PT-on-CT").notes
    assert note.startswith("1 PET images were laid on no CT") and ("PT-CT",) not in archive.ask("code")


def test_without_being_asked_for_there_is_none_and_without_a_weight_there_is_no_uptake(archive: Pairs) -> None:
    archive.ct()
    archive.pet()
    archive.read("none")
    assert ("PT-CT",) not in archive.ask("code")
    archive.pet(Units="BQML", CorrectedImage=["ATTN", "DECY"], DecayCorrection="START")
    report = archive.read("PT-on-CT")
    assert aside(report) == {"is PET without the patient's weight": 12}
    assert ("PT-CT",) not in archive.ask("code")


def test_a_study_reads_two_channels_each_in_its_own_window(archive: Pairs) -> None:
    archive.ct()
    archive.pet()
    archive.read("PT-on-CT")
    feature = ImageFeature.model_validate(FEATURE)
    seen = image_array(archive.pair(), feature)
    x, y, z = places((8, 8, 8), (5, 4, 4), (16, 16, 0))
    assert seen.shape == feature.dims == (2, 8, 8, 8)
    assert np.allclose(seen[0], (x - y + z + 1000) / 2000, atol=1e-5)
    assert np.allclose(seen[1], uptake(x, y, z) / 4, atol=1e-3)
    alone = ImageFeature.model_validate({key: value for key, value in FEATURE.items() if key != "beside"})
    with pytest.raises(ConfigurationError, match="are read with `beside`"):
        image_array(archive.pair(), alone)
    assert "beside" not in alone.model_dump()


def test_the_image_classifier_reads_them_as_channels() -> None:
    torch = pytest.importorskip("torch")
    from rapha.records.readers import ConvolutionReader
    from rapha.training.architectures.convolution import build_convolutions

    spec, feature = ConvolutionReader(channels=(4, 8)), ImageFeature.model_validate(FEATURE)
    network = build_convolutions(spec, feature)
    assert {name: tuple(each.shape) for name, each in network.named_parameters()} == spec.shapes(feature.dims)
    arrays = np.random.default_rng(1).random((3, *feature.dims), np.float32)
    seen = network(type("Rows", (), {"batch": lambda self, rows: arrays[rows]})(), torch.arange(3))
    assert seen.shape == (3, 8)
    other = arrays.copy()
    other[:, 1] = 0
    assert not torch.equal(
        seen, network(type("Rows", (), {"batch": lambda self, rows: other[rows]})(), torch.arange(3))
    )


def test_the_example_s_pairs_are_read_as_they_were_made_up_whatever_the_dose_and_the_weight(tmp_path: Path) -> None:
    found = Archive(tmp_path)
    found.mapping.write_text(PAIRS_MAPPING.replace("people: clinic\n", ""))
    made = {patient: examined(random.Random(patient), patient == "p1") for patient in ("p1", "p2")}
    for patient, (voxels, uptake_of) in made.items():
        write_pair(found.data / patient, patient, date(2015, 6, 1), voxels, uptake_of, random.Random(patient))
    ingest(found.mapping, found.data, found.timeline, SECRET)
    timeline = open_timeline(found.timeline)
    with timeline.connect() as connection:
        assets = Assets.of(timeline.folder, connection, "volume")
        names = connection.execute("SELECT asset FROM events WHERE code = 'PT-CT'").fetchall()
    pairs = [load(assets.read(name)) for (name,) in names]
    assert len(pairs) == 2
    for voxels, uptake_of in made.values():
        near = [
            (abs(pair["voxels"][0] - voxels[:, ::2, ::2]).max(), abs(pair["voxels"][1] - uptake_of[:, ::2, ::2]).max())
            for pair in pairs
        ]
        assert any(hounsfield < 1e-3 and suv < 1e-3 for hounsfield, suv in near), near
        assert pairs[0]["voxels"].shape == (2, 8, 16, 16) and pairs[0]["spacing"].tolist() == [5, 8, 8]
