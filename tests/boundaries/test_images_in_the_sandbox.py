"""What a workload sees of an archive of images: numbers, and distances in days. Headers full of canaries stay outside."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
import pydicom

from rapha.cli.demo import made_up_scans
from rapha.cohort.engine import freeze
from rapha.sdk.study_file import read_study
from rapha.sources import source_of
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = Path(__file__).resolve().parents[2] / "examples" / "nodule-classification" / "study.yaml"
CANARY = "Canary^Carla"


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up hospital of sixty, with a canary in every text element, in overlays, in private elements and in names of files."""
    monkeypatch.setattr(made_up_scans, "PATIENTS", 60)
    (folder,) = made_up_scans.deal(tmp_path, hospitals=1)
    for path in sorted((folder / "images").rglob("*.dcm")):
        found = pydicom.dcmread(path)
        for name in (
            "PatientName",
            "InstitutionName",
            "OperatorsName",
            "ReferringPhysicianName",
            "StudyDescription",
            "ImageComments",
        ):
            setattr(found, name, CANARY)
        found.StudyDate, found.PatientBirthDate = "20310203", "19310203"
        found.private_block(0x0019, "CANARY", create=True).add_new(1, "LO", CANARY)
        found.add_new(0x60003000, "OW", CANARY.encode() * 2)
        found.save_as(path.with_name(f"{CANARY}{path.name}"))
        path.unlink()
    return folder


def test_a_frozen_run_holds_arrays_and_days_and_nothing_of_a_header(hospital: Path, tmp_path: Path) -> None:
    for mapping, data in (("hospital.mapping.yaml", hospital), ("radiology.mapping.yaml", hospital / "images")):
        source_of(hospital / mapping)(hospital / mapping, data, tmp_path / "timeline", SECRET)
    study, run = read_study(STUDY), tmp_path / "run"
    run.mkdir()
    freeze(open_timeline(tmp_path / "timeline"), study, SECRET, run, tmp_path / "patients")
    assert [path.name for path in run.iterdir()] == ["rows.arrow"]
    with pa.memory_map(str(run / "rows.arrow")) as source:
        rows = pa.ipc.open_file(source).read_all()
    image, age = (feature.name for feature in study.features)
    array = pa.list_(pa.float32(), 8 * 24 * 24)
    assert {name: rows.schema.field(name).type for name in rows.column_names} == {
        "split": pa.int8(), image: array, age: pa.float64(), "label": pa.int8(),
    }  # fmt: skip
    assert rows.schema.metadata is None
    content = (run / "rows.arrow").read_bytes()
    for word in (b"anary", b"20310203", b"19310203", b"1.2.826.0.1", b"CHEST", b"images"):
        assert word not in content
    assert np.asarray(rows[image].combine_chunks().flatten()).min() >= 0 and rows[age].null_count == 0


def test_two_patients_shifted_by_years_freeze_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No date reaches the workload, of whatever modality: every one is a distance to the patient's own index. So a shift of all
    of a patient's dates changes nothing, and there is none to be chosen."""
    monkeypatch.setattr(made_up_scans, "PATIENTS", 60)
    frozen = []
    for number, days in enumerate((0, 7 * 52 * 3)):
        monkeypatch.setattr(made_up_scans, "date", Shifted(days))
        place = tmp_path / str(number)
        (folder,) = made_up_scans.deal(place, hospitals=1)
        for mapping, data in (("hospital.mapping.yaml", folder), ("radiology.mapping.yaml", folder / "images")):
            source_of(folder / mapping)(folder / mapping, data, place / "timeline", SECRET)
        (place / "run").mkdir()
        freeze(open_timeline(place / "timeline"), read_study(STUDY), SECRET, place / "run", place / "patients")
        with pa.memory_map(str(place / "run" / "rows.arrow")) as source:
            frozen.append(pa.ipc.open_file(source).read_all().drop_columns([read_study(STUDY).features[1].name]))
    assert frozen[0].equals(frozen[1])


class Shifted:
    """`date(...)`, so many days later."""

    def __init__(self, days: int) -> None:
        self._days = days

    def __call__(self, year: int, month: int, day: int) -> object:
        import datetime

        return datetime.date(year, month, day) + timedelta(days=self._days)
