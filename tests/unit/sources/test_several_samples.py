"""Several samples of one patient: refused, or the one counts that the mapping says; for events, scores, matrices, and where each was called."""

import csv
from pathlib import Path

import pytest

from rapha.errors import SourceError
from rapha.timeline.assets import Assets
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from safetensors.numpy import load
from test_vcf_rows import HEADER, MAPPING, SECRET, line

from rapha.sources.vcf import ingest
from rapha.sources.vcf.plink import ingest as ingest_plink

SAMPLES = """\
sample,patient,taken,reported
old,p1,2010-03-01,2010-04-01
new,p1,2015-03-01,2015-04-01
other,p2,2012-03-01,2012-04-01
stored,p1,2009-03-01,2009-04-01
"""
"""`stored` is in no call file."""
BLOCK = "\t".join(["chr19", "2000", ".", "G", "<NON_REF>", ".", "PASS", "END=2999", "GT:GQ", "{}"])
ASKED = """\
quality: {least_quality: 20}
assay: exome
regions: ["19:1000-3000"]
called: true
scores: [{file: score.txt}]
matrices: [{name: chr19, regions: ["19:1000-3000"]}]
"""
SCORE = "#pgs_id=PGS1\n#genome_build=GRCh38\nchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n19\t1000\tG\tA\t1.5\n"
CALLS = {"old": ("0/1:99", "0/0:9"), "new": ("1/1:99", "0/0:99"), "other": ("0/0:99", "0/0:99")}
"""Of the variant, and of a block behind it."""


class Laboratory:
    """Calls of `names`, in one file or in one each."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline, self.mapping = folder / "data", folder / "timeline", folder / "m.yaml"
        self.data.mkdir()
        (self.data / "score.txt").write_text(SCORE)

    def ingest(self, several: str | None, *files: tuple[str, ...], samples: str = SAMPLES) -> str:
        said = f", several: {several}}}" if several else "}"
        listed = ", ".join(f"{number}.vcf" for number in range(len(files)))
        words = MAPPING.replace("known: reported}", "known: reported" + said).replace("calls.vcf", listed)
        self.mapping.write_text(words + ASKED)
        (self.data / "samples.csv").write_text(samples)
        for number, names in enumerate(files):
            columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names])
            said_of = [" ".join(CALLS[name][at] for name in names) for at in (0, 1)]
            lines = [line(said_of[0], 1000, "A", "G"), line(said_of[1], 2000, "G", "<NON_REF>", info="END=2999")]
            (self.data / f"{number}.vcf").write_text(
                "\n".join([HEADER.format(length=58_617_616) + columns, *lines]) + "\n"
            )
        return ingest(self.mapping, self.data, self.timeline, SECRET).in_words()

    def of_first(self, patient: str = "p1") -> dict[str, object]:
        """Everything that the timeline holds of a patient's calls, whose time is of one sample."""
        key = subject_key(SECRET, "exomes", patient)
        with open_timeline(self.timeline).connect() as connection:
            events = connection.execute(
                "SELECT split_part(system, ':', 1), num, year(t_start), asset, event_id FROM events WHERE subject_key = $key ORDER BY 1",
                {"key": key},
            ).fetchall()
            spans = connection.execute(
                'SELECT "first", "last" FROM called JOIN events USING (event_id) WHERE subject_key = $key ORDER BY 1',
                {"key": key},
            ).fetchall()
            asset = next(asset for system, _, _, asset, _ in events if system == "genotypes")
            row = load(Assets.of(self.timeline, connection, "genotypes", "callset").read(asset))["dosage"].tolist()
        numbers = {system: num for system, num, *_ in events}
        assert len(numbers) == len(events), "an event of each kind, and no more"
        return {"years": {year for _, _, year, *_ in events}, "copies": numbers["dosage"], "score": numbers["pgs"], "row": row,
                "called": spans}  # fmt: skip


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


OF = {
    "earliest": {"years": {2010}, "copies": 1.0, "score": 1.5, "row": [1], "called": [(1000, 1000)]},
    "latest": {"years": {2015}, "copies": 2.0, "score": 3.0, "row": [2], "called": [(1000, 1000), (2000, 2999)]},
}


