"""`rapha node units`: the steward sees in which units numbers are, and what a study set aside; and no cell gone astray."""

from pathlib import Path

from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.clock import utc_now
from rapha.cohort.found import FrozenCohort, UnitSetAside
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.frozen import FrozenRun
from rapha.node.register import Register
from rapha.records.record import DispatchId, SiteId, StudyId
from rapha.records.site import Dispatch
from rapha.sdk.study_file import read_study
from rapha.sources.tables import ingest

MAPPING = """\
source: ward
units: [{system: local, codes: [crp], spelled: {MG/L: mg/L}}]
subjects: {file: people.csv, id: id}
observation: {start: first event, end: {column: seen}}
events:
  - {file: labs.csv, id: patient, kind: measurement, time: {column: taken}, available: same, system: local,
     code: {column: code}, value: value, unit: {column: unit}}
"""
EXAMPLE = Path(__file__).parents[3] / "examples" / "diabetes-within-5-years" / "study.yaml"
ASTRAY = "Mrs Nobody, Room 7"


def site(folder: Path) -> Home:
    (folder / "home").mkdir()
    configuration = NodeConfiguration(site="st-anna", name="St Anna", hub_url="http://hub", hub="hub", hub_key="k")
    write_configuration(folder / "home" / "node.yaml", configuration)
    (folder / "home" / "secret").write_bytes(b"s" * 32)
    (folder / "m.yaml").write_text(MAPPING)
    (folder / "people.csv").write_text("id,seen\n" + "".join(f"p{n},2012-01-01\n" for n in range(6)))
    rows = [
        f"p{n},2010-01-01,5,{unit},{code}"
        for n in range(6)
        for unit, code in (("MG/L", "crp"), ("", "crp"), ("g", "hb"))
    ]
    rows += [f'p1,2010-01-01,6,"{ASTRAY}",crp', "p2,2010-01-01,6,once,crp"]
    (folder / "labs.csv").write_text("patient,taken,value,unit,code\n" + "\n".join(rows) + "\n")
    home = Home(folder / "home")
    ingest(folder / "m.yaml", folder, home.timeline, home.secret)
    return home


def said(home: Home, *words: str) -> list[str]:
    done = CliRunner().invoke(app, ["units", str(home.folder), *words], catch_exceptions=False, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return [" ".join(line.split()) for line in done.output.splitlines()]


def test_codes_of_several_units_are_listed_with_their_spellings(tmp_path: Path) -> None:
    home = site(tmp_path)
    lines = said(home)
    assert lines[1:] == ["local crp MG/L mg/L 6", "local crp (none) - 6", "local crp (rare spellings) - 2", "1 codes"]
    assert not any("hb" in line for line in lines)
    assert "local hb g - 6" in said(home, "--all")
    assert said(home, "--find", "hb") == ["no code has numbers of several units"]


def test_what_a_study_set_aside_is_told_by_concept(tmp_path: Path) -> None:
    home = site(tmp_path)
    study, register = read_study(EXAMPLE), Register(home.database, utc_now)
    dispatch = Dispatch(
        id=DispatchId("d-1"), study_id=StudyId("s-1"), study_digest=study.digest, site=SiteId("a"), researcher="Ada"
    )
    register.add(dispatch, study)
    aside = tuple(
        UnitSetAside(concept="hdl", unit=unit, numbers=n) for unit, n in ((None, 12), ("mg/L", 3), (ASTRAY, 1))
    )
    cohort = FrozenCohort(
        patients=1, rows=1, train_rows=1, validation_rows=0, test_rows=0, positives=0, set_apart={}, units_set_aside=aside,
        dataset_digest="sha256:" + "0" * 64,
    )  # fmt: skip
    frozen = FrozenRun(salt="0" * 64, patients_root="sha256:" + "0" * 64, cohort=cohort)
    register.keep_cohort(dispatch.id, frozen.as_bytes().decode())
    assert said(home)[-3:] == [
        "d-1 diabetes-within-5-years: 12 numbers of `hdl` set aside, in: (none)",
        "d-1 diabetes-within-5-years: 3 numbers of `hdl` set aside, in: mg/L",
        "d-1 diabetes-within-5-years: 1 numbers of `hdl` set aside, in: (a rare spelling)",
    ]
