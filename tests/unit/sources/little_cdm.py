"""A CDM small enough to read: tables as rows of plain values, and the mapping that goes with them."""

import csv
from pathlib import Path

MAPPING = """\
source: cdm
format: omop
zone: Europe/Berlin
systems: {ICD10: http://hl7.org/fhir/sid/icd-10}
available:
  default: day end
  tables: {measurement: same, condition_occurrence: visit end}
"""
TABLES = {
    "PERSON": """\
person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,birth_datetime
1,8532,1950,3,4,
2,8507,1961,,,1961-01-01 00:00:00
3,0,1970,2,,
3,0,1971,,,
""",
    "OBSERVATION_PERIOD": """\
observation_period_id,person_id,observation_period_start_date,observation_period_end_date,period_type_concept_id
1,1,2010-01-01,2019-12-31,44814724
2,9,2010-01-01,2019-12-31,44814724
3,2,2015-01-01,2014-01-01,44814724
""",
    "DEATH": "person_id,death_date,death_datetime\n2,2019-05-06,2019-05-06 00:00:00\n",
    "VISIT_OCCURRENCE": """\
visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,visit_end_datetime,visit_type_concept_id,visit_source_value,visit_source_concept_id
10,1,9201,2012-07-01,2012-07-01 08:00:00,2012-07-05,2012-07-05 12:00:00,44818517,inpatient,0
""",
    "CONDITION_OCCURRENCE": """\
condition_occurrence_id,person_id,condition_concept_id,condition_start_date,condition_type_concept_id,visit_occurrence_id,condition_source_value,condition_source_concept_id
20,1,201826,2012-07-02,32817,10,E11.9,45591029
21,1,0,2012-07-02,32817,,house code 7,0
22,1,0,2012-07-02,32817,,,0
23,1,201826,2012-13-40,32817,10,E11.9,45591029
""",
    "MEASUREMENT": """\
measurement_id,person_id,measurement_concept_id,measurement_date,measurement_datetime,measurement_type_concept_id,operator_concept_id,value_as_number,unit_concept_id,unit_source_value,measurement_source_value
30,1,3004410,2012-07-02,2012-07-02 07:30:00,32856,4171756,5,8554,percent,hba1c
31,1,3004410,2012-07-03,,32856,,7.25,8554,,hba1c
32,1,3004410,2012-07-03,,32856,,high,8554,,hba1c
33,7,3004410,2012-07-03,,32856,,6,8554,,hba1c
34,1,3004410,2012-07-03,,32856,123456,6,8554,,hba1c
""",
    "CONCEPT": """\
concept_id,concept_name,vocabulary_id,standard_concept,concept_code
201826,Type 2 diabetes mellitus,SNOMED,S,44054006
45591029,Type 2 diabetes without complications,ICD10,,E11.9
3004410,Hemoglobin A1c,LOINC,S,4548-4
8554,percent,UCUM,S,%
""",
    "CONCEPT_RELATIONSHIP": """\
concept_id_1,concept_id_2,relationship_id,invalid_reason
45591029,201826,Maps to,
201826,201826,Maps to,
""",
}


def write_cdm(folder: Path, **changed: str) -> Path:
    """A folder of CSV files; `changed` replaces tables by their lower-case name, "" leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TABLES.items():
        if now := changed.get(name.lower(), text):
            (folder / f"{name}.csv").write_text(now, encoding="utf-8")
    return folder


def rows_of(text: str) -> tuple[list[str], list[list[str | None]]]:
    """Header and rows of a table's text; an empty cell is None."""
    header, *rows = csv.reader(text.splitlines())
    return header, [[cell or None for cell in row] for row in rows]
