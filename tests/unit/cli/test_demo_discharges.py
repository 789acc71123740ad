"""The made-up discharges: the same every time, read whole, and fit for their study."""

from pathlib import Path

import pytest

from rapha.cli.demo.made_up_discharges import deal
from rapha.cohort.engine import freeze, size
from rapha.errors import CohortRefused
from rapha.records.study import Study
from rapha.sdk.study_file import read_study
from rapha.sources.tables import ingest
from rapha.timeline.reader import Timeline, open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = read_study(Path(__file__).parents[3] / "examples/discharge-destination/study.yaml")


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    place = tmp_path_factory.mktemp("discharges")
    folder = deal(place / "data", 2)[1]
    told = ingest(folder / "hospital.mapping.yaml", folder, place / "timeline", SECRET)
    assert "set aside" not in told.in_words()
    return open_timeline(place / "timeline")


def asked(**outcome: object) -> Study:
    plain = STUDY.as_json()
    return Study.model_validate(plain | {"outcome": plain["outcome"] | outcome})


def test_the_same_every_time_and_no_two_hospitals_alike(tmp_path: Path) -> None:
    once, again = deal(tmp_path / "a"), deal(tmp_path / "b")
    assert [(f / "stays.csv").read_bytes() for f in once] == [(f / "stays.csv").read_bytes() for f in again]
    assert len({(folder / "stays.csv").read_bytes() for folder in once}) == 3


def test_patients_are_counted_by_class_and_the_class_of_none_is_one_where_it_is_asked_for(timeline: Timeline) -> None:
    apart, as_class = size(timeline, STUDY, SECRET), size(timeline, asked(none="class"), SECRET)
    assert len(apart.classes) == 3 and min(apart.classes) > 100
    assert apart.others == 0 and apart.events == sum(apart.classes)
    assert as_class.classes[1:] == apart.classes and as_class.classes[0] == as_class.others > 10
    assert as_class.events == apart.events


def test_a_site_with_too_few_of_a_class_takes_no_part(timeline: Timeline, tmp_path: Path) -> None:
    assert freeze(timeline, STUDY, SECRET, tmp_path).rows == sum(size(timeline, STUDY, SECRET).classes)
    rare = asked(events=["home", "rehabilitation", "nursing-home", "admission"])  # nobody is admitted a second time
    with pytest.raises(CohortRefused) as caught:
        freeze(timeline, rare, SECRET, tmp_path)
    assert caught.value.reason == "too-few-events"
