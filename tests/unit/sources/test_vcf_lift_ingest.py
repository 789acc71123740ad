"""An ingest of calls that are told in another build: what the mapping in the documentation asks, what is told, and what is refused."""

import gzip
import re
from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
import cyvcf2
from call_index import write_index
from two_builds import SHOWS, turned, write_genome

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.vcf import calls as calls_module
from rapha.sources.vcf import ingest
from rapha.sources.vcf.annotations import Effect
from rapha.sources.vcf.calls import Calls
from rapha.sources.vcf.lift import (
    BUILDS_DIFFER,
    MOST_LISTED,
    NEEDS_GENOME,
    NO_CONTIG,
    NO_IMAGE,
    NOT_IN_GENOME,
    NOTHING_ALIKE,
    OF_ANOTHER_GENOME,
    OTHER_WAY,
    read_lift,
)
from rapha.sources.vcf.mapping import Annotation, Lifting, Quality
from rapha.sources.vcf.reference import OtherBases, Reference, UnknownBases
from rapha.sources.vcf.saying import FAILED, NOT_PLAIN
from rapha.sources.vcf.variants import Variant
from rapha.sources.vcf.wanted import Wanted
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

DOCUMENTED = Path(__file__).parents[3] / "docs" / "genomics.md"
SECRET = b"a secret of this site: 32 bytes."
#       12345678901234567890
LEFT = "GATTACAGGCTTTTCAGCAT"
GONE = "CCGGCC"
#          27..46
SWAPPED = "TACGATCCAGTCAAGGTACT"
OLD = LEFT + GONE + SWAPPED + "ACGT"
#  new:  1-2   3-12             13-14  15-24           25-44
NEW = "TT" + LEFT[:10] + "TT" + LEFT[10:] + turned(SWAPPED[:4] + "G" + SWAPPED[5:]) + "ACGT"
CHAIN = f"""\
{SHOWS}chain 1 chrM {len(OLD)} + 0 20 chrM {len(NEW)} + 2 24 1
10 0 2
10

chain 1 chrM {len(OLD)} + 26 46 chrM {len(NEW)} - {len(NEW) - 44} {len(NEW) - 24} 2
20

chain 1 chrUn 20 + 0 20 chrM_alt 30 + 0 20 3
20
"""
HEAD = """\
##fileformat=VCFv4.3
##contig=<ID=chrM,length={length}>
##contig=<ID=chrUn,length=20>
##contig=<ID=chrM_other>
##INFO=<ID=END,Number=1,Type=Integer,Description="end">
##INFO=<ID=CSQ,Number=.,Type=String,Description="Format: Allele|Consequence|SYMBOL|Gene">
##ALT=<ID=NON_REF,Description="any other">
##ALT=<ID=DEL,Description="deletion">
##FILTER=<ID=LowQual,Description="bad">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	s1	s2
"""
SAMPLES = "sample,patient,taken,reported\ns1,p1,2015-03-01,2015-04-01\ns2,p2,2015-03-02,2015-04-02\n"


def line(position: int, ref: str, alt: str, calls: str, info: str = ".", contig: str = "chrM") -> str:
    return "\t".join([contig, str(position), ".", ref, alt, "50", "PASS", info, "GT:GQ", *calls.split()])


