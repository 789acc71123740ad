"""The page quotes rules that are tested: the sentences of its tables are names of rows here."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "cohorts.md"


def test_every_rule_on_the_page_is_a_row_of_a_table():
    tables = PAGE.read_text().split("| rule | what happened | answer |\n|---|---|---|\n")[1:]
    quoted = [row.split(" | ")[0].removeprefix("| ") for table in tables for row in table.split("\n\n")[0].splitlines()]
    rows = {name for path in HERE.glob("test_spec_*.py") for name in re.findall(r'rule\("([^"]+)"', path.read_text())}
    assert len(quoted) > 20
    assert not [sentence for sentence in quoted if sentence not in rows]


SHOWN = r"^A whole study: \[`([\w-]+)`\][^\n]+\n\n```yaml\n(.*?)^```"
FENCED = re.findall(SHOWN, PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("example", "fragment"), FENCED, ids=lambda value: value.partition("\n")[0])
def test_what_the_page_shows_of_a_study_is_what_its_example_says(example: str, fragment: str) -> None:
    whole = YAML(typ="safe").load(PAGE.parents[1] / "examples" / example / "study.yaml")
    shown = YAML(typ="safe").load(fragment)
    assert len(FENCED) == 3 and shown
    assert shown["outcome"] == whole["outcome"]
    for key, said in shown["cohort"].items():
        of_it = whole["cohort"][key]
        assert said == of_it if isinstance(said, dict) else all(each in of_it for each in said)
    assert all(feature in whole["features"] for feature in shown.get("features", []))
