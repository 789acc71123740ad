"""Studies translated from ACES tasks give ACES's own rows and labels, where ACES is right; and where it is not, what it does.

ACES 0.7.3 runs in an environment of its own. `RAPHA_ACES` names a Python that has it, so that it is not installed again.
"""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kept_environments import python_with
from mimic_demo import demo_folder, write_demo

from rapha.clock import utc_now
from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.errors import StudyError
from rapha.node.meds_export import export_meds
from rapha.sdk.importers import AcesChoices, import_aces
from rapha.sdk.study_file import parse_study
from rapha.sources.meds import ingest
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import Timeline, open_timeline

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]
HERE = Path(__file__).resolve().parent
SECRET = b"a secret of this site: 32 bytes."
COLUMNS = ["subject_id", "time", "code", "numeric_value", "text_value"]
MAPPING = """\
source: meds
format: meds
system: MEDS
sex: {"SEX//male": male, "SEX//female": female}
observation: {start: "1800-01-01", end: "2299-12-31"}
"""
Row = tuple[int, str]


@pytest.fixture(scope="module")
def aces():
    """A Python that has ACES."""
    if "RAPHA_ACES" in os.environ:
        return os.environ["RAPHA_ACES"]
    python = python_with("es-aces==0.7.3")
    if python is None:
        pytest.skip("es-aces could not be installed here")
    return str(python)


class Data:
    """One MEDS shard, as anybody might have it; its codes; and our timeline of it."""

    def __init__(self, table: pa.Table, folder: Path) -> None:
        self.shard = folder / "meds" / "data" / "0.parquet"
        self.shard.parent.mkdir(parents=True)
        pq.write_table(table, self.shard)
        self.codes = tuple(sorted(set(table["code"].to_pylist())))
        self.subjects = sorted(set(table["subject_id"].to_pylist()))
        died = table.filter(pa.compute.equal(table["code"], "MEDS_DEATH"))
        self.deaths = dict(zip(died["subject_id"].to_pylist(), died["time"].to_pylist(), strict=True))
        (folder / "m.mapping.yaml").write_text(MAPPING)
        ingest(folder / "m.mapping.yaml", folder / "meds", folder / "timeline", SECRET)
        self.timeline: Timeline = open_timeline(folder / "timeline")

    def gone(self, row: Row) -> bool:
        """The patient was dead: a day's death is until its end."""
        died = self.deaths.get(row[0])
        if died is None:
            return False
        last = f"{died:%Y-%m-%d}T99" if f"{died:%H:%M:%S}" == "00:00:00" else died.isoformat()
        return row[1] > last


@pytest.fixture(scope="module")
def sample(checkout, tmp_path_factory):
    data = Path(os.environ.get("RAPHA_SHARED", checkout.parent / "shared")) / "data" / "aces" / "meds_sample"
    if not data.is_dir():
        pytest.skip(f"no data set at {data}; RAPHA_SHARED names the folder that holds it")
    shards = sorted(data.rglob("*.parquet"))
    return Data(
        pa.concat_tables(pq.read_table(path).replace_schema_metadata() for path in shards), tmp_path_factory.mktemp("s")
    )


@pytest.fixture(scope="module")
def mimic(tmp_path_factory):
    """The MIMIC-III demo by our own export, without the columns that MEDS does not know."""
    found = demo_folder()
    if found is None:
        pytest.skip("the MIMIC-III demo is not beside this checkout")
    folder = tmp_path_factory.mktemp("mimic")
    export_meds(write_demo(found, folder / "first"), folder / "out", "demo", utc_now)
    return Data(pq.read_table(folder / "out" / "data" / "0.parquet", columns=COLUMNS), folder)


