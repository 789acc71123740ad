"""From call files to a row of copies for each sample, and from there to the array that a study asks for."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from test_vcf_rows import SECRET, Laboratory, line

from rapha.cohort.genotypes import GenotypeRows
from rapha.errors import ConfigurationError
from rapha.records.dense import GenotypesFeature
from rapha.timeline.assets import FOLDER, Assets
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline

MATRIX = 'matrices: [{name: apoe, variants: [X-500-A-G], regions: ["19:1000-3000"]}]\n'
CALLS = (
    line("0/1:99 0/0:99 ./.:99", position=1000, ref="A", alt="G"),
    line("1/1:99 0/1:3 ./.:99", position=3000, ref="CT", alt="C"),
    line("0/1:99 0/0:99 0/1:99", position=3001, ref="A", alt="G"),
    line("1:99 0:99 .:99", position=500, ref="A", alt="G", chrom="chrX"),
)
NAMES = ["19-1000-A-G", "19-3000-CT-C", "X-500-A-G"]


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


def assets_of(lab: Laboratory) -> Assets:
    with open_timeline(lab.timeline).connect() as connection:
        return Assets.of(lab.timeline, connection, "genotypes", "callset")


def feature(variants: list[str], build: str = "GRCh38") -> GenotypesFeature:
    window = {"until": "index"}
    return GenotypesFeature.model_validate({"of": "panel", "during": window, "build": build, "variants": variants})


def test_a_sample_has_one_row_of_all_its_variants_and_no_event_for_each(lab: Laboratory) -> None:
    lab.ingest(MATRIX, *CALLS)
    rows = lab.ask("subject_key, system, code, num, asset", "true")
    keys = {subject_key(SECRET, "exomes", patient): patient for patient in ("p1", "p2", "p3")}
    assert {(keys[key], system, code, num) for key, system, code, num, _ in rows} == {  # type: ignore[index]
        ("p1", "genotypes:GRCh38", "apoe", 3.0),
        ("p2", "genotypes:GRCh38", "apoe", 2.0),
    }  # p3 has no call in it
    assets = assets_of(lab)
    copies = {keys[key]: load(assets.read(asset)) for key, *_, asset in rows}  # type: ignore[index,arg-type]
    assert {patient: row["dosage"].tolist() for patient, row in copies.items()} == {"p1": [1, 2, 1], "p2": [0, -1, 0]}
    callset = assets.read(copies["p1"]["callset"].tobytes().hex()).decode()
    assert callset.split("\n") == ["GRCh38", *NAMES]
    assert len(list((lab.timeline / FOLDER).glob("*/*"))) == 3  # two rows, and one call set for both


def test_a_study_has_its_own_order_and_unknown_where_the_matrix_lacks_a_variant(lab: Laboratory) -> None:
    lab.ingest(MATRIX, *CALLS)
    assets = assets_of(lab)
    asked = GenotypeRows(feature(["X-500-A-G", "7-7-A-G", "19-1000-A-G", "19-3000-CT-C"]), assets.read)
    found = {
        tuple(np.frombuffer(asked.row(assets.read(asset)), np.int8).tolist())  # type: ignore[arg-type]
        for (asset,) in lab.ask("asset", "true")
    }
    assert found == {(1, -1, 1, 2), (0, -1, 0, -1)}


def test_a_matrix_of_another_build_is_refused(lab: Laboratory) -> None:
    lab.ingest(MATRIX, *CALLS)
    assets, asset = assets_of(lab), lab.ask("asset", "true")[0][0]
    with pytest.raises(ConfigurationError, match="asks for GRCh37, and the matrix here is of GRCh38"):
        GenotypeRows(feature(NAMES, build="GRCh37"), assets.read).row(assets.read(asset))  # type: ignore[arg-type]


@pytest.mark.parametrize("copies", [[1, 2], [1, 2, 3], [1, 2, -2], [[1, 2, 0]]])
def test_what_is_no_row_of_copies_is_refused(copies: list[int]) -> None:
    from safetensors.numpy import save

    callset = np.frombuffer(bytes(32), np.uint8)
    rows = GenotypeRows(feature(NAMES), lambda name: "\n".join(["GRCh38", *NAMES]).encode())
    assert rows.row(save({"dosage": np.array([1, 2, -1], np.int8), "callset": callset})) == bytes([1, 2, 255])
    with pytest.raises(ConfigurationError, match="no genotype matrix"):
        rows.row(save({"dosage": np.array(copies, np.int8), "callset": callset}))
    with pytest.raises(ConfigurationError, match="no genotype matrix"):
        rows.row(b"something else")


def test_a_matrix_without_a_call_leaves_nothing(lab: Laboratory) -> None:
    lab.ingest(MATRIX, line("0/1:99 0/0:99 0/1:99", position=9000, ref="A", alt="G"))
    assert not lab.ask("asset", "true")
    assert not (lab.timeline / FOLDER).exists() or not list((lab.timeline / FOLDER).iterdir())
