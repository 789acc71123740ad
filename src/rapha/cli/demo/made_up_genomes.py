"""Made-up genomes of people who do not exist, and who of them had a heart attack.

Thirty common variants with made-up weights add up to a score, which raises the risk, as do age and sex. Calls are written as a
VCF against GRCh38, as a laboratory would give them, and the weights as a file of the PGS Catalog. Nothing learnt here means
anything.
"""

import csv
import gzip
import math
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

ABOUT = "Made-up genomes of people who do not exist"
PATIENTS = 1200
"""Of the first hospital; the others have a little fewer each."""

PEOPLE_MAPPING = """\
# Made-up people and what happened to them. docs/tables.md explains every key.
source: clinic
people: clinic                       # the laboratory below knows them by the same identifiers
subjects:
  file: people.csv
  id: id
  birth: {column: born}
  sex: {column: sex, values: {F: female, M: male}}
observation:
  start: {column: since}
  end: {column: until}
events:
  - file: happenings.csv
    id: patient
    kind: condition
    time: {column: day}
    available: same
    system: local
    code: {column: what}
"""
GENOMES_MAPPING = """\
# Their genotypes. docs/genomics.md explains every key.
source: laboratory
people: clinic
format: vcf
build: GRCh38
files: [calls.vcf.gz]
samples: {file: samples.csv, sample: sample, patient: patient, taken: taken, known: reported}
quality: {least_quality: 20}
variants: [19-44908684-T-C, 6-160589086-A-G]
scores:
  - {file: PGS900001.txt, least_coverage: 0.9, missing: mean}
"""
_CHROMOSOMES = {"1": 248_956_422, "6": 170_805_979, "19": 58_617_616}


class Site(NamedTuple):
    """One variant of the made-up genome."""

    chromosome: str
    position: int
    reference: str
    alternative: str
    frequency: float
    weight: float


def variants() -> list[Site]:
    """The same thirty, and the two that the mapping names, in the order of a file."""
    dice = random.Random("genome")  # noqa: S311
    named = [Site("6", 160_589_086, "A", "G", 0.07, 0.0), Site("19", 44_908_684, "T", "C", 0.14, 0.0)]
    scored = [
        Site("1", 1_000_000 + 7_000_000 * at, *dice.choice((("A", "G"), ("C", "T"), ("G", "A"), ("T", "G"))),
             dice.uniform(0.1, 0.5), round(dice.gauss(0, 0.25), 3))
        for at in range(30)
    ]  # fmt: skip
    return [*scored, *named]


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people, happenings, samples, calls, weights and two mappings."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(PEOPLE_MAPPING, encoding="utf-8")
        (folder / "laboratory.mapping.yaml").write_text(GENOMES_MAPPING, encoding="utf-8")
        _write_weights(folder / "PGS900001.txt")
        _write(folder, random.Random(f"genomes {number}"), PATIENTS - 200 * min(number - 1, 4))  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def _write(folder: Path, dice: random.Random, patients: int) -> None:
    sites = variants()
    mean = sum(2 * site.frequency * site.weight for site in sites)
    people, happenings, samples, genomes = [], [], [], []
    for number in range(patients):
        visit = date(2005, 1, 1) + timedelta(days=dice.randint(0, 1500))
        age, sex = dice.uniform(40, 80), dice.choice("FM")
        people.append((number, visit - timedelta(days=age * 365.25), sex, visit - timedelta(days=400), "2020-12-31"))
        happenings.append((number, f"{visit} 09:00", "visit"))
        genome = [sum(dice.random() < site.frequency for _ in range(2)) for site in sites]
        genomes.append(genome)
        taken = visit - timedelta(days=200)
        samples.append((f"S{number:05}", number, taken, taken + timedelta(days=60)))
        score = sum(site.weight * copies for site, copies in zip(sites, genome, strict=True)) - mean
        risk = -2.2 + 1.2 * score + 0.05 * (age - 60) + 0.4 * (sex == "M") + 0.3 * genome[-1]
        if dice.random() < 1 / (1 + math.exp(-risk)):
            happenings.append((number, f"{visit + timedelta(days=dice.randint(30, 3600))} 12:00", "infarction"))
    write_table(folder / "people.csv", ("id", "born", "sex", "since", "until"), people)
    write_table(folder / "happenings.csv", ("patient", "day", "what"), happenings)
    write_table(folder / "samples.csv", ("sample", "patient", "taken", "reported"), samples)
    _write_calls(folder / "calls.vcf.gz", dice, sites, genomes)


def _write_calls(path: Path, dice: random.Random, sites: list[Site], genomes: list[list[int]]) -> None:
    names = "\t".join(f"S{number:05}" for number in range(len(genomes)))
    header = ["##fileformat=VCFv4.3", *(f"##contig=<ID=chr{c},length={size}>" for c, size in _CHROMOSOMES.items())]
    header += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">']
    header += ['##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">']
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.write("\n".join([*header, f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}"]) + "\n")
        for at, site in enumerate(sites):
            calls = (_call(dice, genome[at]) for genome in genomes)
            place = (
                f"chr{site.chromosome}\t{site.position}\t.\t{site.reference}\t{site.alternative}\t60\tPASS\t.\tGT:GQ"
            )
            file.write(f"{place}\t" + "\t".join(calls) + "\n")


def _call(dice: random.Random, copies: int) -> str:
    if dice.random() < 0.01:
        return "./.:0"
    return f"{('0/0', '0/1', '1/1')[copies]}:{dice.randint(15, 99)}"


def _write_weights(path: Path) -> None:
    lines = ["###PGS CATALOG SCORING FILE", "#pgs_id=PGS900001", "#genome_build=GRCh38"]
    lines.append("\t".join(("chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")))
    for site in variants():
        if site.weight:
            words = (site.chromosome, site.position, site.alternative, site.reference, site.weight)
            lines.append("\t".join(map(str, words)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
