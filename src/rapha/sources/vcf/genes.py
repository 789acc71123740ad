"""Where genes lie, by a file that the hospital was given or made itself; nothing is fetched.

A first line `#build=GRCh38`, then a header and a line for each gene or part of one, with tabs or commas: gene, chromosome, first and
last base (1-based, both of it), and where there is one gene_id. A study that goes by it names its SHA-256.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SourceError
from rapha.records.variant import Build
from rapha.sources.vcf.build import chromosome

LARGEST_FILE = 1 << 26
MOST_GENES = 500_000
COLUMNS = ("gene", "chromosome", "first", "last")


class Gene(NamedTuple):
    """A stretch of a chromosome, ends included."""

    name: str
    identifier: str | None
    chromosome: str
    first: int
    last: int


class Genes:
    """Answers which genes a stretch lies in, or touches."""

    def __init__(self, genes: list[Gene]) -> None:
        self._on: dict[str, list[Gene]] = {}
        for gene in sorted(genes, key=lambda each: (each.chromosome, each.first, each.last, each.name)):
            self._on.setdefault(gene.chromosome, []).append(gene)

    def __iter__(self) -> Iterator[Gene]:
        for place in sorted(self._on):
            yield from self._on[place]

    def at(self, place: str, first: int, last: int) -> Iterator[Gene]:
        """In the order of where they begin."""
        for gene in self._on.get(place, ()):
            if gene.first > last:
                return
            if gene.last >= first:
                yield gene


def read_genes(path: Path, build: Build) -> Genes:
    """Read the file.

    Raises:
        SourceError: it cannot be read, is of another build or does not say, or a line is wrong.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SourceError(f"{path.name} is larger than 64 MiB: it is no file of genes")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise SourceError(f"{path.name}: cannot be read as a file of genes") from None
    first, _, rest = text.partition("\n")
    if first.strip() != f"#build={build}":
        raise SourceError(
            f"{path.name}: its first line is not #build={build}: positions are of one build, never lifted over"
        )
    header = rest.partition("\n")[0]
    rows = csv.DictReader(rest.splitlines(), delimiter="\t" if "\t" in header else ",")
    if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
        raise SourceError(f"{path.name} has no column {missing[0]!r}: wants {', '.join(COLUMNS)}")
    genes = [_gene(path.name, line, row) for line, row in enumerate(rows, 3)]
    if not 0 < len(genes) <= MOST_GENES:
        raise SourceError(f"{path.name}: holds no genes, or more than {MOST_GENES:,}")
    return Genes(genes)


def _gene(name: str, line: int, row: dict[str, str | None]) -> Gene:
    said = {column: (row.get(column) or "").strip() for column in (*COLUMNS, "gene_id")}
    first, last = (int(said[key]) if said[key].isdecimal() and len(said[key]) < 10 else 0 for key in ("first", "last"))
    if not said["gene"] or not said["chromosome"] or not 0 < first <= last:
        raise SourceError(f"{name}, line {line}: wants a gene, a chromosome, and a first base no later than the last")
    identifier = said["gene_id"].partition(".")[0] or None
    return Gene(said["gene"], identifier, chromosome(said["chromosome"]), first, last)
