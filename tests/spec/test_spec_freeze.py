"""What `freeze` promises: the file, its bytes, who is set apart, and when it refuses."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import oracle
import pyarrow as pa
import pytest
from asking import KEY, study_of
from little_timeline import Event, Person, write_timeline

from rapha.canonical import digest_file
from rapha.cohort.engine import count, freeze
from rapha.cohort.found import FrozenCohort
from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.errors import CohortRefused, DiskFull
from rapha.records.study import Study
from rapha.timeline.reader import Timeline, open_timeline
from rapha.training.dataset import read_dataset

OUTCOME = {
    "event": "sick",
    "during": {"from": "index", "for": "1 year"},
    "competing": "death",
    "unobserved": "exclude",
}
FEATURES = [
    {"last": "b", "during": {"until": "index", "for": "2 years"}},
    {"demographic": "age"},
    {"demographic": "sex"},
]
STUDY = study_of(outcome=OUTCOME, features=FEATURES)
BASE = 7_340_000_000_000  # subject keys that would be found in the file's bytes


def town(patients: int) -> tuple[list[Person], list[Event]]:
    """Of ten patients one dies, one is lost from sight, three fall sick, five stay well; every second has a `b`."""
    people, events = [], []
    for number in range(patients):
        key, index = BASE + number, date(2010, 1, 1) + timedelta(days=number)
        person = Person(key, birth=f"{1950 + number % 40}-03-01", sex=("male", "female", None)[number % 3])
        if number % 10 == 0:
            person = replace(person, death=str(index + timedelta(days=30)))
        if number % 10 == 1:
            person = replace(person, observed=(("2000-01-01", str(index + timedelta(days=30))),))
        if number % 10 in (2, 3, 4):
            events.append(Event("sick", str(index + timedelta(days=60)), patient=key))
        if number % 2:
            events.append(Event("b", str(index - timedelta(days=90)), number / 7, patient=key))
        people.append(person)
        events.append(Event("a", str(index), patient=key))
    return people, events


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    return write_timeline(tmp_path_factory.mktemp("timeline"), *town(200))


@pytest.fixture(scope="module")
def frozen(timeline: Timeline, tmp_path_factory: pytest.TempPathFactory) -> tuple[FrozenCohort, Path]:
    folder = tmp_path_factory.mktemp("run")
    return freeze(timeline, STUDY, KEY, folder), folder / "rows.arrow"


def rows_of(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def test_the_counts(frozen):
    cohort, path = frozen
    assert (cohort.patients, cohort.positives) == (160, 60)
    assert cohort.set_apart == {"competing": 20, "unobserved": 20}
    splits = rows_of(path)["split"].to_pylist()
    assert [cohort.train_rows, cohort.validation_rows, cohort.test_rows] == [splits.count(n) for n in (0, 1, 2)]
    assert cohort.dataset_digest == digest_file(path)


def test_the_columns(frozen):
    _, path = frozen
    assert rows_of(path).schema == pa.schema(
        {
            "split": pa.int8(),
            "last_b_until_2years": pa.float64(),
            "age": pa.float64(),
            "sex": pa.float64(),
            "label": pa.int8(),
        }
    )


def test_the_rows_are_the_oracles(frozen):
    _, path = frozen
    expected = [
        row for row in oracle.answer(*town(200), STUDY, KEY) if row.pop("fate") == "kept" and row.pop("patient")
    ]
    for found, wanted in zip(rows_of(path).to_pylist(), expected, strict=True):
        assert found == pytest.approx(wanted)


def test_a_sequence_column(timeline, tmp_path):
    study = study_of(
        outcome=OUTCOME,
        features=[{"sequence": ["a", "b"], "during": {"until": "index"}}, *FEATURES],
        model={"architecture": "gru"},
    )
    freeze(timeline, study, KEY, tmp_path)
    table = rows_of(tmp_path / "rows.arrow")
    step = pa.struct({"concept": pa.int16(), "value": pa.float64(), "days": pa.float32()})
    assert table.schema.names == ["split", "last_b_until_2years", "age", "sex", "sequence", "label"]
    assert table.schema.field("sequence").type == pa.list_(step)
    expected = [row for row in oracle.answer(*town(200), study, KEY) if row["fate"] == "kept"]
    assert table["sequence"].to_pylist() == [row["sequence"] for row in expected]


def test_a_survival_study(timeline, tmp_path):
    outcome = OUTCOME | {"kind": "time-to-event", "unobserved": "censor"}
    study = study_of(outcome=outcome, features=FEATURES, model={"architecture": "cox"})
    cohort = freeze(timeline, study, KEY, tmp_path)
    table = rows_of(tmp_path / "rows.arrow")
    assert table.schema.names[-3:] == ["time", "event", "cause"]
    assert table.schema.types[-3:] == [pa.float64(), pa.int8(), pa.int8()]
    assert (cohort.patients, cohort.positives, cohort.set_apart) == (200, 60, {"competing": 0, "unobserved": 0})
    assert min(table["time"].to_pylist()) == 30.0


def test_the_same_again_gives_the_same_bytes(timeline, frozen, tmp_path):
    cohort, path = frozen
    for _ in range(2):
        assert freeze(timeline, STUDY, KEY, tmp_path) == cohort
    assert (tmp_path / "rows.arrow").read_bytes() == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["rows.arrow"]


def test_rows_written_in_another_order_give_the_same_bytes(frozen, tmp_path):
    people, events = town(200)
    numbered = [replace(event, id=f"{number:032x}") for number, event in enumerate(events)]
    shuffled = write_timeline(tmp_path / "timeline", people[::-1], numbered[::-1])
    assert freeze(shuffled, STUDY, KEY, tmp_path).dataset_digest == frozen[0].dataset_digest


def test_no_identifier_is_in_the_file(frozen):
    content = frozen[1].read_bytes()
    for number in range(200):
        assert (BASE + number).to_bytes(8, "little") not in content
        assert str(BASE + number).encode() not in content


def test_a_patient_keeps_to_one_side_in_every_study(timeline, tmp_path):
    """The split is of the patient, not of the study; the order is of both."""
    other = study_of(outcome=OUTCOME, features=FEATURES, study="another")
    sides = []
    for study, folder in ((STUDY, tmp_path / "one"), (other, tmp_path / "two")):
        freeze(timeline, study, KEY, folder)
        rows = rows_of(folder / "rows.arrow").drop_columns(["label", "sex"]).to_pylist()
        sides.append([(row["split"], row["age"], row["last_b_until_2years"]) for row in rows])
    assert sides[0] != sides[1]
    assert sorted(sides[0], key=str) == sorted(sides[1], key=str)


def test_another_secret_deals_otherwise(timeline, frozen, tmp_path):
    assert freeze(timeline, STUDY, KEY[::-1], tmp_path).train_rows != frozen[0].train_rows


def test_a_short_secret_is_a_mistake(timeline):
    with pytest.raises(ValueError, match="16 bytes"):
        count(timeline, STUDY, b"short")


def test_count_is_what_freeze_keeps(timeline, frozen):
    assert count(timeline, STUDY, KEY) == frozen[0].patients


def test_the_timeline_is_left_as_it_was(timeline, frozen):
    assert open_timeline(timeline.folder).digest == timeline.digest
    assert not [path for path in timeline.folder.iterdir() if path.name.startswith(".")]


def refusal(timeline: Timeline, study: Study, folder: Path) -> CohortRefused:
    """The one refusal of `count` and `freeze`; nothing is written."""
    with pytest.raises(CohortRefused) as counted:
        count(timeline, study, KEY)
    with pytest.raises(CohortRefused) as froze:
        freeze(timeline, study, KEY, folder / "run")
    assert (str(counted.value), counted.value.reason) == (str(froze.value), froze.value.reason)
    assert not (folder / "run").exists()
    return froze.value


@pytest.mark.parametrize("place", ["index", "criterion", "outcome", "competing", "feature"])
def test_a_concept_nobody_has(timeline, tmp_path, place):
    """`c` is declared; nobody here has it. Wherever it is used, the study is refused, and the concept named."""
    parts = {
        "index": {"cohort": {"index": {"first": ["a", "c"]}}},
        "criterion": {
            "cohort": {"index": {"first": ["a"]}, "exclude": [{"any_of": ["c"], "during": {"until": "index"}}]}
        },
        "outcome": {"outcome": OUTCOME | {"event": "c"}},
        "competing": {"outcome": OUTCOME | {"competing": "c"}},
        "feature": {"features": [{"any": "c", "during": {"until": "index"}}]},
    }
    refused = refusal(timeline, study_of(**({"outcome": OUTCOME, "features": FEATURES} | parts[place])), tmp_path)
    assert refused.reason == "unknown-concept"
    assert "`c`" in str(refused)
    assert "`a`" not in str(refused)


def test_a_concept_that_only_counts_for_nobody_is_unknown(tmp_path):
    people, events = town(200)
    cancelled = [replace(event, status="cancelled") if event.code == "b" else event for event in events]
    assert refusal(write_timeline(tmp_path, people, cancelled), STUDY, tmp_path).reason == "unknown-concept"


def test_an_empty_cohort(timeline, tmp_path):
    index = {"index": {"first": ["a"]}, "include": [{"age": {"at_least": 120}}]}
    refused = refusal(timeline, study_of(outcome=OUTCOME, features=FEATURES, cohort=index), tmp_path)
    assert refused.reason == "cohort-empty"


def test_a_cohort_too_small(tmp_path):
    """25 patients at least, in training; how many there are is not said."""
    refused = refusal(write_timeline(tmp_path, *town(30)), STUDY, tmp_path)
    assert refused.reason == "cohort-too-small"
    assert "25" in str(refused)
    assert "24" not in str(refused)


def test_too_few_cases(tmp_path):
    people, events = town(200)
    sick = [event for event in events if event.code == "sick"][:9]
    few = [event for event in events if event.code != "sick"] + sick
    assert refusal(write_timeline(tmp_path, people, few), STUDY, tmp_path).reason == "too-few-events"


def test_too_few_controls(tmp_path):
    people, events = town(200)
    index = [event for event in events if event.code == "a"]
    sick = [replace(event, code="sick", at=str(date.fromisoformat(event.at) + timedelta(days=5))) for event in index]
    refused = refusal(write_timeline(tmp_path, people, events + sick), STUDY, tmp_path)
    assert refused.reason == "too-few-events"


def test_a_full_disk_is_said_as_such(timeline, tmp_path):
    (tmp_path / "rows.arrow.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=str(tmp_path)):
        freeze(timeline, STUDY, KEY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_thresholds_count_patients_and_not_rows(tmp_path):
    """Forty rows of each of a dozen patients are a dozen patients."""
    people, events = town(12)
    again = [replace(event, at=f"20{year}-06-01") for event in events for year in range(11, 29) if event.code == "a"]
    timeline = write_timeline(tmp_path / "timeline", people, events + again)
    study = study_of(outcome=OUTCOME, features=FEATURES, cohort={"index": {"every": ["a"]}})
    with pytest.raises(CohortRefused) as refused:
        freeze(timeline, study, KEY, tmp_path)
    assert refused.value.reason == "cohort-too-small"


def test_every_index_counts_patients_beside_rows(tmp_path):
    people, events = town(400)
    again = [replace(event, at="2015-06-01") for event in events if event.code == "a"]
    timeline = write_timeline(tmp_path / "timeline", people, events + again)
    study = study_of(outcome=OUTCOME, features=FEATURES, cohort={"index": {"every": ["a"]}})
    cohort = freeze(timeline, study, KEY, tmp_path)
    assert (cohort.patients, cohort.rows) == (320, 320 + 320)
    once = freeze(timeline, study_of(outcome=OUTCOME, features=FEATURES), KEY, tmp_path / "once")
    assert once.fewest is None and cohort.fewest is not None
    assert 10 <= cohort.fewest <= min(cohort.validation_rows, cohort.test_rows) / 2
    assert cohort.set_apart == {"competing": 40, "unobserved": 40}


def test_all_rows_of_a_patient_are_on_one_side(tmp_path):
    """Who enters several times is learnt from, or tested on, and never both."""
    people, events = town(400)
    again = [replace(event, at=f"20{year}-06-01") for event in events for year in (12, 15) if event.code == "a"]
    timeline = write_timeline(tmp_path / "timeline", people, events + again)
    study = study_of(outcome=OUTCOME, features=FEATURES, cohort={"index": {"every": ["a"]}})
    with timeline.connect() as connection:
        statement = cohort_statement(plan_of(study), KEY)
        rows = connection.table(statement.text, statement.parameters).to_pylist()
    sides: dict[int, set[int]] = {}
    for row in rows:
        sides.setdefault(row["patient"], set()).add(row["split"])
    assert len(rows) > 2 * len(sides) and {len(each) for each in sides.values()} == {1}
    assert {side for each in sides.values() for side in each} == {0, 1, 2}


def test_the_rows_of_an_every_index_say_which_are_one_patients(tmp_path):
    people, events = town(400)
    again = [replace(event, at="2015-06-01") for event in events if event.code == "a"]
    timeline = write_timeline(tmp_path / "timeline", people, events + again)
    terms = {"epsilon": 1, "delta": 1e-5, "ranges": {"b": [0, 60], "age": [18, 100], "sex": [0, 1]}}
    private = {"min_cohort": 25, "differential_privacy": terms}
    every = {"index": {"every": ["a"]}}
    for number, more in enumerate(({"cohort": every}, {"privacy": private}, {"cohort": every, "privacy": private})):
        study = study_of(outcome=OUTCOME, features=FEATURES, **more)
        folder, whose = tmp_path / str(number), tmp_path / f"whose-{number}"
        freeze(timeline, study, KEY, folder, whose)
        rows = pa.ipc.open_file(folder / "rows.arrow").read_all()
        assert ("patient" in rows.column_names) is (number != 1)
        read_dataset(study, folder / "rows.arrow")
    numbers = rows["patient"].to_pylist()
    assert sorted(set(numbers)) == list(range(320)) and all(numbers.count(one) == 2 for one in set(numbers))
    assert list(dict.fromkeys(numbers)) == list(range(320))  # in order of appearance: no key shows in it
    ages, first = rows["age"].to_pylist(), {}
    assert all(abs(first.setdefault(one, age) - age) <= 6 for one, age in zip(numbers, ages, strict=True))


@pytest.mark.parametrize(("patients", "enough"), [(160, False), (600, True)])
def test_figures_of_a_numeric_outcome_stand_on_patients_and_not_on_rows(tmp_path, patients, enough):
    """Twelve rows of each patient: there are rows enough to validate and test on, and patients only of the larger town."""
    people, events = town(patients)
    again = [
        replace(event, at=f"20{year}-06-01") for event in events for year in range(11, 23) if event.code in ("a", "b")
    ]
    value = {"mean": "b", "unit": "any"}
    outcome = {
        "kind": "numeric",
        "value": value,
        "during": {"from": "index", "for": "2 years"},
        "unobserved": "exclude",
    }
    timeline = write_timeline(tmp_path / "timeline", people, events + again)
    study = study_of(
        outcome=outcome, features=FEATURES, cohort={"index": {"every": ["a"]}}, model={"architecture": "linear"}
    )
    if enough:
        cohort = freeze(timeline, study, KEY, tmp_path)
        assert cohort.test_rows > 100 and 10 <= cohort.fewest < min(cohort.validation_rows, cohort.test_rows) / 12
    else:
        with pytest.raises(CohortRefused, match="to test on"):
            freeze(timeline, study, KEY, tmp_path)
