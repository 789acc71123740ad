"""A run folder that a sandbox can start on: a small study, a few hundred made-up frozen rows."""

import random
from pathlib import Path

import pyarrow as pa
from made_up_people import write_study

from rapha.node.sandbox.port import RunFolder
from rapha.records.study import Study
from rapha.sdk.study_file import read_study


def make_run(folder: Path, rows: int = 300) -> tuple[RunFolder, Study]:
    """`input/` holds study.json and rows.arrow, as the node leaves them before a sandbox starts."""
    run = RunFolder.under(folder)
    study = read_study(write_study(folder / "study.yaml"))
    (run.input / "study.json").write_bytes(study.as_bytes())
    dice = random.Random(1)
    columns: dict[str, list[float] | list[int]] = {feature.name: [] for feature in study.features}
    label = []
    for _ in range(rows):
        values = [dice.gauss(0, 1) for _ in study.features]
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
        label.append(int(values[0] - values[1] + dice.gauss(0, 1) > 0))
    table = pa.table(
        {
            "split": pa.array([number % 3 for number in range(rows)], pa.int8()),
            **{name: pa.array(column, pa.float64()) for name, column in columns.items()},
            "label": pa.array(label, pa.int8()),
        }
    )
    with pa.OSFile(str(run.input / "rows.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return run, study
