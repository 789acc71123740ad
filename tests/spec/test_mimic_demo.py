"""The example studies on the MIMIC-III demo: a plain SQL query over the same CSV files gives the same counts."""

import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.sdk.study_file import read_study
from rapha.timeline.reader import Timeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
from mimic_demo import CHECKOUT, demo_folder, write_demo

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]
DATA = demo_folder()
KEY = b"a secret of the site, 32 bytes.."

if DATA is None:
    pytest.skip("the MIMIC-III demo is not beside this checkout", allow_module_level=True)


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    assert DATA
    return write_demo(DATA, tmp_path_factory.mktemp("mimic") / "timeline")


def counted(timeline: Timeline, example: str) -> Counter[tuple[str, int]]:
    """(fate, label) of the example's rows, and how many there are."""
    study = read_study(CHECKOUT / "examples" / example / "study.yaml")
    statement = cohort_statement(plan_of(study), KEY)
    with timeline.connect() as connection:
        table = connection.table(statement.text, statement.parameters)
    rows = zip(table["fate"].to_pylist(), table["label"].to_pylist(), strict=True)
    return Counter((fate, label if fate == "kept" else 0) for fate, label in rows)


def plain(query: str) -> Counter[tuple[str, int]]:
    """The same by a query over the CSV files, written without the engine: (fate, label, count)."""
    duck = duckdb.connect()
    for name in ("admissions", "patients", "labevents"):
        duck.execute(f"CREATE VIEW {name} AS FROM read_csv('{DATA}/{name}.csv.gz')")
    duck.execute("""
        CREATE TABLE a AS
        SELECT subject_id, admittime, dischtime, p.dob,
               coalesce((SELECT max(deathtime) FROM admissions d WHERE d.subject_id = p.subject_id), p.dod) AS died,
               p.dod + INTERVAL 1 DAY AS watched_to
        FROM admissions JOIN patients p USING (subject_id)""")
    return Counter({(fate, label): rows for fate, label, rows in duck.execute(query).fetchall()})


def test_readmission(timeline: Timeline) -> None:
    assert counted(timeline, "readmission-within-30-days") == plain("""
        WITH gone_home AS (
          SELECT *, (SELECT min(b.admittime) FROM a b WHERE b.subject_id = a.subject_id
                       AND b.admittime > a.dischtime) - dischtime AS back,
                 died - dischtime AS dead
          FROM a WHERE died > dischtime)
        SELECT CASE WHEN back <= INTERVAL 30 DAY THEN 'kept' WHEN dead <= INTERVAL 30 DAY THEN 'competing' ELSE 'kept' END,
               CASE WHEN back <= INTERVAL 30 DAY THEN 1 ELSE 0 END, count(*)
        FROM gone_home GROUP BY ALL""")


def test_kidney_injury(timeline: Timeline) -> None:
    assert counted(timeline, "kidney-injury-kdigo") == plain("""
        WITH cr AS (
          SELECT subject_id, charttime AS taken, coalesce(valuenum, TRY_CAST(ltrim(value, '<> ') AS DOUBLE)) AS v
          FROM labevents
          WHERE itemid = 50912 AND v IS NOT NULL AND valueuom = 'mg/dL'),
        risen AS (
          SELECT DISTINCT y.subject_id, y.taken FROM cr x JOIN cr y USING (subject_id)
          WHERE x.taken <= y.taken AND x.v > 0
            AND (x.taken >= y.taken - INTERVAL 7 DAY AND round(y.v / x.v, 9) >= 1.5
                 OR x.taken >= y.taken - INTERVAL 48 HOUR AND round(y.v - x.v, 9) >= 0.3)),
        entered AS (
          SELECT *, admittime + INTERVAL 24 HOUR AS t FROM a
          WHERE dischtime > admittime + INTERVAL 24 HOUR AND died > admittime + INTERVAL 24 HOUR
            AND dob + INTERVAL 18 YEAR <= admittime + INTERVAL 24 HOUR),
        cohort AS (
          SELECT * FROM entered e
          WHERE EXISTS (FROM labevents l WHERE l.subject_id = e.subject_id AND itemid = 50912
                          AND charttime > admittime AND charttime <= t)
            AND NOT EXISTS (FROM cr WHERE cr.subject_id = e.subject_id AND v >= 4 AND taken > admittime AND taken <= t)),
        judged AS (
          SELECT EXISTS (FROM risen r WHERE r.subject_id = c.subject_id AND r.taken > t AND r.taken <= t + INTERVAL 7 DAY
                           AND r.taken <= watched_to) AS ill,
                 died <= t + INTERVAL 7 DAY AS dead
          FROM cohort c)
        SELECT CASE WHEN ill OR NOT dead THEN 'kept' ELSE 'competing' END, CAST(ill AS INTEGER), count(*)
        FROM judged GROUP BY ALL""")
