"""A mask as a study asks for it: on the voxels of the image beside it, and of that image alone."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save

from rapha.cohort.engine import freeze
from rapha.cohort.images import image_array, mask_array
from rapha.errors import CohortRefused, ConfigurationError
from rapha.records.dense import ImageFeature
from rapha.records.study import Study
from rapha.sdk.study_file import read_study
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = Path(__file__).resolve().parents[3] / "examples" / "nodule-segmentation" / "study.yaml"


def feature(shape: list[int], spacing: list[float]) -> ImageFeature:
    given = {"of": "ct", "during": {"until": "index"}, "shape": shape, "spacing": spacing, "window": (0, 1)}
    return ImageFeature.model_validate(given)


def asset(mask: Any, spacing: tuple[float, ...] = (1.0, 1.0, 1.0), **more: Any) -> bytes:
    tensors = {"bits": np.packbits(mask), "sides": np.array(mask.shape, np.int32), "spacing": np.array(spacing)}
    return save(tensors | more)


def volume(voxels: Any, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> bytes:
    return save({"voxels": voxels.astype(np.float32), "spacing": np.array(spacing)})


BLOCKS = np.zeros((9, 24, 17), np.uint8)
BLOCKS[2:6, 3:14, 5:9] = BLOCKS[7:, 20:, 12:] = 1


@pytest.mark.parametrize(
    ("shape", "spacing", "own"),
    [
        ([9, 24, 17], [1, 1, 1], (1.0, 1.0, 1.0)), ([8, 12, 8], [1, 2, 2], (1.0, 1.0, 1.0)), ([16, 64, 64], [1, 0.5, 0.5], (2.0, 1.0, 1.0)),
        ([8, 30, 9], [3, 0.7, 1.9], (2.5, 0.8, 0.8)), ([12, 11, 13], [1.1, 2.2, 0.9], (1.0, 1.0, 1.0)),
    ],
)  # fmt: skip
def test_a_sample_of_a_mask_is_the_nearest_voxel_of_the_sample_of_its_volume(
    shape: list[int], spacing: list[float], own: tuple[float, ...]
) -> None:
    """The volume is the mask itself: where its sample is nearer to 1 than to 0 in every direction, so is the mask's."""
    wanted = feature(shape, spacing)
    mask, image = mask_array(asset(BLOCKS, own), wanted), image_array(volume(BLOCKS, own), wanted)
    assert mask.shape == tuple(shape) and mask.dtype == np.uint8 and mask.sum() > 0
    assert (mask[image > 0.999] == 1).all() and (mask[image < 0.001] == 0).all()
    if spacing == [1, 1, 1]:
        assert mask.tolist() == BLOCKS.tolist()


