"""Averages what the sites send: always in site order, block by block, in float64. Same inputs, same bits.

FedAvg: McMahan et al. 2017, https://arxiv.org/abs/1602.05629, algorithm 1. Pooled variance: within plus between.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rapha.hub.blobs import Blobs, Draft
from rapha.hub.tensors import DTYPES, Layout, blocks_of, read_layout, read_tensors, stored_order, write_header
from rapha.records.tensors import Declared

METHOD = "fedavg"


@dataclass(frozen=True)
class Part:
    """One site's checked blob, and its number of training rows (at least 1)."""

    site: str
    weights: str
    rows: int


def federated_average(blobs: Blobs, parts: Sequence[Part], declared: Declared) -> str:
    """Digest of the new blob: for each element the mean over sites, weighted by rows.

    Every part has passed `check_declared` with the same `declared`. Memory: a few blocks, whatever the model and the
    number of sites. The order of `parts` does not matter.
    """
    ordered = sorted(parts, key=lambda part: part.site)
    total = float(sum(part.rows for part in ordered))
    with ExitStack() as opened, blobs.draft() as draft:
        sources: list[tuple[BinaryIO, Layout, float]] = []
        for part in ordered:
            file = opened.enter_context(blobs.open(part.weights))
            sources.append((file, read_layout(file, blobs.size_bytes(part.weights) or 0), float(part.rows)))
        write_header(draft, declared)
        for name in stored_order(declared):
            _average_tensor(draft, sources, name, total, DTYPES[declared[name].dtype])
        digest = draft.settle()
        draft.keep()
    return digest


def _average_tensor(
    draft: Draft, sources: list[tuple[BinaryIO, Layout, float]], name: str, total: float, dtype: np.dtype[Any]
) -> None:
    for blocks in zip(*(blocks_of(file, layout, name) for file, layout, _ in sources), strict=True):
        average = np.zeros(blocks[0].size, np.float64)
        for block, (_, _, rows) in zip(blocks, sources, strict=True):
            average += block.astype(np.float64) * rows
        average /= total
        draft.write(average.astype(dtype).tobytes())


def merged_statistics(blobs: Blobs, parts: Sequence[Part], start: Declared) -> str:
    """Digest of the start blob: for each group of inputs the pooled mean and scale, from the sites' counts, means and
    population variances. Scale is the standard deviation, 1 where there is none. The order of `parts` does not matter.
    """
    sites = [read_tensors(blobs, part.weights) for part in sorted(parts, key=lambda part: part.site)]
    merged: dict[str, NDArray[np.float64]] = {}
    for group in sorted({name.partition(".")[0] for name in start}):
        counts, means, variances = (
            np.stack([site[f"{group}.{figure}"] for site in sites]) for figure in ("count", "mean", "variance")
        )
        merged[f"{group}.mean"], merged[f"{group}.scale"] = pooled_moments(counts, means, variances)
    with blobs.draft() as draft:
        write_header(draft, start)
        for name in stored_order(start):
            draft.write(merged[name].astype(DTYPES[start[name].dtype]).tobytes())
        digest = draft.settle()
        draft.keep()
    return digest


def pooled_moments(
    counts: NDArray[np.float64], means: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and scale [F] of all values together, from each site's [S, F]. Mean 0 and scale 1 where nobody has a value."""
    total = np.maximum(counts.sum(axis=0), 1.0)
    mean = (counts * means).sum(axis=0) / total
    variance = (counts * (variances + (means - mean) ** 2)).sum(axis=0) / total
    return mean, np.where(variance > 0, np.sqrt(variance), 1.0)