@pytest.mark.parametrize("several", list(OF))
@pytest.mark.parametrize(
    "files", [[("new", "old", "other")], [("new",), ("other", "old")], [("old",), ("new",), ("other",)]]
)
def test_one_sample_of_a_patient_counts_for_all_that_is_read_of_them(
    lab: Laboratory, several: str, files: list[tuple[str, ...]]
) -> None:
    told = lab.ingest(several, *files)
    assert lab.of_first() == OF[several]
    assert lab.of_first("p2")["copies"] == 0.0
    assert "is of a patient of whom another sample counts" in told
    with open_timeline(lab.timeline).connect() as connection:
        assert len(connection.execute("SELECT DISTINCT subject_key FROM subjects").fetchall()) == 2
    (listing,) = (lab.timeline / "set-aside").iterdir()
    with listing.open() as file:
        assert [(row["file"], row["line"]) for row in csv.DictReader(file)] == [
            ("samples.csv", "3" if several == "earliest" else "2")
        ]


def test_without_a_word_such_a_patient_is_refused_by_line_and_not_by_name(lab: Laboratory) -> None:
    with pytest.raises(SourceError) as refused:
        lab.ingest(None, ("new", "old", "other"))
    said = str(refused.value)
    assert "samples.csv: lines 2 and 3 are samples of one patient" in said and "of 1 patients in all" in said
    assert "several: earliest" in said and "p1" not in said and "old" not in said
    assert not lab.timeline.exists()


def test_a_sample_that_no_file_has_is_none_of_several(lab: Laboratory) -> None:
    lab.ingest(None, ("new", "other"))
    assert lab.of_first() == OF["latest"]


def test_samples_of_one_moment_are_not_told_apart_by_chance(lab: Laboratory) -> None:
    alike = SAMPLES.replace("2015-03-01,2015-04-01", "2010-03-01,2010-04-01")
    with pytest.raises(SourceError, match=r"lines 2 and 3 .* nothing says which is the latest"):
        lab.ingest("latest", ("new", "old", "other"), samples=alike)
    lab.ingest(
        "latest", ("new", "old", "other"), samples=alike.replace("2010-03-01,2010-04-01", "2010-03-01,2010-05-01", 1)
    )
    assert lab.of_first()["copies"] == 1.0


def test_a_mapping_that_does_not_say_which_keeps_its_digest(tmp_path: Path) -> None:
    from rapha.sources.vcf.mapping import Samples

    said = Samples(file="s.csv", sample="s", patient="p", taken="t", known="k")
    assert "several" not in said.as_json() and "several" in said.model_copy(update={"several": "latest"}).as_json()


def test_the_same_of_plink(tmp_path: Path) -> None:
    lab = Laboratory(tmp_path)
    (lab.data / "samples.csv").write_text(SAMPLES)
    (lab.data / "a.fam").write_text("".join(f"f {name} 0 0 1 -9\n" for name in ("old", "new", "other")))
    (lab.data / "a.bim").write_text("19 rs1 0 1000 G A\n")
    (lab.data / "a.bed").write_bytes(bytes([0x6C, 0x1B, 0x01, 0b110010]))  # one copy, two and none
    words = MAPPING.replace("format: vcf", "format: plink\na2: reference").replace("calls.vcf", "a")
    lab.mapping.write_text(words + 'variants: ["19-1000-A-G"]\n')
    with pytest.raises(SourceError, match="lines 2 and 3 are samples of one patient"):
        ingest_plink(lab.mapping, lab.data, lab.timeline, SECRET)
    for several, copies in (("earliest", 1.0), ("latest", 2.0)):
        lab.mapping.write_text(
            words.replace("reported}", f"reported, several: {several}}}") + 'variants: ["19-1000-A-G"]\n'
        )
        ingest_plink(lab.mapping, lab.data, lab.timeline, SECRET)
        with open_timeline(lab.timeline).connect() as connection:
            rows = connection.execute(
                "SELECT num FROM events WHERE system = 'dosage:GRCh38' AND subject_key = $key",
                {"key": subject_key(SECRET, "exomes", "p1")},
            ).fetchall()
        assert rows == [(copies,)]
