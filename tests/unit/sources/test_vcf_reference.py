"""Insertions and deletions at their leftmost place, by a reference genome: against every way to write a change, and in an ingest."""

import importlib
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from test_vcf_rows import Laboratory, line

from rapha.errors import SourceError
from rapha.sources.vcf import reference as of_reference
from rapha.sources.vcf.reference import NotPlaced, NotThere, OtherBases, Reference, TooFar, UnknownBases
from rapha.sources.vcf.variants import Variant, trimmed
from rapha.timeline.reader import open_timeline

WIDTH = 50
CHROMOSOME_19 = 58_617_616


def genome(folder: Path, sequence: str, name: str = "chrM") -> Path:
    """A FASTA file of one contig, and its index. The length of MT is not held against a build."""
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
        found.append(trimmed("MT", first + 1, reference, alternative))
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
    head = f"##fileformat=VCFv4.3\n##contig=<ID=chrM,length={len(sequence)}>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "in.vcf").write_text(head + "".join(f"chrM\t{p}\t.\t{r}\t{a}\t.\t.\t.\n" for p, r, a in rows))
    words = ["bcftools", "norm", "-f", str(path), "-m", "-any", str(tmp_path / "in.vcf")]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    theirs = [each.split("\t") for each in told.splitlines() if not each.startswith("#")]
    reference = Reference(path, "GRCh38")
    ours = sorted(reference.leftmost(Variant("MT", *row))[1:] for row in rows)
    assert ours == sorted((int(each[1]), each[3], each[4]) for each in theirs)


def test_what_stands_at_the_first_base_keeps_the_one_after_it(tmp_path: Path) -> None:
    reference = Reference(genome(tmp_path, "AAAAACGT"), "GRCh38")
    assert reference.leftmost(Variant("MT", 4, "AA", "A")) == Variant("MT", 1, "AA", "A")
    assert reference.leftmost(Variant("MT", 5, "A", "AA")) == Variant("MT", 1, "A", "AA")


def test_a_substitution_stays_and_other_bases_are_told(tmp_path: Path) -> None:
    reference = Reference(genome(tmp_path, "ACGTACGT"), "GRCh38")
    assert reference.leftmost(Variant("MT", 3, "G", "T")) == Variant("MT", 3, "G", "T")
    for wrong in (Variant("MT", 3, "C", "T"), Variant("MT", 8, "TA", "T")):
        with pytest.raises(OtherBases):
            reference.leftmost(wrong)
    with pytest.raises(NotThere):
        reference.leftmost(Variant("X", 1, "A", "C"))


@pytest.mark.parametrize(
    "variant", [Variant("MT", 8, "AA", "A"), Variant("MT", 4, "A", "C")], ids=["moved up to it", "in the reference"]
)
def test_bases_that_the_genome_does_not_know_are_said_to_be_so(tmp_path: Path, variant: Variant) -> None:
    with pytest.raises(UnknownBases):
        Reference(genome(tmp_path, "ACGNNAAAACG"), "GRCh38").leftmost(variant)


def test_what_would_be_moved_too_far_is_not_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Reference(genome(tmp_path, "C" + "A" * 200 + "G"), "GRCh38")
    assert reference.leftmost(Variant("MT", 200, "AA", "A")) == Variant("MT", 1, "CA", "C")
    monkeypatch.setattr(of_reference, "FURTHEST", 100)
    with pytest.raises(TooFar):
        reference.leftmost(Variant("MT", 200, "AA", "A"))


@pytest.mark.parametrize(
    "listing",
    [
        "chrM\t8\n",
        "chrM\t8\t14\t50\tx\n",
        "chrM\t9000\t14\t50\t51\n",
        "chrM\t8\t14\t0\t1\n",
        "chrM\t8\t14\t50\t50\n",
        "chrM\t0\t14\t50\t51\n",
    ],
)
def test_an_index_that_does_not_fit_is_refused(tmp_path: Path, listing: str) -> None:
    path = genome(tmp_path, "ACGTACGT")
    (tmp_path / "genome.fa.fai").write_text(listing)
    with pytest.raises(SourceError, match=r"genome\.fa\.fai: line 1"):
        Reference(path, "GRCh38")


