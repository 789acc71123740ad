"""One spelling for a variant: 19-44908684-T-C. Two files that spell the same change otherwise mean the same event.

Alleles are trimmed to the fewest bases (Tan et al. 2015, Bioinformatics 31:2202), without a reference at hand: an insertion or
deletion inside a repeat is not shifted to its leftmost place. `reference` does that, where there is a genome.
"""

from typing import NamedTuple

BASES = frozenset("ACGT")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


class Variant(NamedTuple):
    """A change of one allele: chromosome without `chr`, 1-based position, reference and alternative bases."""

    chromosome: str
    position: int
    reference: str
    alternative: str

    @property
    def last(self) -> int:
        """The last base of its reference."""
        return self.position + len(self.reference) - 1

    def __str__(self) -> str:
        return f"{self.chromosome}-{self.position}-{self.reference}-{self.alternative}"


def parse(name: str) -> Variant:
    """The variant of a name as the mapping writes it, trimmed."""
    place, position, reference, alternative = name.split("-")
    return trimmed(place, int(position), reference, alternative)


def trimmed(chromosome: str, position: int, reference: str, alternative: str) -> Variant:
    """The same change with the fewest bases: common ends are cut, first on the right, then on the left."""
    while len(reference) > 1 and len(alternative) > 1 and reference[-1] == alternative[-1]:
        reference, alternative = reference[:-1], alternative[:-1]
    while len(reference) > 1 and len(alternative) > 1 and reference[0] == alternative[0]:
        reference, alternative, position = reference[1:], alternative[1:], position + 1
    return Variant(chromosome, position, reference, alternative)


def is_plain(allele: str) -> bool:
    """Bases alone: no symbolic allele (`<DEL>`), no breakend, no `*`."""
    return bool(allele) and BASES.issuperset(allele)


def in_capitals(allele: str) -> str:
    """Bases as this code has them (of VCF they may be small: section 1.6.1 of VCFv4.3); what is none stays as it is."""
    capitals = allele.upper()
    return capitals if is_plain(capitals) else allele


def complement(allele: str) -> str:
    """The same bases as the other strand has them."""
    return allele.translate(_COMPLEMENT)[::-1]
