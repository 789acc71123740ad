"""Genotype matrices: of each sample one asset with its copies of every variant of the matrix, and beside them, once, which
variants these are.

    callset     text: the build, then a variant a line, in the order of their places
    genotypes   safetensors: `dosage` int8 [V], -1 where there is no call; `callset` uint8 [32], the name of the call set
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from rapha.sources.vcf.genotypes import Dosages
from rapha.sources.vcf.mapping import Matrix
from rapha.sources.vcf.variants import Variant, parse
from rapha.sources.vcf.wanted import Wanted
from rapha.timeline.assets import Contents


class Kept(NamedTuple):
    """One sample's row of a matrix: the sample's place, the asset, and how many of its variants are called."""

    matrix: str
    at: int
    asset: str
    called: int


def wanted_of(matrix: Matrix) -> Wanted:
    """What has to be looked for in the calls."""
    return Wanted(map(parse, matrix.variants), matrix.regions)


def keep_matrix(
    matrix: Matrix, build: str, dosage: Mapping[Variant, Dosages], keys: list[int], contents: Contents
) -> Iterator[Kept]:
    """Keep the rows of one matrix. Who has no call in it at all has no row."""
    from safetensors.numpy import save

    wanted = wanted_of(matrix)
    variants = sorted(variant for variant in dosage if wanted.takes(variant))
    callset = "\n".join([build, *map(str, variants)]).encode()
    rows = (
        np.stack([dosage[variant] for variant in variants], axis=1) if variants else np.empty((len(keys), 0), np.int8)
    )
    for at, key in enumerate(keys):
        if called := int((rows[at] >= 0).sum()):
            named = np.frombuffer(bytes.fromhex(contents.add(key, "callset", callset)), dtype=np.uint8)
            asset = contents.add(key, "genotypes", save({"dosage": np.ascontiguousarray(rows[at]), "callset": named}))
            yield Kept(matrix.name, at, asset, called)
