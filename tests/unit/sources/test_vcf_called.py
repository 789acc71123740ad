"""Where each sample was called well: blocks and records of gVCF, what casts doubt on them, what is kept of it."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.errors import ConfigurationError
from rapha.sources.vcf.called import Called
from rapha.timeline.reader import open_timeline

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from rapha.sources.vcf import ingest

SECRET = b"a secret of this site: 32 bytes."
HEADER = """\
##fileformat=VCFv4.3
##contig=<ID=chr17,length=83257441>
##contig=<ID=chr19,length=58617616>
##FILTER=<ID=LowQual,Description="low">
##INFO=<ID=END,Number=1,Type=Integer,Description="end">
##ALT=<ID=NON_REF,Description="any other">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">
##FORMAT=<ID=RGQ,Number=1,Type=Integer,Description="quality of a reference">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="depth">
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description="least depth of a block">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="depth by allele">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2
"""
MAPPING = """\
source: exomes
format: vcf
build: GRCh38
files: [calls.g.vcf]
samples: {file: samples.csv, sample: sample, patient: patient, taken: taken, known: reported}
quality: {least_quality: 20, least_depth: 10}
regions: ["17:100-199", "17:150-299", "17:400-499"]
called: true
"""
SAMPLES = "sample,patient,taken,reported\ns1,p1,2015-03-01,2015-04-01\ns2,p2,2015-03-02,2015-04-02\ns3,p3,2015-03-02,2015-04-02\n"


def block(
    first: int, last: int, calls: str = "0/0:50:30 0/0:50:30", form: str = "GT:GQ:MIN_DP", chrom: str = "chr17"
) -> str:
    return "\t".join([chrom, str(first), ".", "A", "<NON_REF>", ".", ".", f"END={last}", form, *calls.split()])


def record(
    at: int, ref: str, alt: str, calls: str, form: str = "GT:GQ:DP", passed: str = "PASS", info: str = "."
) -> str:
    return "\t".join(["chr17", str(at), ".", ref, alt, "50", passed, info, form, *calls.split()])


class Laboratory:
    """A folder with a gVCF of two samples; a third is in no file."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline, self.mapping = folder / "data", folder / "timeline", folder / "m.yaml"
        self.data.mkdir()

    def ingest(self, *lines: str, more: str = "") -> None:
        self.mapping.write_text(MAPPING + more)
        (self.data / "samples.csv").write_text(SAMPLES)
        (self.data / "calls.g.vcf").write_text(HEADER + "\n".join(lines) + "\n")
        ingest(self.mapping, self.data, self.timeline, SECRET)

    def called(self) -> list[list[tuple[int, int]]]:
        """Of each sample, in the order of when they were taken, where it was called."""
        statement = """SELECT t_start, list(("first", "last") ORDER BY "first") FILTER ("first" IS NOT NULL)
            FROM events LEFT JOIN called USING (event_id) WHERE system = 'called' AND code = 'GRCh38' GROUP BY t_start ORDER BY t_start"""
        with open_timeline(self.timeline).connect() as connection:
            return [spans or [] for _, spans in connection.execute(statement).fetchall()]


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


