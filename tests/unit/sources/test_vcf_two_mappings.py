"""Two mappings of the same people, as a study counts them: from call files to the events that count."""

from pathlib import Path

import pytest

from rapha.cohort.plan import plan_of
from rapha.cohort.statement import presence_statement
from rapha.records.study import Study
from rapha.timeline.reader import open_timeline

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from test_vcf_rows import HEADER, MAPPING, ON, SAMPLES, SECRET, T_C, line

from rapha.sources.vcf import ingest

CALLS = {"exomes": "0/1:99 0/1:99 1/1:99", "array": "0/1:99 1/1:99 ./.:99"}
"""Of p1 the same, of p2 different ones, of p3 one."""


def laboratory(folder: Path, source: str, calls: str, timeline: Path) -> None:
    data = folder / source
    data.mkdir()
    words = MAPPING.replace("source: exomes", f"source: {source}\npeople: clinic") + ON
    (folder / f"{source}.yaml").write_text(words)
    (data / "samples.csv").write_text(SAMPLES)
    columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "s1", "s2", "s3"])
    (data / "calls.vcf").write_text(HEADER.format(length=58_617_616) + columns + "\n" + line(calls) + "\n")
    ingest(folder / f"{source}.yaml", data, timeline, SECRET)


def study(concept: dict[str, object]) -> Study:
    return Study.model_validate(
        {
            "study": "two-laboratories",
            "purpose": {"sentence": "Count a variant once.", "data_use": ["DUO:0000006"]},
            "data": {"modalities": ["genomics"]},
            "concepts": {"carried": concept, "sick": {"system": "local", "codes": ["sick"]}},
            "cohort": {"index": {"first": ["carried"]}},
            "outcome": {"event": "sick", "during": {"from": "index", "for": "1 year"}, "unobserved": "exclude"},
            "features": [{"sum": "carried", "during": {"until": "index"}}],
            "model": {"architecture": "logistic"},
        }
    )


@pytest.mark.parametrize(
    "concept",
    [
        {"system": "dosage:GRCh38", "codes": [T_C]},
        {"system": "variant:GRCh38", "codes": [T_C]},
        {"variant": {"build": "GRCh38", "variants": [T_C]}},
    ],
)
@pytest.mark.parametrize(("sources", "events"), [(["exomes"], 3), (["exomes", "array"], 2)])
def test_two_mappings_of_the_same_people_tell_of_each_once(
    tmp_path: Path, sources: list[str], events: int, concept: dict[str, object]
) -> None:
    for source in sources:
        laboratory(tmp_path, source, CALLS[source], tmp_path / "timeline")
    statement = presence_statement(plan_of(study(concept)))
    with open_timeline(tmp_path / "timeline").connect() as connection:
        held = connection.execute(
            "SELECT count(*) FROM events WHERE num > 0 AND starts_with(system, 'dosage')"
        ).fetchall()
        found = connection.table(statement.text, statement.parameters).to_pylist()
    assert held == [(5 if len(sources) == 2 else 3,)], "both are on the timeline"
    assert [(row["given"], row["patients"]) for row in found] == [(events, events)]
