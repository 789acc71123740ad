"""The tables of the CDM that are read, column by column: https://ohdsi.github.io/CommonDataModel/cdm54.html

A column that only one of 5.3 and 5.4 has is optional, and so is every column that a hospital may leave out. Era tables are
derived from these and are not read.
"""

from dataclasses import dataclass, fields

from rapha.sources.omop.mapping import ClinicalTable


@dataclass(frozen=True)
class Clinical:
    """A clinical table: which column holds what. "" where there is none.

    `start` and `end` are the names without `_date` and `_datetime`.
    """

    name: ClinicalTable
    kind: str
    id: str
    concept: str
    start: str
    type: str
    source_value: str
    source_concept: str = ""
    end: str = ""
    number: str = ""
    operator: str = ""
    value_concept: str = ""
    value_source: str = ""
    value_text: str = ""
    unit_concept: str = ""
    unit_source: str = ""
    text: str = ""

    def needed(self) -> tuple[str, ...]:
        """Columns that the table must have."""
        return (self.id, "person_id", self.concept, f"{self.start}_date")

    def wanted(self) -> tuple[str, ...]:
        """All columns that are read of it."""
        plain = [getattr(self, f.name) for f in fields(self) if f.name not in ("name", "kind", "start", "end")]
        times = [f"{name}_{form}" for name in (self.start, self.end) if name for form in ("date", "datetime")]
        return tuple(dict.fromkeys([*self.needed(), *filter(None, plain), *times, "visit_occurrence_id"]))


def _usual(name: ClinicalTable, kind: str, stem: str, start: str, **more: str) -> Clinical:
    return Clinical(
        name,
        kind,
        id=f"{name}_id",
        concept=f"{stem}_concept_id",
        start=start,
        type=f"{stem}_type_concept_id",
        source_value=f"{stem}_source_value",
        **({"source_concept": f"{stem}_source_concept_id"} | more),
    )


_UNIT = {"unit_concept": "unit_concept_id", "unit_source": "unit_source_value"}
CLINICAL = (
    _usual("visit_occurrence", "encounter", "visit", "visit_start", end="visit_end"),
    _usual("visit_detail", "encounter", "visit_detail", "visit_detail_start", end="visit_detail_end"),
    _usual("condition_occurrence", "condition", "condition", "condition_start", end="condition_end"),
    _usual("drug_exposure", "medication", "drug", "drug_exposure_start", end="drug_exposure_end", number="quantity"),
    _usual("procedure_occurrence", "procedure", "procedure", "procedure", end="procedure_end", number="quantity"),
    _usual(
        "measurement", "measurement", "measurement", "measurement", number="value_as_number", **_UNIT,
        operator="operator_concept_id", value_concept="value_as_concept_id", value_source="value_source_value",
    ),
    _usual(
        "observation", "observation", "observation", "observation", number="value_as_number", **_UNIT,
        value_concept="value_as_concept_id", value_source="value_source_value", value_text="value_as_string",
    ),
    _usual("device_exposure", "device", "device", "device_exposure_start", end="device_exposure_end",
           number="quantity", **_UNIT),
    _usual("specimen", "observation", "specimen", "specimen", number="quantity", source_concept="", **_UNIT),
    Clinical("note", "note", "note_id", "note_class_concept_id", "note", "note_type_concept_id", "note_source_value",
             text="note_text"),
)  # fmt: skip
"""`visit_occurrence` stands first: the others ask it when a visit ended."""

PERSON = ("person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth", "birth_datetime")
DEATH = ("person_id", "death_date", "death_datetime")
PERIOD = ("observation_period_id", "person_id", "observation_period_start_date", "observation_period_end_date")
CONCEPT = ("concept_id", "vocabulary_id", "concept_code", "concept_name", "standard_concept")
ANCESTOR = ("ancestor_concept_id", "descendant_concept_id")
RELATIONSHIP = ("concept_id_1", "concept_id_2", "relationship_id", "invalid_reason")


@dataclass(frozen=True)
class Wanted:
    """A table, the columns read of it, those it must have, and whether a CDM may be without it."""

    name: str
    columns: tuple[str, ...]
    needed: tuple[str, ...]
    may_be_absent: bool = True


TABLES = (
    Wanted("person", PERSON, PERSON[:3], may_be_absent=False),
    Wanted("observation_period", PERIOD, PERIOD, may_be_absent=False),
    Wanted("death", DEATH, DEATH[:2]),
    *(Wanted(table.name, table.wanted(), table.needed()) for table in CLINICAL),
)
VOCABULARY = (
    Wanted("concept", CONCEPT, CONCEPT[:3]),
    Wanted("concept_ancestor", ANCESTOR, ANCESTOR),
    Wanted("concept_relationship", RELATIONSHIP, RELATIONSHIP[:3]),
)
