"""The example that asks what letters say: the rows are what the made-up people were told to have."""

import csv
import random
from pathlib import Path

import pyarrow as pa
import pytest

from rapha.cli.demo import made_up_letters
from rapha.cohort.engine import freeze
from rapha.cohort.notes.scan import Scanner
from rapha.sdk.study_file import read_study
from rapha.sources.tables import ingest
from rapha.timeline.reader import open_timeline

STUDY = Path(__file__).parents[3] / "examples/failure-said-in-letters/study.yaml"
SECRET = b"a secret of the site, 32 bytes.."
SAYS = {
    "failure": "failure-said", "family": "failure-in-family", "breathless": "breathless", "before": "infarction-before",
    "dialysis": "dialysis-said",
}  # fmt: skip


def test_a_letter_says_what_its_writer_was_told_and_nothing_else():
    scanner, dice = Scanner(read_study(STUDY).said_in_notes()), random.Random(5)
    for _ in range(400):
        told = {what: dice.random() < 0.5 for what in SAYS}
        text = made_up_letters.letter(dice, told)
        assert scanner.said_in(text.encode()) == {SAYS[what] for what, so in told.items() if so}, text


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    folder = made_up_letters.deal(tmp_path_factory.mktemp("letters"), 1)[0]
    ingest(folder / "hospital.mapping.yaml", folder, folder / "timeline", SECRET)
    return folder


def test_the_cohort_and_its_features_are_those_of_the_people(hospital, tmp_path):
    study = read_study(STUDY)
    frozen = freeze(open_timeline(hospital / "timeline"), study, SECRET, tmp_path)
    with (hospital / "letters.csv").open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    kept = [text for text in texts if made_up_letters.DIALYSIS[True] not in text]
    assert frozen.rows == len(kept) < len(texts) == made_up_letters.PATIENTS
    with pa.memory_map(str(tmp_path / "rows.arrow")) as source:
        column = pa.ipc.open_file(source).read_all()[study.features[0].name]
    assert sum(column.to_pylist()) == sum(
        any(words in text for words in made_up_letters.FAILURE[True]) for text in kept
    )