RUN = "GATC" * 20 + "CGTAAAAAAAATCG" + "GATC" * 20
LINES = [RUN[at : at + WIDTH] for at in range(0, len(RUN), WIDTH)]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param([">chrM made  up", *LINES], id="a header longer by a byte"),
        pytest.param([">chrM made u", *LINES], id="a header shorter by a byte"),
        pytest.param([">chrX made up", *LINES], id="another name"),
        pytest.param([">chrM made upp", LINES[0][1:], *LINES[1:]], id="a longer header and a shorter line"),
        pytest.param(["#chrM made up", *LINES], id="no header"),
        pytest.param([">chrM made up", "", *LINES], id="an empty line before it"),
        pytest.param([">chrM made up", LINES[0] + "A", LINES[1][1:], *LINES[2:]], id="a longer first line"),
        pytest.param([">chrM made up", *LINES[:2], LINES[2] + "A", LINES[3][1:]], id="a longer last whole line"),
        pytest.param([">chrM made up", *LINES[:-1], LINES[-1] + "A"], id="a base more"),
        pytest.param([">chrM made up", *LINES[:-1], LINES[-1], "A"], id="a line more"),
    ],
)
def test_an_index_of_a_file_that_was_changed_is_refused(tmp_path: Path, file: list[str]) -> None:
    path = genome(tmp_path, RUN)
    assert Reference(path, "GRCh38").leftmost(Variant("MT", 88, "AA", "A")) == Variant("MT", 83, "TA", "T")
    index = path.with_name("genome.fa.fai")
    listing = index.read_text()
    path.write_text("\n".join(file) + "\n")
    index.write_text(listing)
    with pytest.raises(SourceError, match=r"genome\.fa\.fai: line 1 is of another file"):
        Reference(path, "GRCh38")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_genome_of_several_contigs_and_either_line_end_is_read(tmp_path: Path, end: str) -> None:
    """As samtools writes the index: the last line of the last one without an end, an empty line between two."""
    path, whole, listing = tmp_path / "genome.fa", "", ""
    for name, bases in (("chrX_alt", "ACGTACGT"), ("chrM", RUN), ("chrM", RUN[:WIDTH])):
        whole += f">{name} made up{end}"
        listing += f"{name}\t{len(bases)}\t{len(whole)}\t{WIDTH if len(bases) > 8 else 8}\t{(WIDTH if len(bases) > 8 else 8) + len(end)}\n"
        whole += "".join(bases[at : at + WIDTH] + end for at in range(0, len(bases), WIDTH)) + end
    path.write_bytes(whole.rstrip().encode())
    path.with_name("genome.fa.fai").write_text(listing)
    reference = Reference(path, "GRCh38")
    assert reference.bases("MT", 1, len(RUN)) == RUN and reference.bases("MT", 1, WIDTH) == RUN[:WIDTH]


@pytest.mark.parametrize(
    ("second", "bases", "there"), [("MT", RUN[:-1], False), ("MT", RUN, True), ("chrM", RUN[:-1], True)]
)
def test_a_chromosome_of_two_names_and_lengths_is_left_out(
    tmp_path: Path, second: str, bases: str, there: bool
) -> None:
    path, whole, listing = tmp_path / "genome.fa", "", ""
    for name, of in (("chrM", RUN), (second, bases)):
        whole += f">{name}\n"
        listing += f"{name}\t{len(of)}\t{len(whole)}\t{len(of)}\t{len(of) + 1}\n"
        whole += f"{of}\n"
    path.write_text(whole)
    path.with_name("genome.fa.fai").write_text(listing)
    if there:
        assert Reference(path, "GRCh38").length("MT") == len(RUN)
        return
    with pytest.raises(SourceError, match="none of its contigs is a chromosome that is known here"):
        Reference(path, "GRCh38")


def test_an_index_older_than_its_genome_is_refused(tmp_path: Path) -> None:
    path = genome(tmp_path, RUN)
    os.utime(tmp_path / "genome.fa.fai", (1, 1))
    with pytest.raises(
        SourceError, match=r"genome\.fa\.fai is older than genome\.fa: write it anew with samtools faidx"
    ):
        Reference(path, "GRCh38")


def test_a_genome_that_is_cut_while_it_is_read_is_a_sentence(tmp_path: Path) -> None:
    path = genome(tmp_path, "ACGT" * 5000)
    reference = Reference(path, "GRCh38")
    os.truncate(path, 100)
    with pytest.raises(SourceError, match=r"genome\.fa: was changed while it was read"):
        reference.bases("MT", 15_000, 15_010)


def test_a_genome_whose_lines_end_elsewhere_is_a_sentence(tmp_path: Path) -> None:
    path = genome(tmp_path, RUN)
    reference = Reference(path, "GRCh38")
    with path.open("r+b") as file:
        file.seek(14 + 60)
        file.write(b"\n")
    with pytest.raises(SourceError, match=r"genome\.fa: was changed while it was read"):
        reference.bases("MT", 45, 70)


