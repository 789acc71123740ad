"""The page quotes rules that are tested: the sentences of its tables are names of rows here."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "cohorts.md"


def test_every_rule_on_the_page_is_a_row_of_a_table():
    tables = PAGE.read_text().split("| rule | what happened | answer |\n|---|---|---|\n")[1:]
    quoted = [row.split(" | ")[0].removeprefix("| ") for table in tables for row in table.split("\n\n")[0].splitlines()]
    rows = {name for path in HERE.glob("test_spec_*.py") for name in re.findall(r'rule\("([^"]+)"', path.read_text())}
    assert len(quoted) > 20
    assert not [sentence for sentence in quoted if sentence not in rows]
