"""`rapha node policy` and `steward-key`, as they are typed."""

import json
from pathlib import Path

import pytest
from made_up_people import write_study
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.node.configuration import UGLY, NodeConfiguration, write_configuration
from rapha.policy.rules_file import read_rules

RUNNER = CliRunner()
RULES = """
modalities: [ehr]
purposes: [DUO:0000006]
researchers: any
architectures: [logistic]
minimum_cohort: 25
sandbox: required
approve: {by: steward}
"""
CASE = "{researcher: Ada, modalities: [ehr], data_use: [DUO:0000006], architecture: logistic, min_cohort: 50}"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "rules.yaml"


def rapha(*words: object, typed: str = "") -> "tuple[int, str]":
    result = RUNNER.invoke(app, list(map(str, words)), input=typed, env={"COLUMNS": "200"})
    raised = result.exception
    code = getattr(raised, "exit_code", result.exit_code) if raised else result.exit_code
    return code, result.stdout + (str(raised) if raised else "")


def test_check_says_in_words_what_is_permitted_and_what_is_wide_open(rules: Path) -> None:
    code, said = rapha("policy", "check", rules)
    assert code == 0 and "HMB" in said and "wide: researchers: any" in said and read_rules(rules).digest in said
    rules.write_text(RULES.replace("purposes", "purpose"))
    code, said = rapha("policy", "check", rules)
    assert code == 4 and "did you mean `purposes`?" in said


def test_test_holds_the_table_against_the_rules_and_fails_with_it(rules: Path, tmp_path: Path) -> None:
    table = tmp_path / "policy-tests.yaml"
    table.write_text(f"- {{case: one, facts: {CASE}, expect: needs-person}}\n")
    assert rapha("policy", "test", rules)[0] == 0
    table.write_text(table.read_text() + f"- {{case: other, facts: {CASE}, expect: allowed}}\n")
    code, said = rapha("policy", "test", rules)
    assert code == 1 and "1 of 2 cases" in said and "NOT" in said
    assert rapha("policy", "test", rules, tmp_path / "absent.yaml")[0] == 4


def test_a_stewards_line_fits_into_the_rules(rules: Path, tmp_path: Path) -> None:
    lines = []
    for steward, name in (("maria-lopez", "María López"), ("jan-de-vries", "Jan de Vries")):
        code, said = rapha(
            "steward-key",
            tmp_path / steward,
            "--steward",
            steward,
            "--name",
            name,
            typed="correct horse\ncorrect horse\n",
        )
        assert code == 0, said
        lines.append(next(line for line in said.splitlines() if line.lstrip().startswith("- {steward")))
    rules.write_text(RULES + "stewards:\n  needed: 2\n  who:\n" + "\n".join(lines) + "\n")
    named = read_rules(rules).stewards
    assert named is not None and [one.name for one in named.who] == ["María López", "Jan de Vries"]
    assert "two different stewards" in rapha("policy", "check", rules)[1]


def test_explain_says_line_by_line_what_the_rules_see(rules: Path, tmp_path: Path) -> None:
    home = tmp_path
    write_configuration(
        home / "node.yaml",
        NodeConfiguration(site="a", name="A", hub_url="http://localhost:1", hub="hub", hub_key="-", sandbox=UGLY),
    )
    study = write_study(tmp_path / "study.yaml")
    code, said = rapha("policy", "explain", home, study, "--researcher", "Ada", "--json")
    assert code == 0 and json.loads(said)["researcher"] == "Ada"
    code, said = rapha("policy", "explain", home, study, "--researcher", "Ada")
    assert code == 0 and "NO   sandbox" in said and "yes  minimum_cohort" in said and "Refused by sandbox" in said
    rules.write_text(RULES.replace("required", f"{{unisolated_allowed: {UGLY}}}"))
    assert "Permitted, once a steward has signed" in rapha("policy", "explain", home, study, "--researcher", "Ada")[1]
    assert rapha("policy", "explain", home, study)[0] == 4
    assert rapha("policy", "explain", home, "d-unknown")[0] == 4
    assert rapha("policy", "decisions", home) == (0, "")
