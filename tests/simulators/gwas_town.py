"""Hospitals whose patients' genotypes and outcomes are made up, and a GWAS of them done plainly on the pooled rows."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from rapha.records.study import Study
from rapha.training.dataset import Dataset, read_dataset

VARIANTS = [f"{1 + n % 3}-{100 * n + 7}-A-G" for n in range(24)]
CAUSAL, RARE, NOWHERE = 2, 5, 6
"""Places among the variants: one that matters, one that hardly anybody has, one that no hospital has called."""
EVER = {"until": "index"}


def gwas_study(kind: str, rounds: int | None = None, **model: Any) -> Study:
    numeric = {"kind": "numeric", "value": {"last": "ldl", "unit": "mmol/L"}}
    outcome = numeric if kind == "numeric" else {"event": "ill"}
    return Study.model_validate(
        {
            "study": f"gwas-{kind}",
            "purpose": {"sentence": "Nothing but a test.", "data_use": ["DUO:0000006"]},
            "data": {"modalities": ["ehr", "genomics"]},
            "concepts": {name: {"system": "local", "codes": [name]} for name in ("visit", "ldl", "ill")}
            | {"panel": {"system": "genotypes:GRCh38", "codes": ["panel"]}, "pc1": {"system": "pgs", "codes": ["PC1"]}},
            "cohort": {"index": {"first": ["visit"]}},
            "outcome": outcome | {"during": {"from": "index", "for": "5 years"}, "unobserved": "exclude"},
            "features": [
                {"demographic": "age"},
                {"demographic": "sex"},
                {"last": "pc1", "during": EVER},
                {"genotypes": "panel", "during": EVER, "build": "GRCh38", "variants": VARIANTS},
            ],
            "model": {"architecture": "gwas", **model},
            "training": {"rounds": rounds or (1 if kind == "numeric" else 8), "aggregation": "sum"},
            "split": {"test_percent": 0, "validation_percent": 0},
            "privacy": {"min_cohort": 100},
        }
    )


class Pooled(NamedTuple):
    """x [n, covariates], y [n], copies [n, V] as float with NaN where unknown; only whole rows."""

    x: np.ndarray
    y: np.ndarray
    copies: np.ndarray


def made_up(kind: str, seed: int, rows: int = 600) -> dict[str, np.ndarray]:
    """Columns of one hospital. Hospitals differ in ancestry, which goes with the outcome."""
    chance = np.random.default_rng(seed)
    ancestry = chance.normal(0.4 * seed, 1, rows)
    age, sex = chance.normal(60, 11, rows), chance.integers(0, 2, rows).astype(float)
    share = np.clip(0.3 + 0.08 * ancestry[:, None] * np.linspace(-1, 1, len(VARIANTS)), 0.02, 0.98)
    copies = chance.binomial(2, share).astype(np.int8)
    copies[:, RARE] = chance.random(rows) < 0.004
    level = 0.5 * (copies[:, CAUSAL] - 0.6) + 0.3 * ancestry + 0.03 * (age - 60) + 0.4 * sex - 0.6
    copies[chance.random(copies.shape) < 0.03] = -1
    copies[:, NOWHERE] = -1
    y = level + chance.normal(0, 1, rows) if kind == "numeric" else (chance.random(rows) < 1 / (1 + np.exp(-level)))
    age[chance.random(rows) < 0.02] = np.nan
    return {"age": age, "sex": sex, "pc1": ancestry, "copies": copies, "y": y.astype(float)}


def write_site(study: Study, folder: Path, made: dict[str, np.ndarray]) -> Dataset:
    """As the node would have frozen it; every fiftieth patient has no row of genotypes."""
    rows, names = len(made["y"]), [feature.name for feature in study.features]
    none = pa.array(np.arange(rows) % 50 == 0)
    numeric = study.outcome.kind == "numeric"
    table = pa.table(
        {
            "split": pa.array(np.zeros(rows), pa.int8()),
            names[0]: pa.array(made["age"], pa.float64(), from_pandas=True),
            names[1]: pa.array(made["sex"], pa.float64()),
            names[2]: pa.array(made["pc1"], pa.float64()),
            names[3]: pa.FixedSizeListArray.from_arrays(pa.array(made["copies"].ravel()), len(VARIANTS), mask=none),
            "value" if numeric else "label": pa.array(made["y"], pa.float64() if numeric else pa.int8()),
        }
    )
    path = folder / "rows.arrow"
    folder.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=250)
    return read_dataset(study, path)


def pooled(sites: list[dict[str, np.ndarray]]) -> Pooled:
    parts = []
    for made in sites:
        whole = ~np.isnan(made["age"]) & (np.arange(len(made["y"])) % 50 != 0)
        x = np.column_stack([made["age"], made["sex"], made["pc1"]])[whole]
        copies = np.where(made["copies"] < 0, np.nan, made["copies"])[whole]
        parts.append((x, made["y"][whole], copies))
    return Pooled(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def least_squares(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Effect and standard error of the last column, as a textbook has it."""
    effects, *_ = np.linalg.lstsq(x, y, rcond=None)
    left = y - x @ effects
    variance = left @ left / (len(y) - x.shape[1]) * np.linalg.inv(x.T @ x)
    return effects[-1], float(np.sqrt(variance[-1, -1]))


def logistic(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The same by Newton's way, until nothing moves."""
    effects = np.zeros(x.shape[1])
    for _ in range(60):
        risk = 1 / (1 + np.exp(-x @ effects))
        hessian = x.T @ (x * (risk * (1 - risk))[:, None])
        effects = effects + np.linalg.solve(hessian, x.T @ (y - risk))
    return effects[-1], float(np.sqrt(np.linalg.inv(hessian)[-1, -1]))


def plainly(kind: str, rows: Pooled, variant: int) -> tuple[float, float, int, float]:
    """Effect, standard error, patients and frequency of one variant."""
    copies = rows.copies[:, variant]
    known = ~np.isnan(copies)
    x = np.column_stack([np.ones(known.sum()), rows.x[known], copies[known]])
    effect, error = (least_squares if kind == "numeric" else logistic)(x, rows.y[known])
    return effect, error, int(known.sum()), float(copies[known].mean() / 2)
