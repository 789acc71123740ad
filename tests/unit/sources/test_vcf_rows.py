"""Call files small enough to read: what is said of whom, what stays unknown, what is refused."""

from pathlib import Path

import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.timeline.manifest import read_manifest
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from rapha.sources.vcf import ingest

SECRET = b"a secret of this site: 32 bytes."
HEADER = """\
##fileformat=VCFv4.3
##contig=<ID=chr19,length={length}>
##contig=<ID=chrX,length=156040895>
##FILTER=<ID=LowQual,Description="low">
##INFO=<ID=END,Number=1,Type=Integer,Description="end">
##ALT=<ID=NON_REF,Description="any other">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="depth">
"""
MAPPING = """\
source: exomes
format: vcf
build: GRCh38
files: [calls.vcf]
samples: {file: samples.csv, sample: sample, patient: patient, taken: taken, known: reported}
"""
SAMPLES = """\
sample,patient,taken,reported
s1,p1,2015-03-01,2015-04-01
s2,p2,2015-03-02,2015-04-02
s3,p3,2015-03-03,2015-04-03
"""
T_C, ON = "19-44908684-T-C", "variants: [19-44908684-T-C]\n"


def line(calls: str, position: int = 44908684, ref: str = "T", alt: str = "C", **other: str) -> str:
    """One record; `calls` as `0/1:99 0/0:10 ...`."""
    words = {"chrom": "chr19", "filter": "PASS", "info": "."} | other
    return "\t".join(
        [words["chrom"], str(position), ".", ref, alt, "50", words["filter"], words["info"], "GT:GQ", *calls.split()]
    )


