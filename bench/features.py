"""Fifty aggregates at more than 100,000 index dates (every creatinine), over 50 million events."""

from figure import figure_line
from many_events import floor, many_events, mimic, study_of, timed

TARGET_SECONDS = 10.0
CODES = {
    "creatinine": "lab-50912",
    "urea": "lab-51006",
    "sodium": "lab-50983",
    "potassium": "lab-50971",
    "chloride": "lab-50902",
    "bicarbonate": "lab-50882",
    "glucose": "lab-50931",
    "hemoglobin": "lab-51222",
    "platelets": "lab-51265",
    "leukocytes": "lab-51301",
}
WEEK = {"until": "index", "for": "7 days"}
STUDY = study_of(
    concepts=mimic(**CODES),
    cohort={"index": {"every": ["creatinine"]}},
    outcome={"event": "death", "during": {"from": "index", "for": "30 days"}, "unobserved": "exclude"},
    features=[{word: name, "during": WEEK} for name in CODES for word in ("last", "min", "max", "mean", "count")],
)


def main() -> None:
    with many_events() as timeline:
        runs = timed(timeline, STUDY)
        print(figure_line("features", runs, TARGET_SECONDS, floor=floor(timeline, list(CODES.values()))))


if __name__ == "__main__":
    main()