def laboratory(folder: Path, *lines: str) -> Path:
    """A folder with a call file of the old build, both genomes and the chain."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    write_genome(data / "hg19.fa", {"chrM": OLD})
    write_genome(data / "hg38.fa", {"chrM": NEW})
    (data / "hg19ToHg38.over.chain.gz").write_bytes(gzip.compress(CHAIN.encode(), mtime=0))
    (data / "samples.csv").write_text(SAMPLES)
    (data / "calls.vcf").write_text(HEAD.format(length=len(OLD)) + "\n".join(lines) + "\n")
    return data


def documented() -> str:
    """The mapping that the page shows, for the made-up chromosome."""
    section = DOCUMENTED.read_text().split("## Calls of another build")[1]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found
    shown = re.sub(r"variants: \[.*\]\n", "", found[1])  # which are of another chromosome
    return re.sub(r'regions: \["[^"]*"\]', f'regions: ["MT:1-{len(NEW)}"]', shown).replace("calls.vcf.gz", "calls.vcf")


def ingested(folder: Path, mapping: str, *lines: str) -> IngestReport:
    data = laboratory(folder, *lines)
    (folder / "m.yaml").write_text(mapping)
    return ingest(folder / "m.yaml", data, folder / "timeline", SECRET)


def copies(folder: Path) -> dict[str, list[float]]:
    """Of each variant the copies of all who are known, sorted."""
    with open_timeline(folder / "timeline").connect() as connection:
        rows = connection.execute("SELECT code, num FROM events WHERE system = 'dosage:GRCh38'").fetchall()
    return {code: sorted(number for of, number in rows if of == code) for code, _ in rows}


def test_the_documented_mapping_tells_calls_in_the_other_build(tmp_path: Path) -> None:
    report = ingested(
        tmp_path, documented(),
        line(3, "T", "C", "0/1:99 0/0:99"),
        line(16, "agc", "A,AGT", "1/2:99 0/1:99"),
        line(36, "G", "T", "1/1:99 ./.:0"),
        line(40, "AG", "A", "0/1:99 0/0:99"),
    )  # fmt: skip
    assert copies(tmp_path) == {
        "MT-5-T-C": [0, 1], "MT-20-AGC-A": [1, 1], "MT-22-C-T": [0, 1], "MT-35-C-A": [2], "MT-28-AC-A": [0, 1],
    }  # fmt: skip
    assert report.files[1].set_aside == {}
    told = "calls.vcf: records lifted over from GRCh37 to GRCh38 that told something: 4; on the other strand: 2"
    assert told in report.notes


def test_what_cannot_be_lifted_is_set_aside_by_reason(tmp_path: Path) -> None:
    report = ingested(
        tmp_path, documented(),
        line(3, "A", "C", "0/1:99 0/0:99"),
        line(10, "CTT", "C", "0/1:99 0/0:99"),
        line(10, "C", "CA", "0/1:99 0/0:99"),
        line(13, "TTC", "TC", "0/1:99 0/0:99"),
        line(22, "C", "T", "0/1:99 0/0:99"),
        line(31, "A", "C", "0/1:99 0/0:99"),
        line(31, "A", "G", "0/1:99 1/1:99"),
        line(31, "A", "T,G", "0/1:99 0/0:99"),
        line(3, "A", "C", "0/1:99 0/0:99", contig="chrM_other"),
        line(3, "A", "C", "0/1:99 0/0:99", contig="chrUn"),
        line(30, "GA", "G", "0/1:99 0/0:99"),
    )  # fmt: skip
    assert copies(tmp_path) == {}
    assert report.files[1].set_aside == {
        OF_ANOTHER_GENOME: 1, OtherBases.reason: 3, NO_IMAGE: 2, BUILDS_DIFFER: 2, OTHER_WAY: 1, NO_CONTIG: 1,
    }  # fmt: skip


def test_without_a_lift_the_same_file_is_read_as_it_stands(tmp_path: Path) -> None:
    mapping = "\n".join(each for each in documented().splitlines() if not each.startswith("lift"))
    report = ingested(tmp_path, mapping.replace("hg38.fa", "hg19.fa"), line(3, "T", "C", "0/1:99 0/0:99"))
    assert not any("lifted" in note for note in report.notes) and copies(tmp_path) == {}
    with open_timeline(tmp_path / "timeline").connect() as connection:
        assert connection.execute("SELECT DISTINCT system, code FROM events WHERE code LIKE 'MT-%'").fetchall()


BLOCK = ("<NON_REF>", "0/0:99 0/0:9")
NAMED = tuple(
    Variant("MT", *each) for each in ((40, "C", "T"), (41, "C", "A"), (44, "A", "G"), (12, "C", "CT"), (20, "AGC", "A"))
)


def calls_of(
    folder: Path, *lines: str, genome: bool = True, least_bytes: int = 1 << 40, file: str = "calls.vcf"
) -> Calls:
    """Read without a timeline."""
    if lines:
        laboratory(folder, *lines)
    data = folder / "data"
    reference = Reference(data / "hg38.fa", "GRCh38")
    asked = Lifting(to="GRCh38", chain="hg19ToHg38.over.chain.gz", genome="hg19.fa" if genome else None)
    everything = [f"MT:1-{len(NEW)}"]
    calls = Calls(
        ["s1", "s2"], Wanted(NAMED, everything), Quality(), "GRCh37", Annotation(field="CSQ"),
        None, (), least_bytes, reference, read_lift(asked, data, "GRCh37", reference),
    )  # fmt: skip
    calls.read(data / file)
    return calls


def test_a_reference_block_is_no_absence_where_the_builds_differ(tmp_path: Path) -> None:
    """Who is free of the old build's reference at 31 has what is the alternative of the new one at 40."""
    calls = calls_of(tmp_path, line(1, "G", *BLOCK, info="END=20"), line(25, "C", *BLOCK, info="END=46"))
    assert {str(variant): copies.tolist() for variant, copies in calls.dosage.items()} == {
        "MT-41-C-A": [0, -1], "MT-44-A-G": [0, -1], "MT-20-AGC-A": [0, -1],
    }  # fmt: skip
    assert calls.lifts["calls.vcf"] == {"block": 2} and not calls.aside["calls.vcf"]


