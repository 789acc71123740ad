"""Studies translated from Circe cohorts enter whom ohdsi-circepy enters, on the day it does.

ohdsi-circepy runs in an environment of its own. `RAPHA_CIRCE` names a Python that has it, so that it is not installed again.
"""

import json
import os
import subprocess

import pytest
from kept_environments import python_with

from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.sdk.importers import CirceChoices, import_circe
from rapha.sdk.study_file import parse_study
from rapha.sources.omop import ingest
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]
SECRET = b"a secret of this site: 32 bytes."
MAPPING = "source: cdm\nformat: omop\navailable: {default: same}\n"
SINUSITIS, PHARYNGITIS, BRONCHITIS, PREGNANCY, WEIGHT = range(5)
CODES = {
    SINUSITIS: (40481087, "SNOMED", "444814009"), PHARYNGITIS: (4112343, "SNOMED", "195662009"),
    BRONCHITIS: (260139, "SNOMED", "10509002"), PREGNANCY: (40486433, "SNOMED", "446096008"), WEIGHT: (3025315, "LOINC", "29463-7"),
}  # fmt: skip
SETS = [
    {
        "id": number,
        "name": f"set {number}",
        "expression": {"items": [{"concept": {"CONCEPT_ID": concept, "VOCABULARY_ID": system, "CONCEPT_CODE": code, "STANDARD_CONCEPT": "S"}}]},
    }
    for number, (concept, system, code) in CODES.items()
]  # fmt: skip
SAME_DAY = {"DateOffset": {"DateField": "StartDate", "Offset": 0}}


@pytest.fixture(scope="module")
def circe():
    """A Python that has ohdsi-circepy."""
    if "RAPHA_CIRCE" in os.environ:
        return os.environ["RAPHA_CIRCE"]
    python = python_with("ohdsi-circepy==0.3.0", "ibis-framework[duckdb]", "duckdb<2")
    if python is None:
        pytest.skip("ohdsi-circepy could not be installed here")
    return str(python)


@pytest.fixture(scope="module")
def cdm(checkout, tmp_path_factory):
    """The folder of the CDM, and our timeline of it."""
    from pathlib import Path

    data = Path(os.environ.get("RAPHA_SHARED", checkout.parent / "shared")) / "data" / "omop-synthea27nj"
    if not data.is_dir():
        pytest.skip(f"no data set at {data}; RAPHA_SHARED names the folder that holds it")
    folder = tmp_path_factory.mktemp("cdm")
    (folder / "cdm.mapping.yaml").write_text(MAPPING)
    ingest(folder / "cdm.mapping.yaml", data, folder / "timeline", SECRET)
    return data, open_timeline(folder / "timeline")


def condition(number, **more):
    return {"ConditionOccurrence": {"CodesetId": number, **more}}


def counted(criteria, start, end, kind, count):
    bounds = [{"Days": days, "Coeff": sign} for days, sign in (start, end)]
    return {
        "Criteria": criteria,
        "StartWindow": {"Start": bounds[0], "End": bounds[1], "UseEventEnd": False},
        "Occurrence": {"Type": kind, "Count": count},
        "IgnoreObservationPeriod": True,  # some of this CDM lies before its periods: `--one-period` would not be true
    }


def cohort(primary, limit="First", prior=0, rules=(), kind="ALL", **more):
    group = {"Type": kind, "CriteriaList": list(rules), "DemographicCriteriaList": [], "Groups": []}
    return {
        "ConceptSets": SETS,
        "PrimaryCriteria": {
            "CriteriaList": primary,
            "ObservationWindow": {"PriorDays": prior, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": limit},
        },
        "QualifiedLimit": {"Type": "All"},
        "ExpressionLimit": {"Type": "All"},
        "InclusionRules": [{"name": "rule", "expression": group}] if rules else [],
        "CensoringCriteria": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
        "CensorWindow": {},
        **more,
    }


FORMER = counted(condition(PHARYNGITIS), (None, -1), (1, -1), 2, 1)
SOON = counted(condition(BRONCHITIS), (0, -1), (365, 1), 0, 0)
THRICE = counted(condition(SINUSITIS), (3650, -1), (0, 1), 1, 2)
HEAVY = counted(
    {"Measurement": {"CodesetId": WEIGHT, "ValueAsNumber": {"Value": 60, "Op": "gt"}}}, (365, -1), (30, 1), 2, 1
)
COHORTS = {
    "first": cohort([condition(SINUSITIS)]),
    "first ever, a year before": cohort([condition(SINUSITIS, First=True)], limit="All", prior=365),
    "last of two": cohort([condition(SINUSITIS), condition(PHARYNGITIS)], limit="Last"),
    "every": cohort([condition(SINUSITIS)], limit="All", prior=1000, EndStrategy=SAME_DAY),
    "after another": cohort([condition(SINUSITIS)], limit="All", rules=[FORMER], EndStrategy=SAME_DAY),
    "and none soon": cohort([condition(SINUSITIS)], limit="All", rules=[FORMER, SOON], EndStrategy=SAME_DAY),
    "any of them": cohort(
        [condition(SINUSITIS)], limit="All", rules=[FORMER, SOON, HEAVY], kind="ANY", EndStrategy=SAME_DAY
    ),
    "at most two": cohort([condition(SINUSITIS)], limit="All", rules=[THRICE], EndStrategy=SAME_DAY),
    "a number": cohort([condition(SINUSITIS)], limit="All", rules=[HEAVY], EndStrategy=SAME_DAY),
}
TWO = cohort([condition(SINUSITIS)], limit="All", rules=[FORMER, SOON, HEAVY], kind="AT_LEAST", EndStrategy=SAME_DAY)
TWO["InclusionRules"][0]["expression"]["Count"] = 2
COHORTS["two of three"] = TWO


@pytest.fixture(scope="module")
def theirs(circe, cdm, checkout, tmp_path_factory):
    """Whom it lets into each cohort, and when; asked once for all: a start of it takes seconds."""
    folder = tmp_path_factory.mktemp("cohorts")
    paths = [folder / f"{name}.json" for name in COHORTS]
    for path, asked in zip(paths, COHORTS.values(), strict=True):
        path.write_text(json.dumps(asked))
    script = checkout / "tests" / "interop" / "circe_rows.py"
    command = [circe, script, cdm[0], folder / "circe.duckdb", *paths]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [{tuple(row) for row in json.loads(line)} for line in done.stdout.splitlines()]
    return dict(zip(paths, rows, strict=True))


@pytest.mark.parametrize("name", COHORTS)
def test_the_same_enter_on_the_same_day(cdm, theirs, name):
    path, rows = next(each for each in theirs.items() if each[0].stem == name)
    choices = CirceChoices("death", "1 year", "exclude", dates=True, one_period=True, entry_only=True)
    study = parse_study(import_circe(path, choices))
    statement = cohort_statement(plan_of(study), SECRET)
    asked = (
        statement.text[: statement.text.rindex("\nSELECT fate")]
        + "\nSELECT subject_key, CAST(index_at AS DATE) FROM cohort"
    )
    names = {subject_key(SECRET, "cdm", str(person)): person for person in range(1, 100)}
    needed = {name: value for name, value in statement.parameters.items() if f"${name}" in asked}
    with cdm[1].connect() as connection:
        ours = {(names[key], str(day)) for key, day in connection.execute(asked, needed).fetchall()}
    assert ours == rows
    assert len(rows) > 2
