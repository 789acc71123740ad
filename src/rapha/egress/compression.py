"""Fewer bytes for an update that has passed the gate: done here, by the node, so that no workload chooses a bit of the form.

What goes in has been checked as float32; what comes out is of `declared_update`, in the one canonical form. `left_over` is what
rounding took: as large as the weights, of the same patients, and never sent.
"""

import numpy as np
from numpy.typing import NDArray

from rapha.egress.weights import read_array, read_layout, write_canonical
from rapha.errors import EgressRefused
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.records.travel import FIRST_ROUND, GROUP, MOST, SCALE, declared_update
from rapha.records.variates import declared_given

BLOCK_ELEMENTS = 1 << 20
Floats = NDArray[np.float64]


def compressed(given: bytes, weights: bytes, left_over: bytes | None, study: Study) -> tuple[bytes, bytes]:
    """(what leaves, what is left over) of a round but the first. `given`: what it began with; `weights`: as they passed the gate;
    `left_over`: of the round before, None for nothing.

    Raises:
        EgressRefused: one of the files is not as declared; `not-finite` where a change is too large for its form.
    """
    declared, form = declared_weights(study), study.training.updates
    starts, ends = read_layout(given, declared_given(study, FIRST_ROUND)), read_layout(weights, declared)
    before = read_layout(left_over, declared) if left_over is not None else {}
    sent: dict[str, NDArray[np.generic]] = {}
    rest: dict[str, NDArray[np.float32]] = {}
    for name, spec in declared.items():
        start, end = read_array(given, starts[name]).reshape(-1), read_array(weights, ends[name]).reshape(-1)
        old = read_array(left_over, before[name]).reshape(-1) if left_over is not None else None
        rest[name] = np.empty(spec.elements, np.float32)
        codes = np.empty(spec.elements, np.uint16 if form == "bf16" else np.int8)
        scales = np.empty(-(-spec.elements // GROUP), np.float32)
        for at in range(0, spec.elements, BLOCK_ELEMENTS):  # a whole number of groups
            part = slice(at, at + BLOCK_ELEMENTS)
            change = end[part].astype(np.float64) - start[part] + (0.0 if old is None else old[part])
            if form == "bf16":
                codes[part], there = _bf16(change)
            else:
                groups = slice(at // GROUP, -(-(at + len(change)) // GROUP))
                codes[part], scales[groups], there = _int8(change)
            if not np.isfinite(there).all():
                raise EgressRefused(f"weights: the change of {name} is too large for {form}", "not-finite")
            rest[name][part] = change - there
        sent[name] = codes
        if form == "int8":
            sent[f"{name}{SCALE}"] = scales
    return write_canonical(sent, declared_update(study, FIRST_ROUND)), write_canonical(rest, declared)


def arrived(given: bytes, update: bytes, study: Study) -> bytes:
    """The weights that the hub takes an update for, to the nearest float32: what this hospital's own reckoning goes on from."""
    declared, form = declared_weights(study), study.training.updates
    starts = read_layout(given, declared_given(study, FIRST_ROUND))
    placed = read_layout(update, declared_update(study, FIRST_ROUND))
    made = {}
    for name, spec in declared.items():
        codes = read_array(update, placed[name]).reshape(-1)
        scales = read_array(update, placed[f"{name}{SCALE}"]) if form == "int8" else None
        change = (
            _of_bf16(codes) if scales is None else codes * np.repeat(scales.astype(np.float64), GROUP)[: codes.size]
        )
        made[name] = (read_array(given, starts[name]) + change.reshape(spec.shape)).astype(np.float32)
    return write_canonical(made, declared)


def _bf16(change: Floats) -> tuple[NDArray[np.uint16], Floats]:
    """To the nearest, ties to even; and what that says."""
    with np.errstate(over="ignore"):
        bits = change.astype(np.float32).view(np.uint32).astype(np.uint64)
    codes = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return codes, _of_bf16(codes)


def _of_bf16(codes: NDArray[np.generic]) -> Floats:
    return (codes.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def _int8(change: Floats) -> tuple[NDArray[np.int8], NDArray[np.float32], Floats]:
    """To the nearest step of a group, whose largest is `MOST` steps; the scales; and what that says."""
    padded = np.pad(change, (0, -len(change) % GROUP)).reshape(-1, GROUP)
    with np.errstate(over="ignore"):
        scales = (np.abs(padded).max(axis=1) / MOST).astype(np.float32)
    wide = scales.astype(np.float64)[:, None]
    steps = np.clip(np.rint(np.divide(padded, wide, out=np.zeros_like(padded), where=wide > 0)), -MOST, MOST)
    return steps.reshape(-1)[: len(change)].astype(np.int8), scales, (steps * wide).reshape(-1)[: len(change)]