ALL = (100, 299)
CASES = [
    pytest.param([block(50, 350)], [[ALL], [ALL]], id="a block is kept as far as the regions go"),
    pytest.param([block(50, 199), block(200, 350)], [[ALL], [ALL]], id="blocks that touch are one stretch"),
    pytest.param([block(50, 199), block(201, 350)], [[(100, 199), (201, 299)]] * 2, id="a base between them is not called"),
    pytest.param([block(280, 420)], [[(280, 299), (400, 420)]] * 2, id="what lies between regions is not kept"),
    pytest.param([block(50, 350, "0/0:19:30 0/0:20:30")], [[], [ALL]], id="a block below the quality says nothing"),
    pytest.param([block(50, 350, "0/0:50:9 0/0:50:10")], [[], [ALL]], id="nor one with a base that was read less often than asked"),
    pytest.param([block(50, 350, "0/0:50 0/0:50", "GT:GQ")], [[], []], id="nor one that does not say how often it was read"),
    pytest.param([block(50, 350, "./.:50:30 0/.:50:30")], [[], []], id="nor one without a call, or with half a call"),
    pytest.param([block(50, 350, "0/0:50:30 0/0:1:30", "GT:RGQ:DP")], [[ALL], []], id="the quality of a reference counts for a block"),
    pytest.param([block(50, 350, "0/0:50:6,6 0/0:50:5,4", "GT:GQ:AD")], [[ALL], []], id="a depth by alleles is a depth"),
    pytest.param([block(50, 149), record(150, "A", "C,<NON_REF>", "0/1:50:30 0/0:50:30"), block(151, 350)], [[ALL], [ALL]],
                 id="a variant that is called well is part of the stretch"),
    pytest.param([block(50, 350), record(150, "A", "C,<NON_REF>", "0/1:9:30 0/0:9:30")], [[(100, 149), (151, 299)], [ALL]],
                 id="a variant below the quality casts doubt on its bases, and a poor reference does not"),
    pytest.param([block(50, 350), record(150, "ACG", "A", "0/1:50:9 0/1:50:9")], [[(100, 149), (153, 299)]] * 2,
                 id="of a deletion on all that it takes out"),
    pytest.param([block(50, 350), record(150, "A", "C", "0/1:50:30 0/0:50:30", passed="LowQual")], [[(100, 149), (151, 299)], [ALL]],
                 id="so does a variant whose filters failed"),
    pytest.param([block(50, 350), record(150, "A", "<DEL>", "0/1:50:30 0/0:50:30")], [[(100, 149), (151, 299)], [ALL]],
                 id="and an allele that is no plain change"),
    pytest.param([block(50, 350), record(120, "A", "<DEL>", "0/1:50:30 0/0:50:30", info="END=280")], [[(100, 119), (281, 299)], [ALL]],
                 id="as far as it goes, where it shows one base of all that it takes out"),
    pytest.param([block(50, 350), record(90, "A", "C,<DUP>", "1/2:50:30 0/1:50:30", info="END=280")], [[(281, 299)], [ALL]],
                 id="and of whoever has it alone"),
    pytest.param([record(150, "A", "C,<NON_REF>", "0/1:50:30:.:15,15,0 0/0:50:.:30:.", "GT:GQ:DP:MIN_DP:AD")], [[(150, 150)]] * 2,
                 id="each sample by the figure that it has, of a variant its depth and of a block its least"),
    pytest.param([record(150, "A", "C,<NON_REF>", "0/1:50:.:.:6,6,0 0/0:.:50:30:.", "GT:GQ:RGQ:MIN_DP:AD")], [[(150, 150)]] * 2,
                 id="by its reads where it has none, and of a reference by that quality"),
    pytest.param([block(50, 149), record(150, "A", "C", "0/1:50:30 0/1:50:30"), record(150, "A", "C", "0/0:50:30 0/1:50:30"), block(151, 350)],
                 [[(100, 149), (151, 299)], [ALL]], id="two records of a variant that say differently cast doubt on it"),
    pytest.param([block(50, 350), record(150, "A", "C,*", "1/2:50:30 0/0:50:30")], [[ALL], [ALL]],
                 id="what a deletion before it took out is called there"),
    pytest.param([record(150, "A", "C", "0/1:50:30 0/0:50:30")], [[(150, 150)], [(150, 150)]],
                 id="a file that lists only what differs was called nowhere else"),
    pytest.param([block(50, 350, chrom="chr19")], [[], []], id="another chromosome is elsewhere"),
    pytest.param([], [[], []], id="nothing is called where nothing is said"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "stretches"), CASES)
def test_where_each_sample_was_called_well(
    lab: Laboratory, lines: list[str], stretches: list[list[tuple[int, int]]]
) -> None:
    lab.ingest(*lines)
    assert lab.called() == stretches


def test_a_call_is_as_deep_as_its_reads_say(lab: Laboratory) -> None:
    lab.ingest(record(150, "A", "C", "0/1:50:10 0/1:50:9"))
    with open_timeline(lab.timeline).connect() as connection:
        assert len(connection.execute("SELECT * FROM events WHERE system = 'dosage:GRCh38'").fetchall()) == 1


