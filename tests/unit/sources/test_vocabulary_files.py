"""`format: vocabulary`: Athena's files alone give a site a hierarchy over the codes of its other sources."""

from pathlib import Path

import pytest

from conftest import Hospital
from rapha.cohort.engine import size
from rapha.errors import CohortRefused, ConfigurationError, SourceError
from rapha.records.study import Study
from rapha.sources import source_of
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."
MAPPING = "source: athena\nformat: vocabulary\nsystems: {LOINC: http://loinc.org}\n"
CONCEPT = """\
concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code
1\tLipids, "all" of them\tMeasurement\tLOINC\tGroup\tS\tLG1
2\tHDL\tMeasurement\tLOINC\tLab\tS\t2085-9
3\tHDL of ours\tMeasurement\tlocal\tLab\t\thdl
"""
ANCESTOR = "ancestor_concept_id\tdescendant_concept_id\tmin_levels_of_separation\n1\t2\t1\n1\t1\t0\n2\t2\t0\n"
RELATIONSHIP = "concept_id_1\tconcept_id_2\trelationship_id\tinvalid_reason\n3\t2\tMaps to\t\n"


def vocabulary(folder: Path, timeline: Path, **files: str) -> IngestReport:
    data = folder / "athena"
    data.mkdir(exist_ok=True)
    for name, text in files.items():
        (data / f"{name.upper()}.csv").write_text(text)
    (folder / "athena.mapping.yaml").write_text(MAPPING)
    mapping = folder / "athena.mapping.yaml"
    return source_of(mapping)(mapping, data, timeline, SECRET, None)


def asks(hospital: Hospital, of: dict[str, object]) -> int:
    study = Study.model_validate({
        "study": "spec", "purpose": {"sentence": "Say what a code means.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr"]}, "concepts": {"a": of}, "cohort": {"index": {"first": ["a"]}},
        "outcome": {"event": "a", "during": {"from": "index", "for": "30 days"}, "unobserved": "exclude"},
        "features": [{"last": "a", "during": {"until": "index"}}], "model": {"architecture": "logistic"},
    })  # fmt: skip
    found = size(open_timeline(hospital.timeline), study, SECRET)
    return found.events + found.others


LIPIDS = {"system": "http://loinc.org", "codes": ["LG1"], "descendants": True}


def test_codes_of_another_source_are_found_below_and_by_what_they_map_to(hospital: Hospital, tmp_path: Path) -> None:
    hospital.ingest()
    with pytest.raises(CohortRefused):
        asks(hospital, LIPIDS)
    report = vocabulary(
        tmp_path, hospital.timeline, concept=CONCEPT, concept_ancestor=ANCESTOR, concept_relationship=RELATIONSHIP
    )
    assert (report.patients, report.events, report.set_aside) == (0, 0, 0)
    assert "3 codes, 3 lines of their hierarchy" in report.in_words()
    assert asks(hospital, LIPIDS) == 1
    assert asks(hospital, {"system": "http://loinc.org", "codes": ["2085-9"], "mapped": True}) == 1
    assert vocabulary(tmp_path, hospital.timeline).unchanged
    assert hospital.ask("count(*)", "subjects", "1") == [(2,)]


def test_a_vocabulary_without_a_hierarchy_is_refused_where_one_is_asked_for(hospital: Hospital, tmp_path: Path) -> None:
    hospital.ingest()
    vocabulary(tmp_path, hospital.timeline, concept=CONCEPT)
    with pytest.raises(CohortRefused) as refused:
        asks(hospital, LIPIDS)
    assert refused.value.reason == "no-hierarchy"


def test_what_is_no_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no table concept"):
        vocabulary(tmp_path, tmp_path / "timeline", concept_ancestor=ANCESTOR)
    with pytest.raises(SourceError, match="has no column `vocabulary_id`"):
        vocabulary(tmp_path, tmp_path / "timeline", concept=CONCEPT.replace("vocabulary_id", "vocabulary"))
    (tmp_path / "m.yaml").write_text(MAPPING + "zone: UTC\n")
    with pytest.raises(ConfigurationError, match="no such key"):
        source_of(tmp_path / "m.yaml")(tmp_path / "m.yaml", tmp_path, tmp_path / "timeline", SECRET, None)


def test_a_code_listed_twice_is_set_aside(tmp_path: Path) -> None:
    report = vocabulary(tmp_path, tmp_path / "timeline", concept=CONCEPT + CONCEPT.splitlines()[1] + "\n")
    assert report.set_aside == 1
