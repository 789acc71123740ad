"""What an ingest says to the one who ran it."""

from rapha.timeline.report import MOST_LINES, FileReport, IngestReport

ROWS = {"subjects": 1, "events": 2, "observation_periods": 1, "concepts": 0, "concept_ancestors": 0}


def told(files: int) -> list[str]:
    aside = {"does not say when it was": 2}
    reports = [FileReport(file=f"{at}.json", rows=3, events=1, set_aside=dict(aside)) for at in range(files)]
    reports.append(FileReport(file="last.json", rows=3, events=0, set_aside={"is no JSON": 1}))
    return IngestReport.of("clinic", "b", ROWS, tuple(reports), unchanged=False).in_words().splitlines()


def test_a_few_reasons_are_told_file_by_file():
    assert told(1)[1:] == ["  0.json: 2 x does not say when it was", "  last.json: 1 x is no JSON"]
    assert len(told(MOST_LINES - 1)) == MOST_LINES + 1


def test_of_many_files_the_reasons_are_told_over_all_of_them():
    first, *reasons = told(1000)
    assert "2,001 rows set aside, listed in set-aside/clinic.csv" in first
    assert reasons == ["  2,000 x does not say when it was, in 1,000 files", "  1 x is no JSON, in last.json"]
