"""Readmission within 30 days, with death as a competing event: cohort and label of every discharge, over 50 million events."""

from figure import figure_line
from many_events import floor, many_events, mimic, study_of, timed

TARGET_SECONDS = 1.0
STUDY = study_of(
    concepts=mimic(admission="admission"),
    cohort={
        "index": {"every": ["admission"], "at": "end"},
        "encounter": ["admission"],
        "exclude": [{"any_of": ["death"], "during": {"until": "index"}}],
    },
    outcome={
        "event": "admission",
        "during": {"from": "index", "for": "30 days"},
        "competing": "death",
        "unobserved": "exclude",
    },
    features=[{"demographic": "age"}],
)


def main() -> None:
    with many_events() as timeline:
        runs = timed(timeline, STUDY)
        print(figure_line("readmission", runs, TARGET_SECONDS, floor=floor(timeline, ["admission"])))


if __name__ == "__main__":
    main()
