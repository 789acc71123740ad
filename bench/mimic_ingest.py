"""The MIMIC-III demo into a timeline, beside a bare DuckDB read of the same files into tables of text.

Reads the data set beside the checkout, or where RAPHA_SHARED says.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
from figure import Peer, figure_line

from rapha.sources.tables import Mapping, ingest
from rapha.timeline.mapping_file import read_mapping

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("RAPHA_SHARED", CHECKOUT.parent / "shared")) / "data" / "mimic3-demo"
MAPPING = CHECKOUT / "examples" / "mappings" / "mimic3-demo.mapping.yaml"
RUNS, TIMES_BARE_READ = 5, 2.0


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"error: no MIMIC-III demo at {DATA}; RAPHA_SHARED says where shared data is")
    ours, bare = [], []
    for _ in range(RUNS):
        bare.append(timed(read_bare))
        ours.append(timed(read_into_timeline))
        print(f"bare read {bare[-1]:.2f} s, into a timeline {ours[-1]:.2f} s", flush=True)
    floor = median(bare)
    print(figure_line("mimic_ingest", ours, TIMES_BARE_READ * floor, Peer("duckdb", floor)))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def read_bare() -> None:
    mapping = read_mapping(MAPPING, Mapping)
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        for at, name in enumerate(mapping.files()):
            connection.execute(
                f"CREATE TABLE t{at} AS FROM read_csv($path, all_varchar = true)", {"path": str(DATA / name)}
            )


def read_into_timeline() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ingest(MAPPING, DATA, Path(folder), b"a secret of this site: 32 bytes.")


if __name__ == "__main__":
    main()