def test_without_the_old_genome_a_block_tells_of_one_base(tmp_path: Path) -> None:
    calls = calls_of(tmp_path, line(1, "G", *BLOCK, info="END=20"), line(27, "T", *BLOCK, info="END=46"), genome=False)
    assert {str(variant): copies.tolist() for variant, copies in calls.dosage.items()} == {"MT-44-A-G": [0, -1]}
    assert calls.lifts["calls.vcf"] == {"shown": 1}


def test_a_block_that_shows_nothing_is_set_aside_once(tmp_path: Path) -> None:
    calls = calls_of(
        tmp_path, line(21, "C", *BLOCK, info="END=26"), line(31, "A", *BLOCK, info="END=32"),
        line(3, "A", *BLOCK, info="END=20"), line(27, "T", "<NON_REF>", "./.:0 ./.:0", info="END=46"),
        line(27, "T", *BLOCK, info="END=46").replace("PASS", "LowQual"),
    )  # fmt: skip
    assert calls.aside["calls.vcf"] == {NO_IMAGE: 1, NOTHING_ALIKE: 1, OF_ANOTHER_GENOME: 1, FAILED: 1}
    assert len(calls.lines) == 4 and calls.lifts["calls.vcf"] == {"block": 1}
    assert all(copies.tolist() == [-1, -1] for copies in calls.dosage.values())


def test_an_annotation_is_read_by_the_alleles_that_it_was_written_for(tmp_path: Path) -> None:
    calls = calls_of(
        tmp_path, line(36, "G", "T,C", "0/1:99 0/2:99", info="CSQ=T|stop_gained|ABC|ENSG1,C|intron_variant|ABC|")
    )
    assert dict(calls.effects) == {
        Variant("MT", 35, "C", "A"): {Effect("ABC", "ENSG1", ("stop_gained",))},
        Variant("MT", 35, "C", "G"): {Effect("ABC", None, ("intron_variant",))},
    }


def test_several_processes_lift_what_one_lifts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        line(at, OLD[at - 1], "ACGT"[at % 4], "0/1:99 1/1:99")
        for at in range(1, len(OLD))
        if OLD[at - 1] != "ACGT"[at % 4]
    ]
    one, packed = calls_of(tmp_path, *records, genome=False), tmp_path / "data" / "calls.vcf.gz"
    plain = cyvcf2.VCF(str(packed.with_suffix("")))
    written = cyvcf2.Writer(str(packed), plain, mode="wz")
    for record in plain:
        written.write_record(record)
    written.close()
    write_index(packed)
    monkeypatch.setattr(calls_module, "processes_for", lambda shares: 2)
    many = calls_of(tmp_path, genome=False, least_bytes=0, file="calls.vcf.gz")
    assert not many.told and len(one.dosage) > 10 and one.lifts["calls.vcf"]["turned"] > 5
    assert {of: copies.tolist() for of, copies in one.dosage.items()} == {
        of: copies.tolist() for of, copies in many.dosage.items()
    }
    assert list(one.lifts.values()) == list(many.lifts.values()) and list(one.aside.values()) == list(
        many.aside.values()
    )


def test_a_contig_of_another_length_than_in_the_chain_is_set_aside(tmp_path: Path) -> None:
    data = laboratory(tmp_path, line(3, "T", "C", "0/1:99 0/0:99"))
    text = (data / "calls.vcf").read_text()
    for said, why in ((f",length={len(OLD) + 1}", {NO_CONTIG: 1}), ("", {})):
        (data / "calls.vcf").write_text(text.replace(f"chrM,length={len(OLD)}", f"chrM{said}"))
        assert calls_of(tmp_path).aside["calls.vcf"] == why


def test_bases_that_the_new_genome_does_not_know_have_a_reason_of_their_own(tmp_path: Path) -> None:
    data = laboratory(tmp_path, line(3, "T", "C", "0/1:99 0/0:99"))
    write_genome(data / "hg38.fa", {"chrM": NEW[:4] + "N" + NEW[5:]})
    assert calls_of(tmp_path).aside["calls.vcf"] == {UnknownBases.reason: 1}


