"""Examples on tables and genomes, with models and scripts of a researcher's own, as a newcomer runs them."""

from pathlib import Path

import pytest
from example_run import DENSE, by_record, run_examples
from safetensors.numpy import load_file

from rapha.cli.demo.records import MADE_UP
from rapha.egress.gate import HEAD_RULE, SUMS_RULE
from rapha.records.audit import AUDIT_PASSED
from rapha.sdk.report.findings import read_findings

pytestmark = pytest.mark.slow


EXAMPLES = Path(__file__).parents[2] / "examples"
TABLES = sorted(MADE_UP.keys() - set(DENSE))
ON_THE_REAL_RECORD = ("cholesterol-next-year", "mortality-own-model", "diabetes-own-script", "diabetes-script-private")
VARIANTS = {"gwas-cholesterol": (160, 1), "gwas-infarction": (159, 0)}
"""Of 160: how many are in the table, and how many of these without a hospital that had too few copies. Among the cases of an infarction
both have too few of the rarest."""


def heads_stay(home: Path, model: Path) -> None:
    """Each hospital has a last layer of its own, of which nothing is anywhere but in its own home; the receipt says that it stays."""
    found, heads = read_findings(model), sorted((home / "hospitals").glob("*/heads/*.safetensors"))
    assert len(heads) == 2 and len({head.read_bytes() for head in heads}) == 2
    assert all(release.egress.rules[-2:] == (HEAD_RULE, AUDIT_PASSED) for release in found.releases.values())
    assert {each.model for site in found.metrics.sites for each in site.evaluations} == {
        "federated",
        "local",
        "personal",
    }
    for head in heads:
        layer = load_file(head)["output.weight"].tobytes()
        left = [file for file in home.rglob("*") if file.is_file() and layer in file.read_bytes()]
        assert left == [head]


def variants_are_told(home: Path, example: str) -> None:
    patients = [int(line.split("\t")[-1]) for line in (home / "associations.tsv").read_text().splitlines()[1:]]
    short = sum(n < 0.7 * max(patients) for n in patients)
    assert (len(patients), short) == VARIANTS[example]
    releases = read_findings(home).releases
    assert all(release.egress.rules[-1] == SUMS_RULE for release in releases.values()) and len(releases) == 2


@pytest.mark.parametrize("examples", by_record(TABLES), ids="+".join)
def test_an_example_runs_to_verified_receipts(examples: tuple[str, ...], tmp_path: Path) -> None:
    run_examples(tmp_path / "home", *examples)
    for example in examples:
        model = tmp_path / "home" / "models" / example
        if example == "discharge-destination":
            heads_stay(tmp_path / "home", model)
        if example == "cancer-in-carriers":
            unknown = [site.set_apart["uncalled"] for site in read_findings(model).metrics.sites]
            assert len(unknown) == 2 and all((number.about or 0) >= 25 for number in unknown), unknown
        if example in VARIANTS:
            variants_are_told(model, example)


def test_examples_on_the_real_record_run_one_after_the_other_to_verified_receipts(tmp_path: Path) -> None:
    run_examples(tmp_path / "home", *ON_THE_REAL_RECORD)


def test_patients_of_several_rows_are_learnt_from_and_private_as_patients(tmp_path: Path) -> None:
    """The first examples with a row for each measurement: nobody's rows are a group of predicted risk, and epsilon is a patient's."""
    studies = ("diabetes-within-5-years", "diabetes-private")
    for name in studies:
        (tmp_path / name).mkdir()
        written = (EXAMPLES / name / "study.yaml").read_text()
        assert written.count("index: {first: [cholesterol, hdl]}") == 1
        (tmp_path / name / "study.yaml").write_text(
            written.replace("first: [cholesterol, hdl]", "every: [cholesterol]")
        )
    home = tmp_path / "home"
    run_examples(home, *studies, more=("--examples", str(tmp_path)))
    plain, private = (read_findings(home / "models" / name) for name in studies)
    evaluations = [each for site in plain.metrics.sites for each in site.evaluations]
    assert all(each.roc and not each.calibration for each in evaluations)
    assert {release.privacy.mechanism for release in private.releases.values()} == {"dp-sgd"}
    assert all(release.privacy.as_json()["unit"] == "patient" for release in private.releases.values())
