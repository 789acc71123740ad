"""Reads an update in the form in which it travelled, block by block; see `rapha.records.travel`."""

from collections.abc import Iterator
from typing import Any, BinaryIO, assert_never

import numpy as np
from numpy.typing import NDArray

from rapha.hub.tensors import Layout, blocks_of, of_bf16
from rapha.records.learning import UpdateForm
from rapha.records.travel import GROUP, SCALE


def sent_blocks(file: BinaryIO, layout: Layout, name: str, form: UpdateForm) -> Iterator[NDArray[Any]]:
    """One tensor's elements as they were sent: weights of a float32 update, changes of another. A block is gone when the next is
    asked for."""
    match form:
        case "float32":
            yield from blocks_of(file, layout, name)
        case "bf16":
            for bits in blocks_of(file, layout, name):
                yield of_bf16(bits)
        case "int8":
            of_groups = [each.astype(np.float64) for each in blocks_of(file, layout, f"{name}{SCALE}")]
            scales = np.concatenate([np.empty(0), *of_groups])
            at = 0
            for steps in blocks_of(file, layout, name):
                yield steps * scales[np.arange(at, at + steps.size) // GROUP]
                at += steps.size
        case _ as unreachable:
            assert_never(unreachable)
