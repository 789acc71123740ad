"""Insertions and deletions at their leftmost place, by a reference genome: against every way to write a change, and in an ingest."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from test_vcf_rows import Laboratory, line

from rapha.errors import SourceError
from rapha.sources.vcf import reference as of_reference
from rapha.sources.vcf.reference import OtherBases, Reference, TooFar
from rapha.sources.vcf.variants import Variant, trimmed

WIDTH = 50
CHROMOSOME_19 = 58_617_616


def genome(folder: Path, sequence: str, name: str = "chrY") -> Path:
    """A FASTA file of one contig, and its index. The lengths of Y are not held against a build."""
    lines = [sequence[at : at + WIDTH] for at in range(0, len(sequence), WIDTH)]
    path = folder / "genome.fa"
    path.write_text(f">{name} made up\n" + "\n".join(lines) + "\n")
    offset = len(f">{name} made up\n")
    (folder / "genome.fa.fai").write_text(f"{name}\t{len(sequence)}\t{offset}\t{WIDTH}\t{WIDTH + 1}\n")
    return path


def changed(sequence: str, variant: Variant) -> str:
    first = variant.position - 1
    assert sequence[first : first + len(variant.reference)] == variant.reference
    return sequence[:first] + variant.alternative + sequence[first + len(variant.reference) :]


def furthest_left(sequence: str, variant: Variant) -> Variant:
    """By trying every place from the left, whatever the way: the first that gives the same haplotype."""
    whole, longer = changed(sequence, variant), len(variant.alternative) - len(variant.reference)
    size = 1 + max(0, -longer)
    for first in range(len(sequence)):
        alternative = whole[first : first + size + longer]
        if sequence[:first] + alternative + sequence[first + size :] == whole:
            return Variant(variant.chromosome, first + 1, sequence[first : first + size], alternative)
    raise AssertionError


def some_changes(sequence: str, dice: random.Random, count: int) -> list[Variant]:
    found: list[Variant] = []
    while len(found) < count:
        first, size = dice.randrange(2, len(sequence) - 8), dice.randint(1, 4)
        if dice.random() < 0.5:
            reference, alternative = sequence[first : first + size + 1], sequence[first]
        else:
            reference = sequence[first]
            again = sequence[first + 1 : first + 1 + size]
            alternative = reference + (again if dice.random() < 0.7 else "".join(dice.choices("ACGT", k=size)))
        found.append(trimmed("Y", first + 1, reference, alternative))
    return found


def repetitive(dice: random.Random, length: int = 300) -> str:
    parts = ["".join(dice.choices("ACGT", k=dice.randint(1, 3))) * dice.randint(1, 9) for _ in range(length)]
    return "".join(parts)[:length]


def test_every_insertion_and_deletion_stands_where_trying_every_place_puts_it(tmp_path: Path) -> None:
    dice = random.Random(7)
    sequence = repetitive(dice)
    reference, moved = Reference(genome(tmp_path, sequence), "GRCh38"), 0
    for variant in some_changes(sequence, dice, 400):
        leftmost = reference.leftmost(variant)
        assert leftmost == furthest_left(sequence, variant)
        assert reference.leftmost(leftmost) == leftmost
        moved += leftmost != variant
    assert 100 < moved < 400


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_bcftools_norm_puts_them_there_too(tmp_path: Path) -> None:
    dice = random.Random(8)
    sequence = repetitive(dice)
    path = genome(tmp_path, sequence)
    variants = some_changes(sequence, dice, 200)
    rows = sorted((v.position, v.reference, v.alternative) for v in set(variants))
    head = f"##fileformat=VCFv4.3\n##contig=<ID=chrY,length={len(sequence)}>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "in.vcf").write_text(head + "".join(f"chrY\t{p}\t.\t{r}\t{a}\t.\t.\t.\n" for p, r, a in rows))
    words = ["bcftools", "norm", "-f", str(path), "-m", "-any", str(tmp_path / "in.vcf")]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    theirs = [each.split("\t") for each in told.splitlines() if not each.startswith("#")]
    reference = Reference(path, "GRCh38")
    ours = sorted(reference.leftmost(Variant("Y", *row))[1:] for row in rows)
    assert ours == sorted((int(each[1]), each[3], each[4]) for each in theirs)


def test_what_stands_at_the_first_base_keeps_the_one_after_it(tmp_path: Path) -> None:
    reference = Reference(genome(tmp_path, "AAAAACGT"), "GRCh38")
    assert reference.leftmost(Variant("Y", 4, "AA", "A")) == Variant("Y", 1, "AA", "A")
    assert reference.leftmost(Variant("Y", 5, "A", "AA")) == Variant("Y", 1, "A", "AA")


def test_a_substitution_stays_and_other_bases_are_told(tmp_path: Path) -> None:
    reference = Reference(genome(tmp_path, "ACGTACGT"), "GRCh38")
    assert reference.leftmost(Variant("Y", 3, "G", "T")) == Variant("Y", 3, "G", "T")
    for wrong in (Variant("Y", 3, "C", "T"), Variant("Y", 8, "TA", "T"), Variant("X", 1, "A", "C")):
        with pytest.raises(OtherBases):
            reference.leftmost(wrong)


def test_what_would_be_moved_too_far_is_not_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Reference(genome(tmp_path, "C" + "A" * 200 + "G"), "GRCh38")
    assert reference.leftmost(Variant("Y", 200, "AA", "A")) == Variant("Y", 1, "CA", "C")
    monkeypatch.setattr(of_reference, "FURTHEST", 100)
    with pytest.raises(TooFar):
        reference.leftmost(Variant("Y", 200, "AA", "A"))


@pytest.mark.parametrize(
    "listing",
    [
        "chrY\t8\n",
        "chrY\t8\t14\t50\tx\n",
        "chrY\t9000\t14\t50\t51\n",
        "chrY\t8\t14\t0\t1\n",
        "chrY\t8\t14\t50\t50\n",
        "chrY\t0\t14\t50\t51\n",
    ],
)
def test_an_index_that_does_not_fit_is_refused(tmp_path: Path, listing: str) -> None:
    path = genome(tmp_path, "ACGTACGT")
    (tmp_path / "genome.fa.fai").write_text(listing)
    with pytest.raises(SourceError, match=r"genome\.fa\.fai: line 1"):
        Reference(path, "GRCh38")


def test_no_index_and_another_build_are_refused(tmp_path: Path) -> None:
    path = genome(tmp_path, "ACGTACGT", "chr19")
    with pytest.raises(SourceError, match="chromosome 19 is as long as in no build"):
        Reference(path, "GRCh38")
    (tmp_path / "genome.fa.fai").unlink()
    with pytest.raises(SourceError, match=r"samtools faidx genome\.fa"):
        Reference(path, "GRCh38")


REGION = 'regions: ["19:1000-1010"]\nreference: genome.fa\n'


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    """With a chromosome 19 that is empty but for GAAAA and twenty more As, C, from base 1000 on."""
    laboratory = Laboratory(tmp_path)
    with (laboratory.data / "genome.fa").open("wb") as file:
        file.write(b">chr19\n")
        file.seek(7 + 999)
        file.write(b"G" + b"A" * 24 + b"C")
        file.truncate(7 + CHROMOSOME_19 + 1)
    (laboratory.data / "genome.fa.fai").write_text(f"chr19\t{CHROMOSOME_19}\t7\t{CHROMOSOME_19}\t{CHROMOSOME_19 + 1}\n")
    return laboratory


def test_a_deletion_at_the_end_of_a_repeat_is_moved_into_the_region_and_told(lab: Laboratory) -> None:
    report = lab.ingest(REGION, line("0/1:99 0/0:99 1|1:99", 1023, "AA", "A"))
    assert lab.dosage("19-1000-GA-G") == {"p1": 1, "p2": 0, "p3": 2}
    assert report.notes == ("calls.vcf: insertions and deletions moved to their leftmost place: 1",)


def test_two_spellings_of_one_change_are_one_variant(lab: Laboratory) -> None:
    lab.ingest(REGION, line("0/1:99 ./.:0 ./.:0", 1000, "GA", "G"), line("./.:0 0/1:99 0/0:99", 1020, "AA", "A"))
    assert lab.dosage("19-1000-GA-G") == {"p1": 1, "p2": 1, "p3": 0}
    assert set(lab.ask("code", "system = 'dosage:GRCh38'")) == {("19-1000-GA-G",)}


def test_several_alternatives_are_moved_each_by_itself(lab: Laboratory) -> None:
    lab.ingest(REGION, line("0/1:99 0/2:99 1/2:99", 1022, "AAA", "AA,A"))
    assert lab.dosage("19-1000-GA-G") == {"p1": 1, "p2": 0, "p3": 1}
    assert lab.dosage("19-1000-GAA-G") == {"p1": 0, "p2": 1, "p3": 1}


def test_what_the_genome_does_not_have_is_set_aside(lab: Laboratory) -> None:
    report = lab.ingest(REGION, line("0/1:99 0/0:99 1|1:99", 1005, "C", "T"))
    assert lab.ask("code", "system = 'dosage:GRCh38'") == []
    assert report.files[1].set_aside == {"has other bases than the reference genome": 1}


def test_without_a_genome_what_was_taken_as_written_is_told(lab: Laboratory) -> None:
    report = lab.ingest(
        'regions: ["19:1000-1030"]\n',
        line("0/1:99 0/0:99 1|1:99", 1023, "AA", "A"),
        line("0/1:9 0/0:9 0/0:9", 1001, "A", "C"),
    )
    assert lab.dosage("19-1023-AA-A") == {"p1": 1, "p2": 0, "p3": 2}
    assert len(report.notes) == 1 and "which may not be leftmost: 1; name the genome" in report.notes[0]


def test_a_mapping_that_names_a_variant_elsewhere_is_told_the_right_name(lab: Laboratory) -> None:
    with pytest.raises(SourceError, match="19-1023-AA-A is not as far left as it can stand: write 19-1000-GA-G"):
        lab.ingest("variants: [19-1023-AA-A]\nreference: genome.fa\n", line("0/1:99 0/0:99 1|1:99", 1023, "AA", "A"))
