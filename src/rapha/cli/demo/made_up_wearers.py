"""Made-up exports of Apple Health of people who do not exist, as a phone writes them; and who of them was told of an irregular
rhythm.

A body under strain sleeps less, its resting pulse climbs and its variability falls, for some weeks before the notice comes. Nothing
learnt here means anything.
"""

import datetime as dt
import random
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import quoteattr

ABOUT = "Made-up exports of Apple Health of people who do not exist"
WEARERS, DAYS, ECG_DAY = 60, 95, 28
"""Of each hospital; days that each export covers; the day of its electrocardiogram."""

MAPPING = """\
# Made-up exports, one for each patient, and wearers.csv, which says whose each is. docs/apple-health.md explains every key.
source: wearers
format: apple-health
zone: Europe/London
patients: wearers.csv
summaries: [daily]
observation: {at_least_hours: 4, bridge_days: 3}   # a watch in the drawer over a weekend is no end of observation
"""
PROLOG = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 13 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|ClinicalRecord)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ATTLIST HeartRateVariabilityMetadataList
  broken CDATA #NOTHING OF THE KIND
]>
"""
"""The last declaration is as broken as those of some versions of iOS were."""
ME = (
    ' <Me HKCharacteristicTypeIdentifierDateOfBirth="{born}" HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSex{sex}"'
    ' HKCharacteristicTypeIdentifierBloodType="HKBloodTypeNotSet" HKCharacteristicTypeIdentifierFitzpatrickSkinType="HKFitzpatrickSkinTypeNotSet"'
    ' HKCharacteristicTypeIdentifierCardioFitnessMedicationsUse="None"/>\n'
)
_DEVICE = "<<HKDevice: 0x{at:x}>, name:Apple Watch, manufacturer:Apple Inc., model:{model}, hardware:{model}6,7, software:10.2>"
_SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"


def moment(at: dt.datetime) -> str:
    """As Apple writes it, with the offset of `at`."""
    return at.strftime("%Y-%m-%d %H:%M:%S %z")


def record(
    kind: str,
    start: str,
    end: str,
    value: str | float | None,
    unit: str | None = None,
    model: str | None = "Watch",
    source: str = "Anna’s Apple\xa0Watch",
    metadata: dict[str, str] | None = None,
) -> str:
    """One record, its attributes in Apple's order. `kind` without HKQuantityTypeIdentifier, or whole."""
    name = kind if kind.startswith("HK") else f"HKQuantityTypeIdentifier{kind}"
    told = {"type": name, "sourceName": source, "sourceVersion": "10.2"}
    if model:
        told["device"] = _DEVICE.format(at=0x282A45810 + len(start), model=model)
    if unit is not None:
        told["unit"] = unit
    told |= {"creationDate": end, "startDate": start, "endDate": end}
    if value is not None:
        told["value"] = str(value)
    listed = " ".join([f"{key}={_quoted(text)}" for key, text in told.items()])
    if metadata is None:
        return f" <Record {listed}/>\n"
    entries = "".join(f"  <MetadataEntry key={quoteattr(k)} value={quoteattr(v)}/>\n" for k, v in metadata.items())
    return f" <Record {listed}>\n{entries} </Record>\n"


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    """Most are those of the record before."""
    return quoteattr(text).replace("&gt;", ">")


def export_xml(parts: Iterable[str], born: str = "1980-05-20", sex: str = "Female", prolog: str = PROLOG) -> str:
    """A whole export.xml of these elements."""
    head = f'{prolog}<HealthData locale="en_GB">\n <ExportDate value="2024-06-01 08:10:05 +0200"/>\n'
    return head + ME.format(born=born, sex=sex) + "".join(parts) + "</HealthData>\n"


def write_zip(path: Path, xml: str, beside: dict[str, str] | None = None) -> Path:
    """An export.zip as a phone writes it, and what lies beside in its folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
        archive.writestr("apple_health_export/export.xml", xml)
        for name, text in (beside or {}).items():
            archive.writestr(f"apple_health_export/{name}", text)
    return path


def ecg_csv(at: str, found: str) -> str:
    """An electrocardiogram's file, its curve cut short."""
    return (
        f"Name,Anna Example\nDate of Birth,20 May 1980\nRecorded Date,{at}\nClassification,{found}\nSymptoms,\n"
        "Software Version,2.0\nDevice,Watch6,7\nSample Rate,512 hertz\n\n\nLead,Lead I\nUnit,µV\n\n-12.5\n3.25\n"
    )


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: exports, wearers.csv and the mapping. The same every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        deal_wearers(folder, WEARERS, seed=number)
        (folder / "hospital.mapping.yaml").write_text(MAPPING, encoding="utf-8")
        folders.append(folder)
    return tuple(folders)


