"""Files of PLINK 1: which allele is which, who has one copy, what is no call; and the same events as from a VCF."""

from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from test_vcf_rows import SAMPLES, SECRET, Laboratory, line

from rapha.errors import ConfigurationError, SourceError
from rapha.sources import source_of
from rapha.sources.vcf.plink_calls import NO_STRAND, NOT_PLAIN, OTHER_WAY
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

MAPPING = """\
source: exomes
format: plink
build: GRCh38
a2: {a2}
files: [cohort]
samples: {{file: samples.csv, sample: sample, patient: patient, taken: taken, known: reported}}
"""
CODES = {"11": 0b00, "..": 0b01, "12": 0b10, "22": 0b11}  # two alleles of a sample, as PLINK's text form numbers them
NAMES = {subject_key(SECRET, "exomes", patient): patient for patient in ("p1", "p2", "p3")}


class Cohort:
    """Three people, s1 a man, s2 a woman, s3 of unknown sex, and a few variants."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline = folder / "data", folder / "timeline"
        self.data.mkdir()
        self.fam = "F1 s1 0 0 1 -9\nF1 s2 0 0 2 -9\nF1 s3 0 0 0 -9\n"

    def ingest(self, mapping: str, *variants: tuple[str, str], a2: str = "reference") -> IngestReport:
        """`variants`: a line of .bim without its name, and the calls of the three."""
        bim, bed = [], bytearray([0x6C, 0x1B, 0x01])
        for number, (place, calls) in enumerate(variants):
            chromosome, position, a1, two = place.split()
            bim.append(f"{chromosome} v{number} 0 {position} {a1} {two}")
            bed.append(sum(CODES[call] << 2 * at for at, call in enumerate(calls.split())))
        for name, content in (
            ("bim", "".join(f"{each}\n" for each in bim).encode()),
            ("bed", bytes(bed)),
            ("fam", self.fam.encode()),
        ):
            if not (self.data / f"cohort.{name}").exists():
                (self.data / f"cohort.{name}").write_bytes(content)
        (self.data / "samples.csv").write_text(SAMPLES)
        file = self.data / "m.yaml"
        file.write_text(MAPPING.format(a2=a2) + mapping)
        return source_of(file)(file, self.data, self.timeline, SECRET, None)

    def rows(
        self, columns: str = "subject_key, code, num, value_code, polarity, system, kind"
    ) -> set[tuple[object, ...]]:
        with open_timeline(self.timeline).connect() as connection:
            return set(connection.execute(f"SELECT {columns} FROM events").fetchall())

    def dosage(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for key, code, num, system in self.rows("subject_key, code, num, system"):
            if system == "dosage:GRCh38":
                found.setdefault(code, {})[NAMES[key]] = num  # type: ignore[arg-type,index]
        return found


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return Cohort(tmp_path)


def test_the_same_events_as_from_a_vcf(cohort: Cohort, tmp_path: Path) -> None:
    asked = 'regions: ["19:1000-3000"]\nvariants: [X-5000000-A-G]\n'
    cohort.ingest(asked, ("19 1000 G A", "12 22 11"), ("19 2000 C CT", ".. 12 22"), ("23 5000000 G A", "11 12 .."))
    (tmp_path / "vcf").mkdir()
    lab = Laboratory(tmp_path / "vcf")
    lab.ingest(asked, line("0/1:99 0/0:99 1/1:99", 1000, "A", "G"), line("./.:99 0/1:99 0/0:99", 2000, "CT", "C"),
               line("1:99 0/1:99 ./.:99", 5000000, "A", "G", chrom="chrX"))  # fmt: skip
    columns = "subject_key, code, num, value_code, polarity, system, kind"
    assert cohort.rows() == set(lab.ask(columns, "true")) and len(cohort.rows()) == 14


@pytest.mark.parametrize(
    ("a2", "place", "calls", "dosage", "reason"),
    [
        pytest.param("reference", "19 1000 g a", "11 12 22", {"p1": 2, "p2": 1, "p3": 0}, None, id="in small letters"),
        pytest.param(
            "reference", "19 1000 G A", "11 12 22", {"p1": 2, "p2": 1, "p3": 0}, None, id="a1 is the alternative"
        ),
        pytest.param("reference", "19 1000 A G", "11 12 22", {}, OTHER_WAY, id="said to be the reference and is not"),
        pytest.param(
            "unknown", "19 1000 A G", "11 12 22", {"p1": 0, "p2": 1, "p3": 2}, None, id="the name says which, turned"
        ),
        pytest.param("unknown", "19 1000 G A", "11 .. 22", {"p1": 2, "p3": 0}, None, id="no call is unknown"),
        pytest.param("unknown", "19 1000 C T", "11 12 22", {}, None, id="the other strand is no match"),
        pytest.param(
            "unknown", "19 1000 0 A", "22 22 ..", {"p1": 0, "p2": 0}, None, id="all have the reference: known"
        ),
        pytest.param(
            "unknown", "19 1000 0 G", "22 22 22", {}, None, id="all have the other allele: the line cannot say so"
        ),
        pytest.param("reference", "19 1000 D I", "11 12 22", {}, NOT_PLAIN, id="an insertion without its bases"),
    ],
)
def test_which_allele_is_the_reference(
    cohort: Cohort, a2: str, place: str, calls: str, dosage: dict[str, float], reason: str | None
) -> None:
    report = cohort.ingest("variants: [19-1000-A-G]\n", (place, calls), a2=a2)
    assert cohort.dosage().get("19-1000-A-G", {}) == dosage
    assert report.files[1].set_aside == ({reason: 1} if reason else {})


@pytest.mark.parametrize(("a2", "found"), [("unknown", False), ("reference", True)])
def test_alleles_that_are_complements_need_to_be_told_apart(cohort: Cohort, a2: str, found: bool) -> None:
    report = cohort.ingest("variants: [19-1000-A-T]\n", ("19 1000 T A", "11 12 22"), a2=a2)
    assert bool(cohort.dosage()) == found
    assert report.files[1].set_aside == ({} if found else {NO_STRAND: 1})


@pytest.mark.parametrize(("a2", "found"), [("unknown", False), ("reference", True)])
def test_so_do_they_where_nobody_has_the_other_one(cohort: Cohort, a2: str, found: bool) -> None:
    report = cohort.ingest("variants: [19-1000-A-T]\n", ("19 1000 0 A", "22 22 22"), a2=a2)
    assert bool(cohort.dosage()) == found
    assert report.files[1].set_aside == ({} if found else {NO_STRAND: 1})


@pytest.mark.parametrize(
    ("place", "calls", "dosage"),
    [
        pytest.param(
            "23 5000000 G A", "11 12 11", {"p1": 1, "p2": 1}, id="a man has one X, who is of unknown sex no call"
        ),
        pytest.param("X 5000000 G A", "12 11 22", {"p2": 2}, id="a man with two different X has no call"),
        pytest.param(
            "25 5000000 G A", "12 11 12", {"p1": 1, "p2": 2, "p3": 1}, id="the ends it shares with Y, by their number"
        ),
    ],
)
def test_one_copy_of_x(cohort: Cohort, place: str, calls: str, dosage: dict[str, float]) -> None:
    cohort.ingest("variants: [X-5000000-A-G]\n", (place, calls))
    assert cohort.dosage()["X-5000000-A-G"] == dosage


def test_one_copy_of_y_and_mt_and_two_of_the_shared_ends(cohort: Cohort) -> None:
    cohort.ingest("variants: [Y-9000000-A-G, MT-100-A-G, X-20000-A-G]\n", ("24 9000000 G A", "11 22 11"),
                  ("26 100 G A", "11 12 22"), ("23 20000 G A", "12 11 11"))  # fmt: skip
    assert cohort.dosage() == {
        "Y-9000000-A-G": {"p1": 1}, "MT-100-A-G": {"p1": 1, "p3": 0}, "X-20000-A-G": {"p1": 1, "p2": 2, "p3": 2},
    }  # fmt: skip


def test_two_lines_of_one_variant_that_differ_are_unknown(cohort: Cohort) -> None:
    report = cohort.ingest("variants: [19-1000-A-G]\n", ("19 1000 G A", "11 12 22"), ("19 1000 G A", "11 22 .."))
    assert cohort.dosage() == {"19-1000-A-G": {"p1": 2, "p3": 0}}
    assert sum(report.files[1].set_aside.values()) == 1


def test_a_region_needs_to_know_the_reference(cohort: Cohort) -> None:
    with pytest.raises(ConfigurationError, match="nothing says which allele is the reference"):
        cohort.ingest('regions: ["19:1-2000"]\n', ("19 1000 G A", "11 12 22"), a2="unknown")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bed", b"\x6c\x1b\x00\x00", "variant by variant"),
        ("bed", b"", r"cohort\.bed: is missing"),
        ("bed", b"\x6c\x1b\x01", "ends before its .bim"),
        ("bed", b"\x6c\x1b\x01\x00\x00", "goes on behind its .bim"),
        ("bim", b"19 v 0 x G A\n", "its position is no number"),
        ("bim", b"19 v 0 1000 G\n", "line 1: has 5 columns"),
        ("fam", b"F s1 0 0 1 -9\nG s1 0 0 1 -9\n", "nothing tells them apart"),
        ("fam", b"F t1 0 0 1 -9\n", "none of its samples"),
        ("fam", b"\xff\xfe\x00", "is missing, or is no file of PLINK 1"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(cohort: Cohort, name: str, content: bytes, message: str) -> None:
    (cohort.data / f"cohort.{name}").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        cohort.ingest("variants: [19-1000-A-G]\n", ("19 1000 G A", "11 12 22"))


def test_a_changed_bed_is_another_batch(cohort: Cohort) -> None:
    asked = ("variants: [19-1000-A-G]\n", ("19 1000 G A", "11 12 22"))
    assert not cohort.ingest(*asked).unchanged
    assert cohort.ingest(*asked).unchanged
    (cohort.data / "cohort.bed").write_bytes(b"\x6c\x1b\x01\x00")
    assert not cohort.ingest(*asked).unchanged


def test_many_samples_are_read_in_their_places(cohort: Cohort) -> None:
    """Of a byte four samples, the first lowest; the last byte is not full."""
    cohort.fam = "".join(f"F x{n} 0 0 1 -9\n" for n in range(4)) + "F s2 0 0 1 -9\n"
    (cohort.data / "cohort.bed").write_bytes(bytes([0x6C, 0x1B, 0x01, 0b11111111, 0b11110010]))
    cohort.ingest("variants: [19-1000-A-G]\n", ("19 1000 G A", "11 12 22"))
    assert cohort.dosage() == {"19-1000-A-G": {"p2": 1}}
