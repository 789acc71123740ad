"""The made-up genomes and cholesterol: the same every time, and fit for their studies."""

from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from rapha.cli.demo.made_up_biobank import deal, variants
from rapha.cohort.engine import freeze
from rapha.records.association import variants_of
from rapha.sdk.study_file import read_study
from rapha.sources import source_of
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_studies_name_its_variants_and_find_their_patients(tmp_path: Path) -> None:
    folder = deal(tmp_path / "data", 4)[3]
    timeline = tmp_path / "timeline"
    for name in ("hospital", "laboratory"):
        mapping = folder / f"{name}.mapping.yaml"
        assert "set aside" not in source_of(mapping)(mapping, folder, timeline, SECRET, None).in_words()
    for example in ("gwas-cholesterol", "gwas-infarction"):
        study = read_study(EXAMPLES / example / "study.yaml")
        assert list(variants_of(study).variants) == [variant.name for variant in variants()]
        frozen = freeze(open_timeline(timeline), study, SECRET, tmp_path / example)
        assert frozen.train_rows == frozen.rows == frozen.patients > 400


def test_the_same_every_time(tmp_path: Path) -> None:
    once, again = deal(tmp_path / "a", 1)[0], deal(tmp_path / "b", 1)[0]
    for name in ("labs.csv", "happenings.csv", "samples.csv", "loadings.txt"):
        assert (once / name).read_bytes() == (again / name).read_bytes()
