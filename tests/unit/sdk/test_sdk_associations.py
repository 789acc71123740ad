"""The table of a GWAS beside the weights of a folder whose receipts verify, and of no other."""

from pathlib import Path

import delivered_sample as sample
import pytest
from gwas_town import gwas_study, made_up, write_site
from safetensors.numpy import save

import rapha
from rapha.cli.study_associations import TABLE_FILE, associations
from rapha.errors import StudyError, Unproven
from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder
from rapha.training.association import site_sums
from rapha.training.statistics import feature_statistics, start_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    study = gwas_study("numeric")
    rows = write_site(study, tmp_path / "site", made_up("numeric", 1)).train
    sums = site_sums(study, rows, start_of(feature_statistics(study, rows)), 1)
    monkeypatch.setattr(sample, "weights_of", lambda _: save(sums))
    return sample.write(sample.files(study), tmp_path / "model")


def test_the_table_is_written_beside_the_weights_and_the_folder_still_verifies(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    associations(folder)
    lines = (folder / TABLE_FILE).read_text().splitlines()
    assert len(lines) == 24 and lines[0].startswith("chromosome\tbase_pair_location\t")
    said = capsys.readouterr().out
    assert "23 variants" in said and "without a result: 1, too few copies" in said
    assert all(verdict.ok for verdict in judge(read_folder(folder)))


def test_sums_that_no_receipt_names_give_no_table(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(Unproven, match="does not verify"):
        associations(folder)
    assert not (folder / TABLE_FILE).exists()


def test_it_is_no_model_that_predicts(folder: Path) -> None:
    with pytest.raises(StudyError, match="rapha study associations"):
        rapha.load(folder)
