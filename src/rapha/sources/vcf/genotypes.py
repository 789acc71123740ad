"""Genotypes as htslib keeps them (VCF 4.3 specification, 6.3.3) -> alleles, and copies of an alternative.

Of each copy of the chromosome a number: twice the allele's and two more, and one more where it is phased; 0 or 1 where there is no call;
`END` where a sample has fewer copies than others. What most records are, two copies of everybody and one alternative, is done byte by byte.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Raw = npt.NDArray[np.int32]
Alleles = list[npt.NDArray[np.int32]]
Dosages = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]
Samples = npt.NDArray[np.int64] | slice
UNKNOWN, ABSENT = -1, -2
END = -(1 << 31) + 1
_HIGHEST = 5
"""Of the only alternative, phased."""


def _copies_of(pair: int) -> int:
    """`pair`: one copy's number in the lowest three bits, the other's above them."""
    alleles = [(number >> 1) - 1 for number in (pair & 7, pair >> 3)]
    return sum(alleles) if min(alleles) >= 0 else UNKNOWN


_COPIES = bytes(_copies_of(pair) & 0xFF for pair in range(64)) + bytes([UNKNOWN & 0xFF]) * 192


def genotypes(record: Any) -> Raw | None:
    """[S, copies]; None of a record without genotypes."""
    raw: Raw | None = record.format("GT", int)
    return raw


def copies_of_two(raw: Raw) -> Dosages | None:
    """Copies [S] of the only alternative, UNKNOWN without a call or with half of one; None where somebody has not two copies, or
    another allele."""
    if raw.shape[1] != 2 or int(raw.view(np.uint32).max(initial=0)) > _HIGHEST:
        return None
    two = raw.astype(np.uint8).view("<u2")[:, 0]
    pairs = ((two >> 5) | two).astype(np.uint8)
    return np.frombuffer(bytearray(pairs).translate(_COPIES), dtype=np.int8)


def alleles_of(raw: Raw) -> Alleles:
    """One array [S] for each copy of the chromosome: the number of the allele, UNKNOWN where it is not called, ABSENT where there is
    none."""
    return [np.where(copy == END, ABSENT, np.maximum((copy >> 1) - 1, UNKNOWN)) for copy in raw.T]


def known(alleles: Alleles) -> Flags:
    """Who has at least one copy, and of every copy an allele."""
    first, *others = alleles
    good: Flags = first >= 0
    for other in others:
        good &= (other >= 0) | (other == ABSENT)
    return good


def single(alleles: Alleles) -> Flags | None:
    """Who has one copy of the chromosome; None where nobody has."""
    if len(alleles) == 1:
        return np.ones(len(alleles[0]), dtype=np.bool_)
    others = alleles[1:]
    if min(int(other.min(initial=0)) for other in others) > ABSENT:
        return None
    alone: Flags = np.logical_and.reduce([other == ABSENT for other in others])
    return alone


def copies_of(alleles: Alleles, number: int) -> Dosages:
    """Copies [S] of the alternative of this number, whether all are called or not."""
    copies: Dosages = np.zeros(len(alleles[0]), dtype=np.int8)
    for each in alleles:
        copies += (each == number).view(np.int8)
    return copies
