"""A process of ours starts without pandas, whether it is installed or not."""

import subprocess
import sys

import pytest

READS = "import pyarrow, duckdb; pyarrow.chunked_array([[1.5]]).to_numpy(); duckdb.connect().from_arrow(pyarrow.table({'a': [1]}))"
SAYS = "import sys; print('pandas' in sys.modules)"


@pytest.mark.parametrize(
    ("first", "loaded"), [("", "True"), ("from rapha.lean import leave_out_pandas as out; out(); out(); ", "False")]
)
def test_reading_rows_loads_no_pandas(first: str, loaded: str) -> None:
    pytest.importorskip("pandas")
    done = subprocess.run([sys.executable, "-c", f"{first}{READS}; {SAYS}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == loaded


def test_whoever_asks_for_it_is_told_that_it_is_not_there() -> None:
    words = "from rapha.lean import leave_out_pandas as out; out(); import pandas"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr
