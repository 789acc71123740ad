"""What is known of each variant that became events, whoever carries it: where it lies, in which genes, and what it does there."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rapha.records.variant import Build
from rapha.sources.vcf.annotations import Effect
from rapha.sources.vcf.genes import Gene, Genes
from rapha.sources.vcf.variants import Variant

Row = dict[str, Any]
NOTHING = Effect(None, None, ())


def rows_of(
    variants: Iterable[Variant], effects: Mapping[Variant, set[Effect]], build: Build, batch: str,
    genes: Genes | None, coordinates: str | None,
) -> Iterator[Row]:  # fmt: skip
    """Rows of `schema.VARIANTS`. `coordinates`: the digest of the file that `genes` were read from."""
    for variant in sorted(variants):
        first, last = changed(variant)
        fixed = {"build": build, "code": str(variant), "chromosome": variant.chromosome, "first": first, "last": last,
                 "ingest_batch": batch}  # fmt: skip
        said = effects.get(variant) or {NOTHING}
        for effect in sorted(said, key=repr):
            yield fixed | effect._asdict() | {"consequences": list(effect.consequences), "coordinates": None}
        if genes is None:
            continue
        shares = {(effect.population, effect.frequency) for effect in said if effect.population}
        population, frequency = max(shares, key=lambda share: share[1] or 0.0, default=(None, None))
        for gene in dict.fromkeys((gene.name, gene.identifier) for gene in genes.at(variant.chromosome, first, last)):
            elsewhere = Effect(*gene, (), population, frequency)
            yield fixed | elsewhere._asdict() | {"consequences": [], "coordinates": coordinates}


def gene_row(gene: Gene, build: str, coordinates: str | None, batch: str) -> Row:
    """A row of `schema.GENES`."""
    return {"build": build, "gene": gene.name, "gene_id": gene.identifier, "chromosome": gene.chromosome, "first": gene.first,
            "last": gene.last, "coordinates": coordinates, "ingest_batch": batch}  # fmt: skip


def changed(variant: Variant) -> tuple[int, int]:
    """The first and last base of the reference that are replaced or taken out; of an insertion, the one before it twice."""
    reference, alternative = variant.reference, variant.alternative
    last = variant.position + len(reference) - 1
    if len(reference) > len(alternative) and reference.startswith(alternative):
        return variant.position + len(alternative), last
    return variant.position, last