def deal_wearers(folder: Path, wearers: int, seed: int = 0) -> list[int]:
    """A folder of exports and wearers.csv. Every second wearer falls ill after the electrocardiogram: their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    first, ill = dt.datetime(2024, 1, 1, tzinfo=dt.UTC), []
    for number in range(wearers):
        dice = random.Random(f"wearer {seed} {number}")  # noqa: S311
        after = dice.randrange(40, 85) if number % 2 else None
        ill += [number] if after else []
        strained = dice.random() < (0.85 if after else 0.15)  # a sign, and no proof
        parts, ecgs = days_of(dice, DAYS, first, after, strained)
        xml = export_xml(parts, born=f"{1950 + number % 50}-03-01", sex="Male" if number % 3 else "Female")
        write_zip(folder / f"wearer-{number}.zip", xml, ecgs)
    rows = "".join(f"wearer-{number}.zip,w{number}\n" for number in range(wearers))
    (folder / "wearers.csv").write_text("file,patient\n" + rows, encoding="utf-8")
    return ill


def days_of(
    dice: random.Random, days: int, first: dt.datetime, unwell_after: int | None = None, strained: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Records of days and nights, and electrocardiograms. After the day of the latter a Watch is worn less, and tells of the pulse alone."""
    rest, parts, ecgs = dice.gauss(58, 4), list[str](), {}
    for day in range(days):
        midnight = first + dt.timedelta(days=day)
        strain = max(0.0, 1 - max(0, (unwell_after or 62) - day) / 90) if strained else 0.0
        if day not in (ECG_DAY, unwell_after) and dice.random() < 0.05:
            continue  # the watch stayed in the drawer
        parts += _pulse(dice, midnight, rest + 14 * strain, quarters=48 if day <= ECG_DAY else 18)
        if day <= ECG_DAY:
            parts += _day(dice, midnight, rest + 14 * strain)
            parts += _night(dice, midnight, strain)
        if unwell_after == day:
            at = moment(midnight + dt.timedelta(hours=10))
            parts.append(record("HKCategoryTypeIdentifierIrregularHeartRhythmEvent", at, at, "0"))
        if day == ECG_DAY:
            found = ecg_csv(moment(midnight + dt.timedelta(hours=20)), "Sinus Rhythm")
            ecgs["electrocardiograms/ecg_1.csv"] = found
    return parts, ecgs


def _night(dice: random.Random, midnight: dt.datetime, strain: float) -> list[str]:
    at, parts = midnight + dt.timedelta(minutes=dice.randrange(-60, 40)), []
    for stage in ("Core", "Deep", "Core", "REM") * 3:
        minutes = max(5, int(dice.gauss(38 - 12 * strain, 8)))
        end = at + dt.timedelta(minutes=minutes)
        value = f"HKCategoryValueSleepAnalysisAsleep{stage}"
        parts.append(record(_SLEEP, moment(at), moment(end), value, metadata={"HKTimeZone": "Europe/London"}))
        at = end
    return parts


def _pulse(dice: random.Random, midnight: dt.datetime, rest: float, quarters: int) -> list[str]:
    parts = []
    for quarter in range(32, 32 + quarters):
        at = moment(midnight + dt.timedelta(minutes=15 * quarter + dice.randrange(15)))
        rate = max(40, round(dice.gauss(rest + 18, 8)))
        parts.append(
            record("HeartRate", at, at, rate, "count/min", metadata={"HKMetadataKeyHeartRateMotionContext": "0"})
        )
    return parts


def _day(dice: random.Random, midnight: dt.datetime, rest: float) -> list[str]:
    parts = []
    for hour in range(8, 21, 2):
        begin = midnight + dt.timedelta(hours=hour, minutes=dice.randrange(40))
        end = begin + dt.timedelta(minutes=10)
        steps = dice.randrange(100, 900)
        parts.append(record("StepCount", moment(begin), moment(end), steps, "count"))
        parts.append(record("StepCount", moment(begin), moment(end), steps + 5, "count", "iPhone", "Anna’s iPhone"))
    noon = moment(midnight + dt.timedelta(hours=12))
    parts.append(record("RestingHeartRate", moment(midnight), noon, round(rest), "count/min"))
    parts.append(record("HeartRateVariabilitySDNN", noon, noon, round(dice.gauss(110 - rest, 6), 1), "ms"))
    return parts
