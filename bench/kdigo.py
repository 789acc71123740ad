"""Kidney injury by the creatinine rule of KDIGO in the week after the first day in hospital, over 50 million events."""

from figure import figure_line
from many_events import floor, many_events, mimic, study_of, timed

TARGET_SECONDS = 1.5
CODES = {"admission": "admission", "creatinine": "lab-50912"}
STUDY = study_of(
    concepts=mimic(**CODES),
    cohort={
        "index": {"every": ["admission"], "after": "24 hours"},
        "encounter": ["admission"],
        "include": [{"within": "encounter"}],
    },
    outcome={
        "event": {
            "rise": "creatinine",
            "unit": "mg/dL",
            "ratio": 1.5,
            "within": "7 days",
            "by": 0.3,
            "by_within": "48 hours",
        },
        "during": {"from": "index", "for": "7 days"},
        "competing": "death",
        "unobserved": "exclude",
    },
    features=[{"demographic": "age"}],
)


def main() -> None:
    with many_events() as timeline:
        runs = timed(timeline, STUDY)
        print(figure_line("kdigo", runs, TARGET_SECONDS, floor=floor(timeline, list(CODES.values()))))


if __name__ == "__main__":
    main()