def test_a_genome_with_names_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"genome\.fa: none of its contigs is a chromosome that is known here"):
        Reference(genome(tmp_path, RUN, "NC_000019.10"), "GRCh38")


def test_every_reason_why_a_variant_is_not_placed_is_its_own() -> None:
    reasons = {each.reason for each in NotPlaced.__subclasses__()}
    assert len(reasons) == len(NotPlaced.__subclasses__()) == 4


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
        file.seek(7 + CHROMOSOME_19)
        file.write(b"\n")
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


def test_a_variant_that_the_genome_does_not_have_is_told_why(lab: Laboratory) -> None:
    for name, why in (("19-1003-C-T", "has other bases than"), ("21-1003-A-T", "lies on a contig that")):
        with pytest.raises(SourceError, match=f"variants: {name} {why} the reference genome"):
            lab.ingest(f"variants: [{name}]\nreference: genome.fa\n", line("0/1:99 0/0:99 1|1:99", 1023, "AA", "A"))


def test_calls_on_a_contig_that_the_genome_lacks_have_a_reason_of_their_own(lab: Laboratory) -> None:
    report = lab.ingest(
        'regions: ["X:1000-1010"]\nreference: genome.fa\n', line("0/1:99 0/0:99 1|1:99", 1005, "C", "T", chrom="chrX")
    )
    assert report.files[1].set_aside == {"lies on a contig that the reference genome has not": 1}


def test_an_index_that_was_mended_is_another_ingest(lab: Laboratory) -> None:
    index, record = lab.data / "genome.fa.fai", line("0/1:99 0/0:99 1|1:99", 1023, "AA", "A")
    right = index.read_text()
    assert not lab.ingest(REGION, record).unchanged and lab.ingest(REGION, record).unchanged
    index.write_text(right + "chrUn\t1\t8\t1\t2\n")
    with pytest.raises(SourceError, match="line 2 is of another file"):
        lab.ingest(REGION, record)
    index.write_text(right.rstrip("\n"))
    assert not lab.ingest(REGION, record).unchanged


def test_a_genome_without_its_index_is_told_how_to_make_one(lab: Laboratory) -> None:
    (lab.data / "genome.fa.fai").unlink()
    with pytest.raises(SourceError, match=r"genome\.fa\.fai is missing: samtools faidx genome\.fa"):
        lab.ingest(REGION, line("0/1:99 0/0:99 1|1:99", 1023, "AA", "A"))


@pytest.mark.parametrize("changed", ["genome.fa", "genome.fa.fai"])
def test_a_genome_that_is_replaced_between_its_digest_and_its_end_is_refused(
    lab: Laboratory, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_the_digest(data: Path, asked: object) -> object:
        old = (lab.data / changed).read_bytes()
        (lab.data / "new").write_bytes(old if changed == "genome.fa" else old.rstrip(b"\n"))
        (lab.data / "new").rename(lab.data / changed)
        (lab.data / "genome.fa.fai").touch()
        return read_samples(data, asked)  # type: ignore[arg-type]

    of_ingest = importlib.import_module("rapha.sources.vcf.ingest")  # the package has a function of that name
    read_samples = of_ingest.read_samples
    monkeypatch.setattr(of_ingest, "read_samples", after_the_digest)
    with pytest.raises(SourceError, match=r"genome\.fa: was changed while it was read"):
        lab.ingest(REGION, line("0/1:99 0/0:99 1|1:99", 1023, "AA", "A"))


def test_small_letters_are_bases_too(lab: Laboratory) -> None:
    report = lab.ingest(
        'regions: ["19:1000-1010"]\nreference: genome.fa\n', line("0/1:99 0/0:99 1|1:99", 1023, "aa", "a")
    )
    assert lab.dosage("19-1000-GA-G") == {"p1": 1, "p2": 0, "p3": 2}
    assert report.files[1].set_aside == {}


@pytest.mark.parametrize(("calls", "who"), [("0/0:99 0/1:99 0/0:99", {1, 3}), ("0/0:99 0/0:99 0/0:99", {1, 2, 3})])
def test_a_carrier_of_what_is_set_aside_is_not_called_there(lab: Laboratory, calls: str, who: set[int]) -> None:
    block = line("0/0:99 0/0:99 0/0:99", 990, "N", "<NON_REF>", info="END=1020")
    lab.ingest(REGION + "called: true\n", block, line(calls, 1005, "C", "T"))
    with open_timeline(lab.timeline).connect() as connection:
        rows = connection.execute("SELECT count(*) FROM called WHERE first <= 1005 AND last >= 1005").fetchall()
    assert rows == [(len(who),)]
