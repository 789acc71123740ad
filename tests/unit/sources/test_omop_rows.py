"""What each row of a CDM becomes, and what is set aside."""

from pathlib import Path

import pytest
from little_cdm import MAPPING, write_cdm

from rapha.errors import ConfigurationError, SourceError
from rapha.sources import source_of
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."


class Cdm:
    """A CDM's folder, its mapping, and the timeline they become."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.timeline, self.mapping = folder / "cdm", folder / "timeline", folder / "cdm.mapping.yaml"
        self.mapping.write_text(MAPPING)

    def ingest(self, data: Path | None = None) -> IngestReport:
        return source_of(self.mapping)(self.mapping, data or self.folder, self.timeline, SECRET, None)

    def ask(self, statement: str) -> list[tuple]:
        with open_timeline(self.timeline).connect() as connection:
            return connection.execute(statement).fetchall()

    def event(self, ref: str, columns: str) -> tuple:
        [row] = self.ask(f"SELECT {columns} FROM events WHERE source_ref = '{ref}'")
        return row


@pytest.fixture
def cdm(tmp_path: Path) -> Cdm:
    made = Cdm(tmp_path)
    write_cdm(made.folder)
    return made


def test_rows_set_aside_are_told_by_table_and_row(cdm):
    cdm.ingest()
    lines = (cdm.timeline / "set-aside" / "cdm.csv").read_text().splitlines()[1:]
    assert lines == [
        "condition_occurrence,22,4,has neither a concept nor a source value",
        "condition_occurrence,23,5,`condition_start_date` is not a date or time",
        "measurement,32,4,`value_as_number` is not a number",
        "measurement,33,5,`person_id` names no patient of person",
        "measurement,34,6,`operator_concept_id` is no comparator",
        "observation_period,2,3,`person_id` names no patient of person",
        "observation_period,3,4,ends before it starts",
        "person,3,5,`person_id` names a patient who is in the table before",
    ]


def test_a_table_that_is_not_there_is_told(cdm):
    whole = cdm.ingest()
    (cdm.folder / "MEASUREMENT.csv").unlink()
    told = cdm.ingest().in_words()
    [named] = [line for line in told.splitlines() if "the CDM has no table" in line]
    assert "measurement" in named.replace(",", "").replace(":", "").split()
    assert "measurement" not in whole.in_words().partition("the CDM has no table")[2]


def test_birth_is_known_as_far_as_the_cdm_says(cdm):
    cdm.ingest()
    found = cdm.ask("SELECT birth::DATE::VARCHAR, birth_precision, sex FROM subjects ORDER BY birth")
    assert found == [("1950-03-04", "day", "female"), ("1961-01-01", "year", "male"), ("1970-02-01", "month", None)]


def test_a_death_at_midnight_is_known_to_the_day(cdm):
    cdm.ingest()
    assert cdm.ask("SELECT death::VARCHAR, death_precision FROM subjects WHERE death IS NOT NULL") == [
        ("2019-05-05 22:00:00+00", "day")
    ]


def test_the_last_day_of_observation_counts(cdm):
    cdm.ingest()
    assert cdm.ask("SELECT t_end::VARCHAR FROM observation_periods") == [("2019-12-31 22:59:59.999999+00",)]


def test_a_code_is_the_source_s_and_the_concept_the_standard_one(cdm):
    cdm.ingest()
    icd = ("http://hl7.org/fhir/sid/icd-10", "E11.9", "201826")
    assert cdm.event("condition_occurrence#20", "system, code, concept") == icd
    assert cdm.event("measurement#30", "system, code, concept") == ("local", "hba1c", "3004410")


def test_concept_0_keeps_the_source_value(cdm):
    cdm.ingest()
    assert cdm.event("condition_occurrence#21", "system, code, concept") == ("local", "house code 7", None)


def test_a_diagnosis_is_known_at_the_end_of_its_visit_or_of_its_day(cdm):
    cdm.ingest()
    known = "t_available::VARCHAR"
    assert cdm.event("condition_occurrence#20", known) == ("2012-07-05 10:00:00+00",)
    assert cdm.event("condition_occurrence#21", known) == ("2012-07-02 21:59:59.999999+00",)


def test_a_type_goes_before_the_table(cdm):
    cdm.mapping.write_text(MAPPING + "  types: {32817: same}\n")
    cdm.ingest()
    assert cdm.event("condition_occurrence#20", "t_available = t_start") == (True,)


def test_numbers_keep_their_comparator_and_unit(cdm):
    cdm.ingest()
    columns = "num, comparator, unit, unit_ucum, num_canonical, precision, t_start::VARCHAR"
    assert cdm.event("measurement#30", columns) == (5, "<", "percent", "%", 5, "second", "2012-07-02 05:30:00+00")
    assert cdm.event("measurement#31", columns) == (7.25, None, "%", "%", 7.25, "day", "2012-07-02 22:00:00+00")


def test_types_can_be_left_out_and_are_counted(cdm):
    cdm.mapping.write_text(MAPPING + "leave_out_types: [32817]\n")
    report = cdm.ingest()
    [conditions] = [file for file in report.files if file.file == "condition_occurrence"]
    assert conditions.events == 0
    assert conditions.set_aside["is of a type that the mapping leaves out"] == 2


def test_the_vocabulary_stands_beside_the_events(cdm):
    cdm.ingest()
    assert cdm.ask("SELECT system, code, standard, maps_to FROM concepts WHERE concept = '45591029'") == [
        ("http://hl7.org/fhir/sid/icd-10", "E11.9", False, ["201826"])
    ]
    assert cdm.ask("SELECT count(*) FROM concept_ancestors") == [(0,)]


def test_a_cdm_without_vocabulary_keeps_its_codes(cdm, tmp_path):
    cdm.folder = write_cdm(tmp_path / "bare", concept="", concept_relationship="")
    cdm.ingest()
    assert cdm.event("condition_occurrence#20", "system, code, concept") == ("local", "E11.9", "201826")


def test_the_same_again_changes_nothing(cdm):
    first = cdm.ingest()
    again = cdm.ingest()
    assert (first.unchanged, again.unchanged, again.events) == (False, True, first.events)


def test_a_folder_that_is_no_cdm_is_refused(cdm, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no table person"):
        cdm.ingest(tmp_path / "empty")


def test_a_missing_column_is_named(cdm, tmp_path):
    with pytest.raises(SourceError, match="measurement has no column `measurement_concept_id`"):
        cdm.ingest(write_cdm(tmp_path / "less", measurement="measurement_id,person_id\n1,1\n"))


def test_when_the_hospital_knew_has_to_be_said(cdm):
    cdm.mapping.write_text("source: cdm\nformat: omop\n")
    with pytest.raises(ConfigurationError, match="`available` is missing"):
        cdm.ingest()
