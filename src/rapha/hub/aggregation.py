"""Makes one model of what the sites send: always in site order, block by block, in float64. Same inputs, same bits.

The rule on a block is averaging.py's. FedAvg: McMahan et al. 2017, https://arxiv.org/abs/1602.05629, algorithm 1. Pooled
variance: within plus between.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from rapha.hub.ahead import ahead
from rapha.hub.averaging import Block, combine, kept_between_rounds, renewed_variate, shortening
from rapha.hub.blobs import Blobs, Draft
from rapha.hub.likeness import SITES_AT_LEAST, unlike_others
from rapha.hub.tensors import DTYPES, Layout, blocks_of, read_layout, read_tensors, stored_order, write_header
from rapha.hub.travelled import sent_blocks
from rapha.hub.variates import Drift
from rapha.records.association import SUMS
from rapha.records.averaging import AggregationSpec, Median, NormClip, Sum, TrimmedMean
from rapha.records.components import ALIKE, AXES
from rapha.records.learning import UpdateForm
from rapha.records.tensors import Declared
from rapha.records.variates import VARIATE


@dataclass(frozen=True)
class Part:
    """One site's checked blob, and its number of training rows (at least 1)."""

    site: str
    weights: str
    rows: int


@dataclass(frozen=True)
class Combined:
    """What comes out of a round: the new weights; what the way keeps for the next round, a blob for each of
    `kept_between_rounds`; the sites whose update is unlike all others."""

    weights: str
    kept: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()


def federated_average(blobs: Blobs, parts: Sequence[Part], declared: Declared) -> str:
    """Digest of the new blob: for each element the mean over sites, weighted by rows."""
    return combined(blobs, parts, declared, "fedavg").weights


def combined(
    blobs: Blobs,
    parts: Sequence[Part],
    declared: Declared,
    method: AggregationSpec,
    before: str | None = None,
    kept: Sequence[str] = (),
    drift: Drift | None = None,
    form: UpdateForm = "float32",
) -> Combined:
    """One model of the sites' updates, in the study's way.

    `before`: the weights that the round began with, None in the first training round; `kept`: what this gave after the
    last round. `drift`: the new weights are to have SCAFFOLD's variates beside them, as those of `before` have. `form`: how updates
    travelled, where there is a `before`. Every part has passed `check_declared` with the same `declared`. Memory: a few blocks for each site,
    whatever the model. The order of `parts` does not matter.
    """
    ordered = sorted(parts, key=lambda part: part.site)
    with ExitStack() as opened:
        sites = [_opened(opened, blobs, part.weights) for part in ordered]
        start = _opened(opened, blobs, before) if before else None
        state = [_opened(opened, blobs, each) for each in kept]
        form = form if start else "float32"
        shorten, unlike = _compared(sites, start, declared, method, [part.site for part in ordered], form)
        streams = _Streams(sites, [float(part.rows) for part in ordered], start, state, shorten, form)
        if drift is not None:
            old = _opened(opened, blobs, before) if before else None
            return Combined(_with_variates(blobs, streams, old, declared, method, drift))
        weights, *kept_now = _written(blobs, streams, declared, method)
    return Combined(weights, tuple(kept_now), tuple(unlike))


Source = tuple[BinaryIO, Layout]


def _opened(opened: ExitStack, blobs: Blobs, digest: str) -> Source:
    file = opened.enter_context(blobs.open(digest))
    return file, read_layout(file, blobs.size_bytes(digest) or 0)


@dataclass(frozen=True)
class _Streams:
    """Everything that is read, block by block."""

    sites: list[Source]
    rows: list[float]
    before: Source | None
    state: list[Source]
    shorten: Sequence[float]
    form: UpdateForm = "float32"

    def blocks(self, name: str, kept: Sequence[str]) -> Iterator[Block]:
        """The blocks of one tensor."""
        others = [*self.state, *([self.before] if self.before else [])]
        streams = [sent_blocks(file, layout, name, self.form) for file, layout in self.sites]
        streams += [blocks_of(file, layout, name) for file, layout in others]
        for found in zip(*streams, strict=True):
            wide = [block.astype(np.float64) for block in found]
            sites, rest = wide[: len(self.sites)], wide[len(self.sites) :]
            if self.form != "float32":
                sites = [rest[-1] + change for change in sites]
            state = dict(zip(kept, rest, strict=False)) if self.state else {}
            yield Block(sites, self.rows, rest[-1] if self.before else None, state, self.shorten)