@pytest.mark.parametrize(
    ("old", "new", "error", "why"),
    [
        ("to: GRCh38", "to: GRCh37", ConfigurationError, "`to` is the build that the calls are of"),
        ("reference: hg38.fa ", "# ", ConfigurationError, "`lift` needs the `reference` genome"),
        ("regions:", "called: true\nregions:", ConfigurationError, "`called` cannot be told with `lift`"),
        ("genome: hg19.fa", "genome: hg38.fa", ConfigurationError, "lift: `genome` is the one that the calls are of"),
        ("genome: hg19.fa", "genome: none.fa", SourceError, r"none\.fa is missing"),
        ("hg19ToHg38.over.chain.gz", "none.chain.gz", SourceError, r"none\.chain\.gz is missing"),
    ],
)
def test_a_lift_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, error: type[Exception], why: str) -> None:
    mapping = documented()
    assert old in mapping
    with pytest.raises(error, match=why):
        ingested(tmp_path, mapping.replace(old, new), line(3, "T", "C", "0/1:99 0/0:99"))


def test_a_chain_to_another_genome_is_refused(tmp_path: Path) -> None:
    laboratory(tmp_path, line(3, "T", "C", "0/1:99 0/0:99"))
    write_genome(tmp_path / "data" / "hg38.fa", {"chrM": NEW + "A"})
    with pytest.raises(SourceError, match=r"MT has another length in hg38\.fa: take the chain to that genome"):
        calls_of(tmp_path)


@pytest.mark.parametrize("name", ["hg19ToHg38.over.chain.gz", "hg19.fa"])
def test_another_chain_or_genome_is_another_ingest(tmp_path: Path, name: str) -> None:
    record = line(3, "T", "C", "0/1:99 0/0:99")
    assert not ingested(tmp_path, documented(), record).unchanged and ingested(tmp_path, documented(), record).unchanged
    data = tmp_path / "data"
    if name == "hg19.fa":
        write_genome(data / name, {"chrM": OLD, "chrUn": "ACGT"})
    else:
        (data / name).write_bytes(gzip.compress(CHAIN.encode() + b"# made anew\n"))
    assert not ingest(tmp_path / "m.yaml", data, tmp_path / "timeline", SECRET).unchanged


def test_without_the_old_genome_no_insertion_or_deletion_is_lifted(tmp_path: Path) -> None:
    calls = calls_of(tmp_path, line(16, "AGC", "A,AGT", "1/2:99 0/1:99"), genome=False)
    assert calls.aside["calls.vcf"] == {NEEDS_GENOME: 1}
    assert {str(variant): copies.tolist() for variant, copies in calls.dosage.items()} == {"MT-22-C-T": [1, 0]}


def test_a_symbolic_deletion_that_begins_before_what_is_wanted_is_set_aside_as_without_a_lift(tmp_path: Path) -> None:
    laboratory(tmp_path, line(3, "T", "<DEL>", "0/1:99 0/0:99", info="END=16"))
    data = tmp_path / "data"
    reference = Reference(data / "hg38.fa", "GRCh38")
    lift = read_lift(Lifting(to="GRCh38", chain="hg19ToHg38.over.chain.gz"), data, "GRCh37", reference)
    for build, way, region in (("GRCh37", lift, "MT:16-17"), ("GRCh38", None, "MT:10-12")):
        calls = Calls(["s1", "s2"], Wanted((), [region]), Quality(), build, reference=reference, lift=way)
        calls.read(data / "calls.vcf")
        assert calls.aside["calls.vcf"] == {NOT_PLAIN: 1} and not calls.dosage
        assert not any(calls.lifts.values())


def test_records_that_have_no_place_are_counted_and_the_first_of_them_listed(tmp_path: Path) -> None:
    many = MOST_LISTED + 5
    elsewhere = [line(3, "A", "C", "0/1:99 0/0:99", contig="chrM_other")] * many
    calls = calls_of(tmp_path, line(21, "C", "T", "0/1:99 0/0:99"), *elsewhere, line(3, "A", "C", "0/1:99 0/0:99"))
    assert calls.aside["calls.vcf"] == {NO_IMAGE: 1, NO_CONTIG: many, OF_ANOTHER_GENOME: 1}
    assert [number for _, number, _ in calls.lines] == [*range(1, MOST_LISTED + 2), many + 2]
    assert len(calls.told) == 1 and "the first 1,000 of each reason are listed" in calls.told[0]


def test_a_contig_that_the_old_genome_has_not_is_told_as_that(tmp_path: Path) -> None:
    data = laboratory(
        tmp_path,
        *(line(3, "T", *each, contig="chrUn") for each in (("C", "0/1:99 0/0:99"), ("<NON_REF>", "0/0:99 0/0:9"))),
    )
    chain = f"{SHOWS}chain 1 chrUn 20 + 0 20 chrM {len(NEW)} + 0 20 1\n20\n"
    (data / "hg19ToHg38.over.chain.gz").write_bytes(gzip.compress(chain.encode()))
    assert calls_of(tmp_path).aside["calls.vcf"] == {NOT_IN_GENOME: 2}
