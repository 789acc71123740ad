"""Made-up genomes, cholesterol and heart attacks of people who do not exist, from two ancestries that mix.

Of 160 variants a few raise LDL cholesterol, and LDL raises the risk of a heart attack. Ancestry moves both the frequencies of
variants and LDL, so a study that does not adjust for it finds variants that do nothing. One of the studies finds the first principal
component across the hospitals; for the other the clinic has it as a score by loadings that everybody shares. Nothing learnt here means anything.
"""

import csv
import gzip
import math
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

ABOUT = "Made-up genomes and cholesterol of people who do not exist"
PATIENTS = 900
"""Of the first hospital; the others have a little fewer each."""

PEOPLE_MAPPING = """\
# Made-up people and what was measured of them. docs/tables.md explains every key.
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
  - file: labs.csv
    id: patient
    kind: measurement
    time: {column: taken}
    available: same
    system: local
    code: {column: test}
    value: value
    unit: {column: unit}
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
matrices:
  - {name: panel, regions: ["1:1-248956422", "19:1-58617616"]}
scores:
  - {file: loadings.txt, least_coverage: 0.9, missing: mean}
"""
_CHROMOSOMES = {"1": 248_956_422, "19": 58_617_616}
CAUSAL = {12: 0.35, 57: -0.30, 101: 0.25}
"""Places among the variants, and mmol/L of LDL a copy."""

RARE, RARELY = 30, (0.001, 0.03)
"""One of which a hospital with few of the second ancestry has too few copies to tell."""


class Site(NamedTuple):
    """One variant; its frequency in either ancestry."""

    chromosome: str
    position: int
    reference: str
    alternative: str
    frequencies: tuple[float, float]

    @property
    def name(self) -> str:
        return f"{self.chromosome}-{self.position}-{self.reference}-{self.alternative}"


def variants() -> list[Site]:
    """The same 160, in the order of a file."""
    dice = random.Random("biobank")  # noqa: S311
    places = [("1", 1_000_000 + 1_500_000 * at) for at in range(120)]
    places += [("19", 500_000 + 1_200_000 * at) for at in range(40)]
    sites: list[Site] = []
    for chromosome, position in places:
        alleles = dice.choice((("A", "G"), ("C", "T"), ("G", "A"), ("T", "G")))
        one = dice.uniform(0.08, 0.6)
        other = min(max(one + dice.gauss(0, 0.12), 0.02), 0.95)
        sites.append(Site(chromosome, position, *alleles, RARELY if len(sites) == RARE else (one, other)))
    return sites


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: tables, samples, calls, loadings and two mappings."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(PEOPLE_MAPPING, encoding="utf-8")
        (folder / "laboratory.mapping.yaml").write_text(GENOMES_MAPPING, encoding="utf-8")
        _write_loadings(folder / "loadings.txt")
        patients = PATIENTS - 150 * min(number - 1, 3)
        _write(folder, random.Random(f"biobank {number}"), patients, 0.25 * number)  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def _write(folder: Path, dice: random.Random, patients: int, ancestry: float) -> None:
    """`ancestry`: how much of the second ancestry this hospital's patients have on average."""
    sites = variants()
    people, happenings, labs, samples, genomes = [], [], [], [], []
    for number in range(patients):
        visit = date(2005, 1, 1) + timedelta(days=dice.randint(0, 1500))
        age, sex, share = dice.uniform(40, 80), dice.choice("FM"), min(max(dice.gauss(ancestry, 0.3), 0), 1)
        people.append((number, visit - timedelta(days=age * 365.25), sex, visit - timedelta(days=400), "2020-12-31"))
        happenings.append((number, f"{visit} 09:00", "visit"))
        genome = [sum(dice.random() < _frequency(site, share) for _ in range(2)) for site in sites]
        genomes.append(genome)
        samples.append((f"S{number:05}", number, visit - timedelta(days=200), visit - timedelta(days=140)))
        ldl = 3.2 + sum(effect * (genome[at] - 0.6) for at, effect in CAUSAL.items()) + 0.8 * share
        ldl += 0.01 * (age - 60) + dice.gauss(0, 0.7)
        labs.append((number, f"{visit + timedelta(days=dice.randint(1, 90))} 08:00", "ldl", f"{ldl:.2f}", "mmol/L"))
        if dice.random() < 1 / (1 + math.exp(1.0 - 1.1 * (ldl - 3.2) - 0.03 * (age - 60) - 0.4 * (sex == "M"))):
            happenings.append((number, f"{visit + timedelta(days=dice.randint(30, 3600))} 12:00", "infarction"))
    _table(folder / "people.csv", ("id", "born", "sex", "since", "until"), people)
    _table(folder / "happenings.csv", ("patient", "day", "what"), happenings)
    _table(folder / "labs.csv", ("patient", "taken", "test", "value", "unit"), labs)
    _table(folder / "samples.csv", ("sample", "patient", "taken", "reported"), samples)
    _write_calls(folder / "calls.vcf.gz", dice, sites, genomes)


def _frequency(site: Site, share: float) -> float:
    return (1 - share) * site.frequencies[0] + share * site.frequencies[1]


def _write_calls(path: Path, dice: random.Random, sites: list[Site], genomes: list[list[int]]) -> None:
    names = "\t".join(f"S{number:05}" for number in range(len(genomes)))
    header = ["##fileformat=VCFv4.3", *(f"##contig=<ID=chr{c},length={size}>" for c, size in _CHROMOSOMES.items())]
    header += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">']
    header += ['##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">']
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.write("\n".join([*header, f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}"]) + "\n")
        for at, site in enumerate(sites):
            place = (
                f"chr{site.chromosome}\t{site.position}\t.\t{site.reference}\t{site.alternative}\t60\tPASS\t.\tGT:GQ"
            )
            file.write(f"{place}\t" + "\t".join(_call(dice, genome[at]) for genome in genomes) + "\n")


def _call(dice: random.Random, copies: int) -> str:
    return "./.:0" if dice.random() < 0.01 else f"{('0/0', '0/1', '1/1')[copies]}:{dice.randint(22, 99)}"


def _write_loadings(path: Path) -> None:
    """What tells the two ancestries apart, in the form of a polygenic score: a principal component is one."""
    lines = ["###PGS CATALOG SCORING FILE", "#pgs_id=PC1", "#genome_build=GRCh38"]
    lines.append("\t".join(("chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")))
    for site in variants():
        weight = round(site.frequencies[1] - site.frequencies[0], 4)
        lines.append("\t".join(map(str, (site.chromosome, site.position, site.alternative, site.reference, weight))))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
