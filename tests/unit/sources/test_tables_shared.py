"""The mappings of examples/mappings on the data sets they are for, beside a plain SQL question of the same files."""

import os
from pathlib import Path

import duckdb
import pytest

from rapha.sources.tables import ingest
from rapha.timeline.reader import open_timeline

CHECKOUT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("RAPHA_SHARED", CHECKOUT.parent / "shared")) / "data"
SECRET = b"a secret of this site: 32 bytes."

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no data sets at {DATA}; RAPHA_SHARED says where shared data is"),
]

CHARTED = """
    SELECT count(*) FILTER (error = '1'), count(*) FILTER (coalesce(error, '0') <> '1'),
        count(TRY_CAST(regexp_replace(value, '^[<>=]+ *', '') AS DOUBLE)) FILTER (regexp_matches(value, '[0-9]'))
    FROM read_csv(['{data}/chartevents_1.csv.gz', '{data}/chartevents_2.csv.gz'], all_varchar = true)
"""


def plain(question: str, folder: Path) -> list[tuple[int, ...]]:
    return duckdb.connect().execute(question.format(data=folder)).fetchall()


@pytest.fixture(scope="module")
def mimic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    timeline = tmp_path_factory.mktemp("mimic")
    ingest(CHECKOUT / "examples/mappings/mimic3-demo.mapping.yaml", DATA / "mimic3-demo", timeline, SECRET)
    return timeline


def asked(timeline: Path, question: str) -> list[tuple[int, ...]]:
    with open_timeline(timeline).connect() as connection:
        return connection.execute(question).fetchall()


def test_mimic_errors_are_marked_and_nothing_is_lost(mimic: Path) -> None:
    [(wrong, right, _)] = plain(CHARTED, DATA / "mimic3-demo")
    question = "count(*) FILTER (status = 'entered-in-error'), count(*) FILTER (status = 'final')"
    [found] = asked(mimic, f"SELECT {question} FROM events WHERE source_ref LIKE 'chartevents%'")
    assert found == (wrong, right) == (648, 757_707)


def test_mimic_labs_keep_every_number_and_comparator(mimic: Path) -> None:
    labs = "FROM read_csv('{data}/labevents.csv.gz', all_varchar = true)"
    words = "count(*), count(*) FILTER (regexp_matches(value, '^[<>]=? *[0-9.]+$')), sum(TRY_CAST(valuenum AS DOUBLE)) "
    [(rows, compared, total)] = plain(f"SELECT {words} {labs}", DATA / "mimic3-demo")
    question = "SELECT count(*), count(comparator) FROM events WHERE system = 'mimic:lab'"
    assert asked(mimic, question) == [(rows, compared)]
    [(summed,)] = asked(mimic, "SELECT sum(num) FILTER (comparator IS NULL) FROM events WHERE system = 'mimic:lab'")
    assert summed == pytest.approx(total, rel=0.01)


def test_mimic_rewritten_infusions_are_cancelled(mimic: Path) -> None:
    question = "SELECT statusdescription = 'Rewritten' AS gone, count(*) FROM read_csv('{data}/inputevents_mv.csv.gz', "
    question += "all_varchar = true) WHERE endtime >= starttime GROUP BY ALL ORDER BY ALL"
    counts = [count for _, count in plain(question, DATA / "mimic3-demo")]
    found = asked(
        mimic, "SELECT status, count(*) FROM events WHERE kind = 'medication' GROUP BY ALL ORDER BY status DESC"
    )
    assert found == [("final", counts[0]), ("cancelled", counts[1])]


def test_mimic_diagnoses_are_known_at_discharge_and_nothing_before_it_is(mimic: Path) -> None:
    question = "SELECT count(*), count(DISTINCT d.hadm_id) FROM '{data}/diagnoses_icd.csv.gz' d "
    question += "JOIN '{data}/admissions.csv.gz' a ON d.hadm_id = a.hadm_id"
    [expected] = plain(question, DATA / "mimic3-demo")
    coded = "SELECT count(*), count(DISTINCT e.encounter) FROM events e JOIN events d ON d.encounter = e.encounter "
    coded += "AND d.system = 'mimic:discharge' AND d.t_start = e.t_available WHERE e.kind = 'condition'"
    assert asked(mimic, coded) == [expected]
    assert asked(mimic, "SELECT count(*) FROM events WHERE t_available < t_start") == [(0,)]


def test_physionet_2012_counts_minutes(tmp_path: Path) -> None:
    ingest(CHECKOUT / "examples/mappings/physionet2012.mapping.yaml", DATA / "physionet2012", tmp_path, SECRET)
    table = "FROM '{data}/physionet2012_long.csv.gz'"
    expected = plain(
        f"SELECT count(*), count(DISTINCT record_id), max(minute), sum(value) {table}", DATA / "physionet2012"
    )
    minutes = "CAST(max(epoch(t_start) - epoch(TIMESTAMPTZ '2000-01-01 00:00:00+00')) / 60 AS BIGINT)"
    measured = (
        f"SELECT count(*), count(DISTINCT subject_key), {minutes}, sum(num) FROM events WHERE kind = 'measurement'"
    )
    [(rows, people, last, total)] = asked(tmp_path, measured)
    assert (rows, people, last) == expected[0][:3]
    assert total == pytest.approx(expected[0][3])
    sexes = f"SELECT sum(value = 1), sum(value = 0), sum(value = -1) {table} WHERE parameter = 'Gender'"
    of_subjects = "SELECT sum(sex = 'male'), sum(sex = 'female'), sum(sex IS NULL) FROM subjects"
    assert asked(tmp_path, of_subjects) == plain(sexes, DATA / "physionet2012") == [(4499, 3493, 8)]
    died = "SELECT sum(\"In-hospital_death\") FROM read_csv(['{data}/Outcomes-a.txt', '{data}/Outcomes-b.txt'])"
    assert asked(tmp_path, "SELECT count(*) FROM events WHERE code = 'died-in-hospital'") == plain(
        died, DATA / "physionet2012"
    )
