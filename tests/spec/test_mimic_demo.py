"""The example studies on the MIMIC-III demo, as docs/mimic.md ingests and counts them: its plain queries over the same files say the
same, and what it prints is what that page says."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
from mimic_demo import CHECKOUT, demo_folder

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]
DATA = demo_folder()
PAGE = (CHECKOUT / "docs/mimic.md").read_text()
STUDIES = ("readmission-within-30-days", "kidney-injury-kdigo", "death-in-hospital-at-24-hours")

if DATA is None:
    pytest.skip("the MIMIC-III demo is not beside this checkout", allow_module_level=True)


def fences(language: str, text: str = PAGE) -> list[str]:
    """What stands in the page's fences, on the files that are here."""
    found = re.findall(rf"^```{re.escape(language)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [each.replace("/data/mimic3-demo", str(DATA)) for each in found]


@pytest.fixture(scope="module")
def printed() -> str:
    [code] = fences("python (needs the MIMIC-III demo)")
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def test_it_prints_what_the_page_says(printed: str) -> None:
    said = PAGE.partition("It prints\n\n")[2].partition("\n\n")[0]
    assert printed.splitlines() == [line[4:] for line in said.splitlines()]


@pytest.mark.parametrize("study", STUDIES)
def test_a_plain_query_over_the_files_says_the_same(printed: str, study: str) -> None:
    duck = duckdb.connect()
    duck.execute(fences("sql", PAGE.partition("## Counted by a plain query")[2])[0])
    [query] = fences("sql", PAGE.partition(f"\n### {study}\n")[2].partition("\n### ")[0])
    [line] = [line for line in printed.splitlines() if line.startswith(study)]
    rows = Counter({str(label) if fate == "kept" else fate: n for fate, label, n in duck.execute(query).fetchall()})
    counts = {word.strip("'"): int(n) for word, n in re.findall(r"\(('?\w+'?), (\d+)\)", line)}
    assert counts == rows and len(rows) > 1
