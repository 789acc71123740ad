"""The made-up exomes: annotated in two ways, and read to the same; fit for their study."""

import csv
import gzip
from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from rapha.cli.demo.made_up_exomes import SITES, deal
from rapha.cohort.engine import count, freeze
from rapha.sdk.study_file import read_study
from rapha.sources import source_of
from rapha.timeline.reader import Timeline, open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = Path(__file__).parents[3] / "examples/cancer-in-carriers/study.yaml"
ENDS_IT = ("stop_gained", "frameshift_variant", "splice_acceptor_variant", "splice_donor_variant")


def read(folder: Path, timeline: Path) -> Timeline:
    for name in ("hospital", "laboratory"):
        mapping = folder / f"{name}.mapping.yaml"
        assert "set aside" not in source_of(mapping)(mapping, folder, timeline, SECRET, None).in_words()
    return open_timeline(timeline)


def carriers(folder: Path) -> int:
    """Women with a call of a variant that ends BRCA1 or BRCA2, by the file itself."""
    wanted = {str(s.position) for s in SITES if s.gene != "NBR2" and s.consequence in ENDS_IT}
    with (folder / "people.csv").open() as file:
        women = {f"S{int(row['id']):05}" for row in csv.DictReader(file) if row["sex"] == "F"}
    found: set[str] = set()
    with gzip.open(folder / "exomes.vcf.gz", "rt") as file:
        for line in file:
            words = line.rstrip("\n").split("\t")
            if line.startswith("#CHROM"):
                names = words[9:]
            elif words[1:2] and words[1] in wanted:
                calls = (call.split(":") for call in words[9:])
                found |= {name for name, (gt, gq) in zip(names, calls, strict=True) if "1" in gt and int(gq) >= 20}
    return len(found & women)


@pytest.mark.parametrize("hospital", [0, 1])
def test_the_study_finds_the_carriers_by_either_annotation(tmp_path: Path, hospital: int) -> None:
    folder = deal(tmp_path / "data", 2)[hospital]
    timeline = read(folder, tmp_path / "timeline")
    study = read_study(STUDY)
    assert count(timeline, study, SECRET) > 700
    of_carriers = study.model_dump(mode="json")
    of_carriers["cohort"]["include"] = [
        {"sex": "female"}, {"any_of": ["loss-of-function"], "during": {"until": "index"}},
    ]  # fmt: skip
    asked = type(study).model_validate(of_carriers)
    assert freeze(timeline, asked, SECRET, tmp_path).patients == carriers(folder)


def test_the_same_every_time(tmp_path: Path) -> None:
    once, again = deal(tmp_path / "a", 2), deal(tmp_path / "b", 2)
    assert [gzip.decompress((f / "exomes.vcf.gz").read_bytes()) for f in once] == [
        gzip.decompress((f / "exomes.vcf.gz").read_bytes()) for f in again
    ]
