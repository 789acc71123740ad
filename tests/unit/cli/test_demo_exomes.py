"""The made-up exomes: annotated in two ways, and read to the same; fit for their study."""

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from cyvcf2 import VCF

from rapha.cli.demo.made_up_exomes import SITES, deal
from rapha.cohort.engine import freeze
from rapha.sdk.study_file import read_study
from rapha.sources import source_of
from rapha.timeline.reader import Timeline, open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = Path(__file__).parents[3] / "examples/cancer-in-carriers/study.yaml"
Flags = npt.NDArray[np.bool_]
ENDS_IT = ("stop_gained", "frameshift_variant", "splice_acceptor_variant", "splice_donor_variant")


def read(folder: Path, timeline: Path) -> Timeline:
    for name in ("hospital", "laboratory"):
        mapping = folder / f"{name}.mapping.yaml"
        assert "set aside" not in source_of(mapping)(mapping, folder, timeline, SECRET, None).in_words()
    return open_timeline(timeline)


class Known(NamedTuple):
    """Of the women of a hospital, by a plain loop over cyvcf2: who carries what, and who was read in enough of both genes."""

    women: Flags
    ends_it: Flags
    missense: Flags
    read: Flags

    @property
    def told(self) -> Flags:
        """Of whom it is known of either kind of variant whether they carry one."""
        return (self.ends_it | self.read) & (self.missense | self.read) & self.women


def known(folder: Path) -> Known:
    with (folder / "people.csv").open() as file:
        sexes = {f"S{int(row['id']):05}": row["sex"] for row in csv.DictReader(file)}
    calls = VCF(str(folder / "exomes.vcf.gz"))
    women = np.array([sexes[name] == "F" for name in calls.samples])
    ends_it, missense, bases = (np.zeros(len(women), dtype=kind) for kind in (bool, bool, int))
    sites, of_genes = {site.position: site for site in SITES}, 0
    for record in calls:
        alleles, quality = record.genotype.array()[:, :2], record.format("GQ")[:, 0]
        good = (alleles >= 0).all(axis=1) & (quality >= 20)
        site = sites.get(record.POS)
        if site is None or site.gene != "NBR2":
            bases += good * (record.end - record.POS + 1)
            of_genes += record.end - record.POS + 1
        if site and site.gene != "NBR2":
            carries = good & (alleles > 0).any(axis=1)
            ends_it |= carries & (site.consequence in ENDS_IT and (site.elsewhere or 0) <= 0.001)
            missense |= carries & (site.consequence == "missense_variant" and (site.elsewhere or 0) <= 0.01)
    return Known(women, ends_it & women, missense & women, bases >= 0.95 * of_genes)


@pytest.mark.parametrize("hospital", [0, 1])
def test_the_study_finds_who_carries_who_does_not_and_of_whom_nobody_knows(tmp_path: Path, hospital: int) -> None:
    folder = deal(tmp_path / "data", 2)[hospital]
    timeline, by_file = read(folder, tmp_path / "timeline"), known(folder)
    study = read_study(STUDY)
    frozen = freeze(timeline, study, SECRET, tmp_path / "whole")
    assert (frozen.patients, frozen.set_apart["uncalled"]) == (
        by_file.told.sum(),
        (by_file.women & ~by_file.told).sum(),
    )
    assert 40 < frozen.set_apart["uncalled"] < 200 and frozen.patients > 700
    of_carriers = study.model_dump(mode="json")
    of_carriers["cohort"]["include"] = [
        {"sex": "female"}, {"any_of": ["loss-of-function"], "during": {"until": "index"}},
    ]  # fmt: skip
    asked = type(study).model_validate(of_carriers)
    assert freeze(timeline, asked, SECRET, tmp_path / "part").patients == (by_file.ends_it & by_file.told).sum() > 30


def test_the_same_every_time(tmp_path: Path) -> None:
    once, again = deal(tmp_path / "a", 2), deal(tmp_path / "b", 2)
    assert [gzip.decompress((f / "exomes.vcf.gz").read_bytes()) for f in once] == [
        gzip.decompress((f / "exomes.vcf.gz").read_bytes()) for f in again
    ]
