"""Apple's types, units and words -> ours. What is not on these lists is counted and set aside by its name.

The types and their units are those of Apple's HealthKit reference (HKQuantityTypeIdentifier, HKCategoryTypeIdentifier,
HKWorkoutActivityType); units on the right are UCUM.
"""

from dataclasses import dataclass
from typing import Literal

DAILY, HOURLY, SINGLE = "apple-health-daily", "apple-health-hourly", "apple-health"
"""The systems: of a day, of an hour, of one moment."""

Way = Literal["mean", "sum", "sample", "sleep", "notice"]
"""`mean`: taken at a moment; minutes are averaged. `sum`: adds up; spread over its minutes. `sample`: each is an event.
`sleep`: an interval with a stage. `notice`: the device told its wearer something; each is an event."""


@dataclass(frozen=True)
class Type:
    """`code`: ours. `units`: as Apple writes them, with what a number is multiplied by. `worn`: it takes skin contact.
    `low`, `high`: what no body has, in `ucum`."""

    code: str
    way: Way
    ucum: str = ""
    units: tuple[tuple[str, float], ...] = ()
    worn: bool = False
    low: float = 0.0
    high: float = 1e9


_A_MINUTE = (("count/min", 1.0), ("bpm", 1.0), ("count/s", 60.0))
_LENGTH = (("m", 1.0), ("km", 1000.0), ("mi", 1609.344), ("ft", 0.3048), ("yd", 0.9144), ("cm", 0.01))
_ENERGY = (("kcal", 1.0), ("Cal", 1.0), ("cal", 0.001), ("kJ", 1 / 4.184), ("J", 1 / 4184))
_MASS = (("kg", 1.0), ("g", 0.001), ("lb", 0.45359237), ("st", 6.35029318))
_TIME = (("min", 1.0), ("s", 1 / 60), ("hr", 60.0), ("h", 60.0))

TYPES = {
    "HKQuantityTypeIdentifierHeartRate": Type("heart-rate", "mean", "/min", _A_MINUTE, True, 15, 350),
    "HKQuantityTypeIdentifierRestingHeartRate": Type("resting-heart-rate", "mean", "/min", _A_MINUTE, False, 15, 350),
    "HKQuantityTypeIdentifierWalkingHeartRateAverage": Type("walking-heart-rate", "mean", "/min", _A_MINUTE, False, 15, 350),
    "HKQuantityTypeIdentifierHeartRateVariabilitySDNN": Type("hrv-sdnn", "mean", "ms", (("ms", 1.0), ("s", 1000.0)), True, 0, 1000),
    "HKQuantityTypeIdentifierOxygenSaturation": Type("oxygen-saturation", "mean", "%", (("%", 1.0),), True, 20, 100),
    "HKQuantityTypeIdentifierRespiratoryRate": Type("respiratory-rate", "mean", "/min", _A_MINUTE, True, 1, 100),
    "HKQuantityTypeIdentifierStepCount": Type("steps", "sum", "{steps}", (("count", 1.0),)),
    "HKQuantityTypeIdentifierDistanceWalkingRunning": Type("distance", "sum", "m", _LENGTH),
    "HKQuantityTypeIdentifierActiveEnergyBurned": Type("active-energy", "sum", "kcal", _ENERGY),
    "HKQuantityTypeIdentifierAppleExerciseTime": Type("exercise", "sum", "min", _TIME),
    "HKQuantityTypeIdentifierBodyMass": Type("body-mass", "sample", "kg", _MASS, False, 0.2, 700),
    "HKQuantityTypeIdentifierBloodPressureSystolic": Type("systolic", "sample", "mm[Hg]", (("mmHg", 1.0),), False, 20, 350),
    "HKQuantityTypeIdentifierBloodPressureDiastolic": Type("diastolic", "sample", "mm[Hg]", (("mmHg", 1.0),), False, 10, 250),
    "HKQuantityTypeIdentifierVO2Max": Type("vo2-max", "sample", "mL/min/kg", (("mL/min·kg", 1.0), ("mL/kg*min", 1.0)), False, 1, 120),
    "HKCategoryTypeIdentifierSleepAnalysis": Type("sleep", "sleep"),
    "HKCategoryTypeIdentifierHighHeartRateEvent": Type("high-heart-rate-notice", "notice"),
    "HKCategoryTypeIdentifierLowHeartRateEvent": Type("low-heart-rate-notice", "notice"),
    "HKCategoryTypeIdentifierIrregularHeartRhythmEvent": Type("irregular-rhythm-notice", "notice"),
}  # fmt: skip
CODES = tuple(TYPES.values())
"""Numbered by their places here."""

IN_BED, AWAKE, ASLEEP, CORE, REM, DEEP = range(6)
"""Of two stages that one source gives a minute, the later here is taken."""
STAGES = {
    "HKCategoryValueSleepAnalysisInBed": IN_BED,
    "HKCategoryValueSleepAnalysisAwake": AWAKE,
    "HKCategoryValueSleepAnalysisAsleep": ASLEEP,
    "HKCategoryValueSleepAnalysisAsleepUnspecified": ASLEEP,
    "HKCategoryValueSleepAnalysisAsleepCore": CORE,
    "HKCategoryValueSleepAnalysisAsleepREM": REM,
    "HKCategoryValueSleepAnalysisAsleepDeep": DEEP,
}
"""Up to iOS 15 a phone says in bed or asleep; from iOS 16 a Watch says core, REM, deep and awake."""

FRACTIONS_UP_TO = 1.5
"""Apple writes 97 % as 0.97 with the unit `%`, other apps as 97: no living body has 1.5 % oxygen."""

ACTIVITIES = (
    "walking", "running", "cycling", "swimming", "hiking", "yoga", "rowing", "elliptical", "stair-climbing", "dance",
    "functional-strength-training", "traditional-strength-training", "high-intensity-interval-training", "core-training",
    "pilates", "tennis", "soccer", "basketball", "golf", "mind-and-body", "cooldown", "other",
)  # fmt: skip
"""A workout of any other activity is `workout-other`."""

ECG_CLASSES = {
    "sinus rhythm": "sinus-rhythm",
    "atrial fibrillation": "atrial-fibrillation",
    "high heart rate": "high-heart-rate",
    "low heart rate": "low-heart-rate",
    "inconclusive": "inconclusive",
    "poor recording": "poor-recording",
    "poor reading": "poor-recording",
}
"""As an English phone writes them. Any other word, or another language, is `unrecognised`."""
