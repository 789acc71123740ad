"""Hospitals whose patients are of two peoples: variants differ between them and so does the outcome, which no variant of most moves."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rapha.records.study import Study
from rapha.training.dataset import Dataset, read_dataset

VARIANTS = [f"{1 + n % 5}-{1_000_000 * (n + 1)}-A-G" for n in range(150)]
CAUSAL, TELLTALE = 40, 7
"""Places among the variants: one that raises the outcome, and one that does nothing and is of one people above all."""
SHARES = (0.1, 0.5, 0.85)
"""Of the second people at each hospital."""
EVER = {"until": "index"}


def study(kind: str, components: dict[str, Any] | None, **more: Any) -> Study:
    binary = kind == "binary"
    before = 1 + components["rounds"] if components else 0
    outcome: dict[str, Any] = (
        {"event": "ill"} if binary else {"kind": "numeric", "value": {"last": "ldl", "unit": "mmol/L"}}
    )
    model = {"architecture": "gwas"} | ({"components": components} if components else {})
    return Study.model_validate(
        {
            "study": f"two-peoples-{kind}",
            "purpose": {"sentence": "Nothing but a test.", "data_use": ["DUO:0000006"]},
            "data": {"modalities": ["ehr", "genomics"]},
            "concepts": {name: {"system": "local", "codes": [name]} for name in ("visit", "ldl", "ill")}
            | {"panel": {"system": "genotypes:GRCh38", "codes": ["panel"]}},
            "cohort": {"index": {"first": ["visit"]}},
            "outcome": outcome | {"during": {"from": "index", "for": "5 years"}, "unobserved": "exclude"},
            "features": [
                {"demographic": "age"},
                {"genotypes": "panel", "during": EVER, "build": "GRCh38", "variants": VARIANTS},
            ],
            "model": model,
            "training": {"rounds": before + (8 if binary else 1), "aggregation": "sum"},
            "split": {"test_percent": 0, "validation_percent": 0},
            "privacy": {"min_cohort": 440 if binary and components else 400},
        }
        | more
    )


def made_up(kind: str, hospital: int, rows: int = 700) -> dict[str, np.ndarray]:
    """Columns of one hospital."""
    both = np.random.default_rng(1)
    one = both.uniform(0.1, 0.6, len(VARIANTS))
    other = np.clip(one + both.normal(0, 0.15, len(VARIANTS)), 0.05, 0.95)
    one[TELLTALE], other[TELLTALE], other[CAUSAL] = 0.1, 0.8, one[CAUSAL]
    chance = np.random.default_rng(10 + hospital)
    second = chance.random(rows) < SHARES[hospital]
    copies = chance.binomial(2, np.where(second[:, None], other, one)).astype(np.int8)
    age = chance.normal(60, 11, rows)
    level = 0.5 * (copies[:, CAUSAL] - 0.6) + 1.2 * second - 0.6 + 0.02 * (age - 60)
    copies[chance.random(copies.shape) < 0.02] = -1
    y = level + chance.normal(0, 1, rows) if kind == "numeric" else chance.random(rows) < 1 / (1 + np.exp(-level))
    return {"age": age, "copies": copies, "y": y.astype(float), "second": second}


def write_site(asked: Study, folder: Path, made: dict[str, np.ndarray]) -> Dataset:
    """As the node would have frozen it."""
    numeric, names = asked.outcome.kind == "numeric", [feature.name for feature in asked.features]
    table = pa.table(
        {
            "split": pa.array(np.zeros(len(made["y"])), pa.int8()),
            names[0]: pa.array(made["age"], pa.float64()),
            names[1]: pa.FixedSizeListArray.from_arrays(pa.array(made["copies"].ravel()), len(VARIANTS)),
            "value" if numeric else "label": pa.array(made["y"], pa.float64() if numeric else pa.int8()),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=250)
    return read_dataset(asked, path)


def plain_components(made: list[dict[str, np.ndarray]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes [variants, count] and components [patients, count] by a singular value decomposition of all patients in one place."""
    copies = np.concatenate([each["copies"] for each in made]).astype(float)
    copies[copies < 0] = np.nan
    f = np.nanmean(copies, axis=0) / 2
    common = np.minimum(f, 1 - f) >= 0.05
    z = np.where(np.isnan(copies), 0, (copies - 2 * f) / np.sqrt(2 * f * (1 - f)))
    z[:, ~common] = 0
    _, values, axes = np.linalg.svd(z, full_matrices=False)
    axes = axes[:count].T
    return axes, z @ axes / values[:count] * np.sqrt(len(z))