@pytest.mark.parametrize("at", [90, 99])
def test_who_has_a_deletion_that_begins_before_a_region_has_an_event_of_it(lab: Laboratory, at: int) -> None:
    lab.ingest(block(50, at - 1), record(at, "A" + "C" * (109 - at), "A", "0/1:50:30 0/0:50:30"), block(109, 500))
    assert lab.called() == [[ALL, (400, 499)]] * 2
    with open_timeline(lab.timeline).connect() as connection:
        rows = connection.execute("SELECT code, num FROM events WHERE system = 'dosage:GRCh38' ORDER BY num").fetchall()
    assert rows == [(f"17-{at}-A{'C' * (109 - at)}-A", 0.0), (f"17-{at}-A{'C' * (109 - at)}-A", 1.0)]


def test_where_genes_lie_is_kept_with_the_digest_of_the_file_that_says_so(lab: Laboratory) -> None:
    (lab.data / "genes.tsv").write_text(
        "#build=GRCh38\ngene\tchromosome\tfirst\tlast\tgene_id\nBRCA1\t17\t100\t299\tENSG1.5\n"
    )
    lab.ingest(block(50, 350), more="genes: genes.tsv\n")
    with open_timeline(lab.timeline).connect() as connection:
        rows = connection.execute(
            'SELECT build, gene, gene_id, chromosome, "first", "last", length(coordinates) FROM genes'
        ).fetchall()
    assert rows == [("GRCh38", "BRCA1", "ENSG1", "17", 100, 299, 71)]


def test_nothing_is_kept_unless_it_is_asked_for(lab: Laboratory) -> None:
    lab.mapping.write_text(MAPPING)
    lab.ingest(block(50, 350), more="")
    plain = MAPPING.replace("called: true\n", "")
    lab.mapping.write_text(plain)
    ingest(lab.mapping, lab.data, lab.timeline, SECRET)
    assert lab.called() == []


def test_called_is_of_regions(lab: Laboratory) -> None:
    lab.mapping.write_text(
        "".join(line for line in MAPPING.splitlines(True) if "regions" not in line) + "variants: [17-150-A-C]\n"
    )
    with pytest.raises(ConfigurationError, match="`called` is of `regions`"):
        ingest(lab.mapping, lab.data, lab.timeline, SECRET)


def test_memory_goes_by_the_stretches_and_not_by_the_records() -> None:
    """Blocks of ten bases of 100 samples, without a gap and in regions; and as many outside."""
    everybody = np.arange(100)
    called = Called(["X:1-20000"], 5_000)
    tracemalloc.start()
    for number in range(2000):
        called.say("X", 10 * number + 1, 10 * number + 10, everybody.copy(), well=True)
        called.say("X", 10 * number + 50_001, 10 * number + 50_010, everybody.copy(), well=True)
    found = list(called.stretches())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(each.first, each.last) for each in found] == [(1, 20000)] * 100
    assert peak < 2000 * 100 * 8, "less than the places of the samples alone"


ends = st.tuples(st.integers(1, 30), st.integers(0, 12)).map(lambda of: (of[0], of[0] + of[1]))
said = st.lists(st.tuples(ends, st.booleans(), st.sets(st.integers(0, 2), min_size=1)), max_size=12)


@given(said, st.lists(ends, min_size=1, max_size=4), st.sampled_from([1, 30, 1 << 20]))
def test_stretches_are_the_bases_that_something_calls_and_nothing_doubts(
    lines: object, regions: object, at_once: int
) -> None:
    """Base by base, sample by sample, however often they are joined in between."""
    called = Called([f"X:{first}-{last}" for first, last in regions], at_once)
    well, doubted = set(), set()
    for (first, last), good, samples in lines:
        called.say("X", first, last, np.array(sorted(samples), dtype=np.int64), good)
        (well if good else doubted).update((at, base) for at in samples for base in range(first, last + 1))
    wanted = {base for first, last in regions for base in range(first, last + 1)}
    found = list(called.stretches())
    bases = [(each.at, base) for each in found for base in range(each.first, each.last + 1)]
    assert set(bases) == {(at, base) for at, base in well - doubted if base in wanted} and len(bases) == len(set(bases))
    assert not {(each.at, each.last + 1) for each in found} & {(each.at, each.first) for each in found}
