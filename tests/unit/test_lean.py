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


@pytest.mark.parametrize(
    "starts",
    [
        "import rapha.cli.main as m; sys.argv = ['rapha', '--help']; m.run()",
        "from rapha.training.worker import main; sys.exit(main(['--input', '/nowhere']))",
    ],
    ids=["command", "trainer"],
)
def test_commands_and_trainers_start_so(starts: str) -> None:
    words = f"import sys\ntry: {starts}\nexcept SystemExit:\n  try: import pandas\n  except ModuleNotFoundError as error: print(error, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert "pandas is left out here" in done.stderr