def _written(blobs: Blobs, streams: _Streams, declared: Declared, method: AggregationSpec) -> list[str]:
    """The blob of the new weights, then one for each thing that the way keeps."""
    kept = kept_between_rounds(method)
    with ExitStack() as opened:
        drafts = [opened.enter_context(blobs.draft()) for _ in range(1 + len(kept))]
        for draft in drafts:
            write_header(draft, declared)
        writers = [opened.enter_context(ahead(draft)) for draft in drafts]
        for name in stored_order(declared):
            dtype = DTYPES[declared[name].dtype]
            for block in streams.blocks(name, kept):
                result, state = combine(_way_of(name, method), block)
                for writer, values in zip(writers, (result, *(state[each] for each in kept)), strict=True):
                    writer.write(values.astype(dtype).data)
        for writer in writers:
            writer.finish()
        return [_kept(draft) for draft in drafts]


def _with_variates(
    blobs: Blobs, streams: _Streams, old: Source | None, declared: Declared, method: AggregationSpec, drift: Drift
) -> str:
    """The blob of the new weights and the new variates: each learnt tensor is read twice, once for either. `old`: what the
    round began with, opened for itself, to read variates from while `streams` read weights."""
    lengths = [drift.length(int(rows)) for rows in streams.rows]
    both = {**declared, **drift.declared}
    with blobs.draft() as draft:
        write_header(draft, both)
        for name in stored_order(both):
            learnt = name.removeprefix(VARIATE)
            variates = blocks_of(*old, name) if old and learnt != name else iter(())
            for block in streams.blocks(learnt, ()):
                if learnt == name:
                    made, _ = combine(method, block)
                elif old is None:  # the first round has no weights to have come from: variates begin at 0
                    made = np.zeros_like(block.sites[0])
                else:
                    made = renewed_variate(block, next(variates).astype(np.float64), lengths, drift.share)
                draft.write(made.astype(DTYPES[both[name].dtype]).tobytes())
        return _kept(draft)


def _way_of(name: str, method: AggregationSpec) -> AggregationSpec:
    """Where sites send sums, the standards that travel with them are the same at all: their mean is what they are."""
    return "fedavg" if isinstance(method, Sum) and not name.startswith(SUMS) else method


def _kept(draft: Draft) -> str:
    digest = draft.settle()
    draft.keep()
    return digest


def _compared(
    sites: list[Source],
    start: Source | None,
    declared: Declared,
    method: AggregationSpec,
    names: Sequence[str],
    form: UpdateForm,
) -> tuple[list[float], list[str]]:
    """For the robust ways, a pass over everything before the one that counts: how much each site's change is shortened,
    and whose update is unlike all others. Where sites send sums, whose axes are not those of the others."""
    if isinstance(method, Sum):
        return [], other_axes(names, _Streams(sites, [], None, [], []), declared)
    clips = isinstance(method, NormClip) and start is not None
    if not clips and not (isinstance(method, Median | TrimmedMean | NormClip) and len(sites) >= SITES_AT_LEAST):
        return [], []
    squares, distances = np.zeros(len(sites)), np.zeros((len(sites), len(sites)))
    streams = _Streams(sites, [], start, [], [], form)
    for name in stored_order(declared):
        for block in streams.blocks(name, ()):
            for one, values in enumerate(block.sites):
                if block.before is not None:
                    squares[one] += np.sum((values - block.before) ** 2)
                for other in range(one):
                    distances[one, other] += np.sum((values - block.sites[other]) ** 2)
    lengths = [float(length) for length in np.sqrt(squares)]
    at_most = method.at_most if isinstance(method, NormClip) else None
    return shortening(lengths, at_most) if clips else [], unlike_others(names, distances + distances.T)


def other_axes(names: Sequence[str], streams: _Streams, declared: Declared) -> list[str]:
    """The sites whose axes are not what all reckon alike from the same sums, by the middle of all; of two that differ, both. The hospitals
    refuse the mean of such axes in the next round, and cannot tell whose fault it is."""
    off: set[str] = set()
    for name in stored_order(declared):
        for block in streams.blocks(name, ()) if name.startswith(AXES) else ():
            values = np.stack(block.sites)
            middle = np.median(values, axis=0)
            far = np.abs(values - middle) > ALIKE * np.abs(middle).max(initial=0)
            off |= {site for site, differs in zip(names, far, strict=True) if differs.any()}
    return sorted(off)


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