class Laboratory:
    """A folder with one call file, its samples, a mapping and a timeline."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline, self.mapping_file = folder / "data", folder / "timeline", folder / "m.yaml"
        self.data.mkdir()
        self.samples, self.length, self.names = SAMPLES, 58_617_616, ("s1", "s2", "s3")

    def ingest(self, mapping: str, *lines: str) -> IngestReport:
        self.mapping_file.write_text(MAPPING + mapping)
        (self.data / "samples.csv").write_text(self.samples)
        columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *self.names])
        (self.data / "calls.vcf").write_text("\n".join([HEADER.format(length=self.length) + columns, *lines]) + "\n")
        return ingest(self.mapping_file, self.data, self.timeline, SECRET)

    def ask(self, columns: str, where: str) -> list[tuple[object, ...]]:
        with open_timeline(self.timeline).connect() as connection:
            statement = f"SELECT {columns} FROM events WHERE {where} ORDER BY subject_key, code"
            return connection.execute(statement).fetchall()

    def dosage(self, code: str = T_C) -> dict[str, float]:
        """Copies by patient; who is not in it is unknown."""
        names = {subject_key(SECRET, "exomes", patient): patient for patient in ("p1", "p2", "p3")}
        rows = self.ask("subject_key, num", f"system = 'dosage:GRCh38' AND code = '{code}'")
        return {names[key]: number for key, number in rows}  # type: ignore[index,misc]


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


def test_a_variant_becomes_events_at_the_time_the_sample_was_taken_and_known_when_reported(lab: Laboratory) -> None:
    lab.ingest(ON, line("0/1:99 0/0:99 1|1:99"))
    columns = "num, polarity, t_start::VARCHAR, t_available::VARCHAR"
    rows = lab.ask(columns, "system = 'variant:GRCh38'")
    assert sorted(rows) == [
        (0.0, "negated", "2015-03-02 00:00:00+00", "2015-04-02 00:00:00+00"),
        (1.0, "affirmed", "2015-03-01 00:00:00+00", "2015-04-01 00:00:00+00"),
        (2.0, "affirmed", "2015-03-03 00:00:00+00", "2015-04-03 00:00:00+00"),
    ]
    assert lab.dosage() == {"p1": 1, "p2": 0, "p3": 2}


@pytest.mark.parametrize(
    ("lines", "dosage"),
    [
        pytest.param([line("0/1 0/0 1/1").replace("GT:GQ", "GT")], {}, id="without a quality where one is asked is unknown"),
        pytest.param([line("./.:99 0/.:99 0/1:99")], {"p3": 1}, id="no call and half a call are unknown"),
        pytest.param([line("0/1:19 0/0:19 0/1:20")], {"p3": 1}, id="below the quality is unknown"),
        pytest.param([line("0/1:99 0/0:99 1/1:99", filter="LowQual")], {}, id="a failed filter is unknown"),
        pytest.param([], {}, id="no record is unknown, not absent"),
        pytest.param([line("0/1:99 0/0:99 0/0:99", alt="A")], {"p2": 0, "p3": 0},
                     id="another variant there: reference is known, its carrier is not"),
        pytest.param([line("0/2:99 1/2:99 0/1:99", alt="A,C")], {"p1": 1, "p2": 1, "p3": 0}, id="several alternatives"),
        pytest.param([line("2/2:99 0/0:99 0/3:99")], {"p2": 0}, id="a genotype of an allele that the record has not is unknown"),
        pytest.param([line("2/2:99 0/0:99 0/1:99")], {"p2": 0, "p3": 1}, id="the next one too"),
        pytest.param([line("0/2:99 0/4:99 0/1:99", alt="A,C")], {"p1": 1, "p3": 0}, id="and among several"),
        pytest.param([line("0/0/1:99 0/1/1:99 0|1:99")], {"p1": 1, "p2": 2, "p3": 1}, id="three copies"),
        pytest.param([line("0|1:99 1|1:99 .|0:99")], {"p1": 1, "p2": 2}, id="phased"),
        pytest.param([line("1:99 0:99 .:99")], {"p1": 1, "p2": 0}, id="one copy of a chromosome"),
        pytest.param([line("1:99 0/0:99 1/1:99")], {"p1": 1, "p2": 0, "p3": 2}, id="one copy in some, two in others"),
        pytest.param([line("0/0:99 0/0:9 0/1:99", position=44908600, ref="G", alt="<NON_REF>", info="END=44908700")],
                     {"p1": 0}, id="a gVCF block is evidence of the reference, of its quality"),
        pytest.param([line("0/0:99 0/0:99 0/0:99", ref="G", alt="A")], {}, id="a record with another reference"),
        pytest.param([line("0/0:99 0/0:99 0/0:99", position=44908600, ref="G", alt="<NON_REF>", info="END=44908683")],
                     {}, id="a block that ends before says nothing"),
        pytest.param([line("0/1:99 0/0:99 0/0:99"), line("0/1:99 0/1:99 ./.:99")], {"p1": 1, "p3": 0},
                     id="what two records say differently is unknown"),
        pytest.param([line("0/1:99 0/0:99 0/0:99"), line("0/1:99 0/1:99 0/0:99"), line("0/1:99 0/1:99 0/0:99")], {"p1": 1, "p3": 0},
                     id="and stays so"),
        pytest.param([line("0/1:99 0/0:99 0/0:99"), line("0/0:99 0/1:99 0/0:99", alt="A")], {"p1": 1, "p2": 0, "p3": 0},
                     id="split into two: its own record says who carries it, and not the other"),
        pytest.param([line("0/0:99 0/1:99 0/0:99", alt="A"), line("0/1:99 0/0:99 0/0:99")], {"p1": 1, "p2": 0, "p3": 0},
                     id="split into two, the other one first"),
        pytest.param([line("0/0:99 0/1:99 0/0:99", position=44908683, ref="AT", alt="A"), line("1/1:99 0/0:99 ./.:99")],
                     {"p1": 2, "p2": 0, "p3": 0}, id="a deletion over it says nothing of its carriers"),
        pytest.param([line("0/1:99 0/0:99 0/0:99", ref="TG", alt="CG")], {"p1": 1, "p2": 0, "p3": 0},
                     id="the same change with a base too many"),
        pytest.param([line("0/1:99 0/0:99 0/0:99", position=44908683, ref="AT", alt="AC")],
                     {"p1": 1, "p2": 0, "p3": 0}, id="and with one in front"),
    ],
)  # fmt: skip
def test_what_is_known_of_whom(lab: Laboratory, lines: list[str], dosage: dict[str, float]) -> None:
    lab.ingest(ON, *lines)
    assert lab.dosage() == dosage


@pytest.mark.parametrize(
    ("calls", "dosage"),
    [
        ("0/1:1 ./1:1 1/1:1", {"p1": 1, "p3": 2}),
        ("0/0:1 ./.:1 1/.:1", {"p1": 0}),
        ("0/0:1 1:1 ./.:1", {"p1": 0, "p2": 1}),
    ],
)
def test_where_no_quality_is_asked_half_a_call_is_unknown_too(
    lab: Laboratory, calls: str, dosage: dict[str, float]
) -> None:
    lab.ingest("quality: {least_quality: 0}\n" + ON, line(calls))
    assert lab.dosage() == dosage


def test_every_variant_of_a_region_and_none_beside_it(lab: Laboratory) -> None:
    lab.ingest(
        'regions: ["19:100-200"]\n',
        line("0/1:99 0/0:99 0/0:99", position=99),
        line("0/1:99 0/0:99 0/0:99", position=100, ref="GA", alt="G"),
        line("0/1:99 0/0:99 0/0:99", position=150, alt="C,*"),
        line("0/1:99 0/0:99 0/0:99", position=200, alt="<DEL>"),
        line("0/1:99 0/0:99 0/0:99", position=201),
    )
    codes = {code for (code,) in lab.ask("code", "system = 'variant:GRCh38'")}
    assert codes == {"19-100-GA-G", "19-150-T-C"}


def test_records_set_aside_are_told_by_reason_and_by_no_sample(lab: Laboratory) -> None:
    report = lab.ingest(
        ON,
        line("0/1:99 0/0:99 0/0:99", filter="LowQual"),
        line("0/1:99 0/0:99 0/0:99", alt="<DEL>"),
        line("0/1:99 0/0:99 0/0:99", alt="T]chr2:321681]"),
    )
    said = report.in_words()
    assert "1 x failed a filter" in said
    assert "2 x has an allele that is no plain change" in said
    listing = (lab.timeline / "set-aside" / "exomes.csv").read_text()
    assert "s1" not in listing and "p1" not in listing and "calls.vcf,1," in listing


def test_samples_that_cannot_be_joined(lab: Laboratory) -> None:
    lab.samples += (
        "s1,p9,2015-01-01,2015-01-02\ns4,,2015-01-01,2015-01-02\ns5,p5,soon,2015-01-02\ns6,p6,2015-02-01,2015-01-01\n"
    )
    report = lab.ingest(ON, line("0/1:99 0/0:99 1|1:99"))
    assert sum(report.files[0].set_aside.values()) == 4
    assert lab.dosage() == {"p1": 1, "p2": 0, "p3": 2}


def test_samples_of_the_same_people_as_another_source(lab: Laboratory) -> None:
    lab.ingest("people: clinic\n" + ON, line("0/1:99 0/0:99 1|1:99"))
    with open_timeline(lab.timeline).connect() as connection:
        keys = {key for (key,) in connection.execute("SELECT subject_key FROM subjects").fetchall()}
    assert keys == {subject_key(SECRET, "clinic", patient) for patient in ("p1", "p2", "p3")}
    batch = read_manifest(lab.timeline).of("exomes")
    assert batch and batch.whose == "clinic"


@pytest.mark.parametrize(
    ("length", "told"), [(59_128_983, "as long as in GRCh37"), (1_000_000, "no build that is known")]
)
def test_another_build_is_refused_where_no_lift_is_asked(lab: Laboratory, length: int, told: str) -> None:
    lab.length = length
    with pytest.raises(SourceError, match=told):
        lab.ingest(ON, line("0/1:99 0/0:99 1|1:99"))


def test_a_file_of_nobody_here_is_refused(lab: Laboratory) -> None:
    lab.names = ("x1", "x2", "x3")
    with pytest.raises(SourceError, match="none of its samples"):
        lab.ingest(ON, line("0/1:99 0/0:99 1|1:99"))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 100, b"not a call file\n", b"##fileformat=VCFv4.3\n#CHROM\tPOS\n", b"\x1f\x8b\x08\x04broken"],
)
def test_hostile_bytes_are_a_sentence(lab: Laboratory, content: bytes) -> None:
    lab.ingest(ON)
    (lab.data / "calls.vcf").write_bytes(content)
    with pytest.raises(SourceError):
        ingest(lab.mapping_file, lab.data, lab.timeline, SECRET)


def test_the_same_again_changes_nothing_and_a_new_call_does(lab: Laboratory) -> None:
    lab.ingest(ON, line("0/1:99 0/0:99 1|1:99"))
    assert lab.ingest(ON, line("0/1:99 0/0:99 1|1:99")).unchanged
    assert not lab.ingest(ON, line("0/0:99 0/0:99 1|1:99")).unchanged
    assert lab.dosage() == {"p1": 0, "p2": 0, "p3": 2}


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ("", "name `variants`, `regions`, `scores` or `matrices`"),
        ("variants: [rs429358]\n", "variants"),
        ('regions: ["19:200-100"]\n', "empty or longer"),
        ('regions: ["19:1-9000000"]\n', "empty or longer"),
    ],
)
def test_a_mapping_that_makes_no_sense(lab: Laboratory, mapping: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        lab.ingest(mapping)


SCORE = """\
###PGS CATALOG SCORING FILE
#pgs_id=PGS000999
#genome_build=GRCh38
chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight
"""
FOUND = (
    line("0/1:99 0/0:99 1|1:99", position=1000, ref="A", alt="G"),
    line("0/1:99 0/0:99 1|1:99", position=2000, ref="C", alt="T"),
    line("0/1:99 0/0:99 ./.:99", position=3000, ref="G", alt="A"),
)


def scored(lab: Laboratory, rows: str, more: str = "", header: str = SCORE) -> list[float]:
    (lab.data / "score.txt").write_text(header + rows)
    lab.ingest(f"scores: [{{file: score.txt, {more}}}]\n", *FOUND)
    return [number for (number,) in lab.ask("num", "system = 'pgs' AND code = 'PGS000999'")]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("rows", "scores"),
    [
        pytest.param("19\t1000\tG\tA\t0.5\n", [0.0, 0.5, 1.0], id="the effect allele is the alternative"),
        pytest.param("19\t1000\tg\ta\t0.5\n", [0.0, 0.5, 1.0], id="in small letters"),
        pytest.param("19\t1000\tA\tG\t0.5\n19\t2000\tT\tC\t1\n", [1.0, 1.5, 2.0], id="or the reference"),
        pytest.param("19\t1000\tC\tT\t0.5\n", [0.0, 0.5, 1.0], id="or on the other strand"),
        pytest.param("19\t1000\tG\tA\t0.5\n19\t2000\tT\tC\t-1\n", [-1.0, -0.5, 0.0], id="a sum of weights"),
        pytest.param("19\t3000\tA\tG\t1\n", [0.0, 1.0], id="who has no call has no score"),
        pytest.param("19\t1000\tC\tA\t0.5\n", [0.0], id="of another change there only who has the reference is known"),
    ],
)
def test_a_score(lab: Laboratory, rows: str, scores: list[float]) -> None:
    # one more line, matched everywhere and without weight, so that no file is empty of matches
    assert sorted(scored(lab, rows + "19\t2000\tT\tC\t0\n", "least_coverage: 1")) == scores


def test_a_missing_call_may_count_as_the_mean_of_the_site(lab: Laboratory) -> None:
    assert sorted(scored(lab, "19\t3000\tA\tG\t1\n", "missing: mean")) == [0.0, 0.5, 1.0]


def test_too_few_of_its_variants_here_is_no_score(lab: Laboratory) -> None:
    rows = "19\t1000\tG\tA\t0.5\n19\t9000\tG\tA\t0.5\n"
    assert scored(lab, rows) == []
    assert sorted(scored(lab, rows, "least_coverage: 0.5")) == [0.0, 0.5, 1.0]


def test_alleles_that_are_their_own_complement_are_left_out_and_told(lab: Laboratory) -> None:
    (lab.data / "score.txt").write_text(SCORE + "19\t1000\tG\tA\t0.5\n19\t2000\tC\tG\t9\n")
    report = lab.ingest("scores: [{file: score.txt, least_coverage: 0.5}]\n", *FOUND)
    assert (
        "PGS000999: 1 of 2 variants are called here, 1 cannot be told apart by strand; 3 samples" in report.in_words()
    )


def test_a_score_of_another_build_or_without_numbers_is_refused(lab: Laboratory) -> None:
    with pytest.raises(SourceError, match="not of GRCh38"):
        scored(lab, "19\t1000\tG\tA\t0.5\n", header=SCORE.replace("GRCh38", "GRCh37"))
    with pytest.raises(SourceError, match="line 5"):
        scored(lab, "19\t1000\tG\tA\tmuch\n")
    harmonised = SCORE.replace("GRCh38", "GRCh37\n#HmPOS_build=GRCh38").replace("weight", "weight\thm_chr\thm_pos")
    assert len(scored(lab, "19\t7\tG\tA\t0.5\t19\t1000\n", header=harmonised)) == 3
