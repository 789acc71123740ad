"""Standardised uptake values: the number where everything is said, a reason where anything is not."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rapha.sources.dicom.elements import Elements
from rapha.sources.dicom.uptake import uptake_factor

DOSE: Elements = {
    "RadionuclideTotalDose": (370e6,), "RadionuclideHalfLife": (6586.2,), "RadiopharmaceuticalStartTime": ("090000",),
}  # fmt: skip
PET: Elements = {
    "Units": ("BQML",), "CorrectedImage": ("DECY", "ATTN", "SCAT"), "DecayCorrection": ("START",), "PatientWeight": (75.0,),
    "SeriesDate": ("20150601",), "SeriesTime": ("100000.25",), "AcquisitionDate": ("20150601",), "AcquisitionTime": ("100000.25",),
    "RadiopharmaceuticalInformationSequence": (DOSE,),
}  # fmt: skip


def pet(**more: Any) -> Elements:
    return {**PET, **more}


def dose(**more: Any) -> Elements:
    return {**PET, "RadiopharmaceuticalInformationSequence": ({**DOSE, **more},)}


def test_the_dose_has_decayed_for_an_hour_when_the_scan_begins():
    assert uptake_factor(PET) == pytest.approx(75_000 / (370e6 * 0.5 ** (3600 / 6586.2)))


def test_a_concentration_that_is_the_dose_spread_over_the_body_is_one():
    """By definition: SUV 1 is what every gram would have if the dose that is left were spread evenly."""
    left = 370e6 * 0.5 ** (3600 / 6586.2)
    assert uptake_factor(PET) * (left / 75_000) == pytest.approx(1)  # type: ignore[operator]


def test_an_image_corrected_to_the_injection_needs_no_clock():
    assert uptake_factor(pet(DecayCorrection=("ADMIN",), SeriesTime=())) == pytest.approx(75_000 / 370e6)


def test_an_image_that_is_an_uptake_value_stays_as_it_is():
    assert uptake_factor({"Units": ("GML",)}) == uptake_factor({"Units": ("GML",), "SUVType": ("BW",)}) == 1


def test_an_injection_on_the_day_before_is_told_by_its_date():
    night = {"SeriesTime": ("003000",), "AcquisitionTime": ("003000",)}
    before = {**DOSE, "RadiopharmaceuticalStartTime": ("233000",)}
    assert "dose given after the scan" in str(
        uptake_factor(pet(**night, RadiopharmaceuticalInformationSequence=(before,)))
    )
    dated = {**before, "RadiopharmaceuticalStartDateTime": ("20150531233000.00",)}
    same_hour = uptake_factor(pet(**night, RadiopharmaceuticalInformationSequence=(dated,)))
    assert same_hour == uptake_factor(PET)


def test_a_clock_of_another_zone_is_not_taken_for_ours():
    dated = dose(RadiopharmaceuticalStartDateTime=("20150601090000+0200",))
    assert uptake_factor(dated) == "is PET that does not say when the dose was given"
    assert uptake_factor({**dated, "TimezoneOffsetFromUTC": ("+0200",)}) == uptake_factor(PET)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (pet(Units=("CNTS",)), "is PET in units other than BQML and GML"),
        (pet(Units=()), "is PET in units other than BQML and GML"),
        ({"Units": ("GML",), "SUVType": ("LBM",)}, "is PET in an uptake value by another measure than body weight"),
        (pet(CorrectedImage=("DECY",)), "is PET without correction for attenuation"),
        (pet(CorrectedImage=("ATTN",)), "is PET without correction for decay"),
        (pet(DecayCorrection=("NONE",)), "is PET without correction for decay"),
        (pet(PatientWeight=()), "is PET without the patient's weight"),
        (pet(PatientWeight=(0.0,)), "is PET without the patient's weight"),
        (pet(PatientWeight=(75_000.0,)), "is PET without the patient's weight"),
        (pet(RadiopharmaceuticalInformationSequence=()), "is PET that does not name one radiopharmaceutical"),
        (pet(RadiopharmaceuticalInformationSequence=(DOSE, DOSE)), "is PET that does not name one radiopharmaceutical"),
        (dose(RadionuclideTotalDose=(0.0,)), "is PET without the dose in becquerel, or without the half-life"),
        (dose(RadionuclideTotalDose=(370.0,)), "is PET without the dose in becquerel, or without the half-life"),
        (dose(RadionuclideHalfLife=()), "is PET without the dose in becquerel, or without the half-life"),
        (dose(RadionuclideHalfLife=(float("nan"),)), "is PET without the dose in becquerel, or without the half-life"),
        (dose(RadiopharmaceuticalStartTime=()), "is PET that does not say when the dose was given"),
        (dose(RadiopharmaceuticalStartTime=("9 AM",)), "is PET that does not say when the dose was given"),
        (dose(RadiopharmaceuticalStartTime=("110000",)), "is PET with a dose given after the scan or more than twelve hours before"),
        (dose(RadiopharmaceuticalStartDateTime=("20150501090000",)), "is PET with a dose given after the scan or more than twelve hours before"),
        (pet(SeriesTime=("1000",)), "is PET that does not say when its scan began"),
        (pet(SeriesTime=("100075",)), "is PET that does not say when its scan began"),
        (pet(AcquisitionTime=()), "is PET that does not say when its scan began"),
        (pet(SeriesTime=("150000",)), "is PET whose series is dated after its images: when the scan began is lost"),
    ],
)  # fmt: skip
def test_what_is_not_said_is_refused(found, reason):
    assert uptake_factor(found) == reason


def test_slices_with_slopes_of_their_own_become_one_volume_of_uptake(tmp_path: Path):
    pydicom = pytest.importorskip("pydicom", reason="the imaging extra is not installed")
    from safetensors.numpy import load

    from rapha.cli.demo.made_up_scans import write_scan
    from rapha.sources.dicom.headers import read_headers
    from rapha.sources.dicom.stacks import stacks_of
    from rapha.sources.dicom.volumes import content_of

    voxels = np.full((3, 4, 4), 100, np.int16)
    item = pydicom.Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife, item.RadiopharmaceuticalStartTime = 370e6, 6586.2, "090000"
    more = {
        "Modality": "PT", "Units": "BQML", "CorrectedImage": ["DECY", "ATTN"], "DecayCorrection": "START", "PatientWeight": 75,
        "SeriesDate": "20150601", "SeriesTime": "100000", "AcquisitionTime": "100200", "RescaleIntercept": 0,
        "RadiopharmaceuticalInformationSequence": [item],
    }  # fmt: skip
    paths = write_scan(tmp_path, "p", date(2015, 6, 1), voxels, random.Random(1), **more)
    for number, path in enumerate(paths):
        found = pydicom.dcmread(path)
        found.RescaleSlope = 10 * (number + 1)
        found.save_as(path)
    ((stack,), _) = stacks_of(
        [header for path in paths for header in read_headers(path, ("PT",)) if not isinstance(header, str)]
    )
    content = content_of(stack)
    assert isinstance(content, bytes)
    factor = 75_000 / (370e6 * 0.5 ** (3600 / 6586.2))
    assert np.allclose(load(content)["voxels"][:, 0, 0], [1000 * factor, 2000 * factor, 3000 * factor], rtol=1e-6)
