"""Standardised uptake values by body weight (SUVbw) from a PET image's own header, or the reason why there are none. Pure.

After the vendor-neutral pseudo-code of the Quantitative Imaging Biomarkers Alliance (QIBA, FDG-PET/CT profile, appendix G): only what
an image says in public elements is used, and a thing unsaid is a refusal, never a guess.
"""

import math
from datetime import datetime

from rapha.sources.dicom.elements import Elements
from rapha.sources.dicom.values import exact_clock, items, real, word, words

LIGHTEST_KG, HEAVIEST_KG = 0.2, 500.0
LONGEST_WAIT_SECONDS = 12 * 3600.0
"""Between injection and scan. A longer one is a slip of a clock or of a day."""
LEAST_BECQUEREL, MOST_BECQUEREL = 1e5, 1e11
"""A dose outside of these is written in another unit, as older devices write megabecquerel."""
GRAMS = 1000.0


def uptake_factor(found: Elements) -> float | str:
    """What a rescaled pixel is multiplied with to be an SUV in g/ml, or why there is no such factor."""
    units = word(found, "Units")
    if units == "GML":
        return (
            1.0
            if word(found, "SUVType") in ("", "BW")
            else "is PET in an uptake value by another measure than body weight"
        )
    if units != "BQML":
        return "is PET in units other than BQML and GML"
    corrected = words(found, "CorrectedImage").split("\\")
    if "ATTN" not in corrected:
        return "is PET without correction for attenuation"
    weight = real(found, "PatientWeight", 0.0)
    if not LIGHTEST_KG <= weight <= HEAVIEST_KG:
        return "is PET without the patient's weight"
    doses = items(found, "RadiopharmaceuticalInformationSequence")
    if len(doses) != 1:
        return "is PET that does not name one radiopharmaceutical"
    dose, half_life = real(doses[0], "RadionuclideTotalDose", 0.0), real(doses[0], "RadionuclideHalfLife", 0.0)
    if not (LEAST_BECQUEREL <= dose <= MOST_BECQUEREL and 0 < half_life < math.inf):
        return "is PET without the dose in becquerel, or without the half-life"
    left = _left(found, doses[0], half_life, corrected)
    return left if isinstance(left, str) else weight * GRAMS / (dose * left)


def _left(found: Elements, given: Elements, half_life: float, corrected: list[str]) -> float | str:
    """The share of the dose that was left at the moment to which the image's counts are corrected."""
    reference = word(found, "DecayCorrection")
    if reference == "ADMIN":
        return 1.0
    if reference != "START" or "DECY" not in corrected:
        return "is PET without correction for decay"
    scan = exact_clock(word(found, "SeriesDate"), word(found, "SeriesTime"))
    taken = exact_clock(word(found, "AcquisitionDate"), word(found, "AcquisitionTime"))
    if scan is None or taken is None:
        return "is PET that does not say when its scan began"
    if scan > taken:
        return "is PET whose series is dated after its images: when the scan began is lost"
    injected = _injected(found, given)
    if injected is None:
        return "is PET that does not say when the dose was given"
    waited = (scan - injected).total_seconds()
    if not 0 <= waited <= LONGEST_WAIT_SECONDS:
        return "is PET with a dose given after the scan or more than twelve hours before"
    return float(2.0 ** (-waited / half_life))


def _injected(found: Elements, given: Elements) -> datetime | None:
    """By day and time where both are said; by the time alone, on the day of the series."""
    whole = word(given, "RadiopharmaceuticalStartDateTime")
    if not whole:
        return exact_clock(word(found, "SeriesDate"), word(given, "RadiopharmaceuticalStartTime"))
    time, sign, offset = whole[8:].partition("+") if "+" in whole else whole[8:].partition("-")
    if sign and sign + offset != word(found, "TimezoneOffsetFromUTC"):
        return None
    return exact_clock(whole[:8], time)