def test_what_is_no_mask_is_refused() -> None:
    wanted = feature([9, 24, 17], [1, 1, 1])
    broken = (
        b"nothing", asset(BLOCKS)[:-3], asset(BLOCKS, sides=np.array([9, 24], np.int32)), asset(BLOCKS, sides=np.array([9, 24, 900], np.int32)),
        asset(BLOCKS, (1.0, 0.0, 1.0)), asset(BLOCKS, sides=np.array([9, 24, -17], np.int32)), asset(BLOCKS, bits=np.zeros(459, np.int16)),
        save({"bits": np.packbits(BLOCKS)}), asset(BLOCKS, sides=np.array([2**30, 2**30, 2**30], np.int32)),
    )  # fmt: skip
    for content in broken:
        with pytest.raises(ConfigurationError, match="no mask"):
            mask_array(content, wanted)
    with pytest.raises(ConfigurationError, match="single pictures"):
        mask_array(asset(BLOCKS), feature([24, 17], [1, 1]))
    picture = mask_array(asset(BLOCKS[3:4]), feature([24, 17], [1, 1]))
    assert picture.tolist() == BLOCKS[3].tolist()


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Sixty patients with a nodule segmented, of whom: 0 has an earlier scan with a segmentation of its own, 1 an earlier scan that nobody
    segmented, 2 none segmented at all."""
    pytest.importorskip("pydicom", reason="the imaging extra is not installed")
    from rapha.cli.demo import made_up_segmentations as made_up
    from rapha.cli.demo.made_up_scans import write_scan
    from rapha.sources import source_of

    place = tmp_path_factory.mktemp("segmented")
    made_up_patients, made_up.PATIENTS = made_up.PATIENTS, 60
    try:
        (folder,) = made_up.deal(place, hospitals=1)
    finally:
        made_up.PATIENTS = made_up_patients
    dice, images = random.Random(4), folder / "images"
    since = {
        row["id"]: date.fromisoformat(row["since"])
        for row in csv.DictReader((folder / "people.csv").read_text().splitlines())
    }
    for patient in (0, 1):
        voxels, nodule, _ = made_up.chest(dice)
        scan = write_scan(
            images / f"again{patient}", str(patient), since[str(patient)] + timedelta(days=300), voxels, dice
        )
        if patient == 0:
            made_up.write_segmentation(
                images / "again0" / "seg.dcm", scan, [(made_up.NODULE, nodule)], dice, date(2015, 1, 1)
            )
    (images / "p0002" / "segmentation.dcm").unlink()
    for mapping, data in (("hospital.mapping.yaml", folder), ("radiology.mapping.yaml", images)):
        source_of(folder / mapping)(folder / mapping, data, place / "timeline", SECRET)
    return open_timeline(place / "timeline")


def study_of(segments: tuple[str, ...] = ("nodule",), **change: Any) -> Study:
    said = read_study(STUDY).as_json()
    of = {"segment": segments[0]} if len(segments) == 1 else {"segments": list(segments)}
    said["outcome"] = {"kind": "segment", "unobserved": "exclude", **of}
    return Study.model_validate(said).model_copy(update=change)


def frozen(timeline: Any, study: Study, folder: Path) -> tuple[Any, Any]:
    counted = freeze(timeline, study, SECRET, folder)
    with pa.memory_map(str(folder / "rows.arrow")) as source:
        return counted, pa.ipc.open_file(source).read_all()


def test_the_mask_is_that_of_the_very_image_and_whoever_has_none_is_set_apart(timeline: Any, tmp_path: Path) -> None:
    """The index is the first scan: of patient 1 nobody segmented that one, only the later one."""
    counted, rows = frozen(timeline, study_of(), tmp_path)
    assert counted.rows == 58 and counted.positives == 0 and counted.set_apart == {"competing": 0, "unobserved": 2}
    image, mask = rows.column_names[1:]
    assert mask == "mask" and rows.schema.field(mask).type == pa.list_(pa.uint8(), 8 * 24 * 24)
    voxels = np.stack(rows[image].to_numpy(zero_copy_only=False)) * 1400 - 1000
    masks = np.stack(rows[mask].to_numpy(zero_copy_only=False)).astype(bool)
    for own, drawn in zip(voxels, masks, strict=True):
        assert drawn.sum() > 5 and own[drawn].min() > -150  # the nodule of this very scan is bright where it was drawn


def test_same_rows_same_bytes(timeline: Any, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.add(frozen(timeline, study_of(), tmp_path / name)[0].dataset_digest)
    assert len(digests) == 1


@pytest.fixture(scope="module")
def drawn_in_part(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Sixty patients: of 0 only the nodule was drawn, of 1 only the lung, of 2 a nodule of no voxel was."""
    pytest.importorskip("pydicom", reason="the imaging extra is not installed")
    from rapha.cli.demo import made_up_segmentations as made_up
    from rapha.sources import source_of

    place = tmp_path_factory.mktemp("in-part")
    made_up_patients, made_up.PATIENTS = made_up.PATIENTS, 60
    try:
        (folder,) = made_up.deal(place, hospitals=1)
    finally:
        made_up.PATIENTS = made_up_patients
    nothing, whole = (
        np.zeros((made_up.SLICES, made_up.SIDE, made_up.SIDE), bool),
        np.ones((made_up.SLICES, made_up.SIDE, made_up.SIDE), bool),
    )
    segments = {
        0: [(made_up.NODULE, whole)],
        1: [(made_up.LUNG, whole)],
        2: [(made_up.NODULE, nothing), (made_up.LUNG, whole)],
    }
    for patient, drawings in segments.items():
        images = folder / "images" / f"p{patient:04}"
        (images / "segmentation.dcm").unlink()
        scan = sorted(images.glob("*.dcm"))
        made_up.write_segmentation(
            images / "segmentation.dcm", scan, drawings, random.Random(patient), date(2018, 1, 1)
        )
    for mapping, data in (("hospital.mapping.yaml", folder), ("radiology.mapping.yaml", folder / "images")):
        source_of(folder / mapping)(folder / mapping, data, place / "timeline", SECRET)
    return open_timeline(place / "timeline")


def test_of_several_segments_a_voxel_is_of_the_one_named_first(drawn_in_part: Any, tmp_path: Path) -> None:
    """A nodule lies in a lung, and the lung was drawn with what is in it."""
    masks = {}
    for segments in (("nodule", "lung"), ("lung", "nodule"), ("nodule",), ("lung",)):
        (folder := tmp_path / "-".join(segments)).mkdir()
        counted, rows = frozen(drawn_in_part, study_of(segments), folder)
        assert (counted.rows, counted.set_apart["unobserved"]) == ((58, 2) if len(segments) == 2 else (59, 1))
        masks[segments] = np.stack(rows["mask"].to_numpy(zero_copy_only=False))
    first, turned = masks["nodule", "lung"], masks["lung", "nodule"]
    counts = np.bincount(first.ravel()).tolist()
    assert len(counts) == 3 and counts[2] > 10 * counts[1] > 0
    assert np.bincount(turned.ravel()).tolist() == [counts[0], counts[1] + counts[2]]  # a nodule is lung all over
    assert ((first == 1).sum(1) == 0).sum() == 1  # who has no voxel of a nodule is kept: that is an answer


def test_a_segment_that_nobody_drew_is_an_unknown_concept(timeline: Any, tmp_path: Path) -> None:
    study = study_of()
    concepts = study.concepts | {
        "nodule": study.concepts["nodule"].model_validate({"system": "dicom-segment", "codes": ["SCT:1"]})
    }
    for segments in (("nodule",), ("lung", "nodule")):
        with pytest.raises(CohortRefused) as refused:
            freeze(timeline, study_of(segments, concepts=concepts), SECRET, tmp_path)
        assert refused.value.reason == "unknown-concept"