def by_aces(python: str, task: Path, data: Data) -> dict[Row, int]:
    """ACES's label of each row."""
    done = subprocess.run(
        [python, str(HERE / "aces_rows.py"), str(task), str(data.shard)], capture_output=True, text=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = {(subject, time): int(label > 0) for subject, time, label in rows}
    assert len(found) == len(rows)
    return found


def by_us(task: Path, data: Data, **choices: object) -> dict[Row, tuple[str, int | None]]:
    """Fate and label of each row."""
    said = {"unobserved": "exclude", "competing": "death", "codes": data.codes, "paired": True, "no_ties": True}
    study = parse_study(import_aces(task, AcesChoices(**(said | choices))))
    statement = cohort_statement(plan_of(study), SECRET)
    tables = statement.text[: statement.text.rindex("\nSELECT fate")]
    names = {subject_key(SECRET, "meds", str(subject)): subject for subject in data.subjects}
    with data.timeline.connect() as connection:
        asked = f"{tables}\nSELECT subject_key, index_at, fate, label FROM answered"
        needed = {name: value for name, value in statement.parameters.items() if f"${name}" in asked}
        found = connection.execute(asked, needed).fetchall()
    return {(names[key], at.isoformat()): (fate, label) for key, at, fate, label in found}


def agree(python: str, task: Path, data: Data, **choices: object) -> Counter[tuple[str, int]]:
    """Row by row: the same rows but for the dead, the same labels where ours is known. ACES's label by our fate."""
    theirs, ours = by_aces(python, task, data), by_us(task, data, **choices)
    assert set(ours) == {row for row in theirs if not data.gone(row)}
    assert all(label == theirs[row] for row, (fate, label) in ours.items() if fate == "kept")
    return Counter((fate, theirs[row]) for row, (fate, _) in ours.items())


WRITTEN = """\
predicates:
  admission: {code: "mimic//admission//start"}
  discharge: {code: "mimic//admission//end"}
  creatinine: {code: {regex: "^mimic//lab-50912$"}}
  high: {code: "mimic//lab-50912", value_min: 2.0, value_min_inclusive: True}
  death: {code: MEDS_DEATH}
trigger: %s
windows:
"""
READMISSION = (
    WRITTEN % "admission"
    + """\
  input:
    start: trigger
    end: start -> discharge
    start_inclusive: False
    end_inclusive: True
    index_timestamp: end
  target:
    start: input.end
    end: start + 30 days
    start_inclusive: False
    end_inclusive: True
    label: admission
"""
)
DEATH = (
    WRITTEN % "admission"
    + """\
  input:
    start: NULL
    end: trigger + 24h
    start_inclusive: True
    end_inclusive: True
    has:
      creatinine: (2, 6)
    index_timestamp: end
  gap:
    start: trigger
    end: start + 24h
    start_inclusive: False
    end_inclusive: True
    has:
      discharge: (None, 0)
      death: (None, 0)
  target:
    start: gap.end
    end: start + 30 days
    start_inclusive: False
    end_inclusive: True
    label: death
"""
)
KIDNEY = (
    WRITTEN % "admission"
    + """\
  before:
    start: end - 365 days
    end: trigger
    start_inclusive: False
    end_inclusive: False
    has:
      high: (None, 0)
  day:
    start: trigger
    end: start + 36 hours
    start_inclusive: False
    end_inclusive: True
    index_timestamp: end
  target:
    start: day.end
    end: start + 7 days
    start_inclusive: False
    end_inclusive: True
    has:
      creatinine: (1, None)
    label: high
"""
)
RECURRENCE = (
    WRITTEN % "discharge"
    + """\
  input:
    start: end <- admission
    end: trigger
    start_inclusive: False
    end_inclusive: True
    index_timestamp: end
  gap:
    start: trigger
    end: start + 10 days
    start_inclusive: False
    end_inclusive: True
    has:
      admission: (None, 0)
  target:
    start: gap.end
    end: start + 365 days
    start_inclusive: False
    end_inclusive: True
    label: admission
"""
)


def written(folder: Path, task: str) -> Path:
    path = folder / "task.yaml"
    path.write_text(task)
    return path


def test_its_own_readmission_task_on_its_own_sample(aces, sample, checkout):
    shared = Path(os.environ.get("RAPHA_SHARED", checkout.parent / "shared"))
    task = shared / "data" / "aces" / "configs" / "readmission_risk.yaml"
    found = agree(aces, task, sample)
    assert set(found) == {("kept", 0), ("kept", 1)}


@pytest.mark.parametrize("task", [DEATH, KIDNEY, RECURRENCE], ids=["death", "kidney", "recurrence"])
def test_tasks_on_the_mimic_demo(aces, mimic, tmp_path, task):
    found = agree(aces, written(tmp_path, task), mimic)
    assert found["kept", 1] > 0 and found["kept", 0] > 0
    assert found["unobserved", 1] == 0
    assert found["competing", 1] == 0


def test_who_died_is_no_negative(aces, mimic, tmp_path):
    """Of 129 rows ACES calls 118 negative. 39 of these died at the discharge they are predicted from."""
    task = written(tmp_path, READMISSION)
    theirs = by_aces(aces, task, mimic)
    assert Counter(theirs.values()) == {0: 118, 1: 11}
    ours = by_us(task, mimic)
    assert Counter((fate, theirs[row]) for row, (fate, _) in ours.items())["competing", 0] > 0
    at_death = [row for row, label in theirs.items() if not label and mimic.deaths[row[0]].isoformat() == row[1]]
    assert len(at_death) == 39


BOTH = """\
predicates:
  creatinine: {code: "mimic//lab-50912"}
  lab:
    code: {regex: "^mimic//lab-"}
    value_min: 2.0
    value_min_inclusive: True
  both:
    expr: and(creatinine, lab)
  admission: {code: "mimic//admission//start"}
"""


def test_and_over_merged_rows_is_not_of_one_row(aces, mimic, tmp_path):
    """`and(creatinine, any lab of 2 or more)` reads like a creatinine of 2 or more; ACES finds five times as many."""
    windows = (
        READMISSION[READMISSION.index("windows:") :]
        .replace("discharge", "both")
        .replace("label: admission", "label: both")
    )
    path = written(tmp_path, f"{BOTH}trigger: admission\n{windows}")
    with pytest.raises(StudyError, match=r"task\.yaml:\d+: predicates\.both\.expr: `and` in ACES"):
        by_us(path, mimic)
    everyone = """\
windows:
  input: {start: NULL, end: trigger, start_inclusive: True, end_inclusive: True, index_timestamp: end}
  target: {start: trigger, end: start + 30 days, start_inclusive: False, end_inclusive: True, label: admission}
"""
    found = by_aces(aces, written(tmp_path, f"{BOTH}trigger: both\n{everyone}"), mimic)
    rows = pq.read_table(mimic.shard)
    high = pa.compute.and_(
        pa.compute.equal(rows["code"], "mimic//lab-50912"), pa.compute.greater_equal(rows["numeric_value"], 2.0)
    )
    one_row = set(zip(*(rows.filter(high)[name].to_pylist() for name in ("subject_id", "time")), strict=True))
    assert (len(found), len(one_row)) == (2172, 445)


def test_and_on_one_row_when_said(mimic, tmp_path):
    task = DEATH.replace("trigger: admission", "  big: {code: {regex: \"^mimic//lab-\"}, value_min: 2.0}\n"
                         "  both:\n    expr: and(creatinine, big)\ntrigger: admission").replace("creatinine: (2, 6)", "both: (1, None)")  # fmt: skip
    text = import_aces(written(tmp_path, task), AcesChoices("exclude", codes=mimic.codes, and_on_one_row=True))
    [criterion] = [one for one in parse_study(text).cohort.include if getattr(one, "value", None)]
    assert criterion.value.above == 2.0
    concept = parse_study(text).concepts[criterion.of[0]]
    assert list(concept.written_codes()) == [("MEDS", "mimic//lab-50912")]
