"""Made-up exomes of people who do not exist, annotated as a laboratory would: by VEP at one hospital, by SnpEff at the next.

Variants of two genes, some of which end the protein and raise the risk of a made-up cancer, as a few of the others do a little; one that
ends the protein of a gene beside them, and common ones, that do not. They are far more frequent here than anywhere. Nothing learnt
here means anything.

Where each sample was read well is in the files, as reference blocks over the exons. Of one in eight some exons were read badly: nobody knows
whether such a person is free of a variant there.
"""

import gzip
import math
import random
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from rapha.cli.demo.made_up_genomes import PEOPLE_MAPPING, write_table

ABOUT = "Made-up exomes of people who do not exist"
PATIENTS = 1400
"""Of the first hospital; the others have a little fewer each."""

EXOMES_MAPPING = """\
# Their exomes. docs/genomics.md explains every key.
source: laboratory
people: clinic
format: vcf
build: GRCh38
assay: exome
files: [exomes.vcf.gz]
samples: {{file: samples.csv, sample: sample, patient: patient, taken: taken, known: reported}}
quality: {{least_quality: 20}}
annotation: {annotation}
genes: exons.csv
called: true
regions: ["17:43044295-43125483", "13:32315086-32400268"]
"""
NO_CALL = "./.:0"
BY_VEP = "{field: CSQ, frequency: {population: gnomad, column: gnomADe_AF}}"
BY_SNPEFF = "{field: ANN, frequency: {population: gnomad, info: gnomAD_AF}}"
_LENGTHS = {"13": 114_364_328, "17": 83_257_441}


class Site(NamedTuple):
    """One variant: what it does to which gene, how common it is here and elsewhere, and its weight."""

    chromosome: str
    position: int
    reference: str
    alternative: str
    gene: str
    consequence: str
    elsewhere: float | None
    here: float
    weight: float = 0.0


SITES = (
    Site("13", 32_325_060, "G", "A", "BRCA2", "stop_gained", None, 0.012, 1.6),
    Site("13", 32_333_100, "A", "G", "BRCA2", "missense_variant", 0.0004, 0.03, 0.3),
    Site("13", 32_336_700, "C", "T", "BRCA2", "missense_variant", 0.004, 0.04, 0.3),
    Site("13", 32_340_300, "GT", "G", "BRCA2", "frameshift_variant", 0.0003, 0.012, 1.6),
    Site("13", 32_355_250, "T", "C", "BRCA2", "missense_variant", 0.29, 0.3),
    Site("17", 43_045_700, "C", "T", "BRCA1", "stop_gained", None, 0.012, 1.6),
    Site("17", 43_057_062, "T", "TG", "BRCA1", "frameshift_variant", 0.0002, 0.012, 1.6),
    Site("17", 43_063_930, "C", "T", "BRCA1", "splice_acceptor_variant", None, 0.008, 1.6),
    Site("17", 43_071_077, "T", "C", "BRCA1", "missense_variant", 0.33, 0.35),
    Site("17", 43_091_900, "A", "C", "BRCA1", "missense_variant", None, 0.03, 0.3),
    Site("17", 43_106_480, "A", "G", "BRCA1", "synonymous_variant", 0.002, 0.03),
    Site("17", 43_125_400, "G", "A", "NBR2", "splice_donor_variant", 0.0005, 0.05),
)
EXON = 120
"""Bases on either side of a variant."""


