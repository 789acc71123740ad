"""A site's profile from its timeline, as a steward sees it before the hub does."""

import json
from pathlib import Path

import pytest
from made_up_people import deal_people
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.keys import make_secrets
from rapha.node.profile import measure_profile
from rapha.policy.rules_file import read_rules
from rapha.records.site import SiteProfile
from rapha.sources.tables import ingest

RULES = """
modalities: [ehr]
purposes: [DUO:0000006]
researchers: any
architectures: [logistic]
minimum_cohort: 25
sandbox: required
approve: {by: steward}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("north")
    made = NodeConfiguration(site="north", name="North", hub_url="http://localhost:1", hub="hub", hub_key="-")
    write_configuration(folder / "node.yaml", made)
    (folder / "secret").write_bytes(b"the same patients held out, always")
    make_secrets(folder)
    (folder / "rules.yaml").write_text(RULES)
    deal_people(folder / "data", seed=3)
    opened = Home(folder)
    ingest(folder / "data" / "hospital.mapping.yaml", folder / "data", opened.timeline, opened.secret)
    return folder


def said(home: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["profile", str(home), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_profile_tells_of_enough_patients_only_and_what_the_rules_permit(home: Path) -> None:
    profile = measure_profile(Home(home), read_rules(home / "rules.yaml"))
    assert profile.data_use == ("DUO:0000006",) and {line.code for line in profile.coverage} >= {"chol", "hdl"}
    counts = [line.patients for line in profile.coverage] + [g.patients for g in (*profile.sexes, *profile.ages)]
    assert counts and all((count.about or 0) >= 25 for count in counts)
    assert any(line.years for line in profile.coverage) and any(line.values for line in profile.coverage)


def test_measured_again_it_is_the_same(home: Path) -> None:
    rules = read_rules(home / "rules.yaml")
    assert measure_profile(Home(home), rules) == measure_profile(Home(home), rules)


def test_a_steward_finds_a_code(home: Path) -> None:
    found = said(home, "--find", "HDL")
    assert "hdl" in found and "chol" not in found and "North (north)" in found


def test_as_json_it_is_the_record_and_as_croissant_a_data_set(home: Path) -> None:
    assert SiteProfile.from_bytes(said(home, "--json").strip().encode()).site == "north"
    assert json.loads(said(home, "--croissant"))["@type"] == "sc:Dataset"
