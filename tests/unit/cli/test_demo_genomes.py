"""The made-up genomes: the same every time, joined to the clinic's patients, and fit for their study."""

from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from rapha.cli.demo.made_up_genomes import deal, variants
from rapha.cohort.engine import count
from rapha.sdk.study_file import read_study
from rapha.sources import source_of
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = Path(__file__).parents[3] / "examples/polygenic-risk/study.yaml"


def test_clinic_and_laboratory_tell_of_the_same_patients(tmp_path: Path) -> None:
    folder = deal(tmp_path / "data", 2)[1]
    timeline = tmp_path / "timeline"
    for name in ("hospital", "laboratory"):
        mapping = folder / f"{name}.mapping.yaml"
        told = source_of(mapping)(mapping, folder, timeline, SECRET, None)
        assert "set aside" not in told.in_words()
    with open_timeline(timeline).connect() as connection:
        assert connection.execute("SELECT count(DISTINCT subject_key) FROM subjects").fetchone() == (1000,)
        scores = connection.execute("SELECT count(*) FROM events WHERE system = 'pgs'").fetchone()
    assert scores == (1000,)
    assert count(open_timeline(timeline), read_study(STUDY), SECRET) > 800


def test_the_same_every_time(tmp_path: Path) -> None:
    import gzip

    once, again = deal(tmp_path / "a"), deal(tmp_path / "b")
    assert [gzip.decompress((f / "calls.vcf.gz").read_bytes()) for f in once] == [
        gzip.decompress((f / "calls.vcf.gz").read_bytes()) for f in again
    ]
    assert len(variants()) == 32