def exons() -> tuple[tuple[int, str, int, int], ...]:
    """Of each of the two genes, as far as it was read: the place of the variant in it, the gene, the first base and the last."""
    named = ("BRCA1", "BRCA2")
    return tuple((at, s.gene, s.position - EXON, s.position + EXON) for at, s in enumerate(SITES) if s.gene in named)


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people, happenings, samples, exomes, exons and two mappings."""
    folders = []
    for number in range(1, hospitals + 1):
        folder, vep = out_dir / f"hospital-{number}", number % 2 == 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(PEOPLE_MAPPING, encoding="utf-8")
        mapping = EXOMES_MAPPING.format(annotation=BY_VEP if vep else BY_SNPEFF)
        (folder / "laboratory.mapping.yaml").write_text(mapping, encoding="utf-8")
        _write(folder, random.Random(f"exomes {number}"), PATIENTS - 100 * min(number - 1, 4), vep)  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def _write(folder: Path, dice: random.Random, patients: int, vep: bool) -> None:
    people, happenings, samples, genomes = [], [], [], []
    for number in range(patients):
        visit = date(2005, 1, 1) + timedelta(days=dice.randint(0, 1500))
        age, sex = dice.uniform(30, 75), dice.choice("FFFM")
        people.append((number, visit - timedelta(days=age * 365.25), sex, visit - timedelta(days=400), "2020-12-31"))
        happenings.append((number, f"{visit} 09:00", "visit"))
        genome = [sum(dice.random() < site.here for _ in range(2)) for site in SITES]
        genomes.append(genome)
        taken = visit - timedelta(days=200)
        samples.append((f"S{number:05}", number, taken, taken + timedelta(days=60)))
        score = sum(site.weight * copies for site, copies in zip(SITES, genome, strict=True))
        risk = -2.0 + score + 0.03 * (age - 50) - 2.0 * (sex == "M")
        if dice.random() < 1 / (1 + math.exp(-risk)):
            happenings.append((number, f"{visit + timedelta(days=dice.randint(30, 3600))} 12:00", "breast-cancer"))
    write_table(folder / "people.csv", ("id", "born", "sex", "since", "until"), people)
    write_table(folder / "happenings.csv", ("patient", "day", "what"), happenings)
    write_table(folder / "samples.csv", ("sample", "patient", "taken", "reported"), samples)
    _write_exons(folder / "exons.csv")
    _write_calls(folder / "exomes.vcf.gz", dice, genomes, vep)


def _write_exons(path: Path) -> None:
    chromosomes = {site.gene: site.chromosome for site in SITES}
    lines = (f"{gene},{chromosomes[gene]},{first},{last}\n" for _, gene, first, last in exons())
    path.write_text("#build=GRCh38\ngene,chromosome,first,last\n" + "".join(lines), encoding="utf-8")


def _write_calls(path: Path, dice: random.Random, genomes: list[list[int]], vep: bool) -> None:
    names = "\t".join(f"S{number:05}" for number in range(len(genomes)))
    header = ["##fileformat=VCFv4.3", *(f"##contig=<ID=chr{c},length={size}>" for c, size in _LENGTHS.items())]
    header += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">']
    header += ['##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">']
    columns = "Allele|Consequence|IMPACT|SYMBOL|Gene|Feature_type|Feature|gnomADe_AF"
    header += [
        f'##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: {columns}">'
    ]
    header += ['##ALT=<ID=NON_REF,Description="any other">', '##INFO=<ID=END,Number=1,Type=Integer,Description="end">']
    header += ['##INFO=<ID=ANN,Number=.,Type=String,Description="Functional annotations">']
    header += ['##INFO=<ID=gnomAD_AF,Number=A,Type=Float,Description="frequency">']
    read = random.Random(f"read {len(genomes)}")  # noqa: S311
    badly = [_badly_read(read) for _ in genomes]
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.write("\n".join([*header, f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}"]) + "\n")
        for at, site in enumerate(SITES):
            calls = [_call(dice, genome[at]) for genome in genomes]
            calls = [NO_CALL if at in exons else call for call, exons in zip(calls, badly, strict=True)]
            info = _by_vep(site) if vep else _by_snpeff(site)
            first, last = site.position - EXON, site.position + EXON
            here = _line(site.chromosome, site.position, site.reference, site.alternative, info, calls)
            if site.gene not in ("BRCA1", "BRCA2"):
                file.write(here)
                continue
            for start, end in ((first, site.position - 1), (site.position + len(site.reference), last)):
                blocks = [NO_CALL if at in exons else f"0/0:{read.randint(20, 99)}" for exons in badly]
                file.write(here if start > site.position else "")
                file.write(_line(site.chromosome, start, "A", "<NON_REF>", f"END={end}", blocks))


def _badly_read(read: random.Random) -> frozenset[int]:
    """The places of the variants whose exons were read badly in a sample."""
    places = [at for at, *_ in exons()]
    return frozenset(read.sample(places, read.randint(1, 3))) if read.random() < 1 / 8 else frozenset()


def _line(chromosome: str, position: int, reference: str, alternative: str, info: str, calls: list[str]) -> str:
    words = (f"chr{chromosome}", position, ".", reference, alternative, 60, "PASS", info, "GT:GQ")
    return "\t".join([*map(str, words), *calls]) + "\n"


def _call(dice: random.Random, copies: int) -> str:
    if dice.random() < 0.01:
        return NO_CALL
    return f"{('0/0', '0/1', '1/1')[copies]}:{dice.randint(15, 99)}"


def _effects(site: Site) -> list[tuple[str, str]]:
    """Gene and consequence: what lies in NBR2 is said to lie before BRCA1 too."""
    beside = [("BRCA1", "upstream_gene_variant")] if site.gene == "NBR2" else []
    return [(site.gene, site.consequence), *beside]


def _by_vep(site: Site) -> str:
    allele = site.alternative
    if len(site.reference) != len(site.alternative):
        allele = site.alternative[1:] or "-"
    share = "" if site.elsewhere is None else site.elsewhere
    lines = (f"{allele}|{what}||{gene}|{gene}-made-up|Transcript|{gene}-1|{share}" for gene, what in _effects(site))
    return "CSQ=" + ",".join(lines)


def _by_snpeff(site: Site) -> str:
    lines = (f"{site.alternative}|{what}||{gene}|{gene}-made-up|transcript|{gene}-1" for gene, what in _effects(site))
    share = "" if site.elsewhere is None else f";gnomAD_AF={site.elsewhere}"
    return "ANN=" + ",".join(lines) + share
